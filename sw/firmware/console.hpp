#pragma once

/// Text on the UART and the end of a run through the test finisher.

#include <stdint.h>

namespace tessera::firmware {

void print(const char* text);
void print_decimal(uint32_t value);
void print_hex(uint32_t value);

/// Ends the run: code 0 is success. Does not return.
[[noreturn]] void finish(uint32_t code);

}  // namespace tessera::firmware
