#include "hal.hpp"

namespace tessera::firmware::hal {

uint32_t read32(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }
void write32(uint32_t address, uint32_t value) {
  *reinterpret_cast<volatile uint32_t*>(address) = value;
}
uint8_t read8(uint32_t address) { return *reinterpret_cast<volatile uint8_t*>(address); }
void write8(uint32_t address, uint8_t value) {
  *reinterpret_cast<volatile uint8_t*>(address) = value;
}

void* memory(uint32_t address, uint32_t) { return reinterpret_cast<void*>(address); }

// boot.S sets mie.MEIE; mstatus.MIE stays 0, which WFI does not look at.
void wait_for_interrupt() { asm volatile("wfi" ::: "memory"); }

void halt() {
  for (;;) asm volatile("wfi");
}

}  // namespace tessera::firmware::hal
