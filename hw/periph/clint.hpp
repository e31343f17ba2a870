#pragma once

#include <functional>

#include "periph/peripheral.hpp"

namespace tessera::periph {

/// Core-local interruptor of one hart, laid out as on QEMU's virt board: msip at 0x0, mtimecmp at
/// 0x4000, mtime at 0xBFF8; accesses of 4 bytes. mtime counts abi::kTimebaseHz ticks of simulated
/// time and can be written. The timer interrupt is high while mtime >=
/// mtimecmp; both are 0 at reset, so that it is pending from the start, as on QEMU.
class Clint : public Peripheral {
 public:
  explicit Clint(const sc_core::sc_module_name& name);

  /// Called when the level of an interrupt changes.
  void set_software_interrupt_callback(std::function<void(bool level)> callback);
  void set_timer_interrupt_callback(std::function<void(bool level)> callback);

  /// Ticks at the present simulated time.
  uint64_t mtime() const { return ticks_at(sc_core::sc_time_stamp()); }

 private:
  uint32_t read(uint32_t offset, uint32_t size_bytes, const sc_core::sc_time& now) override;
  void write(uint32_t offset, uint32_t size_bytes, uint32_t value,
             const sc_core::sc_time& now) override;
  uint8_t peek(uint32_t offset) const override;

  uint32_t value_at(uint32_t offset, const sc_core::sc_time& now) const;
  uint64_t ticks_at(const sc_core::sc_time& now) const;
  void start_of_simulation() override { update_timer(); }
  void update_timer();
  void timer_process();

  uint32_t msip_ = 0;
  uint64_t mtimecmp_ = 0;
  uint64_t mtime_offset_ = 0;  ///< mtime = ticks of simulated time + this
  bool timer_level_ = false;
  sc_core::sc_event timer_event_;
  std::function<void(bool)> software_callback_;
  std::function<void(bool)> timer_callback_;
};

}  // namespace tessera::periph
