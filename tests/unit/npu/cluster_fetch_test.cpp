/// The fetch engine. Cycles are worked out by hand for the small chip: a request takes 4 cycles to
/// the DRAM, a response 4 and one for each of its beats of 16 bytes; a first access 14 + 14 + 3.33
/// ns, one to an open row 14 + 3.33 ns; a cycle is a nanosecond.

#include <gtest/gtest.h>

#include "cluster_bench.hpp"
#include "convolution_case.hpp"

namespace tessera::npu::test {
namespace {

namespace reg = abi::npu_reg;
using abi::Engine;
using abi::NpuError;
using abi::Opcode;

constexpr uint32_t kList = kDramBase + 0xE'0000;
constexpr uint32_t kFetchBit = abi::engine_bit(Engine::kFetch);
constexpr uint32_t kLoadWords = abi::kPreambleWords + abi::words_of<abi::Transfer>();

class ClusterFetch : public testing::TestWithParam<common::TimingMode> {
 protected:
  void run_program(const ClusterBench::Program& program, const chip::Chip& chip = small_chip()) {
    ClusterBench bench(chip, GetParam());
    bool finished = false;
    bench.run([&](ClusterBench& b) {
      program(b);
      finished = true;
    });
    EXPECT_TRUE(finished);
  }

  /// Its command waits for a token of the store engine.
  static void hold_load_engine(ClusterBench& b) {
    b.push(Engine::kLoad, header(Opcode::kLoad, kStoreBit), 0, plain_transfer(0, 0, 0));
  }
  static void free_load_engine(ClusterBench& b) {
    b.push(Engine::kStore, header(Opcode::kStore, 0, kLoadBit), 0, plain_transfer(0, 0, 0));
  }

  /// Commands of the load engine that move nothing.
  static void push_empty_loads(ClusterBench& b, uint32_t count, bool notify = false) {
    for (uint32_t n = 0; n < count; ++n) {
      b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, notify), abi::make_tag(3, n),
             plain_transfer(0, 0, 0));
    }
  }

  /// Looks at a register in the middle of each cycle until `end` cycles behind now, which is a
  /// cycle behind the start of a list, and compares with what it holds so many cycles behind that.
  static void expect_register(ClusterBench& b, uint32_t offset, uint64_t end,
                              const std::function<uint32_t(uint64_t)>& expected) {
    sc_core::wait(b.clock.period() / 2);
    for (uint64_t cycle = 1; cycle < end; ++cycle) {
      ASSERT_EQ(b.read(offset), expected(cycle)) << "cycle " << cycle;
    }
  }

  static void expect_error(ClusterBench& b, NpuError cause, uint32_t tag, uint32_t info) {
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(cause));
    EXPECT_EQ(b.read(reg::ERROR_ENGINE), static_cast<uint32_t>(Engine::kFetch));
    EXPECT_EQ(b.read(reg::ERROR_TAG), tag);
    EXPECT_EQ(b.read(reg::ERROR_INFO), info);
    EXPECT_NE(b.cluster.error_text().find("fetch engine: "), std::string::npos);
    EXPECT_EQ(b.read(reg::STATUS) & kFetchBit, 0u);
    b.write(reg::CONTROL, abi::kControlReset);
    ConvolutionCase layer(ConvolutionShape{}, 5);
    layer.execute(b, 0, kList);
    EXPECT_EQ(layer.mismatches(b), 0u);
  }
};

TEST_P(ClusterFetch, a_word_a_cycle_arrives_behind_the_piece) {
  run_program([](ClusterBench& b) {
    hold_load_engine(b);
    b.begin_list();
    push_empty_loads(b, 5);
    b.start_list(kList);
    // 220 bytes: data are there at 35.33, 38.67, 42 and 45.33 ns; four beats each leave at 36, 40
    // and 44, two at 48. They are in 4 cycles later.
    constexpr uint64_t kArrival = 48 + 4 + 2;
    expect_register(b, reg::LOAD_SPACE, 150, [](uint64_t cycle) {
      return 64 -
             static_cast<uint32_t>(cycle < kArrival ? 0 : std::min(cycle - kArrival, uint64_t{55}));
    });
    EXPECT_EQ(b.read(reg::STATUS), kLoadBit);
  });
}

