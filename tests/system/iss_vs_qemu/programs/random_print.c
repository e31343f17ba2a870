/* Prints what generated code left: "instructions", "record" and "data" sections, a word a line. */

#include "board.h"

extern uint32_t first_count, last_count, data_region[1024];
extern const uint32_t *record_end, record[];

static void print_words(const char* name, const uint32_t* words, uint32_t count) {
  put_text(name);
  put_char(' ');
  put_hex(count);
  put_char('\n');
  for (uint32_t k = 0; k < count; ++k) {
    put_hex(words[k]);
    put_char('\n');
  }
}

void print_all(void) {
  const uint32_t instructions = last_count - first_count;
  print_words("instructions", &instructions, 1);
  print_words("record", record, (uint32_t)(record_end - record));
  print_words("data", data_region, 1024);
}
