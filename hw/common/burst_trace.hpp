#pragma once

#include <systemc>
#include <tlm>

namespace tessera::common {

/// When a transaction passed which border, so that its initiator can say what it waited for.
///
///   issued ----- NoC ----- delivered ----- target ----- served ----- NoC ----- returned
///
/// The NoC stamps `issued`, `delivered` and `returned`, the target `served`; whoever finds a stamp
/// of its own already set leaves it. Stamps may lie in the future (annotated delays, a memory that
/// knows its completion time). A stamp that was not reached is `unset()`.
class BurstTrace : public tlm::tlm_extension<BurstTrace> {
 public:
  static sc_core::sc_time unset() { return sc_core::sc_max_time(); }
  static bool is_set(const sc_core::sc_time& stamp) { return stamp != unset(); }

  sc_core::sc_time issued = unset();
  sc_core::sc_time delivered = unset();
  sc_core::sc_time served = unset();
  sc_core::sc_time returned = unset();

  void reset() { issued = delivered = served = returned = unset(); }

  tlm::tlm_extension_base* clone() const override { return new BurstTrace(*this); }
  void copy_from(const tlm::tlm_extension_base& other) override {
    *this = static_cast<const BurstTrace&>(other);
  }
};

/// Sets a stamp of the transaction's trace, if it has a trace and the stamp is not set.
inline void stamp_once(tlm::tlm_generic_payload& transaction, sc_core::sc_time BurstTrace::*stamp,
                       const sc_core::sc_time& when) {
  auto* trace = transaction.get_extension<BurstTrace>();
  if (trace != nullptr && !BurstTrace::is_set(trace->*stamp)) trace->*stamp = when;
}

}  // namespace tessera::common
