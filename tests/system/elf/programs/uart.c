/* Writes to the UART and returns EXIT_CODE. */

#include <stdint.h>

#define UART ((volatile uint8_t*)0x10000000u)

int main(void) {
  for (const char* text = "first line\nsecond line\n"; *text != 0; ++text) {
    while ((UART[5] & 0x20) == 0) {
    }
    UART[0] = (uint8_t)*text;
  }
  return EXIT_CODE;
}
