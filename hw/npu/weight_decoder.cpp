#include "npu/weight_decoder.hpp"

#include <algorithm>

namespace tessera::npu {

namespace {

uint32_t word_at(const uint8_t* bytes, std::size_t number) {
  const uint8_t* word = bytes + number * abi::kCodeWordBytes;
  return static_cast<uint32_t>(word[0] | word[1] << 8);
}

/// Bits of a lane, the next one on top.
struct LaneBits {
  uint32_t bits = 0;
  uint32_t count = 0;

  void append(uint32_t word) {
    bits |= word << (16 - count);
    count += 16;
  }
  uint32_t next() const { return bits >> (32 - abi::kMaxCodeBits); }
  void take(uint32_t taken) {
    bits <<= taken;
    count -= taken;
  }
};

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
    : lanes_(lanes), beat_bytes_(std::max(beat_bytes, abi::kCodeWordBytes)) {}

void WeightDecoder::reset() {
  for (Table& table : tables_) table.fill({});
}

DecoderResult WeightDecoder::load_table(const uint8_t* bytes, std::size_t size, uint32_t banks) {
  const std::size_t words = size / abi::kCodeWordBytes;
  Arrival arrival(*this, words);
  for (std::size_t n = 0; n < words; ++n) arrival.take(1);
  Table table = {};
  const bool good = fill(table, bytes, words * abi::kCodeWordBytes);
  for (uint32_t bank = 0; bank < abi::kTableBanks; ++bank) {
    if ((banks >> bank & 1) != 0) tables_[bank] = good ? table : Table{};
  }
  return {good ? DecoderFault::kNone : DecoderFault::kTable,
          arrival.cycles() + kDecoderPipelineCycles, words, 0};
}

/// False if the bytes are no table.
bool WeightDecoder::fill(Table& table, const uint8_t* bytes, std::size_t size) {
  if (size < abi::kTableCountBytes) return false;
  std::size_t symbol = abi::kTableCountBytes;
  std::size_t filled = 0;  // entries of the table, one behind the other
  for (uint32_t length = 1; length <= abi::kMaxCodeBits; ++length) {
    const std::size_t span = std::size_t{1} << (abi::kMaxCodeBits - length);
    const uint32_t count = word_at(bytes, length - 1);
    if (filled + count * span > table.size() || symbol + count > size) return false;
    for (uint32_t code = 0; code < count; ++code, filled += span) {
      std::fill_n(table.begin() + static_cast<std::ptrdiff_t>(filled), span,
                  Entry{bytes[symbol++], static_cast<uint8_t>(length)});
    }
  }
  const std::size_t symbols = symbol - abi::kTableCountBytes;
  return symbols != 0 && symbols <= abi::kMaxSymbols && symbol + 1 >= size;
}

DecoderResult WeightDecoder::decode(const uint8_t* block, std::size_t block_bytes, uint8_t* out,
                                    std::size_t bytes) {
  const std::size_t words = block_bytes / abi::kCodeWordBytes;
  std::array<LaneBits, abi::kMaxDecoderLanes> lanes;
  Arrival arrival(*this, words);
  std::size_t done = 0;
  const auto finish = [&](DecoderFault fault) {
    return DecoderResult{fault, arrival.cycles() + kDecoderPipelineCycles, arrival.taken(),
                         std::min(done, bytes)};
  };
  for (; done < bytes; done += lanes_) {
    const auto active = static_cast<uint32_t>(std::min<std::size_t>(lanes_, bytes - done));
    uint32_t needed = 0;
    for (uint32_t lane = 0; lane < active; ++lane) {
      if (lanes[lane].count >= abi::kMaxCodeBits) continue;
      const std::size_t number = arrival.taken() + needed++;
      if (number < words) lanes[lane].append(word_at(block, number));
    }
    const bool early = arrival.taken() + needed > words;
    arrival.take(early ? 0 : needed);
    if (early) return finish(DecoderFault::kEarly);
    for (uint32_t lane = 0; lane < active; ++lane) {
      const Entry entry = tables_[lane % abi::kTableBanks][lanes[lane].next()];
      if (entry.bits == 0) return finish(DecoderFault::kNoCode);
      lanes[lane].take(entry.bits);
      out[done + lane] = entry.symbol;
    }
  }
  return finish(arrival.taken() == words ? DecoderFault::kNone : DecoderFault::kLeftOver);
}

uint64_t WeightDecoder::cycles_behind(const DecoderResult& result, std::size_t stream_bytes) const {
  const uint64_t streamed = beats(stream_bytes);
  return result.cycles > streamed ? result.cycles - streamed : 0;
}

}  // namespace tessera::npu
