/* A small formatter prints decimal, hexadecimal and text; string functions of the C library. */

#include <stdarg.h>
#include <string.h>

#include "board.h"

static char line[160];

static char* put_number(char* out, uint32_t value, uint32_t base) {
  char digits[12];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (count > 0) *out++ = digits[--count];
  return out;
}

static void print(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char* out = line;
  for (; *format != 0; ++format) {
    if (*format != '%') {
      *out++ = *format;
      continue;
    }
    switch (*++format) {
      case 'd': {
        const int32_t value = va_arg(arguments, int32_t);
        if (value < 0) *out++ = '-';
        out = put_number(out, value < 0 ? 0u - (uint32_t)value : (uint32_t)value, 10);
        break;
      }
      case 'x': out = put_number(out, va_arg(arguments, uint32_t), 16); break;
      case 's': {
        const char* text = va_arg(arguments, const char*);
        memcpy(out, text, strlen(text));
        out += strlen(text);
        break;
      }
      default: *out++ = *format;
    }
  }
  *out = 0;
  va_end(arguments);
  put_text(line);
}

int main(void) {
  uint32_t state = 99;
  print("%s: %d %d %x %%\n", "numbers", 0, (int32_t)0x80000000u, 0xdeadbeefu);
  for (int k = 0; k < 40; ++k) {
    const int32_t value = (int32_t)next_random(&state) >> (k % 31);
    print("%d = 0x%x, %d mod 7\n", value, (uint32_t)value, value % 7);
  }
  char buffer[64];
  memset(buffer, 'x', sizeof(buffer));
  strcpy(buffer + 3, "the quick brown fox");
  memmove(buffer + 7, buffer + 3, 20);
  dump("buffer", buffer, sizeof(buffer) / 4);
  show("compare", (uint32_t)(strcmp(buffer + 7, "the quick brown fox") == 0));
  return 0;
}
