#include "npu/command_fetcher.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tessera::npu {
namespace {

using abi::Engine;
using abi::Opcode;

constexpr uint32_t kAddress = 0x8010'0000;

void append(std::vector<uint32_t>& list, Opcode opcode, uint32_t payload_words, uint32_t tag) {
  abi::CommandHeader header;
  header.opcode = opcode;
  header.payload_words = payload_words;
  list.push_back(abi::encode(header));
  list.push_back(tag);
  list.insert(list.end(), payload_words, 0xFFFF'FFFF);
}

TEST(CommandFetcher, reads_ahead_by_two_pieces_and_no_further) {
  std::vector<uint32_t> list;
  for (uint32_t tag = 0; tag < 15; ++tag) append(list, Opcode::kLoad, 9, tag);
  CommandFetcher fetcher;
  fetcher.start(kAddress, 165);
  const auto expect_piece = [&](uint64_t address, uint32_t words) {
    const auto piece = fetcher.next_piece();
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->address, address);
    EXPECT_EQ(piece->words, words);
    fetcher.arrived(list.data() + (address - kAddress) / 4);
  };
  EXPECT_FALSE(fetcher.has_word());
  expect_piece(kAddress, 64);
  expect_piece(kAddress + 256, 64);
  EXPECT_FALSE(fetcher.next_piece()) << "no buffer is free";
  for (int n = 0; n < 63; ++n) fetcher.deliver();
  EXPECT_FALSE(fetcher.next_piece()) << "the first piece has a word left";
  fetcher.deliver();
  expect_piece(kAddress + 512, 37);
  EXPECT_FALSE(fetcher.next_piece()) << "there is no more";
  for (uint32_t n = 64; n < 165; ++n) {
    EXPECT_TRUE(fetcher.busy());
    EXPECT_EQ(fetcher.word(), list[n]) << n;
    EXPECT_EQ(fetcher.deliver(), n % 11 == 10) << n;
    const uint32_t tags = (n + 10) / 11;  // delivered
    EXPECT_EQ(fetcher.tag(), tags == 0 ? 0 : tags - 1) << n;
  }
  EXPECT_FALSE(fetcher.busy());
  EXPECT_FALSE(fetcher.has_word());
}

TEST(CommandFetcher, the_opcode_names_the_engine_of_all_words_of_a_command) {
  std::vector<uint32_t> list;
  append(list, Opcode::kRun, 11, 1);
  append(list, Opcode::kLoadTable, 3, 2);
  append(list, Opcode::kStore, 9, 3);
  append(list, Opcode::kConfigure, 31, 4);
  CommandFetcher fetcher;
  fetcher.start(kAddress, static_cast<uint32_t>(list.size()));
  fetcher.arrived(list.data());
  for (const auto& [engine, words] : {std::pair{Engine::kCompute, 13U},
                                      {Engine::kLoad, 5U},
                                      {Engine::kStore, 11U},
                                      {Engine::kCompute, 33U}}) {
    for (uint32_t n = 0; n < words; ++n) {
      EXPECT_EQ(fetcher.receiver(), engine);
      fetcher.deliver();
    }
    EXPECT_EQ(fetcher.command_bytes(), words * 4);
  }
}

TEST(CommandFetcher, nobody_takes_an_unknown_opcode_or_a_command_that_is_cut_off) {
  CommandFetcher fetcher;
  std::vector<uint32_t> unknown;
  append(unknown, static_cast<Opcode>(0x30), 2, 0);
  fetcher.start(kAddress, 4);
  fetcher.arrived(unknown.data());
  EXPECT_FALSE(fetcher.receiver());
  std::vector<uint32_t> load;
  append(load, Opcode::kLoad, 9, 0);
  fetcher.start(kAddress, 10);
  fetcher.arrived(load.data());
  EXPECT_FALSE(fetcher.receiver());
  fetcher.start(kAddress, 11);
  fetcher.arrived(load.data());
  EXPECT_EQ(fetcher.receiver(), Engine::kLoad);
}

}  // namespace
}  // namespace tessera::npu
