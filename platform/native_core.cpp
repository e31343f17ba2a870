#include "native_core.hpp"

#include <stdexcept>

#include "firmware/hal.hpp"

namespace tessera::platform {
namespace {

NativeCore* the_core = nullptr;

constexpr uint32_t kLoadAccessFault = 5;
constexpr uint32_t kStoreAccessFault = 7;

}  // namespace

NativeCore::NativeCore(const sc_core::sc_module_name& name, uint32_t boot_info,
                       const sc_core::sc_time& clock_period, uint64_t quantum_cycles)
    : sc_module(name),
      bus("bus"),
      boot_info_(boot_info),
      clock_period_(clock_period),
      quantum_(clock_period * static_cast<double>(quantum_cycles)) {
  if (the_core != nullptr) throw std::logic_error("a second native core");
  the_core = this;
  quantum_keeper_.reset();
  SC_HAS_PROCESS(NativeCore);
  SC_THREAD(thread);
}

NativeCore::~NativeCore() { the_core = nullptr; }

void NativeCore::thread() {
  firmware::main(boot_info_);
  halt();
}

void NativeCore::set_external_interrupt(bool level) {
  level_ = level;
  if (level) interrupt_event_.notify(sc_core::SC_ZERO_TIME);
}

uint32_t NativeCore::access(uint32_t address, uint32_t value, unsigned size_bytes, bool write) {
  ++accesses_;
  tlm::tlm_generic_payload payload;
  auto* data = reinterpret_cast<unsigned char*>(&value);
  payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
  payload.set_address(address);
  payload.set_data_ptr(data);
  payload.set_data_length(size_bytes);
  payload.set_streaming_width(size_bytes);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);

  sc_core::sc_time delay = quantum_keeper_.get_local_time();
  bus->b_transport(payload, delay);
  quantum_keeper_.set(delay + clock_period_ * static_cast<double>(kCyclesPerAccess));
  if (quantum_keeper_.get_local_time() >= quantum_) quantum_keeper_.sync();
  if (payload.is_response_error()) {
    firmware::exception(write ? kStoreAccessFault : kLoadAccessFault, 0, address);
  }
  return value;
}

void* NativeCore::memory(uint32_t address, uint32_t size_bytes) {
  const uint64_t end = uint64_t{address} + size_bytes;
  auto it = windows_.upper_bound(address);
  if (it != windows_.begin()) {
    --it;
    if (end <= it->second.end) return it->second.data + (address - it->first);
  }
  tlm::tlm_generic_payload payload;
  payload.set_command(tlm::TLM_READ_COMMAND);
  payload.set_address(address);
  tlm::tlm_dmi dmi;
  if (!bus->get_direct_mem_ptr(payload, dmi) || end > dmi.get_end_address() + 1) {
    firmware::exception(kLoadAccessFault, 0, address);
  }
  windows_[dmi.get_start_address()] = {dmi.get_end_address() + 1, dmi.get_dmi_ptr()};
  return dmi.get_dmi_ptr() + (address - dmi.get_start_address());
}

void NativeCore::wait_for_interrupt() {
  quantum_keeper_.sync();
  while (!level_) {
    waiting_ = true;
    wait(interrupt_event_);
  }
  waiting_ = false;
}

void NativeCore::halt() {
  quantum_keeper_.sync();
  sc_core::sc_event never;
  for (;;) wait(never);
}

}  // namespace tessera::platform

namespace tessera::firmware::hal {

using platform::the_core;

uint32_t read32(uint32_t address) { return the_core->access(address, 0, 4, false); }
void write32(uint32_t address, uint32_t value) { the_core->access(address, value, 4, true); }
uint8_t read8(uint32_t address) {
  return static_cast<uint8_t>(the_core->access(address, 0, 1, false));
}
void write8(uint32_t address, uint8_t value) { the_core->access(address, value, 1, true); }
void* memory(uint32_t address, uint32_t bytes) { return the_core->memory(address, bytes); }
void wait_for_interrupt() { the_core->wait_for_interrupt(); }
void halt() { the_core->halt(); }

}  // namespace tessera::firmware::hal
