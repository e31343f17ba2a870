#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <string>
#include <systemc>

#include "periph/register_table.hpp"

namespace tessera::periph {

/// What a device answers to on the bus.
struct AccessRules {
  uint32_t size_bytes = 0x1000;   ///< of the address window
  uint32_t min_access_bytes = 4;  ///< 1, 2 or 4
  uint32_t max_access_bytes = 4;  ///< 1, 2 or 4
  sc_core::sc_time latency{};     ///< added to the delay of each access
};

/// A memory-mapped device. Owns the bus protocol; a device implements read(), write() and peek().
///
/// Addresses are offsets in the device. Answers: TLM_ADDRESS_ERROR_RESPONSE outside of the window;
/// TLM_BURST_ERROR_RESPONSE for a size that the device does not take, a misaligned address or a
/// streaming burst; TLM_BYTE_ENABLE_ERROR_RESPONSE for byte enables; TLM_COMMAND_ERROR_RESPONSE for
/// other commands than read and write. Inside the window every aligned access of a permitted size
/// succeeds; where no register is, reads give 0 and writes do nothing, as on QEMU.
///
/// Debug transport reads without side effects (peek), any size and alignment, and writes what an
/// access of a permitted size would write. There is no DMI.
class Peripheral : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Peripheral> socket;

  /// Name of the register at an offset, with the module's name: "soc.plic.priority[3]".
  std::string register_name(uint32_t offset) const;
  /// Why the latest access was refused: "soc.clint.mtime: 1-byte write, the device takes 4-byte
  /// accesses". Empty if none was.
  const std::string& last_error() const { return last_error_; }
  const RegisterTable& registers() const { return registers_; }

 protected:
  Peripheral(const sc_core::sc_module_name& name, const RegisterTable& registers,
             const AccessRules& rules);

  /// A read of `size_bytes` at `offset`, permitted and aligned; `now` is the time it takes place.
  virtual uint32_t read(uint32_t offset, uint32_t size_bytes, const sc_core::sc_time& now) = 0;
  virtual void write(uint32_t offset, uint32_t size_bytes, uint32_t value,
                     const sc_core::sc_time& now) = 0;
  /// The byte at `offset`, without side effects.
  virtual uint8_t peek(uint32_t offset) const = 0;

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);
  tlm::tlm_response_status check(const tlm::tlm_generic_payload& payload);

  const RegisterTable& registers_;
  AccessRules rules_;
  std::string last_error_;
};

/// Byte `offset % 4` of a 32-bit register.
constexpr uint8_t byte_of(uint32_t value, uint32_t offset) {
  return static_cast<uint8_t>(value >> (8 * (offset & 3U)));
}

}  // namespace tessera::periph
