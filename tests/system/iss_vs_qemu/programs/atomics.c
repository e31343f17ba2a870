/* Every AMO over corner values, LR/SC success and failure, a lock, self-modifying code. */

#include "board.h"

static const uint32_t corners[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678};
static volatile uint32_t cell;

#define AMO(name, old, operand)                                                          \
  do {                                                                                   \
    uint32_t result_;                                                                    \
    cell = (old);                                                                        \
    __asm__ volatile("amo" name ".w %0, %2, (%1)" : "=r"(result_) : "r"(&cell), "r"(operand) : "memory"); \
    show(name, result_);                                                                 \
    show(name, cell);                                                                    \
  } while (0)

static uint32_t load_reserved(volatile uint32_t* at) {
  uint32_t value;
  __asm__ volatile("lr.w %0, (%1)" : "=r"(value) : "r"(at) : "memory");
  return value;
}

static uint32_t store_conditional(volatile uint32_t* at, uint32_t value) {
  uint32_t failed;
  __asm__ volatile("sc.w %0, %2, (%1)" : "=&r"(failed) : "r"(at), "r"(value) : "memory");
  return failed;
}

static uint32_t code[4];

int main(void) {
  const int count = sizeof(corners) / sizeof(corners[0]);
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) {
      AMO("swap", corners[i], corners[j]);
      AMO("add", corners[i], corners[j]);
      AMO("xor", corners[i], corners[j]);
      AMO("and", corners[i], corners[j]);
      AMO("or", corners[i], corners[j]);
      AMO("min", corners[i], corners[j]);
      AMO("max", corners[i], corners[j]);
      AMO("minu", corners[i], corners[j]);
      AMO("maxu", corners[i], corners[j]);
    }
  }

  volatile uint32_t pair[2] = {5, 6};
  show("reserved", load_reserved(&pair[0]));
  show("stored", store_conditional(&pair[0], 7));
  show("again", store_conditional(&pair[0], 8));
  load_reserved(&pair[0]);
  show("elsewhere", store_conditional(&pair[1], 9));
  load_reserved(&pair[0]);
  pair[0] = 55;
  show("overwritten", store_conditional(&pair[0], 10));
  load_reserved(&pair[0]);
  pair[0] = 55;
  show("same value", store_conditional(&pair[0], 11));
  dump("pair", (const void*)pair, 2);

  /* li a0, n; ret: rewritten and called, with fence.i between. */
  uint32_t sum = 0;
  for (uint32_t n = 0; n < 50; ++n) {
    code[0] = (n << 20) | 0x513;
    code[1] = 0x00008067;
    __asm__ volatile("fence.i" ::: "memory");
    sum = sum * 3 + ((uint32_t(*)(void))(uintptr_t)code)();
  }
  show("self-modifying", sum);
  return 0;
}
