#pragma once

/// The size of weights in a real entropy code.

#include <cstdint>
#include <vector>

namespace tessera::compress {

/// Code lengths, in the order of `counts` (each 1 or more), of a Huffman code (A method for the
/// construction of minimum-redundancy codes, 1952). A single symbol takes no bits.
std::vector<int> huffman_lengths(const std::vector<int64_t>& counts);

/// Bits of a canonical Huffman code of `values`, how many being known, and of the table that
/// decodes it: a bit for the table's form, then either a 6-bit length for each of the 2^bits values
/// or, behind how many there are in bits + 1 bits, value and length of those that occur. `bits` are
/// those of a value stored as it is.
int64_t huffman_size_bits(const std::vector<int16_t>& values, int bits);

}  // namespace tessera::compress
