#pragma once

/* What the test programs share: the UART, a word-by-word dump, CSR access. */

#include <stddef.h>
#include <stdint.h>

#define UART ((volatile uint8_t*)0x10000000u)
#define MSIP (*(volatile uint32_t*)0x02000000u)
#define MTIMECMP ((volatile uint32_t*)0x02004000u)
#define MTIME ((volatile uint32_t*)0x0200BFF8u)
#define PLIC(offset) (*(volatile uint32_t*)(0x0C000000u + (offset)))

#define READ_CSR(name)                                  \
  ({                                                    \
    uint32_t value_;                                    \
    __asm__ volatile("csrr %0, " #name : "=r"(value_)); \
    value_;                                             \
  })
#define WRITE_CSR(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uint32_t)(value)))
#define SET_CSR(name, value) __asm__ volatile("csrs " #name ", %0" ::"r"((uint32_t)(value)))
#define CLEAR_CSR(name, value) __asm__ volatile("csrc " #name ", %0" ::"r"((uint32_t)(value)))

static inline void put_char(char c) {
  while ((UART[5] & 0x20) == 0) {
  }
  UART[0] = (uint8_t)c;
}

static inline void put_text(const char* text) {
  while (*text != 0) put_char(*text++);
}

static inline void put_hex(uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) put_char("0123456789abcdef"[(value >> shift) & 15]);
}

/* "name 0 00000000\n" a word: the comparison names what differs. */
static inline void dump(const char* name, const void* data, size_t words) {
  const uint32_t* at = (const uint32_t*)data;
  for (size_t k = 0; k < words; ++k) {
    put_text(name);
    put_char(' ');
    put_hex(k);
    put_char(' ');
    put_hex(at[k]);
    put_char('\n');
  }
}

static inline void show(const char* name, uint32_t value) { dump(name, &value, 1); }

/* xorshift32 (Marsaglia 2003). */
static inline uint32_t next_random(uint32_t* state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}
