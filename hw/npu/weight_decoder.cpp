#include "npu/weight_decoder.hpp"

#include <algorithm>

namespace tessera::npu {

namespace {

uint32_t word_at(const uint8_t* bytes, std::size_t number) {
  const uint8_t* word = bytes + number * abi::kCodeWordBytes;
  return static_cast<uint32_t>(word[0] | word[1] << 8);
}

/// The fastest that this machine has for so many lanes.
StepDecoder step_decoder(uint32_t lanes) {
#ifdef TESSERA_X86_KERNELS
  if (lanes % 16 == 0 && __builtin_cpu_supports("avx512f")) return decode_step_avx512;
#endif
  return decode_step;
}

}  // namespace

class WeightDecoder::Arrival {
 public:
  Arrival(const WeightDecoder& decoder, std::size_t words)
      : beat_words_(std::max<uint32_t>(1, decoder.beat_bytes_ / abi::kCodeWordBytes)),
        room_for_beat_(decoder.lanes_),
        coming_(words) {}

  /// Waits until the FIFO has so many words, and takes them, in a cycle of their own.
  void take(uint32_t words) {
    do tick();
    while (held_before_ < words);
    held_ -= words;
    taken_ += words;
  }
  std::size_t taken() const { return taken_; }
  uint64_t cycles() const { return cycles_; }

 private:
  /// A cycle: what was there at its beginning can be taken, and a beat arrives.
  void tick() {
    ++cycles_;
    held_before_ = held_;
    if (held_ > room_for_beat_) return;
    const auto arrived = static_cast<uint32_t>(std::min<std::size_t>(beat_words_, coming_));
    held_ += arrived;
    coming_ -= arrived;
  }

  uint32_t beat_words_;
  uint32_t room_for_beat_;  ///< while the FIFO holds no more, it takes a beat
  std::size_t coming_;
  std::size_t taken_ = 0;
  uint32_t held_ = 0;
  uint32_t held_before_ = 0;
  uint64_t cycles_ = 0;
};

WeightDecoder::WeightDecoder(uint32_t lanes, uint32_t beat_bytes)
    : lanes_(lanes),
      beat_bytes_(std::max(beat_bytes, abi::kCodeWordBytes)),
      step_decoder_(step_decoder(lanes)),
      tables_(abi::kTableBanks * kDecoderEntries + 1) {}

void WeightDecoder::reset() { std::fill(tables_.begin(), tables_.end(), DecoderEntry()); }

DecoderResult WeightDecoder::load_table(const uint8_t* bytes, std::size_t size, uint32_t banks) {
  const std::size_t words = size / abi::kCodeWordBytes;
  Arrival arrival(*this, words);
  for (std::size_t n = 0; n < words; ++n) arrival.take(1);
  std::vector<DecoderEntry> table(kDecoderEntries);
  const bool good = fill(table, bytes, words * abi::kCodeWordBytes);
  if (!good) std::fill(table.begin(), table.end(), DecoderEntry());
  for (uint32_t bank = 0; bank < abi::kTableBanks; ++bank) {
    const auto place = tables_.begin() + static_cast<std::ptrdiff_t>(bank * kDecoderEntries);
    if ((banks >> bank & 1) != 0) std::copy(table.begin(), table.end(), place);
  }
  return {good ? DecoderFault::kNone : DecoderFault::kTable,
          arrival.cycles() + kDecoderPipelineCycles, words, 0};
}

/// False if the bytes are no table.
bool WeightDecoder::fill(std::vector<DecoderEntry>& table, const uint8_t* bytes, std::size_t size) {
  if (size < abi::kTableCountBytes) return false;
  std::size_t symbol = abi::kTableCountBytes;
  std::size_t filled = 0;  // entries of the table, one behind the other
  for (uint32_t length = 1; length <= abi::kMaxCodeBits; ++length) {
    const std::size_t span = std::size_t{1} << (abi::kMaxCodeBits - length);
    const uint32_t count = word_at(bytes, length - 1);
    if (filled + count * span > table.size() || symbol + count > size) return false;
    for (uint32_t code = 0; code < count; ++code, filled += span) {
      std::fill_n(table.begin() + static_cast<std::ptrdiff_t>(filled), span,
                  DecoderEntry{bytes[symbol++], static_cast<uint8_t>(length)});
    }
  }
  const std::size_t symbols = symbol - abi::kTableCountBytes;
  return symbols != 0 && symbols <= abi::kMaxSymbols && symbol + 1 >= size;
}

DecoderStep decode_step(LaneBits& lanes, const DecoderEntry* tables, uint32_t count,
                        const uint8_t* next, uint8_t* out) {
  DecoderStep step;
  uint32_t no_code = 0;
  // Without branches: whether a lane needs a word is anybody's guess.
  for (uint32_t lane = 0; lane < count; ++lane) {
    const uint32_t held = lanes.count[lane];
    const uint32_t needs = (held - abi::kMaxCodeBits) >> 31;
    const uint32_t word = word_at(next, step.words) << ((16 - held) & 31) & (0 - needs);
    step.words += needs;
    const uint32_t bits = lanes.bits[lane] | word;
    const DecoderEntry entry =
        tables[lane % abi::kTableBanks * kDecoderEntries + (bits >> (32 - abi::kMaxCodeBits))];
    no_code |= (uint32_t{entry.bits} - 1) >> 31;
    lanes.bits[lane] = bits << entry.bits;
    lanes.count[lane] = held + 16 * needs - entry.bits;
    out[lane] = entry.symbol;
  }
  step.no_code = no_code != 0;
  return step;
}

DecoderResult WeightDecoder::decode(const uint8_t* block, std::size_t block_bytes, uint8_t* out,
                                    std::size_t bytes) {
  const std::size_t words = block_bytes / abi::kCodeWordBytes;
  // A step that asks for words behind the last finds zeros, and that there are too few.
  padded_.assign(block, block + words * abi::kCodeWordBytes);
  padded_.resize(padded_.size() + 2 * abi::kMaxDecoderLanes * abi::kCodeWordBytes);
  LaneBits lanes;
  Arrival arrival(*this, words);
  std::size_t done = 0;
  const auto finish = [&](DecoderFault fault) {
    return DecoderResult{fault, arrival.cycles() + kDecoderPipelineCycles, arrival.taken(),
                         std::min(done, bytes)};
  };
  for (; done < bytes; done += lanes_) {
    const auto active = static_cast<uint32_t>(std::min<std::size_t>(lanes_, bytes - done));
    const uint8_t* next = padded_.data() + arrival.taken() * abi::kCodeWordBytes;
    const DecoderStep step = (active == lanes_ ? step_decoder_ : decode_step)(
        lanes, tables_.data(), active, next, out + done);
    const bool early = arrival.taken() + step.words > words;
    arrival.take(early ? 0 : step.words);
    if (early) return finish(DecoderFault::kEarly);
    if (step.no_code) return finish(DecoderFault::kNoCode);
  }
  return finish(arrival.taken() == words ? DecoderFault::kNone : DecoderFault::kLeftOver);
}

uint64_t WeightDecoder::cycles_behind(const DecoderResult& result, std::size_t stream_bytes) const {
  const uint64_t streamed = beats(stream_bytes);
  return result.cycles > streamed ? result.cycles - streamed : 0;
}

}  // namespace tessera::npu
