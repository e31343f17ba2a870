#include <gtest/gtest.h>

#include <functional>

#include "cluster_bench.hpp"
#include "convolution_case.hpp"

namespace tessera::npu::test {
namespace {

namespace reg = abi::npu_reg;
using abi::Engine;
using abi::NpuError;
using abi::Opcode;

constexpr uint32_t kTag = abi::make_tag(6, 9);

class ClusterError : public testing::TestWithParam<common::TimingMode> {
 protected:
  void run_program(const ClusterBench::Program& program, uint32_t weight_bytes = 64 << 10) {
    chip::Chip chip = small_chip();
    chip.npu.scratchpads.weight_bytes = weight_bytes;
    ClusterBench bench(chip, GetParam());
    bool finished = false;
    bench.run([&](ClusterBench& b) {
      b.write(reg::IRQ_ENABLE, abi::kIrqError);
      program(b);
      finished = true;
    });
    EXPECT_TRUE(finished);
  }

  /// Waits for the error, looks at all of its registers, then shows that a reset cures it.
  static void expect_error(ClusterBench& b, Engine engine, NpuError cause, uint32_t info) {
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(cause)) << b.cluster.error_text();
    EXPECT_EQ(b.read(reg::ERROR_ENGINE), static_cast<uint32_t>(engine));
    EXPECT_EQ(b.read(reg::ERROR_TAG), kTag);
    EXPECT_EQ(b.read(reg::ERROR_INFO), info);
    EXPECT_NE(b.read(reg::STATUS) & abi::kStatusError, 0u);
    EXPECT_EQ(b.interrupts, std::vector<bool>{true});
    const std::string text = b.cluster.error_text();
    EXPECT_NE(text.find(abi::name_of(cause)), std::string::npos) << text;
    EXPECT_NE(text.find("layer 6, command 9"), std::string::npos) << text;

    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, plain_transfer(kDramBase, 0, 64));
    b.pass_cycles(500);
    EXPECT_EQ(b.read(reg::NOTIFY_COUNT), 0u) << "an engine went on after the error";
    EXPECT_EQ(b.read(reg::LOAD_SPACE), 64u);

    b.write(reg::CONTROL, abi::kControlReset);
    EXPECT_EQ(b.interrupts.size(), 2u);
    EXPECT_EQ(b.read(reg::STATUS) & abi::kStatusError, 0u);
    b.write(reg::TOKEN_TIMEOUT, 0);
    ConvolutionCase layer(ConvolutionShape{}, 5);
    layer.execute(b, 0);
    EXPECT_EQ(layer.mismatches(b), 0u);
  }

  static void configure(ClusterBench& b, const abi::ComputeConfig& config) {
    b.push(Engine::kCompute, header(Opcode::kConfigure), kTag, config);
  }
};

TEST_P(ClusterError, an_opcode_of_another_engine_is_refused) {
  run_program([](ClusterBench& b) {
    abi::CommandHeader wrong = header(Opcode::kLoad);
    wrong.payload_words = abi::words_of<abi::Transfer>();
    b.push(Engine::kCompute, wrong, kTag, abi::Transfer{});
    expect_error(b, Engine::kCompute, NpuError::kBadOpcode, abi::encode(wrong));
  });
}

TEST_P(ClusterError, a_wrong_payload_count_is_refused) {
  run_program([](ClusterBench& b) {
    abi::CommandHeader wrong = header(Opcode::kStore);
    wrong.payload_words = 10;
    b.push_words(Engine::kStore, wrong, kTag, {});
    expect_error(b, Engine::kStore, NpuError::kBadOpcode, abi::encode(wrong));
  });
}

TEST_P(ClusterError, a_load_past_the_end_of_a_scratchpad_names_the_first_bad_address) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kLoad, header(Opcode::kLoad), kTag,
           plain_transfer(kDramBase, abi::kLocalOutputs + (32 << 10) - 16, 32));
    expect_error(b, Engine::kLoad, NpuError::kBadAddress, abi::kLocalOutputs + (32 << 10));
  });
}

TEST_P(ClusterError, a_store_from_nowhere_names_the_address) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kStore, header(Opcode::kStore), kTag, plain_transfer(kDramBase, 0x0500'0000, 4));
    expect_error(b, Engine::kStore, NpuError::kBadAddress, 0x0500'0000);
  });
}

TEST_P(ClusterError, a_refused_dram_access_names_its_burst) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kLoad, header(Opcode::kLoad), kTag, plain_transfer(0x1000'0040, 0, 64));
    expect_error(b, Engine::kLoad, NpuError::kBusError, 0x1000'0040);
  });
}

