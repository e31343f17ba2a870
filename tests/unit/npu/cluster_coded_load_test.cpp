#include <gtest/gtest.h>

#include <random>

#include "cluster_bench.hpp"
#include "convolution_case.hpp"
#include "deploy/weight_coding.hpp"

namespace tessera::npu::test {
namespace {

namespace reg = abi::npu_reg;
using abi::Engine;
using abi::NpuError;
using abi::Opcode;

constexpr uint32_t kTag = abi::make_tag(6, 9);
constexpr uint32_t kLanes = 8;
constexpr uint32_t kWeightBytes = 4000;
constexpr uint32_t kCodedAddress = kDramBase + 0x1000;
constexpr uint32_t kLocal = abi::kLocalWeights + 0x100;

/// Some weights with their code: one table and one block, in DRAM from kCodedAddress on.
class CodedLoad : public testing::TestWithParam<common::TimingMode> {
 protected:
  CodedLoad() {
    std::mt19937_64 random(4);
    for (uint32_t i = 0; i < kWeightBytes; ++i) {
      weights_.push_back(static_cast<uint8_t>(random() % 4 == 0 ? random() % 256 : random() % 3));
    }
    coded_ = deploy::code_weights(weights_, kWeightBytes, 8, kLanes);
  }

  void run_program(const ClusterBench::Program& program, uint32_t lanes = kLanes) {
    chip::Chip chip = small_chip();
    chip.npu.decoder_lanes = lanes;
    ClusterBench bench(chip, GetParam());
    bool finished = false;
    bench.run([&](ClusterBench& b) {
      b.write(reg::IRQ_ENABLE, abi::kIrqError);
      std::copy(coded_.bytes.begin(), coded_.bytes.end(), b.dram_at(kCodedAddress));
      program(b);
      finished = true;
    });
    EXPECT_TRUE(finished);
  }

  abi::TableTransfer table() const { return {kCodedAddress, coded_.pieces[1], 3}; }
  abi::CodedTransfer block() const {
    return {kCodedAddress + coded_.pieces[1], kLocal, coded_.pieces[2] - coded_.pieces[1],
            kWeightBytes};
  }

  void load_table(ClusterBench& b) const {
    b.push(Engine::kLoad, header(Opcode::kLoadTable), kTag, table());
  }
  static void load_block(ClusterBench& b, const abi::CodedTransfer& block) {
    b.push(Engine::kLoad, header(Opcode::kLoadCoded, 0, 0, true), kTag, block);
  }

  static void expect_error(ClusterBench& b, NpuError cause, uint32_t info) {
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(cause)) << b.cluster.error_text();
    EXPECT_EQ(b.read(reg::ERROR_ENGINE), static_cast<uint32_t>(Engine::kLoad));
    EXPECT_EQ(b.read(reg::ERROR_TAG), kTag);
    EXPECT_EQ(b.read(reg::ERROR_INFO), info);
    EXPECT_NE(b.cluster.error_text().find(abi::name_of(cause)), std::string::npos);
  }

  std::vector<uint8_t> weights_;
  deploy::CodedWeights coded_;
};

TEST_P(CodedLoad, leaves_the_weights_in_the_scratchpad) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    load_block(b, block());
    b.wait_for_notify(1);
    const uint8_t* local = b.cluster.memories().at(kLocal);
    EXPECT_EQ(std::vector<uint8_t>(local, local + kWeightBytes), weights_);
    EXPECT_EQ(local[-1], 0);
    EXPECT_EQ(local[kWeightBytes], 0);
  });
}

TEST_P(CodedLoad, counts_coded_bytes_from_dram_and_decoded_ones_into_the_scratchpad) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    load_block(b, block());
    b.wait_for_notify(1);
    const EventCounts events = b.cluster.statistics().events;
    EXPECT_EQ(events.dram_bytes_read, coded_.bytes.size());
    EXPECT_EQ(events.table_bytes, table().bytes);
    EXPECT_EQ(events.decoded_bytes, kWeightBytes);
    EXPECT_EQ(events.scratchpad_bytes_written[static_cast<size_t>(Memory::kWeights)], kWeightBytes);
  });
}

/// Cycles from the push of a load of so many bytes to its notification.
uint64_t plain_cycles(ClusterBench& b, uint32_t address, uint32_t bytes, uint32_t count) {
  const uint64_t start = b.now();
  b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), kTag,
         plain_transfer(address, abi::kLocalActivations, bytes));
  b.wait_for_notify(count);
  return b.now() - start;
}