TEST_P(ClusterFetch, the_next_pieces_are_read_while_words_are_delivered) {
  run_program([](ClusterBench& b) {
    b.begin_list();
    push_empty_loads(b, 12, true);
    EXPECT_EQ(b.start_list(kList), 132u);
    // Full pieces leave the DRAM until 48 + 4. The second is there at 56 + 42, long before the
    // first is delivered at 120; its buffer then reads the last in 27 cycles.
    constexpr uint64_t kArrival = 52 + 4;
    expect_register(b, reg::NOTIFY_COUNT, 250, [](uint64_t cycle) {
      return static_cast<uint32_t>(
          cycle < kArrival ? 0 : std::min((cycle - kArrival) / kLoadWords, uint64_t{12}));
    });
  });
}

TEST_P(ClusterFetch, a_slow_memory_makes_gaps_between_pieces) {
  chip::Chip chip = small_chip();
  chip.dram.t_cas_ns = 100;
  run_program(
      [](ClusterBench& b) {
        b.begin_list();
        push_empty_loads(b, 12, true);
        b.start_list(kList);
        // The first leaves the DRAM at 4 + 117.33, as 16 beats; requested when it has arrived, the
        // second at 4 + 103.33; when that has, the third, of one beat.
        constexpr uint64_t kFirst = 122 + 16 + 4;
        constexpr uint64_t kSecond = kFirst + 108 + 16 + 4;
        constexpr uint64_t kThird = kSecond + 108 + 1 + 4;
        expect_register(b, reg::NOTIFY_COUNT, 450, [](uint64_t cycle) {
          uint64_t words = 0;
          if (cycle > kFirst) words = std::min(cycle - kFirst, uint64_t{64});
          if (cycle > kSecond) words += std::min(cycle - kSecond, uint64_t{64});
          if (cycle > kThird) words += std::min(cycle - kThird, uint64_t{4});
          return static_cast<uint32_t>(words / kLoadWords);
        });
      },
      chip);
}

TEST_P(ClusterFetch, a_full_fifo_holds_up_the_words_of_all_engines) {
  run_program([](ClusterBench& b) {
    hold_load_engine(b);
    b.begin_list();
    push_empty_loads(b, 7);
    b.push(Engine::kStore, header(Opcode::kStore, 0, 0, true), 0, plain_transfer(0, 0, 0));
    b.start_list(kList);
    b.pass_cycles(500);
    EXPECT_EQ(b.read(reg::LOAD_SPACE), 0u);
    EXPECT_EQ(b.read(reg::STATUS), kLoadBit | kFetchBit);
    EXPECT_NE(b.cluster.status_text().find("fetch: waits at the full FIFO of load"),
              std::string::npos)
        << b.cluster.status_text();
    EXPECT_EQ(b.read(reg::NOTIFY_COUNT), 0u);
    free_load_engine(b);
    // The first word goes in the cycle in which there is space, so that of the 24 words that are
    // left the last is in 23 cycles later.
    expect_register(b, reg::NOTIFY_COUNT, 40, [](uint64_t cycle) { return cycle < 23 ? 0U : 1U; });
    EXPECT_EQ(b.read(reg::STATUS), 0u);
  });
}

TEST_P(ClusterFetch, a_start_during_a_list_waits_for_its_last_word) {
  run_program([](ClusterBench& b) {
    hold_load_engine(b);
    b.begin_list();
    push_empty_loads(b, 7, true);
    b.start_list(kList);
    sc_core::sc_spawn([&b] {
      b.pass_cycles(1000);
      free_load_engine(b);
    });
    b.begin_list();
    push_empty_loads(b, 3, true);
    const uint64_t start = b.now();
    b.start_list(kList + 4096);
    EXPECT_GT(b.now(), start + 1000);
    b.wait_for_notify(10);
    EXPECT_EQ(b.read(reg::STATUS), 0u);
  });
}