TEST_P(ClusterError, a_run_needs_a_configuration) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kCompute, header(Opcode::kRun), kTag, abi::ComputeRun{});
    expect_error(b, Engine::kCompute, NpuError::kNotConfigured, 0);
  });
}

TEST_P(ClusterError, a_token_that_nobody_can_bring_is_an_underflow_after_the_timeout) {
  run_program([](ClusterBench& b) {
    b.write(reg::TOKEN_TIMEOUT, 300);
    b.push(Engine::kStore, header(Opcode::kStore, kComputeBit), kTag,
           plain_transfer(kDramBase, 0, 4));
    const uint64_t start = b.now();
    b.wait_until([&] { return !b.cluster.error_text().empty(); });
    EXPECT_NEAR(static_cast<double>(b.now() - start), 300, 3);
    expect_error(b, Engine::kStore, NpuError::kTokenUnderflow, kComputeBit);
  });
}

TEST_P(ClusterError, engines_that_wait_for_each_other_are_an_underflow) {
  run_program([](ClusterBench& b) {
    b.write(reg::TOKEN_TIMEOUT, 100);
    b.push(Engine::kLoad, header(Opcode::kLoad, kStoreBit, kStoreBit), kTag,
           plain_transfer(kDramBase, 0, 4));
    b.push(Engine::kStore, header(Opcode::kStore, kLoadBit, kLoadBit), kTag,
           plain_transfer(kDramBase, 0, 4));
    expect_error(b, Engine::kLoad, NpuError::kTokenUnderflow, kStoreBit);
  });
}

TEST_P(ClusterError, waiting_for_an_engine_at_work_is_no_underflow) {
  run_program([](ClusterBench& b) {
    b.write(reg::TOKEN_TIMEOUT, 10);
    for (int i = 0; i < 4; ++i) {
      b.push(Engine::kLoad, header(Opcode::kLoad, 0, i == 3 ? kStoreBit : 0), kTag,
             plain_transfer(kDramBase, 0, 16384));
    }
    b.push(Engine::kStore, header(Opcode::kStore, kLoadBit, 0, true), kTag,
           plain_transfer(kDramBase, 0, 4));
    b.wait_for_notify(1);
  });
}

TEST_P(ClusterError, more_tokens_than_the_counter_holds_overflow) {
  run_program([](ClusterBench& b) {
    const abi::Transfer nothing = plain_transfer(kDramBase, 0, 0);
    for (uint32_t i = 0; i < abi::kMaxTokens; ++i) {
      b.push(Engine::kLoad, header(Opcode::kLoad, 0, kStoreBit), 0, nothing);
    }
    b.pass_cycles(100);
    EXPECT_EQ(b.cluster.error_text(), "");
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, kStoreBit), kTag, nothing);
    expect_error(b, Engine::kLoad, NpuError::kTokenOverflow, kStoreBit);
  });
}

TEST_P(ClusterError, an_overflowing_accumulator_names_its_channel) {
  run_program(
      [](ClusterBench& b) {
        // 2^17 products of 2^30.
        ConvolutionShape shape;
        shape.activation_bits = shape.weight_bits = shape.output_bits = 16;
        shape.activation_signed = shape.output_signed = true;
        abi::ComputeConfig config = ConvolutionCase(shape, 1).config();
        config.segment_elements = 16384;
        config.segments_y = 8;
        config.segments_x = 1;
        config.tap_step_y = 0;
        config.input_pixel_pitch = 32768;
        for (uint32_t i = 0; i < 0x4'0000; i += 2) *b.dram_at(kDramBase + i + 1) = 0x80;  // -32768
        b.push(Engine::kLoad, header(Opcode::kLoad), 0, plain_transfer(kDramBase, 0, 32768));
        b.push(Engine::kLoad, header(Opcode::kLoad, 0, kComputeBit), 0,
               plain_transfer(kDramBase, abi::kLocalWeights, 0x4'0000));
        configure(b, config);
        abi::ComputeRun run{};
        run.weight_address = abi::kLocalWeights;
        run.parameter_address = abi::kLocalParameters;
        run.output_address = abi::kLocalOutputs;
        run.channel_first = 41;
        run.channel_count = run.y_count = run.x_count = 1;
        run.input_rows = run.input_columns = 1;
        b.push(Engine::kCompute, header(Opcode::kRun, kLoadBit), kTag, run);
        expect_error(b, Engine::kCompute, NpuError::kAccumulatorOverflow, 41);
      },
      0x4'0000);
}

TEST_P(ClusterError, what_was_under_way_at_an_error_is_never_signalled) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, plain_transfer(kDramBase, 0, 8192));
    b.push(Engine::kCompute, header(Opcode::kRun, 0, 0, true), kTag, abi::ComputeRun{});
    b.pass_cycles(5);
    EXPECT_EQ(b.read(reg::STATUS), kLoadBit | abi::kStatusError);
    b.wait_until([&] { return b.read(reg::STATUS) == abi::kStatusError; });
    EXPECT_EQ(b.read(reg::NOTIFY_COUNT), 0u);
    EXPECT_EQ(b.read(reg::IRQ_PENDING) & abi::kIrqNotify, 0u);
  });
}

