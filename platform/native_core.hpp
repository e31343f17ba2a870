#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/tlm_quantumkeeper.h>

#include <cstdint>
#include <map>
#include <string>
#include <systemc>

namespace tessera::platform {

/// The firmware compiled for the host and run as a thread of the simulation: its register accesses
/// are TLM transactions, its memory accesses go through DMI. For host debuggers, sanitizers and
/// speed. Only register accesses take time: kCyclesPerAccess of the core's clock and what the bus
/// adds. One instance a process, because the firmware's globals exist once.
class NativeCore : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<NativeCore> bus;

  /// Cycles of the instructions around a register access.
  static constexpr uint64_t kCyclesPerAccess = 4;

  /// `boot_info`: address the firmware gets. The core runs ahead of the system by up to
  /// `quantum_cycles` between interrupts.
  NativeCore(const sc_core::sc_module_name& name, uint32_t boot_info,
             const sc_core::sc_time& clock_period, uint64_t quantum_cycles);
  ~NativeCore() override;

  void set_external_interrupt(bool level);
  bool waiting_for_interrupt() const { return waiting_; }
  uint64_t register_accesses() const { return accesses_; }

  // What the firmware's hardware layer calls.
  uint32_t access(uint32_t address, uint32_t value, unsigned size_bytes, bool write);
  void* memory(uint32_t address, uint32_t size_bytes);
  void wait_for_interrupt();
  [[noreturn]] void halt();

 private:
  struct Window {
    uint64_t end = 0;
    unsigned char* data = nullptr;
  };

  void thread();

  uint32_t boot_info_;
  sc_core::sc_time clock_period_;
  tlm_utils::tlm_quantumkeeper quantum_keeper_;
  sc_core::sc_time quantum_;
  bool level_ = false;
  bool waiting_ = false;
  uint64_t accesses_ = 0;
  sc_core::sc_event interrupt_event_;
  std::map<uint64_t, Window> windows_;
};

}  // namespace tessera::platform
