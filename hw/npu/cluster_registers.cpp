#include <algorithm>
#include <cstring>

#include "npu/cluster.hpp"
#include "npu/registers.hpp"

namespace tessera::npu {

namespace {

constexpr uint32_t kWordBytes = 4;
constexpr uint32_t kLatchedInterrupts = abi::kIrqNotify | abi::kIrqError;
constexpr uint32_t kAllInterrupts = kLatchedInterrupts | abi::kIrqSpace;

/// Cycles that a register access takes.
constexpr uint64_t kRegisterCycles = 1;

}  // namespace

tlm::tlm_response_status Cluster::check_access(const tlm::tlm_generic_payload& payload) const {
  if (payload.get_byte_enable_ptr() != nullptr) return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  if (payload.get_data_length() != kWordBytes || payload.get_address() % kWordBytes != 0 ||
      payload.get_streaming_width() < kWordBytes) {
    return tlm::TLM_BURST_ERROR_RESPONSE;
  }
  const Register* entry = find_register(payload.get_address());
  if (entry == nullptr) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  const bool allowed = payload.is_read()    ? entry->readable()
                       : payload.is_write() ? entry->writable()
                                            : true;
  return allowed ? tlm::TLM_OK_RESPONSE : tlm::TLM_COMMAND_ERROR_RESPONSE;
}

void Cluster::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  wait(delay);
  delay = clock_.cycles(kRegisterCycles);
  const tlm::tlm_response_status status = check_access(payload);
  payload.set_response_status(status);
  if (status != tlm::TLM_OK_RESPONSE) {
    const char* action = payload.is_read() ? "read of " : "write of ";
    bad_access_ = action + std::to_string(payload.get_data_length()) +
                  " bytes: " + describe_register(payload.get_address());
    return;
  }
  const auto offset = static_cast<uint32_t>(payload.get_address());
  uint32_t word = 0;
  if (payload.is_read()) {
    word = read_register(offset);
    std::memcpy(payload.get_data_ptr(), &word, kWordBytes);
  } else if (payload.is_write()) {
    std::memcpy(&word, payload.get_data_ptr(), kWordBytes);
    write_register(offset, word);
  }
}

unsigned Cluster::transport_dbg(tlm::tlm_generic_payload& payload) {
  if (!payload.is_read()) return 0;
  unsigned done = 0;
  const uint64_t address = payload.get_address();
  if (address % kWordBytes != 0) return 0;
  for (; done + kWordBytes <= payload.get_data_length(); done += kWordBytes) {
    const Register* entry = find_register(address + done);
    if (entry == nullptr) break;
    const uint32_t word = entry->readable() ? read_register(entry->offset) : 0;
    std::memcpy(payload.get_data_ptr() + done, &word, kWordBytes);
  }
  return done;
}

uint32_t Cluster::read_register(uint32_t offset) const {
  namespace reg = abi::npu_reg;
  using abi::Engine;
  const auto busy = [&](Engine engine) {
    const EngineState& e = state(engine);
    const bool is_busy = e.activity != Activity::kIdle || !e.fifo.empty();
    return is_busy ? abi::engine_bit(engine) : 0;
  };
  switch (offset) {
    case reg::ID:
      return abi::kNpuId;
    case reg::ROWS:
      return npu_.rows;
    case reg::COLUMNS:
      return npu_.columns;
    case reg::ACTIVATION_BYTES:
      return npu_.scratchpads.activation_bytes;
    case reg::WEIGHT_BYTES:
      return npu_.scratchpads.weight_bytes;
    case reg::OUTPUT_BYTES:
      return npu_.scratchpads.output_bytes;
    case reg::PARAMETER_BYTES:
      return npu_.scratchpads.parameter_bytes;
    case reg::FIFO_WORDS:
      return npu_.fifo_words;
    case reg::STATUS:
      return busy(Engine::kLoad) | busy(Engine::kCompute) | busy(Engine::kStore) |
             (fetcher_.busy() || reading_list_ ? abi::engine_bit(Engine::kFetch) : 0) |
             (failed() ? abi::kStatusError : 0);
    case reg::IRQ_ENABLE:
      return irq_enable_;
    case reg::IRQ_PENDING:
      return pending_interrupts();
    case reg::ERROR_CAUSE:
      return static_cast<uint32_t>(error_.cause);
    case reg::ERROR_ENGINE:
      return static_cast<uint32_t>(error_.engine);
    case reg::ERROR_TAG:
      return error_.tag;
    case reg::ERROR_INFO:
      return error_.info;
    case reg::LOAD_SPACE:
      return state(Engine::kLoad).fifo.space_words();
    case reg::COMPUTE_SPACE:
      return state(Engine::kCompute).fifo.space_words();
    case reg::STORE_SPACE:
      return state(Engine::kStore).fifo.space_words();
    case reg::SPACE_THRESHOLD:
      return space_threshold_;
    case reg::NOTIFY_COUNT:
      return notify_count_;
    case reg::TOKEN_TIMEOUT:
      return token_timeout_;
    case reg::PHASE:
      return phase_;
    case reg::LIST_ADDRESS:
      return list_address_;
    case reg::BASE_1:
      return bases_[0];
    case reg::BASE_2:
      return bases_[1];
    default:
      SC_REPORT_FATAL("npu", describe_register(offset).c_str());
      return 0;
  }
}

