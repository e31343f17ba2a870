#include "periph/uart16550.hpp"

namespace tessera::periph {
namespace {

enum Register : uint32_t {
  kData,
  kInterruptEnable,
  kInterruptId,
  kLineControl,
  kModemControl,
  kLineStatus,
  kModemStatus,
  kScratch,
  kRegisters
};

constexpr uint8_t kEnableReceived = 0x01, kEnableTransmitter = 0x02, kEnableLineStatus = 0x04,
                  kEnableModemStatus = 0x08;
constexpr uint8_t kIdNone = 0x01, kIdModemStatus = 0x00, kIdTransmitter = 0x02, kIdReceived = 0x04,
                  kIdLineStatus = 0x06, kIdTimeout = 0x0C, kIdFifo = 0xC0, kIdMask = 0x0F;
constexpr uint8_t kFifoEnable = 0x01, kFifoClearReceiver = 0x02, kFifoTrigger = 0xC0;
constexpr uint8_t kLineControlDivisor = 0x80, kLineControlStop = 0x04, kLineControlParity = 0x08;
constexpr uint8_t kModemControlLoopback = 0x10;
constexpr uint8_t kLineDataReady = 0x01, kLineOverrun = 0x02, kLineTransmitterEmpty = 0x60;
constexpr uint8_t kModemConnected = 0xB0;  // CTS, DSR and DCD: the other side is always there
constexpr std::size_t kFifoDepth = 16;
constexpr double kDivisorBaud = 399'193.0;  // baud rate at divisor 1 on QEMU's virt board
constexpr double kResetBaud = 9600.0;

const RegisterTable& uart_registers() {
  static const RegisterTable table({{"rbr/thr/dll", kData, 1},
                                    {"ier/dlm", kInterruptEnable, 1},
                                    {"iir/fcr", kInterruptId, 1},
                                    {"lcr", kLineControl, 1},
                                    {"mcr", kModemControl, 1},
                                    {"lsr", kLineStatus, 1},
                                    {"msr", kModemStatus, 1},
                                    {"scr", kScratch, 1}});
  return table;
}

AccessRules uart_rules() {
  AccessRules rules;
  rules.size_bytes = kRegisters;
  rules.min_access_bytes = 1;
  return rules;
}

}  // namespace

Uart16550::Uart16550(const sc_core::sc_module_name& name)
    : Peripheral(name, uart_registers(), uart_rules()) {
  SC_HAS_PROCESS(Uart16550);
  SC_METHOD(timeout_process);
  sensitive << timeout_event_;
  dont_initialize();
}

void Uart16550::set_transmit_callback(std::function<void(uint8_t)> callback) {
  transmit_callback_ = std::move(callback);
}

void Uart16550::transmit_to(std::ostream& stream) {
  transmit_callback_ = [&stream](uint8_t byte) {
    stream.put(static_cast<char>(byte));
    if (byte == '\n') stream.flush();
  };
}

void Uart16550::set_interrupt_callback(std::function<void(bool level)> callback) {
  interrupt_callback_ = std::move(callback);
}

bool Uart16550::divisor_access() const { return (line_control_ & kLineControlDivisor) != 0; }
bool Uart16550::fifo_enabled() const { return (fifo_control_ & kFifoEnable) != 0; }
bool Uart16550::loopback() const { return (modem_control_ & kModemControlLoopback) != 0; }

std::size_t Uart16550::trigger_level() const {
  if (!fifo_enabled()) return 1;
  constexpr std::size_t kLevels[4] = {1, 4, 8, 14};
  return kLevels[fifo_control_ >> 6];
}

uint8_t Uart16550::line_status() const {
  unsigned status = kLineTransmitterEmpty;
  if (!received_.empty()) status |= kLineDataReady;
  if (overrun_) status |= kLineOverrun;
  return static_cast<uint8_t>(status);
}

uint8_t Uart16550::modem_status() const {
  if (!loopback()) return static_cast<uint8_t>(kModemConnected | modem_delta_);
  // The modem outputs come back as inputs: OUT2, OUT1, DTR, RTS as DCD, RI, DSR, CTS.
  const unsigned outputs = modem_control_;
  return static_cast<uint8_t>(((outputs & 0x0CU) << 4) | ((outputs & 0x02U) << 3) |
                              ((outputs & 0x01U) << 5) | modem_delta_);
}

sc_core::sc_time Uart16550::character_time() const {
  const unsigned start_and_data_bits = 1U + 5U + (line_control_ & 3U);
  const unsigned parity_bits = (line_control_ & kLineControlParity) != 0 ? 1 : 0;
  const unsigned stop_bits = (line_control_ & kLineControlStop) != 0 ? 2 : 1;
  const double bits = start_and_data_bits + parity_bits + stop_bits;
  const double baud = divisor_ == 0 ? kResetBaud : kDivisorBaud / divisor_;
  return {bits / baud, sc_core::SC_SEC};
}

uint8_t Uart16550::interrupt_id() const {
  const auto on = [this](uint8_t mask) { return (interrupt_enable_ & mask) != 0; };
  if (on(kEnableLineStatus) && overrun_) return kIdLineStatus;
  if (on(kEnableReceived) && timeout_pending_) return kIdTimeout;
  if (on(kEnableReceived) && received_.size() >= trigger_level()) return kIdReceived;
  if (on(kEnableTransmitter) && transmitter_pending_) return kIdTransmitter;
  if (on(kEnableModemStatus) && modem_delta_ != 0) return kIdModemStatus;
  return kIdNone;
}

void Uart16550::update_interrupt() {
  const bool output = interrupt_id() != kIdNone;
  if (output == output_) return;
  output_ = output;
  if (interrupt_callback_) interrupt_callback_(output);
}

void Uart16550::receive(std::string_view text) {
  input_.insert(input_.end(), text.begin(), text.end());
  accept_input();
  update_interrupt();
}

void Uart16550::accept_input() {
  if (loopback()) return;
  const std::size_t room = fifo_enabled() ? kFifoDepth : 1;
  while (!input_.empty() && received_.size() < room) {
    push_received(input_.front());
    input_.pop_front();
  }
}

void Uart16550::push_received(uint8_t value) {
  if (!fifo_enabled()) {
    overrun_ = overrun_ || !received_.empty();
    received_.assign(1, value);
    return;
  }
  if (received_.size() < kFifoDepth) {
    received_.push_back(value);
  } else {
    overrun_ = true;
  }
  restart_timeout();
}

void Uart16550::restart_timeout() {
  timeout_event_.cancel();
  timeout_pending_ = false;
  if (fifo_enabled() && !received_.empty()) timeout_event_.notify(4 * character_time());
}

void Uart16550::timeout_process() {
  timeout_pending_ = fifo_enabled() && !received_.empty();
  update_interrupt();
}

uint8_t Uart16550::read_data() {
  if (!received_.empty()) {
    last_received_ = received_.front();
    received_.pop_front();
  }
  const uint8_t value = last_received_;
  restart_timeout();
  accept_input();
  return value;
}

uint8_t Uart16550::read_interrupt_id() {
  const uint8_t id = interrupt_id();
  if (id == kIdTransmitter) transmitter_pending_ = false;
  return static_cast<uint8_t>(id | (fifo_enabled() ? kIdFifo : 0));
}

uint32_t Uart16550::read(uint32_t offset, uint32_t, const sc_core::sc_time&) {
  uint8_t value = peek(offset);
  switch (offset) {
    case kData:
      if (!divisor_access()) value = read_data();
      break;
    case kInterruptId:
      value = read_interrupt_id();
      break;
    case kLineStatus:
      overrun_ = false;
      break;
    case kModemStatus:
      modem_delta_ = 0;
      break;
    default:
      break;
  }
  update_interrupt();
  return value;
}

uint8_t Uart16550::peek(uint32_t offset) const {
  switch (offset) {
    case kData:
      if (divisor_access()) return static_cast<uint8_t>(divisor_);
      return received_.empty() ? last_received_ : received_.front();
    case kInterruptEnable:
      return divisor_access() ? static_cast<uint8_t>(divisor_ >> 8) : interrupt_enable_;
    case kInterruptId:
      return static_cast<uint8_t>(interrupt_id() | (fifo_enabled() ? kIdFifo : 0));
    case kLineControl:
      return line_control_;
    case kModemControl:
      return modem_control_;
    case kLineStatus:
      return line_status();
    case kModemStatus:
      return modem_status();
    case kScratch:
      return scratch_;
    default:
      return 0;
  }
}

void Uart16550::write(uint32_t offset, uint32_t, uint32_t wide_value, const sc_core::sc_time&) {
  const auto value = static_cast<uint8_t>(wide_value);
  switch (offset) {
    case kData:
      write_data(value);
      break;
    case kInterruptEnable:
      write_interrupt_enable(value);
      break;
    case kInterruptId:
      write_fifo_control(value);
      break;
    case kLineControl:
      line_control_ = value;
      break;
    case kModemControl:
      write_modem_control(value);
      break;
    case kScratch:
      scratch_ = value;
      break;
    default:
      break;
  }
  update_interrupt();
}

void Uart16550::write_data(uint8_t value) {
  if (divisor_access()) {
    divisor_ = static_cast<uint16_t>((divisor_ & 0xFF00U) | value);
    return;
  }
  transmit(value);
}

void Uart16550::transmit(uint8_t value) {
  if (loopback()) {
    push_received(value);
  } else if (transmit_callback_) {
    transmit_callback_(value);
  }
  transmitter_pending_ = true;
}

void Uart16550::write_interrupt_enable(uint8_t value) {
  if (divisor_access()) {
    divisor_ = static_cast<uint16_t>((divisor_ & 0x00FFU) | (value << 8));
    return;
  }
  const unsigned changed = interrupt_enable_ ^ value;
  interrupt_enable_ = value & 0x0FU;
  if ((changed & kEnableTransmitter) != 0) {
    transmitter_pending_ = (value & kEnableTransmitter) != 0;
  }
}

void Uart16550::write_fifo_control(uint8_t value) {
  const bool toggled = ((value ^ fifo_control_) & kFifoEnable) != 0;
  if (toggled || (value & kFifoClearReceiver) != 0) {
    received_.clear();
    restart_timeout();
  }
  fifo_control_ = value & (kFifoEnable | kFifoTrigger);
  if (!fifo_enabled()) fifo_control_ = 0;
  accept_input();
}

void Uart16550::write_modem_control(uint8_t value) {
  const unsigned before = modem_status() & 0xF0U;
  modem_control_ = value & 0x1FU;
  if (loopback()) {
    const unsigned after = modem_status() & 0xF0U;
    unsigned delta = (before ^ after) >> 4;
    // The ring indicator reports only its falling edge.
    if ((after & 0x40U) != 0) delta &= ~0x4U;
    modem_delta_ = static_cast<uint8_t>(modem_delta_ | delta);
  }
  accept_input();
}

}  // namespace tessera::periph
