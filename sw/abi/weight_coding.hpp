#pragma once

/// Entropy-coded weights: the coding that the image holds and the load engine's decoder undoes.
///
/// What is coded is the bytes of a layer's packed operand stream, as they lie in the weight
/// scratchpad: pairs of 4-bit and quadruples of 2-bit weights together, the low and the high bytes
/// of 16-bit weights apart. The code is a canonical Huffman code with lengths of 1 to
/// kMaxCodeBits bits: codes of a length are consecutive numbers in the order of their symbols in
/// the table, and the first of a length is twice the one behind the last of the length before.
///
/// Table: kMaxCodeBits 16-bit counts of the codes of length 1, 2, ...; then the symbols, a byte
/// each, by length; a zero byte if they are odd. The code may leave bit strings unused.
///
/// Block: what one LOAD brings. Byte i is coded in lane i mod lanes. A lane's codes follow each
/// other from the highest bit of a 16-bit word to the lowest, and from word to word. All lanes
/// decode one symbol a step. Before it each lane that decodes in the step and holds fewer than
/// kMaxCodeBits bits takes the next word of the block, the lowest lane first: so the words of all
/// lanes are one sequence. The block ends with the last word that is taken; unused bits are zero.
///
/// Banks: the decoder holds two tables. Even lanes use bank 0, odd lanes bank 1.

#include <stdint.h>

namespace tessera::abi {

constexpr uint32_t kMaxCodeBits = 12;
constexpr uint32_t kCodeWordBytes = 2;  ///< what lanes take; little endian
constexpr uint32_t kTableCountBytes = kMaxCodeBits * 2;
constexpr uint32_t kMaxSymbols = 256;
constexpr uint32_t kMaxTableBytes = kTableCountBytes + kMaxSymbols;
constexpr uint32_t kTableBanks = 2;

constexpr uint32_t kMinDecoderLanes = 2;
constexpr uint32_t kMaxDecoderLanes = 64;

/// Bytes of a table of so many symbols.
constexpr uint32_t table_bytes(uint32_t symbols) {
  return kTableCountBytes + (symbols + 1) / 2 * 2;
}

}  // namespace tessera::abi
