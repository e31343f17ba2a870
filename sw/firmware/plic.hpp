#pragma once

/// Platform-level interrupt controller, context 0 (hart 0, machine mode).

#include <stdint.h>

namespace tessera::firmware::plic {

void enable(uint32_t source);
uint32_t claim();  ///< 0: none pending
void complete(uint32_t source);

}  // namespace tessera::firmware::plic
