#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <systemc>
#include <tlm>

namespace tessera::platform {

/// The host core's own bus: one range of addresses is its local RAM, at no cost; all others go to
/// the rest of the chip as they are. Blocking transport, DMI and debug transport.
class LocalBus : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<LocalBus> from_core;
  tlm_utils::simple_initiator_socket<LocalBus> to_local;  ///< addresses relative to the range
  tlm_utils::simple_initiator_socket<LocalBus> to_chip;

  LocalBus(const sc_core::sc_module_name& name, uint64_t local_base, uint64_t local_bytes);

 private:
  bool is_local(const tlm::tlm_generic_payload& payload) const;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);
  void invalidate_local(sc_dt::uint64 start, sc_dt::uint64 end);
  void invalidate_chip(sc_dt::uint64 start, sc_dt::uint64 end);

  uint64_t base_;
  uint64_t bytes_;
};

}  // namespace tessera::platform
