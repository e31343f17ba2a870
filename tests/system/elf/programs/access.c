/* Touches ADDRESS in a function of its own, so that the message has a symbol to name. */

#include <stdint.h>

__attribute__((noinline)) static void touch_address(volatile uint32_t* word) {
#ifdef WRITE
  *word = 1;
#else
  (void)*word;
#endif
}

int main(void) {
  touch_address((volatile uint32_t*)ADDRESS);
  return 0;
}
