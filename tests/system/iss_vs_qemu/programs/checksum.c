/* CRC-32 bit by bit and by table, Adler-32, and 64-bit arithmetic through libgcc. */

#include "board.h"

static uint8_t text[3001];
static uint32_t table[256];

static uint32_t crc_step(uint32_t crc, uint8_t byte) {
  crc ^= byte;
  for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320u & -(crc & 1));
  return crc;
}

int main(void) {
  uint32_t state = 12345;
  for (size_t k = 0; k < sizeof(text); ++k) text[k] = (uint8_t)(next_random(&state) >> 13);
  for (uint32_t k = 0; k < 256; ++k) table[k] = crc_step(k, 0);
  dump("table", table, 256);

  uint32_t slow = ~0u, fast = ~0u, low = 1, high = 0;
  for (size_t k = 0; k < sizeof(text); ++k) {
    slow = crc_step(slow, text[k]);
    fast = table[(fast ^ text[k]) & 255] ^ (fast >> 8);
    low = (low + text[k]) % 65521;
    high = (high + low) % 65521;
  }
  show("slow", ~slow);
  show("fast", ~fast);
  show("adler", (high << 16) | low);

  uint64_t product = 1;
  for (uint32_t k = 1; k < 60; ++k) {
    product = product * (k | 1) + (((uint64_t)next_random(&state) << 32) | k);
    const uint64_t results[3] = {product, product / (k * 977), (uint64_t)((int64_t)product % -(int64_t)(k * 31))};
    dump("wide", results, 6);
  }
  return slow != fast;
}
