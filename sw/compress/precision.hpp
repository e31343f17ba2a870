#pragma once

/// The arithmetic of training.

#include <cstdint>
#include <string>

namespace tessera::compress {

enum class Precision : uint8_t {
  kAuto,     ///< kBfloat16 where it is faster: large networks on a CPU with AMX; else kFloat32
  kFloat32,  ///< everything
  kBfloat16  ///< convolutions, products and the activations between them; weights, statistics,
             ///< optimiser and loss stay float32
};

/// "auto", "float32" or "bfloat16". Throws std::runtime_error for anything else.
Precision parse_precision(const std::string& name);

/// kFloat32 or kBfloat16, for a network of so many multiply-accumulates an image: kAuto leaves
/// small ones in float32, which are faster so. Throws std::runtime_error if kBfloat16 is asked for
/// and the CPU has neither AMX-BF16 nor AVX512-BF16.
Precision resolve_precision(Precision precision, int64_t macs);

}  // namespace tessera::compress
