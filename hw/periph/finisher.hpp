#pragma once

#include <functional>

#include "periph/peripheral.hpp"

namespace tessera::periph {

/// What a program asks the test finisher for.
struct FinisherRequest {
  enum class Kind { kPass, kFail, kReset };
  Kind kind = Kind::kPass;
  int exit_code = 0;  ///< 0 for kPass and kReset; bits 31:16 of the word for kFail
};

/// SiFive's test finisher: one register; see abi::kFinisherPass. Words it does not know do nothing;
/// reads give 0. Accesses of 2 and 4 bytes.
class Finisher : public Peripheral {
 public:
  explicit Finisher(const sc_core::sc_module_name& name);

  /// Called for each request, inside of the store that makes it.
  void set_callback(std::function<void(const FinisherRequest&)> callback);

 private:
  uint32_t read(uint32_t offset, uint32_t size_bytes, const sc_core::sc_time& now) override;
  void write(uint32_t offset, uint32_t size_bytes, uint32_t value,
             const sc_core::sc_time& now) override;
  uint8_t peek(uint32_t offset) const override;

  std::function<void(const FinisherRequest&)> callback_;
};

}  // namespace tessera::periph
