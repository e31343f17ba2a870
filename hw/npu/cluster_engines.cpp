#include <algorithm>

#include "npu/cluster.hpp"
#include "npu/transfer.hpp"

namespace tessera::npu {

namespace {
constexpr abi::Engine kAllEngines[] = {abi::Engine::kLoad, abi::Engine::kCompute,
                                       abi::Engine::kStore};
}

void Cluster::account() {
  const auto seen = [](const dma::DmaEngine& engine) {
    const dma::Breakdown breakdown = engine.breakdown_at_now();
    return TransferCycles{breakdown.dram_cycles, breakdown.noc_cycles};
  };
  accounting_.advance(now_cycles(), seen(load_dma_), seen(store_dma_));
}

void Cluster::run_engine(abi::Engine engine) {
  while (true) {
    take_command(engine);
    const uint32_t epoch = epoch_;
    if (take_tokens(engine, epoch)) execute(engine, epoch);
    idle(engine);
  }
}

/// Returns with a command in hand.
void Cluster::take_command(abi::Engine engine) {
  EngineState& e = state(engine);
  while (true) {
    if (!failed()) {
      if (const auto bad = e.fifo.bad_header()) {
        fail(engine, {abi::NpuError::kBadOpcode, bad->header}, bad->tag);
      } else if (e.fifo.has_command()) {
        break;
      }
    }
    wait(e.wake);
  }
  account();
  e.command = e.fifo.pop();
  e.activity = Activity::kWaiting;
  e.missing = 0;
  if (engine == abi::Engine::kCompute) accounting_.compute_takes(abi::tag_layer(e.command.tag));
  e.space.notify(sc_core::SC_ZERO_TIME);
  update_interrupt();
  review_watchdog();
}

/// False if the epoch ended before the tokens came.
bool Cluster::take_tokens(abi::Engine engine, uint32_t epoch) {
  EngineState& e = state(engine);
  const uint32_t mask = e.command.header.wait_mask;
  while (epoch == epoch_ && (e.missing = tokens_.missing(engine, mask)) != 0) {
    account();
    if (engine == abi::Engine::kCompute) accounting_.compute_waits(e.missing);
    review_watchdog();
    wait(e.wake);
  }
  if (epoch != epoch_) return false;
  tokens_.take(engine, mask);
  return true;
}

void Cluster::execute(abi::Engine engine, uint32_t epoch) {
  EngineState& e = state(engine);
  account();
  e.activity = Activity::kWorking;
  if (engine != abi::Engine::kCompute) accounting_.set_transfer_busy(engine, true);
  review_watchdog();
  switch (e.command.header.opcode) {
    case abi::Opcode::kConfigure:
      execute_configure(e.command, epoch);
      break;
    case abi::Opcode::kRun:
      execute_run(e.command, epoch);
      break;
    case abi::Opcode::kLoad:
    case abi::Opcode::kStore:
      execute_transfer(engine, e.command, epoch);
      break;
    case abi::Opcode::kLoadCoded:
      execute_coded(e.command, epoch);
      break;
    case abi::Opcode::kLoadTable:
      execute_table(e.command, epoch);
      break;
  }
  if (epoch == epoch_) complete(engine);
}

void Cluster::complete(abi::Engine engine) {
  const Command& command = state(engine).command;
  if (!tokens_.give(engine, command.header.signal_mask)) {
    fail(engine, {abi::NpuError::kTokenOverflow, command.header.signal_mask}, command.tag);
    return;
  }
  for (const abi::Engine other : kAllEngines) {
    if ((command.header.signal_mask & abi::engine_bit(other)) != 0) {
      state(other).wake.notify(sc_core::SC_ZERO_TIME);
    }
  }
  if (command.header.notify) {
    ++notify_count_;
    irq_events_ |= abi::kIrqNotify;
    update_interrupt();
  }
}

void Cluster::idle(abi::Engine engine) {
  account();
  state(engine).activity = Activity::kIdle;
  if (engine == abi::Engine::kCompute) {
    accounting_.compute_idles();
  } else {
    accounting_.set_transfer_busy(engine, false);
  }
  review_watchdog();
}

/// False if the epoch ended meanwhile.
bool Cluster::wait_cycles(uint64_t cycles, uint32_t epoch) {
  if (cycles != 0 && epoch == epoch_) wait(clock_.cycles(cycles), aborted_);
  return epoch == epoch_;
}

void Cluster::execute_configure(const Command& command, uint32_t epoch) {
  const auto next = command.payload_as<abi::ComputeConfig>();
  if (const auto fault = check_config(next)) {
    return fail(abi::Engine::kCompute, *fault, command.tag);
  }
  accounting_.compute_configures();
  const uint64_t ready = chip::configuration_ready(command.whole_cycle, configuration_taken_cycle_);
  const uint64_t now = now_cycles();
  const bool mode_changes = !configured_ || chip::switches_mode(config_, next);
  const uint64_t cycles = (ready > now ? ready - now : 0) + chip::switch_cycles(mode_changes);
  if (!wait_cycles(cycles, epoch)) return;
  config_ = next;
  configured_ = true;
  configuration_taken_cycle_ = now_cycles();
  EventCounts events;
  events.configurations = 1;
  accounting_.count(abi::tag_layer(command.tag), events);
}

void Cluster::execute_run(const Command& command, uint32_t epoch) {
  if (!configured_) {
    return fail(abi::Engine::kCompute, {abi::NpuError::kNotConfigured, 0}, command.tag);
  }
  const auto run = compute_unit_.start(config_, command.payload_as<abi::ComputeRun>());
  if (run.fault) return fail(abi::Engine::kCompute, *run.fault, command.tag);
  accounting_.compute_runs(run.cycles.compute());
  if (!wait_cycles(run.cycles.total, epoch)) return;
  compute_unit_.finish(abi::tag_layer(command.tag));
  collect_events(false);
}

/// Counts the events of RUNs that have ended: of those known by now, or of all.
void Cluster::collect_events(bool all) {
  compute_unit_.collect(
      all, [this](uint32_t layer, const EventCounts& events) { accounting_.count(layer, events); });
}

void Cluster::execute_transfer(abi::Engine engine, const Command& command, uint32_t epoch) {
  const bool is_load = engine == abi::Engine::kLoad;
  const auto transfer = command.payload_as<abi::Transfer>();
  const LocalTransfer local(transfer);
  if (const auto fault = local.check(memories_)) return fail(engine, *fault, command.tag);
  if (local.bytes() == 0) return;

  EventCounts events;
  auto& local_bytes = is_load ? events.scratchpad_bytes_written : events.scratchpad_bytes_read;
  local_bytes[static_cast<std::size_t>(local.memory(memories_))] = local.bytes();
  (is_load ? events.dram_bytes_read : events.dram_bytes_written) = local.bytes();
  const uint32_t base = command.header.base == 0 ? 0 : bases_[command.header.base - 1];
  const dma::Descriptor3d descriptor{
      base + transfer.dram_address, transfer.x_bytes,      transfer.y_count, transfer.z_count,
      transfer.y_dram_stride,       transfer.z_dram_stride};
  dma::LocalView view;
  view.data = memories_.at(transfer.local_address);
  view.y_stride = transfer.y_local_stride;
  view.z_stride = transfer.z_local_stride;
  view.before_moving = [&] {
    if (is_load) {
      compute_unit_.before_write(local.span());
    } else {
      compute_unit_.before_read(local.span());
    }
  };
  const dma::TransferResult result =
      is_load ? load_dma_.transfer(descriptor, dma::Direction::kRead, view)
              : store_dma_.transfer(descriptor, dma::Direction::kWrite, view);
  if (epoch != epoch_) return;
  if (!result.ok()) {
    const auto address = static_cast<uint32_t>(result.failing_address);
    return fail(engine, {abi::NpuError::kBusError, address}, command.tag);
  }
  accounting_.count(abi::tag_layer(command.tag), events);
}

/// Loads to the decoder's input. False if the command is over: the epoch ended or it failed, with
/// `fault` if the bytes are no whole words, or more than any stream has.
bool Cluster::fetch_stream(uint32_t dram_address, uint32_t bytes, abi::NpuError fault,
                           const Command& command, uint32_t epoch) {
  if (npu_.decoder_lanes == 0) {
    fail(abi::Engine::kLoad, {abi::NpuError::kBadOpcode, abi::encode(command.header)}, command.tag);
    return false;
  }
  if (bytes % abi::kCodeWordBytes != 0 || bytes > 2 * abi::kLocalRegionBytes) {
    fail(abi::Engine::kLoad, {fault, dram_address}, command.tag);
    return false;
  }
  stream_.resize(bytes);
  const dma::TransferResult result = load_dma_.transfer({dram_address, bytes, 1, 1, 0, 0},
                                                        dma::Direction::kRead, {stream_.data()});
  if (epoch != epoch_) return false;
  if (result.ok()) return true;
  const auto address = static_cast<uint32_t>(result.failing_address);
  fail(abi::Engine::kLoad, {abi::NpuError::kBusError, address}, command.tag);
  return false;
}

void Cluster::execute_coded(const Command& command, uint32_t epoch) {
  const auto coded = command.payload_as<abi::CodedTransfer>();
  const LocalTransfer local({0, coded.local_address, coded.bytes, 1, 1, 0, 0, 0, 0});
  if (const auto fault = local.check(memories_)) {
    return fail(abi::Engine::kLoad, *fault, command.tag);
  }
  if (!fetch_stream(coded.dram_address, coded.coded_bytes, abi::NpuError::kBadCode, command,
                    epoch)) {
    return;
  }
  std::vector<uint8_t> decoded(coded.bytes);
  const DecoderResult result =
      decoder_.decode(stream_.data(), stream_.size(), decoded.data(), decoded.size());
  if (!wait_cycles(decoder_.cycles_behind(result, stream_.size()), epoch)) return;
  if (!result.ok()) {
    return fail(abi::Engine::kLoad, {abi::NpuError::kBadCode, coded.dram_address}, command.tag);
  }
  if (decoded.empty()) return;
  compute_unit_.before_write(local.span());
  std::copy(decoded.begin(), decoded.end(), memories_.at(coded.local_address));
  accounting_.count(abi::tag_layer(command.tag), coded_events(coded, local.memory(memories_)));
}

void Cluster::execute_table(const Command& command, uint32_t epoch) {
  const auto table = command.payload_as<abi::TableTransfer>();
  if (!fetch_stream(table.dram_address, table.bytes, abi::NpuError::kBadTable, command, epoch)) {
    return;
  }
  const DecoderResult result = decoder_.load_table(stream_.data(), stream_.size(), table.banks);
  if (!wait_cycles(decoder_.cycles_behind(result, stream_.size()), epoch)) return;
  if (!result.ok()) {
    return fail(abi::Engine::kLoad, {abi::NpuError::kBadTable, table.dram_address}, command.tag);
  }
  accounting_.count(abi::tag_layer(command.tag), table_events(table));
}

void Cluster::fail(abi::Engine engine, Fault fault, uint32_t tag) {
  if (failed()) return;
  account();
  error_ = {fault.error, engine, tag, fault.info};
  irq_events_ |= abi::kIrqError;
  ++epoch_;
  end_list();
  for (const abi::Engine each : kAllEngines) {
    state(each).fifo.clear();
    state(each).wake.notify(sc_core::SC_ZERO_TIME);
    state(each).space.notify(sc_core::SC_ZERO_TIME);
  }
  aborted_.notify(sc_core::SC_ZERO_TIME);
  update_interrupt();
  review_watchdog();
}

/// Engines that will get on without new commands: those that work, those that have a command to
/// take or will get one from the list, and those whose missing tokens can all come from such
/// engines.
uint32_t Cluster::productive_engines() const {
  uint32_t productive = 0;
  for (const abi::Engine engine : kAllEngines) {
    const EngineState& e = state(engine);
    const bool takes = e.activity == Activity::kIdle && e.fifo.has_command();
    const bool holds_all = e.activity == Activity::kWaiting && e.missing == 0;
    if (e.activity == Activity::kWorking || takes || holds_all) {
      productive |= abi::engine_bit(engine);
    }
  }
  for (int round = 0; round <= abi::kEngineCount; ++round) {
    const bool delivers =
        fetcher_.busy() && (!blocked_at_ || (productive & abi::engine_bit(*blocked_at_)) != 0);
    for (const abi::Engine engine : kAllEngines) {
      const EngineState& e = state(engine);
      if (e.activity == Activity::kWaiting ? (e.missing & ~productive) == 0 : delivers) {
        productive |= abi::engine_bit(engine);
      }
    }
  }
  return productive;
}

uint32_t Cluster::stuck_engines() const {
  const uint32_t productive = productive_engines();
  uint32_t stuck = 0;
  for (const abi::Engine engine : kAllEngines) {
    const bool waits = state(engine).activity == Activity::kWaiting;
    if (waits && (productive & abi::engine_bit(engine)) == 0) stuck |= abi::engine_bit(engine);
  }
  return stuck;
}

/// Starts the countdown to a token underflow anew after every change of state.
void Cluster::review_watchdog() {
  watchdog_event_.cancel();
  if (token_timeout_ != 0 && !failed() && stuck_engines() != 0) {
    watchdog_event_.notify(clock_.cycles(token_timeout_));
  }
}

void Cluster::watchdog() {
  const uint32_t stuck = stuck_engines();
  for (const abi::Engine engine : kAllEngines) {
    if ((stuck & abi::engine_bit(engine)) == 0) continue;
    const Command& command = state(engine).command;
    fail(engine, {abi::NpuError::kTokenUnderflow, command.header.wait_mask}, command.tag);
    return;
  }
}

}  // namespace tessera::npu
