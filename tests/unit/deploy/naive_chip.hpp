#pragma once

/// What the fused layers compute, one output at a time, straight from the definitions in
/// graph/integer_network.hpp and deploy/fusion.hpp. Shares no code with the deployer, the model or
/// the reference.

#include <cstdint>
#include <vector>

#include "deploy/fusion.hpp"
#include "graph/integer_network.hpp"

namespace tessera::test {

using Map = std::vector<int32_t>;  ///< {C, H, W} row-major

/// Convolution sums without bias, {K, OH, OW}. The output size follows from window and input.
std::vector<int64_t> naive_sums(const graph::IntegerLayer& conv, const graph::IntegerTensor& input,
                                const Map& x);
int64_t output_size(int64_t size, int64_t pads, int64_t kernel, int64_t stride, int64_t dilation);

/// Runs the groups in their order. Concatenations happen by address: a group whose output is a
/// part of one writes there as well. Throws std::runtime_error if a group reads an element that
/// no earlier group wrote, or if its sizes do not fit its tensors. Returns the tensors by index;
/// empty where nobody wrote.
std::vector<Map> run_groups(const graph::IntegerNetwork& net,
                            const std::vector<deploy::FusedLayer>& groups, const Map& input);

}  // namespace tessera::test
