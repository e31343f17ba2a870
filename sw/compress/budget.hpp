#pragma once

/// What a recipe may choose, and what that may cost.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"
#include "graph/integer_network.hpp"

namespace tessera::compress {

/// What a network costs in some unit, by layer.
struct Costs {
  int64_t total = 0;
  /// In execution order; they sum to `total`. What is fused has the name of its convolution.
  std::vector<std::pair<std::string, int64_t>> layers;
  int64_t dram_bytes = 0;  ///< read and written, of a latency; else 0
};

/// Latency of quantised networks on a chip. Throws std::runtime_error if one does not fit the chip.
struct LatencyModel {
  std::string chip;       ///< its name
  std::string chip_yaml;  ///< all that the estimate depends on beside the network
  /// Cycles of one inference, and its DRAM traffic.
  std::function<Costs(const graph::Graph& quantized)> estimate;
};

enum class BudgetKind : uint8_t {
  kSize,     ///< packed bytes: float bytes of the network as given / `amount`
  kBytes,    ///< packed bytes: `amount`
  kBops,     ///< bit operations: 32-bit ones of the network as given / `amount`
  kLatency,  ///< cycles: those of the same network with `against_bits` everywhere / `amount`
};

const char* unit_of(BudgetKind kind);

/// Packed bytes of a convolution's weights, with 4 bytes a bias and 3 a rescaling.
int64_t packed_size_bytes(const graph::IntegerLayer& layer);
/// MACs of a convolution, an image.
int64_t mac_count(const graph::IntegerNetwork& network, const graph::IntegerLayer& layer);
/// MACs * weight bits * activation bits, as stored.
int64_t bit_operations(const graph::IntegerNetwork& network, const graph::IntegerLayer& layer);

/// Of a quantised network, in the unit of `kind`. `latency` is for kLatency, and not null then.
Costs costs_of(const graph::Graph& quantized, BudgetKind kind, const LatencyModel* latency);

struct Budget {
  BudgetKind kind = BudgetKind::kSize;
  double amount = 1;
  int against_bits = 16;  ///< kLatency
  int line = 0;           ///< in the recipe's file
};

enum class Sensitivity : uint8_t {
  kHessian,  ///< of the cross entropy, by the weights' Hessian trace
  kMse       ///< of the logits, measured
};

struct WidthChoice {
  int bits = 8;  ///< 2..16
  graph::WeightCode code = graph::WeightCode::kTwosComplement;
};

/// "8", or "p4".
std::string to_string(const WidthChoice& choice);

struct AllocateOptions {
  std::vector<WidthChoice> weights;
  std::vector<int> activation_bits;  ///< empty: as the recipe says
  Budget budget;
  Sensitivity sensitivity = Sensitivity::kHessian;
  int64_t images = 128;  ///< of the training split
  int probes = 16;       ///< of the Hessian traces
  uint64_t seed = 1;     ///< of the probes
};

}  // namespace tessera::compress
