#include "rtl/verilated_decoder.hpp"

#include <Vweight_decoder_16x4.h>
#include <Vweight_decoder_16x4___024root.h>
#include <Vweight_decoder_2x1.h>
#include <Vweight_decoder_2x1___024root.h>
#include <Vweight_decoder_32x8.h>
#include <Vweight_decoder_32x8___024root.h>
#include <Vweight_decoder_4x2.h>
#include <Vweight_decoder_4x2___024root.h>
#include <verilated.h>

#include <string>

#include "rtl/pe_fault.hpp"
#include "rtl/port_bits.hpp"

namespace tessera::rtl {
namespace {

template <typename Model, uint32_t kLanes, uint32_t kBeatWords>
class VerilatedDecoder final : public DecoderDevice {
 public:
  VerilatedDecoder() {
    context_.threads(1);
    model_ = std::make_unique<Model>(&context_);
    reset();
  }

  ~VerilatedDecoder() override {
    // Verilator 5.006 takes the scopes of a dying model out of the thread's current context, which
    // may be that of another instance, and one that is gone.
    Verilated::threadContextp(&context_);
    model_->final();
    model_.reset();
    Verilated::threadContextp(Verilated::defaultContextp());
  }

  VerilatedDecoder(const VerilatedDecoder&) = delete;
  VerilatedDecoder& operator=(const VerilatedDecoder&) = delete;

  uint32_t lanes() const override { return kLanes; }
  uint32_t beat_words() const override { return kBeatWords; }

  void reset() override {
    model_->start_i = 0;
    model_->stream_valid_i = 0;
    model_->rst_ni = 0;
    rising_edge();
    model_->rst_ni = 1;
  }

  void start(const DecoderStart& start) override {
    model_->start_i = 1;
    model_->table_i = start.is_table ? 1 : 0;
    model_->banks_i = static_cast<uint8_t>(start.banks & 3);
    model_->words_i = start.words & kSizeMask;
    model_->bytes_i = start.bytes & kSizeMask;
    model_->stream_valid_i = 0;
    rising_edge();
    model_->start_i = 0;
  }

  DecoderOutputs clock(const uint16_t* beat) override {
    model_->stream_valid_i = beat != nullptr ? 1 : 0;
    for (uint32_t word = 0; beat != nullptr && word < kBeatWords; ++word) {
      put_bits(model_->stream_i, word * 16, 16, beat[word]);
    }
    model_->clk_i = 0;
    model_->eval();
    DecoderOutputs outputs;
    outputs.ready = model_->stream_ready_o != 0;
    outputs.done = model_->done_o != 0;
    outputs.fault = model_->fault_o;
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      if (get_bits(model_->bytes_valid_o, lane, 1) == 0) continue;
      outputs.bytes.push_back(static_cast<uint8_t>(get_bits(model_->bytes_o, 8 * lane, 8)));
    }
    model_->clk_i = 1;
    model_->eval();
    return outputs;
  }

  void flip(DecoderRegister target, int bit) override {
    auto& root = *model_->rootp;
    const auto mask = uint32_t{1} << bit;
    switch (target) {
      case DecoderRegister::kHeld:
        root.weight_decoder__DOT__held_q ^= static_cast<uint8_t>(mask);
        break;
      case DecoderRegister::kBytesLeft:
        root.weight_decoder__DOT__bytes_left_q ^= mask;
        break;
      case DecoderRegister::kWordsLeft:
        root.weight_decoder__DOT__words_left_q ^= mask;
        break;
    }
  }

 private:
  static constexpr uint32_t kSizeMask = (uint32_t{1} << 25) - 1;

  void rising_edge() {
    model_->clk_i = 0;
    model_->eval();
    model_->clk_i = 1;
    model_->eval();
  }

  VerilatedContext context_;
  std::unique_ptr<Model> model_;
};

}  // namespace

std::vector<std::pair<uint32_t, uint32_t>> decoder_sizes() {
  return {{2, 1}, {4, 2}, {16, 4}, {32, 8}};
}

std::unique_ptr<DecoderDevice> make_verilated_decoder(uint32_t lanes, uint32_t beat_words) {
  const std::pair<uint32_t, uint32_t> size = {lanes, beat_words};
  if (size == std::pair(2U, 1U)) {
    return std::make_unique<VerilatedDecoder<Vweight_decoder_2x1, 2, 1>>();
  }
  if (size == std::pair(4U, 2U)) {
    return std::make_unique<VerilatedDecoder<Vweight_decoder_4x2, 4, 2>>();
  }
  if (size == std::pair(16U, 4U)) {
    return std::make_unique<VerilatedDecoder<Vweight_decoder_16x4, 16, 4>>();
  }
  if (size == std::pair(32U, 8U)) {
    return std::make_unique<VerilatedDecoder<Vweight_decoder_32x8, 32, 8>>();
  }
  std::string sizes;
  for (const auto& [known, words] : decoder_sizes()) {
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(known) + "x" + std::to_string(words);
  }
  throw CosimOptionError("there is no RTL decoder of " + std::to_string(lanes) + " lanes and " +
                         std::to_string(beat_words) + " words a beat; there are " + sizes);
}

}  // namespace tessera::rtl