struct BadConfig {
  const char* what;
  uint32_t word;
  std::function<void(abi::ComputeConfig&)> spoil;
};

TEST_P(ClusterError, what_the_array_or_output_path_cannot_do_is_illegal) {
  const std::vector<BadConfig> cases = {
      {"width 3", 0, [](auto& c) { c.activation_bits = 3; }},
      {"width 32", 0, [](auto& c) { c.weight_bits = 32; }},
      {"p4 with 8-bit weights", 0, [](auto& c) { c.p4 = 1; }},
      {"output width", 1, [](auto& c) { c.output_bits = 5; }},
      {"residual width", 1, [](auto& c) { c.residual_bits = 1; }},
      {"pool kind", 2, [](auto& c) { c.pool_kind = 3; }},
      {"add shift", 2, [](auto& c) { c.residual_bits = 8, c.add_shift = 0; }},
      {"pool shift", 2, [](auto& c) { c.pool_shift = 48; }},
      {"no elements", 3, [](auto& c) { c.segment_elements = 0; }},
      {"endless reduction", 3, [](auto& c) { c.segments_y = c.segments_x = 0x1'0000; }},
      {"no segments", 4, [](auto& c) { c.segments_y = 0; }},
      {"pixels between elements", 10,
       [](auto& c) { c.activation_bits = 16, c.input_pixel_pitch = 3; }},
      {"slices of residuals between bytes", 12,
       [](auto& c) {
         c.slice_channels = 3, c.group_outputs = c.group_inputs = 1;
         c.segment_elements = 3, c.residual_bits = 2, c.add_shift = 1;
       }},
      {"groups without slices", 14, [](auto& c) { c.group_outputs = 1; }},
      {"slices without groups", 14, [](auto& c) { c.slice_channels = 3; }},
      {"slices that cut groups", 14,
       [](auto& c) { c.slice_channels = 3, c.group_outputs = 2, c.group_inputs = 1; }},
      {"a spread without taps", 14,
       [](auto& c) {
         c.slice_channels = 3, c.group_outputs = c.group_inputs = 1;
         c.segment_elements = 3, c.spread_y = 4, c.pixel_step_y = 4;
       }},
      {"window without pooling", 15, [](auto& c) { c.pool_w = 2; }},
      {"pool stride", 16, [](auto& c) { c.pool_stride_y = 0; }},
      {"clamp outside of the format", 22, [](auto& c) { c.high = 256; }},
      {"low above high", 22, [](auto& c) { c.low = 20, c.high = 10; }},
      {"residual clamp", 26, [](auto& c) { c.residual_bits = 8, c.residual_high = 999; }},
      {"no spread", 30, [](auto& c) { c.spread_x = 0; }},
      {"stochastic spread", 30, [](auto& c) { c.spread_y = 2, c.stochastic = 1; }},
      {"spread of residuals", 30,
       [](auto& c) { c.spread_y = 2, c.residual_bits = 8, c.add_shift = 1; }},
      {"pooled spread", 30,
       [](auto& c) { c.spread_y = 2, c.pool_kind = static_cast<uint8_t>(abi::PoolKind::kMax); }},
  };
  run_program([&](ClusterBench& b) {
    for (const BadConfig& bad : cases) {
      abi::ComputeConfig config = ConvolutionCase(ConvolutionShape{}, 1).config();
      bad.spoil(config);
      configure(b, config);
      b.wait_until([&] { return !b.cluster.error_text().empty(); });
      EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(NpuError::kIllegalMode))
          << bad.what;
      EXPECT_EQ(b.read(reg::ERROR_INFO), bad.word) << bad.what;
      b.write(reg::CONTROL, abi::kControlReset);
    }
  });
}

struct BadRun {
  const char* what;
  NpuError cause;
  uint32_t info;
  std::function<void(abi::ComputeRun&)> spoil;
};

TEST_P(ClusterError, a_run_outside_of_the_scratchpads_names_the_address) {
  const auto address = NpuError::kBadAddress;
  const auto illegal = NpuError::kIllegalMode;
  const std::vector<BadRun> cases = {
      {"activations", address, 64 << 10, [](auto& r) { r.activation_address = 65500; }},
      {"activations among weights", address, abi::kLocalWeights,
       [](auto& r) { r.activation_address = abi::kLocalWeights; }},
      {"weights", address, abi::kLocalWeights + (64 << 10),
       [](auto& r) { r.weight_address = abi::kLocalWeights + 65500; }},
      {"parameters", address, abi::kLocalParameters + (8 << 10),
       [](auto& r) { r.parameter_address = abi::kLocalParameters + 8190; }},
      {"outputs", address, abi::kLocalOutputs + (32 << 10),
       [](auto& r) { r.output_address = abi::kLocalOutputs + 32767; }},
      {"far rows", address, 64 << 10, [](auto& r) { r.input_rows = 60000; }},
      {"residual", address, 0x0600'0000, [](auto& r) { r.residual_address = 0x0600'0000; }},
      {"no channels", illegal, kRunWord + 6, [](auto& r) { r.channel_count = 0; }},
      {"no rows", illegal, kRunWord + 7, [](auto& r) { r.y_count = 0; }},
      {"no columns", illegal, kRunWord + 8, [](auto& r) { r.x_count = 0; }},
      {"endless", illegal, kRunWord + 8, [](auto& r) { r.x_count = r.y_count = 0xFFFF; }},
  };
  run_program([&](ClusterBench& b) {
    ConvolutionShape shape;
    shape.residual_bits = 8;
    const ConvolutionCase layer(shape, 1);
    for (const BadRun& bad : cases) {
      abi::ComputeRun run{};
      run.weight_address = abi::kLocalWeights;
      run.parameter_address = abi::kLocalParameters;
      run.output_address = abi::kLocalOutputs;
      run.channel_count = 4;
      run.y_count = run.x_count = run.input_rows = run.input_columns = 6;
      bad.spoil(run);
      configure(b, layer.config());
      b.push(Engine::kCompute, header(Opcode::kRun), kTag, run);
      b.wait_until([&] { return !b.cluster.error_text().empty(); });
      EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(bad.cause)) << bad.what;
      EXPECT_EQ(b.read(reg::ERROR_INFO), bad.info) << bad.what;
      b.write(reg::CONTROL, abi::kControlReset);
    }
  });
}