TEST_P(ClusterFetch, the_same_list_runs_again_on_other_data_by_its_bases) {
  run_program([](ClusterBench& b) {
    for (uint32_t i = 0; i < 512; ++i) *b.dram_at(kDramBase + i) = static_cast<uint8_t>(i / 3);
    b.begin_list();
    abi::CommandHeader load = header(Opcode::kLoad, 0, kStoreBit);
    load.base = 1;
    b.push(Engine::kLoad, load, 0, plain_transfer(16, abi::kLocalOutputs, 64));
    abi::CommandHeader store = header(Opcode::kStore, kLoadBit, 0, true);
    store.base = 2;
    b.push(Engine::kStore, store, 0, plain_transfer(32, abi::kLocalOutputs, 64));
    const uint32_t words = b.start_list(kList);
    EXPECT_EQ(words, 2 * kLoadWords);
    b.write(reg::BASE_1, kDramBase);
    b.write(reg::BASE_2, kDramBase + 0x1000);
    b.wait_for_notify(1);
    b.write(reg::BASE_1, kDramBase + 0x100);
    b.write(reg::BASE_2, kDramBase + 0x2000);
    b.write(reg::LIST_WORDS, words);
    b.wait_for_notify(2);
    for (uint32_t i = 0; i < 64; ++i) {
      EXPECT_EQ(*b.dram_at(kDramBase + 0x1000 + 32 + i), *b.dram_at(kDramBase + 16 + i)) << i;
      EXPECT_EQ(*b.dram_at(kDramBase + 0x2000 + 32 + i), *b.dram_at(kDramBase + 0x110 + i)) << i;
    }
    EXPECT_EQ(b.read(reg::BASE_1), kDramBase + 0x100);
    EXPECT_EQ(b.read(reg::LIST_ADDRESS), kList);
  });
}

TEST_P(ClusterFetch, a_base_that_a_command_cannot_have_is_a_bad_opcode) {
  run_program([](ClusterBench& b) {
    abi::CommandHeader load = header(Opcode::kLoad);
    load.base = 3;
    b.push(Engine::kLoad, load, 0, plain_transfer(0, 0, 0));
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(NpuError::kBadOpcode));
    b.write(reg::CONTROL, abi::kControlReset);
    abi::CommandHeader run = header(Opcode::kRun);
    run.base = 1;
    b.push(Engine::kCompute, run, 0, abi::ComputeRun{});
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(NpuError::kBadOpcode));
  });
}

TEST_P(ClusterFetch, an_unknown_opcode_is_named_with_the_command_before) {
  run_program([](ClusterBench& b) {
    b.begin_list();
    push_empty_loads(b, 2);
    const abi::CommandHeader unknown = header(static_cast<Opcode>(0x30));
    b.push_words(Engine::kLoad, unknown, 77, {});
    b.start_list(kList);
    expect_error(b, NpuError::kBadOpcode, abi::make_tag(3, 1), abi::encode(unknown));
  });
}

TEST_P(ClusterFetch, a_list_that_ends_inside_of_a_command_is_refused) {
  run_program([](ClusterBench& b) {
    b.begin_list();
    push_empty_loads(b, 1);
    abi::CommandHeader cut = header(Opcode::kStore);
    cut.payload_words = 9;
    b.push_words(Engine::kStore, cut, 77, {0, 0, 0, 0, 0, 0, 0, 0});
    b.start_list(kList);
    expect_error(b, NpuError::kBadOpcode, abi::make_tag(3, 0), abi::encode(cut));
  });
}

