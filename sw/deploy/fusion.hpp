#pragma once

/// Groups the layers of an integer network into what the chip does in one pass: a convolution, then
/// optionally a residual addition, then optionally pooling.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/integer_network.hpp"

namespace tessera::deploy {

struct FusedLayer {
  std::string name;
  graph::IntegerLayer convolution;
  bool inserted = false;  ///< the convolution is an identity that fusion put there
  std::optional<graph::IntegerLayer> add;
  int residual = -1;    ///< tensor index of the other operand of `add`
  int own_operand = 0;  ///< which operand of `add` is the convolution's result
  std::optional<graph::IntegerLayer> pool;
  int input = 0;  ///< tensor indices
  int output = 0;
};

/// In execution order. An addition or pooling that cannot join a convolution (its operand is also
/// read elsewhere, or is no convolution) follows an inserted 1x1 identity convolution. Padding of a
/// pooling moves to that convolution, where zeros are neutral: average pooling, and maximum pooling
/// of unsigned maps; of signed maps it throws std::runtime_error naming the layer. Concatenations
/// remain as copies only where an operand cannot be written in place (see placement.hpp): such
/// operands get an identity convolution too; `network.tensors` gains the copies.
std::vector<FusedLayer> fuse(graph::IntegerNetwork& network);

/// `layer` without its pooling, and the pooling behind an inserted identity convolution. The layer
/// has a pooling and is not inserted.
std::pair<FusedLayer, FusedLayer> split_pool(const graph::IntegerNetwork& network,
                                             const FusedLayer& layer);

/// Channel offset of each tensor that is written straight into a concatenation, and its target.
struct ConcatSlice {
  int tensor = 0;
  int target = 0;
  int64_t channel = 0;
};
std::vector<ConcatSlice> concat_slices(const graph::IntegerNetwork& network);

}  // namespace tessera::deploy
