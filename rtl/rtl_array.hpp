#pragma once

/// The RTL array as a backend of the compute engine: feeds it operands, parameters and positions in
/// the order that it asks for, takes its results, and counts its cycles.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "npu/array.hpp"
#include "rtl/array_fault.hpp"
#include "rtl/verilated_array.hpp"

namespace tessera::rtl {

/// How often, in percent of the cycles (0..99), what the array waits for is not there.
struct ArrayStalls {
  unsigned operands = 0;
  unsigned parameters = 0;
  unsigned results = 0;  ///< nobody takes the results
  uint64_t seed = 0;

  bool any() const { return operands + parameters + results != 0; }
};

/// Sees what happens at every rising edge of a RUN, before the array moves on. `cycle` is that of
/// the RUN which the edge ends; `outputs` is what the array showed in it.
class ArrayObserver {
 public:
  virtual ~ArrayObserver() = default;

  /// Return false to end the RUN at once; the array is then reset.
  virtual bool edge(uint64_t cycle, const ArrayOutputs& outputs, const ArrayEvents& events) = 0;
};

class RtlArray final : public npu::ArrayBackend {
 public:
  /// Throws ArrayError if no array of this size was compiled so.
  RtlArray(uint32_t rows, uint32_t columns, ArrayBuild build = ArrayBuild::kFast);

  /// Throws ArrayError if the array does not end the RUN.
  npu::ArrayResult run(const npu::ArrayRun& run, npu::ArrayClient& client) override;

  /// Of all RUNs from now on; null for none. Outlives the array.
  void set_observer(ArrayObserver* observer) { observer_ = observer; }

  void set_stalls(const ArrayStalls& stalls) { stalls_ = stalls; }

  /// Throws CosimOptionError if there is no such place.
  void inject(const ArrayFault& fault);
  const std::optional<ArrayFault>& fault() const { return fault_; }
  /// Whether it has struck.
  bool fault_struck() const { return struck_; }

  uint64_t runs() const { return runs_; }      ///< RUNs started so far
  uint64_t cycles() const { return cycles_; }  ///< cycles of all RUNs so far
  /// Of the RUN that ended last: cycles in which something was not there that could have been used.
  uint64_t stall_cycles() const { return stall_cycles_; }

  VerilatedArray& device() { return device_; }

 private:
  class Feed;
  class Drain;

  bool strikes(ArrayFault::Target target, uint64_t cycle);
  void strike_registers(uint64_t cycle);

  VerilatedArray device_;
  ArrayObserver* observer_ = nullptr;
  ArrayStalls stalls_;
  std::optional<ArrayFault> fault_;
  bool struck_ = false;
  uint64_t runs_ = 0;
  uint64_t cycles_ = 0;
  uint64_t stall_cycles_ = 0;
  std::vector<pe::OperandWord> weight_words_;      ///< handed over in this cycle, if a fault hits
  std::vector<pe::OperandWord> activation_words_;  ///< them
};

}  // namespace tessera::rtl
