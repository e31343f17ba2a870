#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <ostream>
#include <string_view>

#include "periph/peripheral.hpp"

namespace tessera::periph {

/// 16550A UART with byte-spaced registers, as on QEMU's virt board. Accesses of 1, 2 or 4 bytes all
/// reach the one register at their address. Transmission takes no time, so that THRE and TEMT are
/// always set; reception hands over as many characters as the receiver has room for. Interrupts:
/// line status, received data with FIFO trigger level, character timeout, transmitter empty,
/// modem status (in loopback).
class Uart16550 : public Peripheral {
 public:
  explicit Uart16550(const sc_core::sc_module_name& name);

  /// Called with each transmitted byte.
  void set_transmit_callback(std::function<void(uint8_t)> callback);
  /// Transmits to a stream that outlives the UART; flushed at the end of each line.
  void transmit_to(std::ostream& stream);
  /// Called when the level of the interrupt changes.
  void set_interrupt_callback(std::function<void(bool level)> callback);

  /// Characters that arrive now; those for which there is no room wait outside.
  void receive(std::string_view text);

 private:
  uint32_t read(uint32_t offset, uint32_t size_bytes, const sc_core::sc_time& now) override;
  void write(uint32_t offset, uint32_t size_bytes, uint32_t value,
             const sc_core::sc_time& now) override;
  uint8_t peek(uint32_t offset) const override;

  uint8_t read_data();
  uint8_t read_interrupt_id();
  void write_data(uint8_t value);
  void write_interrupt_enable(uint8_t value);
  void write_fifo_control(uint8_t value);
  void write_modem_control(uint8_t value);
  void transmit(uint8_t value);
  void push_received(uint8_t value);
  void accept_input();
  void restart_timeout();
  void timeout_process();
  void update_interrupt();

  bool divisor_access() const;
  bool fifo_enabled() const;
  bool loopback() const;
  std::size_t trigger_level() const;
  uint8_t line_status() const;
  uint8_t modem_status() const;
  uint8_t interrupt_id() const;
  sc_core::sc_time character_time() const;

  uint8_t interrupt_enable_ = 0;
  uint8_t fifo_control_ = 0;
  uint8_t line_control_ = 0;
  uint8_t modem_control_ = 0x08;
  uint8_t scratch_ = 0;
  uint16_t divisor_ = 0x0C;
  uint8_t modem_delta_ = 0;
  bool overrun_ = false;
  bool transmitter_pending_ = false;  ///< the transmitter-empty interrupt waits to be seen
  bool timeout_pending_ = false;
  uint8_t last_received_ = 0;  ///< what an empty receiver reads as
  std::deque<uint8_t> received_;
  std::deque<uint8_t> input_;
  bool output_ = false;
  sc_core::sc_event timeout_event_;
  std::function<void(uint8_t)> transmit_callback_;
  std::function<void(bool)> interrupt_callback_;
};

}  // namespace tessera::periph
