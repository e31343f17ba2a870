#include "console.hpp"

#include "abi/memory_map.hpp"
#include "hal.hpp"

namespace tessera::firmware {
namespace {

constexpr uint32_t kTransmitHolding = abi::kUartBase + 0;
constexpr uint32_t kLineStatus = abi::kUartBase + 5;
constexpr uint8_t kTransmitEmpty = 0x20;

void put(char c) {
  while ((hal::read8(kLineStatus) & kTransmitEmpty) == 0) {
  }
  hal::write8(kTransmitHolding, static_cast<uint8_t>(c));
}

}  // namespace

void print(const char* text) {
  for (; *text != '\0'; ++text) put(*text);
}

void print_decimal(uint32_t value) {
  char digits[11];
  char* p = digits + 10;
  *p = '\0';
  do {
    *--p = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  print(p);
}

void print_hex(uint32_t value) {
  print("0x");
  for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15]);
}

void finish(uint32_t code) {
  const uint32_t word = code == 0 ? abi::kFinisherPass : (code << 16 | abi::kFinisherFail);
  hal::write32(abi::kFinisherBase, word);
  hal::halt();
}

}  // namespace tessera::firmware
