#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "deploy/weight_coding.hpp"
#include "npu/weight_decoder.hpp"

namespace tessera {
namespace {

/// TESSERA_TEST_SEED, or a fixed seed.
uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_TEST_SEED");
  return text == nullptr ? 5U : std::strtoull(text, nullptr, 0);
}

/// What the decoder makes of coded weights.
std::vector<uint8_t> decoded(const deploy::CodedWeights& coded, size_t size, uint32_t block_bytes,
                             npu::WeightDecoder& decoder) {
  const auto size_of = [&](size_t piece) { return coded.pieces[piece + 1] - coded.pieces[piece]; };
  for (uint32_t i = 0; i < coded.tables; ++i) {
    const npu::DecoderResult result = decoder.load_table(
        coded.bytes.data() + coded.pieces[i], size_of(i), coded.tables == 1 ? 3 : 1U << i);
    EXPECT_TRUE(result.ok());
  }
  std::vector<uint8_t> bytes(size);
  size_t piece = coded.tables;
  for (size_t first = 0; first < size; first += block_bytes, ++piece) {
    const npu::DecoderResult result =
        decoder.decode(coded.bytes.data() + coded.pieces[piece], size_of(piece),
                       bytes.data() + first, std::min<size_t>(block_bytes, size - first));
    EXPECT_TRUE(result.ok()) << "fault " << static_cast<int>(result.fault) << " in block "
                             << piece - coded.tables;
  }
  EXPECT_EQ(piece + 1, coded.pieces.size());
  return bytes;
}

struct Source {
  const char* name;
  uint8_t (*draw)(std::mt19937_64&, size_t);
};

const Source kSources[] = {
    {"one value", [](std::mt19937_64&, size_t) { return uint8_t{77}; }},
    {"two values", [](std::mt19937_64& r, size_t) { return uint8_t(r() % 9 == 0 ? 3 : 250); }},
    {"all values", [](std::mt19937_64& r, size_t) { return uint8_t(r()); }},
    {"each value as often", [](std::mt19937_64&, size_t i) { return uint8_t(i); }},
    {"steep",
     [](std::mt19937_64& r, size_t) { return uint8_t(__builtin_ctzll(r() | 1ULL << 60)); }},
    {"very steep", [](std::mt19937_64& r, size_t) { return uint8_t(r() % 5000 != 0 ? 0 : r()); }},
    {"even bytes alone",
     [](std::mt19937_64& r, size_t i) { return uint8_t(i % 2 == 0 ? r() : r() % 3); }},
};

TEST(RoundTrip, of_any_bytes_at_any_number_of_lanes) {
  std::mt19937_64 random(test_seed());
  SCOPED_TRACE("TESSERA_TEST_SEED=" + std::to_string(test_seed()));
  for (const Source& source : kSources) {
    for (uint32_t lanes = 2; lanes <= 64; lanes *= 2) {
      for (const int weight_bits : {4, 16}) {
        const size_t size = 1 + random() % 3000;
        const auto block_bytes = static_cast<uint32_t>(1 + random() % 700);
        std::vector<uint8_t> bytes(size);
        for (size_t i = 0; i < size; ++i) bytes[i] = source.draw(random, i);
        // The banks alternate within a block.
        const uint32_t even_blocks = block_bytes + block_bytes % 2;
        const auto coded = deploy::code_weights(bytes, even_blocks, weight_bits, lanes);
        npu::WeightDecoder decoder(lanes, 16);
        EXPECT_EQ(decoded(coded, size, even_blocks, decoder), bytes)
            << source.name << ", " << lanes << " lanes, " << weight_bits << " bits, " << size
            << " bytes in blocks of " << even_blocks;
      }
    }
  }
}

TEST(RoundTrip, takes_a_cycle_for_as_many_bytes_as_there_are_lanes_or_for_a_beat) {
  std::mt19937_64 random(test_seed());
  constexpr size_t kBytes = 16'384;
  std::vector<uint8_t> easy(kBytes);
  for (uint8_t& byte : easy) byte = random() % 16 == 0 ? 1 : 0;
  std::vector<uint8_t> hard(kBytes);
  for (uint8_t& byte : hard) byte = static_cast<uint8_t>(random());
  const auto cycles = [&](const std::vector<uint8_t>& bytes, uint32_t lanes, uint32_t beat_bytes) {
    const auto coded = deploy::code_weights(bytes, kBytes, 8, lanes);
    npu::WeightDecoder decoder(lanes, beat_bytes);
    decoder.load_table(coded.bytes.data(), coded.pieces[1], 3);
    std::vector<uint8_t> out(kBytes);
    const size_t block = coded.pieces[2] - coded.pieces[1];
    const auto result =
        decoder.decode(coded.bytes.data() + coded.pieces[1], block, out.data(), kBytes);
    EXPECT_EQ(out, bytes);
    EXPECT_EQ(decoder.cycles_behind(result, block),
              result.cycles - (block + beat_bytes - 1) / beat_bytes);
    return result.cycles;
  };
  // A bit a byte: the lanes bind. The first step waits for words for all lanes.
  EXPECT_EQ(cycles(easy, 16, 16), kBytes / 16 + 2 + 1 + npu::kDecoderPipelineCycles - 1);
  // Eight bits a byte: the beats bind, 16 bytes in each.
  const uint64_t beats = kBytes / 16;
  const uint64_t hard_cycles = cycles(hard, 64, 16);
  EXPECT_GE(hard_cycles, beats + npu::kDecoderPipelineCycles);
  EXPECT_LE(hard_cycles, beats + beats / 50 + npu::kDecoderPipelineCycles + 8);
}

}  // namespace
}  // namespace tessera