TEST_P(CodedLoad, takes_its_transfer_and_what_the_decoder_is_behind) {
  // Two lanes: the decoder takes longer than the transfer.
  constexpr uint32_t kFewLanes = 2;
  coded_ = deploy::code_weights(weights_, kWeightBytes, 8, kFewLanes);
  run_program(
      [&](ClusterBench& b) {
        load_table(b);
        load_block(b, block());
        b.wait_for_notify(1);
        const uint64_t transfer = plain_cycles(b, block().dram_address, block().coded_bytes, 2);
        const uint64_t start = b.now();
        load_block(b, block());
        b.wait_for_notify(3);
        const uint64_t coded = b.now() - start;

        WeightDecoder decoder(kFewLanes, 16);
        ASSERT_TRUE(decoder.load_table(coded_.bytes.data(), table().bytes, 3).ok());
        std::vector<uint8_t> out(kWeightBytes);
        const DecoderResult result = decoder.decode(coded_.bytes.data() + table().bytes,
                                                    block().coded_bytes, out.data(), out.size());
        const uint64_t behind = decoder.cycles_behind(result, block().coded_bytes);
        EXPECT_GT(behind, kWeightBytes / 4);
        // Refresh and the words of the command on their way make some cycles of difference.
        EXPECT_NEAR(static_cast<double>(coded), static_cast<double>(transfer + behind), 8);
      },
      kFewLanes);
}

TEST_P(CodedLoad, of_no_prefix_code_is_an_error) {
  coded_.bytes[0] = 3;
  run_program([this](ClusterBench& b) {
    load_table(b);
    expect_error(b, NpuError::kBadTable, kCodedAddress);
  });
}

TEST_P(CodedLoad, without_a_table_is_an_error) {
  run_program([this](ClusterBench& b) {
    load_block(b, block());
    expect_error(b, NpuError::kBadCode, block().dram_address);
  });
}

TEST_P(CodedLoad, forgets_the_table_at_a_reset) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    load_block(b, block());
    b.wait_for_notify(1);
    b.write(reg::CONTROL, abi::kControlReset);
    load_block(b, block());
    expect_error(b, NpuError::kBadCode, block().dram_address);
  });
}

TEST_P(CodedLoad, that_ends_early_is_an_error) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    abi::CodedTransfer early = block();
    early.coded_bytes -= 2;
    load_block(b, early);
    expect_error(b, NpuError::kBadCode, block().dram_address);
    EXPECT_EQ(b.read(reg::NOTIFY_COUNT), 0U);
  });
}

TEST_P(CodedLoad, of_half_a_word_is_an_error) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    abi::CodedTransfer odd = block();
    ++odd.coded_bytes;
    load_block(b, odd);
    expect_error(b, NpuError::kBadCode, block().dram_address);
  });
}

TEST_P(CodedLoad, with_words_left_over_is_an_error) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    abi::CodedTransfer late = block();
    late.bytes -= 100;
    load_block(b, late);
    expect_error(b, NpuError::kBadCode, block().dram_address);
  });
}

TEST_P(CodedLoad, beyond_the_scratchpad_names_the_first_bad_address) {
  run_program([this](ClusterBench& b) {
    load_table(b);
    abi::CodedTransfer wide = block();
    wide.local_address = abi::kLocalWeights + (64 << 10) - 16;
    load_block(b, wide);
    expect_error(b, NpuError::kBadAddress, abi::kLocalWeights + (64 << 10));
  });
}

TEST_P(CodedLoad, from_nowhere_is_a_bus_error) {
  run_program([this](ClusterBench& b) {
    abi::TableTransfer nowhere = table();
    nowhere.dram_address = 0x1000'0000;
    b.push(Engine::kLoad, header(Opcode::kLoadTable), kTag, nowhere);
    expect_error(b, NpuError::kBusError, 0x1000'0000);
  });
}

TEST_P(CodedLoad, is_no_command_of_a_chip_without_a_decoder) {
  run_program(
      [this](ClusterBench& b) {
        abi::CommandHeader expected = header(Opcode::kLoadTable);
        expected.payload_words = abi::words_of<abi::TableTransfer>();
        load_table(b);
        expect_error(b, NpuError::kBadOpcode, abi::encode(expected));
      },
      0);
}

INSTANTIATE_TEST_SUITE_P(Timing, CodedLoad,
                         testing::Values(common::TimingMode::kApproximatelyTimed,
                                         common::TimingMode::kLooselyTimed),
                         [](const auto& info) {
                           return info.param == common::TimingMode::kLooselyTimed ? "lt" : "at";
                         });

}  // namespace
}  // namespace tessera::npu::test