TEST_P(ClusterError, a_shift_that_the_output_path_lacks_is_illegal) {
  run_program([](ClusterBench& b) {
    *b.dram_at(kDramBase + 8 + 6) = 48;  // the shift of channel 1
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, kComputeBit), 0,
           plain_transfer(kDramBase, abi::kLocalParameters, 32));
    configure(b, ConvolutionCase(ConvolutionShape{}, 1).config());
    abi::ComputeRun run{};
    run.weight_address = abi::kLocalWeights;
    run.parameter_address = abi::kLocalParameters;
    run.output_address = abi::kLocalOutputs;
    run.channel_count = 4;
    run.y_count = run.x_count = 6;
    b.push(Engine::kCompute, header(Opcode::kRun, kLoadBit), kTag, run);
    expect_error(b, Engine::kCompute, NpuError::kIllegalMode, kParameterChannel + 1);
  });
}

TEST_P(ClusterError, a_writer_that_waits_at_a_full_fifo_is_let_go_by_an_error) {
  run_program([](ClusterBench& b) {
    b.write(reg::TOKEN_TIMEOUT, 1000);
    for (int i = 0; i < 7; ++i) {
      b.push(Engine::kLoad, header(Opcode::kLoad, kStoreBit), kTag,
             plain_transfer(kDramBase, 0, 64));
    }
    EXPECT_GT(b.now(), 1000u);
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(NpuError::kTokenUnderflow));
  });
}

INSTANTIATE_TEST_SUITE_P(Timing, ClusterError,
                         testing::Values(common::TimingMode::kApproximatelyTimed,
                                         common::TimingMode::kLooselyTimed),
                         [](const auto& info) {
                           return info.param == common::TimingMode::kApproximatelyTimed ? "at"
                                                                                        : "lt";
                         });

}  // namespace
}  // namespace tessera::npu::test