TEST_P(ClusterFetch, a_refused_piece_names_its_burst) {
  run_program([](ClusterBench& b) {
    b.write(reg::LIST_ADDRESS, 0x1000'0043);
    EXPECT_EQ(b.read(reg::LIST_ADDRESS), 0x1000'0040u);
    b.write(reg::LIST_WORDS, 100);
    expect_error(b, NpuError::kBusError, 0, 0x1000'0040);
  });
}

TEST_P(ClusterFetch, a_list_that_leaves_the_dram_is_delivered_up_to_there) {
  run_program([](ClusterBench& b) {
    const uint32_t last_piece = kDramBase + (1 << 20) - 256;
    b.begin_list();
    push_empty_loads(b, 5, true);
    b.start_list(last_piece);
    b.wait_for_notify(5);
    b.write(reg::LIST_WORDS, 1000);
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_EQ(b.read(reg::ERROR_INFO), last_piece + 256);
  });
}

TEST_P(ClusterFetch, a_reset_forgets_the_list) {
  run_program([](ClusterBench& b) {
    for (const uint64_t cycles : {uint64_t{0}, uint64_t{20}, uint64_t{60}, uint64_t{130}}) {
      b.begin_list();
      push_empty_loads(b, 30, true);
      b.start_list(kList);
      b.pass_cycles(cycles);
      b.write(reg::CONTROL, abi::kControlReset);
      b.wait_until([&] { return b.read(reg::STATUS) == 0; }, 100);
      b.pass_cycles(200);
      EXPECT_EQ(b.read(reg::NOTIFY_COUNT), 0u);
      EXPECT_EQ(b.read(reg::LOAD_SPACE), 64u);
    }
    // Nor does what was in flight reach a list that begins meanwhile.
    b.begin_list();
    push_empty_loads(b, 30, true);
    b.start_list(kList);
    b.pass_cycles(20);
    b.write(reg::CONTROL, abi::kControlReset);
    ConvolutionCase layer(ConvolutionShape{}, 3);
    layer.execute(b, 0, kList + 4096);
    EXPECT_EQ(layer.mismatches(b), 0u);
  });
}

TEST_P(ClusterFetch, a_token_that_the_list_will_bring_is_no_underflow) {
  chip::Chip chip = small_chip();
  chip.dram.t_cas_ns = 100;  // 65 cycles without a word between the first piece and the second
  run_program(
      [](ClusterBench& b) {
        b.write(reg::TOKEN_TIMEOUT, 40);
        b.begin_list();
        b.push(Engine::kLoad, header(Opcode::kLoad, kStoreBit), 0, plain_transfer(0, 0, 0));
        for (int n = 0; n < 3; ++n) {
          b.push(Engine::kCompute, header(Opcode::kConfigure), 0,
                 ConvolutionCase(ConvolutionShape{}, 1).config());
        }
        b.push(Engine::kStore, header(Opcode::kStore, 0, kLoadBit, true), 0,
               plain_transfer(0, 0, 0));
        b.start_list(kList);
        b.wait_for_notify(1);
      },
      chip);
}

TEST_P(ClusterFetch, a_token_that_lies_behind_a_fifo_full_for_lack_of_it_is_an_underflow) {
  run_program([](ClusterBench& b) {
    b.write(reg::TOKEN_TIMEOUT, 200);
    hold_load_engine(b);
    b.begin_list();
    push_empty_loads(b, 7);
    b.push(Engine::kStore, header(Opcode::kStore, 0, kLoadBit), 0, plain_transfer(0, 0, 0));
    b.start_list(kList);
    b.wait_until([&] { return !b.cluster.error_text().empty(); }, 1000);
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(NpuError::kTokenUnderflow));
    EXPECT_EQ(b.read(reg::ERROR_ENGINE), static_cast<uint32_t>(Engine::kLoad));
  });
}

TEST_P(ClusterFetch, bytes_and_waits_belong_to_the_layers_of_the_commands) {
  run_program([](ClusterBench& b) {
    const abi::ComputeConfig config = ConvolutionCase(ConvolutionShape{}, 1).config();
    b.begin_list();
    b.push(Engine::kCompute, header(Opcode::kConfigure), abi::make_tag(2, 0), config);
    b.push(Engine::kCompute, header(Opcode::kConfigure, 0, 0, true), abi::make_tag(5, 0), config);
    b.write(reg::PHASE, 1);
    b.start_list(kList);
    b.wait_for_notify(1);
    b.write(reg::PHASE, 0);
    const ClusterStatistics statistics = b.cluster.statistics();
    ASSERT_EQ(statistics.layers.size(), 2u);
    EXPECT_EQ(statistics.layers[0].layer, 2u);
    EXPECT_EQ(statistics.layers[1].layer, 5u);
    for (const LayerStatistics& layer : statistics.layers) {
      EXPECT_EQ(layer.events.dram_bytes_read, 33u * 4);
    }
    EXPECT_EQ(statistics.events.dram_bytes_read, b.dram.counters().bytes_read);
    // From the start the first takes 52 + 4 cycles, its words 33; then 31 for the shadow.
    EXPECT_EQ(statistics.layers[0].cycles[Cause::kCommands], 56u + 33);
    EXPECT_EQ(statistics.layers[0].cycles[Cause::kHost], 2u) << "before the start";
  });
}

INSTANTIATE_TEST_SUITE_P(Timing, ClusterFetch,
                         testing::Values(common::TimingMode::kApproximatelyTimed,
                                         common::TimingMode::kLooselyTimed),
                         [](const auto& info) {
                           return info.param == common::TimingMode::kApproximatelyTimed ? "at"
                                                                                        : "lt";
                         });

}  // namespace
}  // namespace tessera::npu::test
