#include "rtl/decoder_cosim.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>

#include "rtl/pe_fault.hpp"

namespace tessera::rtl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// TESSERA_TEST_SEED, or a fixed seed.
uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_TEST_SEED");
  return text == nullptr ? 11U : std::strtoull(text, nullptr, 0);
}

DecoderCosimOptions options_for(uint32_t lanes, uint32_t beat_words, uint64_t count) {
  DecoderCosimOptions options;
  options.lanes = lanes;
  options.beat_words = beat_words;
  options.count = count;
  options.seed = test_seed();
  return options;
}

std::string explain(const DecoderCosimResult& result) {
  std::string text = "TESSERA_TEST_SEED=" + std::to_string(result.seed);
  for (const std::string& difference : result.differences) text += "\n" + difference;
  for (const std::string& hole : result.holes) text += "\nhole: " + hole;
  return text;
}

TEST(DecoderCosim, rtl_and_model_agree_at_every_size_and_nothing_reachable_is_left_out) {
  for (const auto& [lanes, beat_words] : decoder_sizes()) {
    const DecoderCosimResult result = run_decoder_cosim(options_for(lanes, beat_words, 4000));
    EXPECT_EQ(result.streams, 4000U);
    EXPECT_GT(result.bytes, 4000U * lanes);
    EXPECT_GT(result.exact_cycles, result.cycles / 10);
    EXPECT_EQ(result.value_mismatches, 0U) << lanes << " lanes, " << explain(result);
    EXPECT_EQ(result.cycle_mismatches, 0U) << lanes << " lanes, " << explain(result);
    EXPECT_THAT(result.holes, IsEmpty()) << lanes << " lanes, " << explain(result);
    EXPECT_TRUE(result.passed());
  }
}

TEST(DecoderCosim, the_same_seed_repeats_a_run_and_another_does_not) {
  DecoderCosimOptions options = options_for(4, 2, 300);
  const DecoderCosimResult first = run_decoder_cosim(options);
  const DecoderCosimResult again = run_decoder_cosim(options);
  options.seed += 1;
  const DecoderCosimResult other = run_decoder_cosim(options);
  EXPECT_EQ(first.cycles, again.cycles);
  EXPECT_EQ(first.bytes, again.bytes);
  EXPECT_NE(first.cycles, other.cycles);
}

/// A flipped bit of each target is found. Some change nothing: of words behind the end, or of a
/// counter that the same edge writes anew.
TEST(DecoderCosim, an_inverted_bit_is_found) {
  for (const char* fault : {"stream:15@", "held:0@", "bytes:0@", "words:0@"}) {
    uint64_t found = 0;
    for (uint64_t stream = 0; stream < 40; ++stream) {
      DecoderCosimOptions options = options_for(16, 4, stream + 2);
      options.inject = parse_decoder_fault(fault + std::to_string(stream) + ":1", 16, 4);
      try {
        const DecoderCosimResult result = run_decoder_cosim(options);
        found += result.value_mismatches + result.cycle_mismatches != 0;
      } catch (const CosimOptionError&) {  // a stream without a beat from then on
      }
    }
    EXPECT_GE(found, 2U) << fault;
  }
}

TEST(DecoderCosim, a_fault_that_strikes_nothing_is_an_error) {
  DecoderCosimOptions options = options_for(16, 4, 5);
  options.inject = parse_decoder_fault("held:0@5:0", 16, 4);
  EXPECT_THROW(run_decoder_cosim(options), CosimOptionError);
}

TEST(DecoderCosim, a_size_that_was_not_compiled_is_an_error_that_names_those_that_were) {
  try {
    run_decoder_cosim(options_for(3, 4, 1));
    FAIL();
  } catch (const CosimOptionError& error) {
    EXPECT_THAT(error.what(), HasSubstr("16x4"));
  }
}

/// The RTL with a defect in its way.
class BrokenDecoder : public DecoderDevice {
 public:
  uint32_t lanes() const override { return inner_->lanes(); }
  uint32_t beat_words() const override { return inner_->beat_words(); }
  void reset() override { inner_->reset(); }
  void start(const DecoderStart& start) override { inner_->start(start); }
  DecoderOutputs clock(const uint16_t* beat) override { return inner_->clock(beat); }
  void flip(DecoderRegister target, int bit) override { inner_->flip(target, bit); }

 private:
  std::unique_ptr<DecoderDevice> inner_ = make_verilated_decoder(4, 2);
};

class LateDecoder final : public BrokenDecoder {
 public:
  DecoderOutputs clock(const uint16_t* beat) override {
    DecoderOutputs now = BrokenDecoder::clock(beat);
    std::swap(now.done, done_);
    std::swap(now.fault, fault_);
    return now;
  }

 private:
  bool done_ = false;
  uint32_t fault_ = 0;
};

class SilentDecoder final : public BrokenDecoder {
 public:
  DecoderOutputs clock(const uint16_t* beat) override {
    DecoderOutputs outputs = BrokenDecoder::clock(beat);
    outputs.fault = 0;
    return outputs;
  }
};

class ForgetfulDecoder final : public BrokenDecoder {
 public:
  void start(const DecoderStart& start) override {
    DecoderStart wrong = start;
    if (start.banks == 3) wrong.banks = 1;
    BrokenDecoder::start(wrong);
  }
};

class RememberingDecoder final : public BrokenDecoder {
 public:
  void reset() override {}
};

template <typename Device>
DecoderCosimResult with_device() {
  Device device;
  return run_decoder_cosim(options_for(4, 2, 2000), device);
}

TEST(DecoderCosim, sees_a_decoder_that_is_a_cycle_late) {
  EXPECT_GT(with_device<LateDecoder>().cycle_mismatches, 500U);
}

TEST(DecoderCosim, sees_a_decoder_that_reports_no_fault) {
  EXPECT_GT(with_device<SilentDecoder>().value_mismatches, 50U);
}

TEST(DecoderCosim, sees_a_bank_that_misses_its_table) {
  EXPECT_GT(with_device<ForgetfulDecoder>().value_mismatches, 50U);
}

TEST(DecoderCosim, sees_a_reset_that_keeps_the_tables) {
  const DecoderCosimResult result = with_device<RememberingDecoder>();
  EXPECT_GT(result.value_mismatches, 0U);
  EXPECT_THAT(result.differences, Not(IsEmpty()));
}

}  // namespace
}  // namespace tessera::rtl
