#include "npu/packing.hpp"

#include <array>
#include <cstring>

#include "abi/number_formats.hpp"

namespace tessera::npu {

namespace {

int16_t decode(unsigned raw, int bits, ElementFormat format) {
  if (format == ElementFormat::kP4) return static_cast<int16_t>(abi::p4_decode(raw));
  const auto value = static_cast<int>(raw);
  const bool negative = format == ElementFormat::kSigned && (value >> (bits - 1)) != 0;
  return static_cast<int16_t>(negative ? value - (1 << bits) : value);
}

/// The 8 / kBits elements of every byte.
template <int kBits>
class ByteTable {
 public:
  static constexpr std::size_t kElements = 8 / kBits;

  explicit ByteTable(ElementFormat format) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      for (unsigned e = 0; e < kElements; ++e) {
        const unsigned raw = byte >> (e * kBits) & ((1U << kBits) - 1U);
        entries_[byte][e] = decode(raw, kBits, format);
      }
    }
  }

  void unpack(const uint8_t* bytes, std::size_t count, int16_t* out) const {
    const std::size_t whole = count / kElements;
    for (std::size_t i = 0; i < whole; ++i) {
      std::memcpy(out + i * kElements, entries_[bytes[i]].data(), kElements * sizeof(int16_t));
    }
    for (std::size_t i = whole * kElements; i < count; ++i) {
      out[i] = entries_[bytes[whole]][i % kElements];
    }
  }

 private:
  std::array<std::array<int16_t, kElements>, 256> entries_;
};

template <int kBits>
const ByteTable<kBits>& table_of(ElementFormat format) {
  static const ByteTable<kBits> kTables[3] = {ByteTable<kBits>(ElementFormat::kUnsigned),
                                              ByteTable<kBits>(ElementFormat::kSigned),
                                              ByteTable<kBits>(ElementFormat::kP4)};
  return kTables[static_cast<std::size_t>(format)];
}

}  // namespace

void unpack(const uint8_t* bytes, std::size_t count, int bits, ElementFormat format, int16_t* out) {
  switch (bits) {
    case 2:
      table_of<2>(format).unpack(bytes, count, out);
      return;
    case 4:
      table_of<4>(format).unpack(bytes, count, out);
      return;
    case 8:
      if (format == ElementFormat::kSigned) {
        for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<int8_t>(bytes[i]);
      } else {
        for (std::size_t i = 0; i < count; ++i) out[i] = bytes[i];
      }
      return;
    default:
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = static_cast<int16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
      }
  }
}

void put_element(uint8_t* bytes, std::size_t index, int bits, int32_t value) {
  if (bits >= 8) {
    const std::size_t width = static_cast<std::size_t>(bits) / 8;
    for (std::size_t i = 0; i < width; ++i) {
      bytes[index * width + i] = static_cast<uint8_t>(value >> (8 * i));
    }
    return;
  }
  const std::size_t bit = index * static_cast<std::size_t>(bits);
  const int raw = value & ((1 << bits) - 1);
  bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] | raw << (bit % 8));
}

}  // namespace tessera::npu