void Cluster::write_register(uint32_t offset, uint32_t value) {
  namespace reg = abi::npu_reg;
  switch (offset) {
    case reg::CONTROL:
      if ((value & abi::kControlReset) != 0) reset();
      break;
    case reg::IRQ_ENABLE:
      irq_enable_ = value & kAllInterrupts;
      break;
    case reg::IRQ_PENDING:
      irq_events_ &= ~value;
      break;
    case reg::LOAD_FIFO:
      write_fifo(abi::Engine::kLoad, value);
      break;
    case reg::COMPUTE_FIFO:
      write_fifo(abi::Engine::kCompute, value);
      break;
    case reg::STORE_FIFO:
      write_fifo(abi::Engine::kStore, value);
      break;
    case reg::SPACE_THRESHOLD:
      space_threshold_ = value;
      break;
    case reg::TOKEN_TIMEOUT:
      token_timeout_ = value;
      review_watchdog();
      break;
    case reg::PHASE:
      account();
      accounting_.set_phase(value);
      phase_ = value;
      break;
    case reg::LIST_ADDRESS:
      list_address_ = value & ~(kWordBytes - 1);
      break;
    case reg::LIST_WORDS:
      start_list(value);
      break;
    case reg::BASE_1:
      bases_[0] = value;
      break;
    case reg::BASE_2:
      bases_[1] = value;
      break;
    default:
      SC_REPORT_FATAL("npu", describe_register(offset).c_str());
  }
  update_interrupt();
}

void Cluster::write_fifo(abi::Engine engine, uint32_t word) {
  EngineState& e = state(engine);
  while (!failed() && e.fifo.space_words() == 0) wait(e.space);
  if (failed()) return;
  push_word(engine, word);
}

/// There is space for it.
void Cluster::push_word(abi::Engine engine, uint32_t word) {
  EngineState& e = state(engine);
  e.fifo.push(word, now_cycles());
  if (e.fifo.has_command() || e.fifo.bad_header()) e.wake.notify(sc_core::SC_ZERO_TIME);
  review_watchdog();
}

void Cluster::reset() {
  account();
  ++epoch_;
  error_ = {};
  tokens_.clear();
  configured_ = false;
  decoder_.reset();
  notify_count_ = 0;
  irq_events_ = 0;
  end_list();
  for (const auto& e : engines_) {
    e->fifo.clear();
    e->wake.notify(sc_core::SC_ZERO_TIME);
    e->space.notify(sc_core::SC_ZERO_TIME);
  }
  aborted_.notify(sc_core::SC_ZERO_TIME);
  review_watchdog();
}

uint32_t Cluster::pending_interrupts() const {
  const bool space = std::all_of(engines_.begin(), engines_.end(), [&](const auto& e) {
    return e->fifo.space_words() >= space_threshold_;
  });
  return irq_events_ | (space ? abi::kIrqSpace : 0);
}

void Cluster::update_interrupt() {
  const bool level = (pending_interrupts() & irq_enable_) != 0;
  if (level == irq_level_) return;
  irq_level_ = level;
  if (interrupt_) interrupt_(level);
}

}  // namespace tessera::npu
