#include "rtl/decoder_fault.hpp"

#include <gtest/gtest.h>

#include "rtl/pe_fault.hpp"

namespace tessera::rtl {
namespace {

TEST(DecoderFault, is_read_from_target_bit_stream_and_cycle) {
  const DecoderBitFault stream = parse_decoder_fault("stream:63@0:12", 8, 4);
  EXPECT_EQ(stream.target, DecoderBitFault::Target::kStream);
  EXPECT_EQ(stream.bit, 63);
  EXPECT_EQ(stream.stream, 0U);
  EXPECT_EQ(stream.cycle, 12U);
  EXPECT_EQ(parse_decoder_fault("held:3@7:0", 8, 4).target, DecoderBitFault::Target::kHeld);
  EXPECT_EQ(parse_decoder_fault("bytes:24@7:0", 8, 4).target, DecoderBitFault::Target::kBytesLeft);
  EXPECT_EQ(parse_decoder_fault("words:0@7:0", 8, 4).target, DecoderBitFault::Target::kWordsLeft);
}

TEST(DecoderFault, that_makes_no_sense_is_an_error_that_repeats_it) {
  for (const char* text :
       {"", "stream", "stream:1", "stream:1@2", "stream@1:2", "sofa:1@2:3", "stream:64@0:0",
        "held:4@0:0", "bytes:25@0:0", "words:-1@0:0", "held:x@0:0", "held:1@0:", "held:1@2:3x"}) {
    try {
      parse_decoder_fault(text, 8, 4);
      FAIL() << "'" << text << "' was taken for a fault";
    } catch (const CosimOptionError& error) {
      EXPECT_NE(std::string(error.what()).find("'" + std::string(text) + "'"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tessera::rtl
