#include "estimate/cluster_timing.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "chip/array_timing.hpp"
#include "npu/transfer.hpp"

namespace tessera::estimate {

namespace {

constexpr abi::Engine kAllEngines[] = {abi::Engine::kLoad, abi::Engine::kCompute,
                                       abi::Engine::kStore};
}  // namespace

ClusterTiming::ClusterTiming(const chip::Chip& chip, noc::Fabric& network, uint32_t first_port)
    : burst_bytes_(chip.dma.burst_bytes),
      outstanding_(chip.dma.outstanding),
      engines_{EngineState(abi::Engine::kLoad, chip.npu.fifo_words),
               EngineState(abi::Engine::kCompute, chip.npu.fifo_words),
               EngineState(abi::Engine::kStore, chip.npu.fifo_words)},
      network_(network),
      first_port_(first_port),
      runs_(chip),
      decoder_(chip.npu.decoder_lanes, chip.noc.width_bytes) {}

uint64_t ClusterTiming::ready_cycle(abi::Engine engine) const {
  const EngineState& e = state(engine);
  if (e.activity != Activity::kTransferring) return e.ready_cycle;
  const uint64_t done = network_.done_cycle(port_of(engine));
  return done == kNever ? kNever : done + e.decoder_cycles;
}

uint64_t ClusterTiming::next_event_cycle() const {
  uint64_t next = kNever;
  for (const abi::Engine engine : kAllEngines) next = std::min(next, ready_cycle(engine));
  return std::min(next, list_cycle());
}

/// When something happens to the list by itself: a piece has been read, or a word can be delivered.
uint64_t ClusterTiming::list_cycle() const {
  const uint64_t read = reading_list_ ? network_.done_cycle(port_of(abi::Engine::kFetch)) : kNever;
  if (!fetcher_.has_word() || state(*fetcher_.receiver()).fifo.space_words() == 0) return read;
  return std::min(read, word_cycle_);
}

uint32_t ClusterTiming::port_of(abi::Engine engine) const {
  return first_port_ + (engine == abi::Engine::kLoad ? 0 : engine == abi::Engine::kStore ? 1 : 2);
}

void ClusterTiming::push(abi::Engine engine, uint32_t word, uint64_t cycle) {
  state(engine).fifo.push(word, cycle);
  if (state(engine).fifo.has_command()) settle(cycle);
}

void ClusterTiming::fetch(uint32_t address, uint32_t words, uint64_t cycle) {
  cycle_ = cycle;
  account();
  accounting_.set_fetch_busy(true);
  fetcher_.start(address, words);
  settle(cycle);
}

void ClusterTiming::set_phase(uint32_t phase, uint64_t cycle) {
  cycle_ = cycle;
  account();
  accounting_.set_phase(phase);
}

void ClusterTiming::account() {
  const auto works = [](const EngineState& e) { return e.activity == Activity::kTransferring; };
  for (const abi::Engine engine : {abi::Engine::kLoad, abi::Engine::kStore}) {
    const EngineState& e = state(engine);
    if (!works(e)) continue;
    const uint32_t layer = abi::tag_layer(e.command.tag);
    if (transfer_cycles_.size() <= layer) transfer_cycles_.resize(layer + 1);
    transfer_cycles_[layer] += cycle_ - accounted_cycle_;
    break;
  }
  accounted_cycle_ = cycle_;
  accounting_.advance(cycle_, {}, {});
}

void ClusterTiming::settle(uint64_t cycle) {
  cycle_ = cycle;
  for (bool again = true; again;) {
    again = false;
    for (const abi::Engine engine : kAllEngines) again = progress(engine) || again;
    again = progress_list() || again;
  }
}

bool ClusterTiming::progress_list() {
  const uint32_t port = port_of(abi::Engine::kFetch);
  if (reading_list_ && network_.done_cycle(port) <= cycle_) {
    const auto piece = *fetcher_.next_piece();
    const auto address = static_cast<uint32_t>(piece.address);
    std::array<uint32_t, npu::CommandFetcher::kPieceWords> words{};
    std::memcpy(words.data(), held(address, piece.words * 4), piece.words * 4);
    if (!fetcher_.has_word()) word_cycle_ = cycle_ + 1;
    fetcher_.arrived(words.data());
    reading_list_ = false;
    return true;
  }
  if (const auto piece = fetcher_.next_piece(); piece && !reading_list_) {
    network_.start(
        port, {{piece->address, piece->words * 4, 1, 1, 0, 0}, burst_bytes_, outstanding_, false},
        cycle_);
    reading_list_ = true;
    return true;
  }
  if (!fetcher_.has_word() || word_cycle_ > cycle_) return false;
  const abi::Engine engine = *fetcher_.receiver();
  if (state(engine).fifo.space_words() == 0) return false;
  deliver_word(engine);
  return true;
}

void ClusterTiming::deliver_word(abi::Engine engine) {
  const uint32_t word = fetcher_.word();
  if (fetcher_.deliver()) {
    npu::EventCounts events;
    events.dram_bytes_read = fetcher_.command_bytes();
    accounting_.count(abi::tag_layer(fetcher_.tag()), events);
  }
  state(engine).fifo.push(word, cycle_);
  word_cycle_ = cycle_ + 1;
  if (fetcher_.busy()) return;
  account();
  accounting_.set_fetch_busy(false);
}

bool ClusterTiming::progress(abi::Engine engine) {
  EngineState& e = state(engine);
  if (e.activity == Activity::kIdle) {
    if (!e.fifo.has_command()) return false;
    take(engine);
    return true;
  }
  if (e.activity == Activity::kWaiting) {
    const uint32_t mask = e.command.header.wait_mask;
    const uint32_t missing = tokens_.missing(engine, mask);
    if (missing != 0) {
      if (missing != e.missing) {
        account();
        if (engine == abi::Engine::kCompute) accounting_.compute_waits(missing);
        e.missing = missing;
      }
      return false;
    }
    tokens_.take(engine, mask);
    begin(engine);
    return true;
  }
  if (ready_cycle(engine) > cycle_) return false;
  complete(engine);
  return true;
}

void ClusterTiming::take(abi::Engine engine) {
  EngineState& e = state(engine);
  account();
  e.command = e.fifo.pop();
  e.activity = Activity::kWaiting;
  e.missing = 0;
  e.events = {};
  e.decoder_cycles = 0;
  if (engine == abi::Engine::kCompute) accounting_.compute_takes(abi::tag_layer(e.command.tag));
}

void ClusterTiming::begin(abi::Engine engine) {
  EngineState& e = state(engine);
  account();
  switch (e.command.header.opcode) {
    case abi::Opcode::kConfigure:
      begin_configure(e);
      break;
    case abi::Opcode::kRun: {
      const RunTiming::Run run = runs_.run(e.command.payload_as<abi::ComputeRun>());
      e.activity = Activity::kComputing;
      e.ready_cycle = cycle_ + run.cycles.total;
      e.events = run.events;
      accounting_.compute_runs(run.cycles.compute());
      break;
    }
    case abi::Opcode::kLoad:
    case abi::Opcode::kStore:
      accounting_.set_transfer_busy(engine, true);
      begin_transfer(engine);
      break;
    case abi::Opcode::kLoadCoded:
      accounting_.set_transfer_busy(engine, true);
      begin_coded();
      break;
    case abi::Opcode::kLoadTable:
      accounting_.set_transfer_busy(engine, true);
      begin_table();
      break;
  }
}

void ClusterTiming::begin_configure(EngineState& e) {
  const auto next = e.command.payload_as<abi::ComputeConfig>();
  const bool mode_changes = !config_ || chip::switches_mode(*config_, next);
  const uint64_t shadow_ready =
      chip::configuration_ready(e.command.whole_cycle, configuration_taken_cycle_);
  e.activity = Activity::kComputing;
  e.ready_cycle = std::max(cycle_, shadow_ready) + chip::switch_cycles(mode_changes);
  e.events.configurations = 1;
  accounting_.compute_configures();
  config_ = next;
  configuration_taken_cycle_ = e.ready_cycle;
  runs_.configure(next);
}

void ClusterTiming::begin_transfer(abi::Engine engine) {
  EngineState& e = state(engine);
  const auto transfer = e.command.payload_as<abi::Transfer>();
  const uint64_t bytes = npu::LocalTransfer(transfer).bytes();
  e.activity = Activity::kTransferring;
  if (bytes == 0) {
    complete(engine);
    return;
  }
  const bool is_load = engine == abi::Engine::kLoad;
  auto& local_bytes = is_load ? e.events.scratchpad_bytes_written : e.events.scratchpad_bytes_read;
  local_bytes[transfer.local_address / abi::kLocalRegionBytes] = bytes;
  (is_load ? e.events.dram_bytes_read : e.events.dram_bytes_written) = bytes;
  const uint32_t base = e.command.header.base == 0 ? 0 : bases_.at(e.command.header.base - 1);
  const dma::Descriptor3d descriptor{
      base + transfer.dram_address, transfer.x_bytes,      transfer.y_count, transfer.z_count,
      transfer.y_dram_stride,       transfer.z_dram_stride};
  network_.start(port_of(engine),
                 {descriptor, burst_bytes_, outstanding_, engine == abi::Engine::kStore}, cycle_);
}

/// Throws std::logic_error if they are not in what is held.
const uint8_t* ClusterTiming::held(uint32_t address, uint32_t bytes) const {
  for (const Held& h : held_) {
    const uint64_t offset = uint64_t{address} - h.address;
    if (address >= h.address && offset + bytes <= h.size) return h.bytes + offset;
  }
  throw std::logic_error("the estimate reads neither the image nor a command list");
}

void ClusterTiming::begin_coded() {
  EngineState& e = state(abi::Engine::kLoad);
  const auto coded = e.command.payload_as<abi::CodedTransfer>();
  std::vector<uint8_t> decoded(coded.bytes);
  const npu::DecoderResult result =
      decoder_.decode(held(coded.dram_address, coded.coded_bytes), coded.coded_bytes,
                      decoded.data(), decoded.size());
  e.decoder_cycles = decoder_.cycles_behind(result, coded.coded_bytes);
  e.events = npu::coded_events(coded, npu::Memory::kWeights);
  begin_stream(coded.dram_address, coded.coded_bytes);
}

void ClusterTiming::begin_table() {
  EngineState& e = state(abi::Engine::kLoad);
  const auto table = e.command.payload_as<abi::TableTransfer>();
  const npu::DecoderResult result =
      decoder_.load_table(held(table.dram_address, table.bytes), table.bytes, table.banks);
  e.decoder_cycles = decoder_.cycles_behind(result, table.bytes);
  e.events = npu::table_events(table);
  begin_stream(table.dram_address, table.bytes);
}

void ClusterTiming::begin_stream(uint32_t dram_address, uint32_t bytes) {
  state(abi::Engine::kLoad).activity = Activity::kTransferring;
  network_.start(port_of(abi::Engine::kLoad),
                 {{dram_address, bytes, 1, 1, 0, 0}, burst_bytes_, outstanding_, false}, cycle_);
}

void ClusterTiming::complete(abi::Engine engine) {
  EngineState& e = state(engine);
  account();
  tokens_.give(engine, e.command.header.signal_mask);
  if (e.command.header.notify) ++notify_count_;
  accounting_.count(abi::tag_layer(e.command.tag), e.events);
  e.activity = Activity::kIdle;
  e.ready_cycle = kNever;
  if (engine == abi::Engine::kCompute) {
    accounting_.compute_idles();
  } else {
    accounting_.set_transfer_busy(engine, false);
  }
}

}  // namespace tessera::estimate
