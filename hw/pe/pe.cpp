#include "pe/pe.hpp"

#include "pe/mode.hpp"

namespace tessera::pe {

void Pe::set_mode(const abi::PeMode& mode) {
  if (!same_mode(mode, multiplier_.mode())) multiplier_ = FusedMultiplier(mode);
}

LaneSum Pe::step(const OperandWord& activations, const OperandWord& weights) {
  const LaneSum lanes = multiplier_.multiply(activations, weights);
  const int64_t exact = accumulator_ + lanes.sum;
  accumulator_ = wrap_accumulator(exact);
  overflow_ = overflow_ || accumulator_ != exact;
  gated_lanes_ += static_cast<uint64_t>(lanes.gated_lanes);
  stepped_lanes_ += static_cast<uint64_t>(abi::lanes(mode()));
  return lanes;
}

void Pe::clear() {
  accumulator_ = 0;
  overflow_ = false;
}

void Pe::flip_accumulator_bit(int bit) {
  accumulator_ = wrap_accumulator(accumulator_ ^ (int64_t{1} << bit));
}

}  // namespace tessera::pe
