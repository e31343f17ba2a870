#pragma once

/// The RTL PE (rtl/pe.sv), compiled by Verilator, behind the interface of the model PE.

#include <memory>

#include "pe/clocked_pe.hpp"

namespace tessera::rtl {

/// One instance of the RTL PE, in a Verilator context of its own. Reset when constructed.
class VerilatedPe final : public pe::ClockedPe {
 public:
  VerilatedPe();
  ~VerilatedPe() override;
  VerilatedPe(const VerilatedPe&) = delete;
  VerilatedPe& operator=(const VerilatedPe&) = delete;

  void reset() override;
  pe::PeOutputs clock(const pe::PeInputs& inputs) override;
  void flip_accumulator_bit(int bit) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::rtl
