#pragma once

#include <array>
#include <functional>

#include "periph/peripheral.hpp"

namespace tessera::periph {

/// Platform-level interrupt controller, laid out as on QEMU's virt board, with one context: hart 0
/// in machine mode. Sources are 1..95, priorities 0..7 (0 never interrupts). Accesses of 4 bytes.
///
/// A source is level sensitive: while its line is high and no handler has claimed it, it is
/// pending; a line that falls before the claim withdraws the request; one that is still high at
/// completion is pending again. The claim register gives the enabled, pending source of highest
/// priority above the threshold, the lowest number among equals, or 0.
class Plic : public Peripheral {
 public:
  static constexpr uint32_t kSources = 96;  ///< number 0 does not exist

  explicit Plic(const sc_core::sc_module_name& name);

  /// Called when the level of the external interrupt changes.
  void set_interrupt_callback(std::function<void(bool level)> callback);

  /// Level of interrupt line `source`, 1..95. Throws std::out_of_range for another number.
  void set_source(uint32_t source, bool level);

 private:
  static constexpr uint32_t kWords = kSources / 32;
  struct Source {
    uint32_t priority = 0;
    bool level = false;
    bool pending = false;
    bool claimed = false;
  };

  uint32_t read(uint32_t offset, uint32_t size_bytes, const sc_core::sc_time& now) override;
  void write(uint32_t offset, uint32_t size_bytes, uint32_t value,
             const sc_core::sc_time& now) override;
  uint8_t peek(uint32_t offset) const override;

  uint32_t value_at(uint32_t offset) const;
  bool enabled(uint32_t source) const;
  uint32_t best_source() const;
  uint32_t claim();
  void complete(uint32_t source);
  void update();

  std::array<Source, kSources> sources_{};
  std::array<uint32_t, kWords> enables_{};
  uint32_t threshold_ = 0;
  bool output_ = false;
  std::function<void(bool)> callback_;
};

}  // namespace tessera::periph
