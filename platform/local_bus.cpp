#include "local_bus.hpp"

#include <algorithm>

namespace tessera::platform {

LocalBus::LocalBus(const sc_core::sc_module_name& name, uint64_t local_base, uint64_t local_bytes)
    : sc_module(name),
      from_core("from_core"),
      to_local("to_local"),
      to_chip("to_chip"),
      base_(local_base),
      bytes_(local_bytes) {
  from_core.register_b_transport(this, &LocalBus::b_transport);
  from_core.register_get_direct_mem_ptr(this, &LocalBus::get_direct_mem_ptr);
  from_core.register_transport_dbg(this, &LocalBus::transport_dbg);
  to_local.register_invalidate_direct_mem_ptr(this, &LocalBus::invalidate_local);
  to_chip.register_invalidate_direct_mem_ptr(this, &LocalBus::invalidate_chip);
}

bool LocalBus::is_local(const tlm::tlm_generic_payload& payload) const {
  const uint64_t address = payload.get_address();
  return address >= base_ && address - base_ < bytes_ &&
         payload.get_data_length() <= bytes_ - (address - base_);
}

void LocalBus::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (!is_local(payload)) {
    to_chip->b_transport(payload, delay);
    return;
  }
  const uint64_t address = payload.get_address();
  payload.set_address(address - base_);
  to_local->b_transport(payload, delay);
  payload.set_address(address);
}

bool LocalBus::get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
  const uint64_t address = payload.get_address();
  if (address - base_ >= bytes_) return to_chip->get_direct_mem_ptr(payload, dmi);
  payload.set_address(address - base_);
  const bool granted = to_local->get_direct_mem_ptr(payload, dmi);
  payload.set_address(address);
  dmi.set_start_address(dmi.get_start_address() + base_);
  dmi.set_end_address(std::min<uint64_t>(dmi.get_end_address(), bytes_ - 1) + base_);
  return granted;
}

unsigned LocalBus::transport_dbg(tlm::tlm_generic_payload& payload) {
  const uint64_t address = payload.get_address();
  if (address - base_ >= bytes_) return to_chip->transport_dbg(payload);
  payload.set_address(address - base_);
  const unsigned done = to_local->transport_dbg(payload);
  payload.set_address(address);
  return done;
}

void LocalBus::invalidate_local(sc_dt::uint64 start, sc_dt::uint64 end) {
  from_core->invalidate_direct_mem_ptr(start + base_, std::min<uint64_t>(end, bytes_ - 1) + base_);
}

void LocalBus::invalidate_chip(sc_dt::uint64 start, sc_dt::uint64 end) {
  from_core->invalidate_direct_mem_ptr(start, end);
}

}  // namespace tessera::platform
