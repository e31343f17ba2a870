#include "hal.hpp"

// The names that boot.S calls.
extern "C" {
void firmware_entry(uint32_t boot_info) { tessera::firmware::main(boot_info); }
void firmware_exception(uint32_t cause, uint32_t pc, uint32_t address) {
  tessera::firmware::exception(cause, pc, address);
}
}
