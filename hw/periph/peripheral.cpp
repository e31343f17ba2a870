#include "periph/peripheral.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::periph {

Peripheral::Peripheral(const sc_core::sc_module_name& name, const RegisterTable& registers,
                       const AccessRules& rules)
    : sc_module(name), socket("socket"), registers_(registers), rules_(rules) {
  socket.register_b_transport(this, &Peripheral::b_transport);
  socket.register_transport_dbg(this, &Peripheral::transport_dbg);
}

std::string Peripheral::register_name(uint32_t offset) const {
  return std::string(name()) + "." + registers_.name(offset);
}

tlm::tlm_response_status Peripheral::check(const tlm::tlm_generic_payload& payload) {
  const uint64_t address = payload.get_address();
  const uint32_t length = payload.get_data_length();
  const auto refuse = [&](tlm::tlm_response_status status, const std::string& why) {
    last_error_ = (address < rules_.size_bytes ? register_name(static_cast<uint32_t>(address))
                                               : std::string(name())) +
                  ": " + std::to_string(length) + "-byte " +
                  (payload.is_write() ? "write" : "read") + why;
    return status;
  };
  if (!payload.is_read() && !payload.is_write()) {
    return refuse(tlm::TLM_COMMAND_ERROR_RESPONSE, ", neither read nor write");
  }
  if (address >= rules_.size_bytes || length > rules_.size_bytes - address) {
    return refuse(tlm::TLM_ADDRESS_ERROR_RESPONSE, " outside of the device");
  }
  if (payload.get_byte_enable_ptr() != nullptr) {
    return refuse(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE, " with byte enables");
  }
  const bool power_of_two = length != 0 && (length & (length - 1)) == 0;
  if (!power_of_two || length < rules_.min_access_bytes || length > rules_.max_access_bytes) {
    const std::string least = std::to_string(rules_.min_access_bytes);
    const std::string most = std::to_string(rules_.max_access_bytes);
    return refuse(
        tlm::TLM_BURST_ERROR_RESPONSE,
        ", the device takes " + (least == most ? least : least + " to " + most) + "-byte accesses");
  }
  if (address % length != 0) return refuse(tlm::TLM_BURST_ERROR_RESPONSE, ", misaligned");
  if (payload.get_streaming_width() < length) {
    return refuse(tlm::TLM_BURST_ERROR_RESPONSE, ", streaming");
  }
  return tlm::TLM_OK_RESPONSE;
}

void Peripheral::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const tlm::tlm_response_status status = check(payload);
  payload.set_response_status(status);
  delay += rules_.latency;
  if (status != tlm::TLM_OK_RESPONSE) return;
  const auto offset = static_cast<uint32_t>(payload.get_address());
  const uint32_t length = payload.get_data_length();
  const sc_core::sc_time now = sc_core::sc_time_stamp() + delay;
  if (payload.is_read()) {
    const uint32_t value = read(offset, length, now);
    std::memcpy(payload.get_data_ptr(), &value, length);
  } else {
    uint32_t value = 0;
    std::memcpy(&value, payload.get_data_ptr(), length);
    write(offset, length, value, now);
  }
}

unsigned Peripheral::transport_dbg(tlm::tlm_generic_payload& payload) {
  const uint64_t address = payload.get_address();
  if (address >= rules_.size_bytes) return 0;
  const auto offset = static_cast<uint32_t>(address);
  unsigned char* const data = payload.get_data_ptr();
  if (payload.is_read()) {
    const uint32_t length = std::min(payload.get_data_length(), rules_.size_bytes - offset);
    for (uint32_t k = 0; k < length; ++k) data[k] = peek(offset + k);
    return length;
  }
  const bool keep = last_error_.empty();
  const bool good = payload.is_write() && check(payload) == tlm::TLM_OK_RESPONSE;
  if (!good) {
    if (keep) last_error_.clear();
    return 0;
  }
  uint32_t value = 0;
  std::memcpy(&value, data, payload.get_data_length());
  write(offset, payload.get_data_length(), value, sc_core::sc_time_stamp());
  return payload.get_data_length();
}

}  // namespace tessera::periph
