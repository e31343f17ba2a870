#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <systemc>
#include <vector>

#include "abi/memory_map.hpp"
#include "core/elf.hpp"
#include "core/iss.hpp"
#include "periph/clint.hpp"
#include "periph/finisher.hpp"
#include "periph/plic.hpp"
#include "periph/uart16550.hpp"

namespace tessera::test {

/// RAM and an address decoder: what a core needs beside its peripherals. Addresses without a device
/// answer with TLM_ADDRESS_ERROR_RESPONSE.
class TinyBus : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<TinyBus> from_core{"from_core"};
  tlm_utils::simple_initiator_socket<TinyBus> to_clint{"to_clint"};
  tlm_utils::simple_initiator_socket<TinyBus> to_plic{"to_plic"};
  tlm_utils::simple_initiator_socket<TinyBus> to_uart{"to_uart"};
  tlm_utils::simple_initiator_socket<TinyBus> to_finisher{"to_finisher"};

  explicit TinyBus(const sc_core::sc_module_name& name) : sc_module(name), ram(kRamBytes) {
    from_core.register_b_transport(this, &TinyBus::b_transport);
    from_core.register_transport_dbg(this, &TinyBus::transport_dbg);
    from_core.register_get_direct_mem_ptr(this, &TinyBus::get_direct_mem_ptr);
  }

  static constexpr uint32_t kRamBytes = 16U << 20;
  std::vector<unsigned char> ram;
  bool dmi = true;                ///< grant DMI to the RAM
  sc_core::sc_time ram_latency;   ///< of each RAM access
  std::vector<uint64_t> ram_log;  ///< addresses of the RAM accesses over the bus

  void invalidate(uint32_t first, uint32_t last) {
    from_core->invalidate_direct_mem_ptr(first, last);
  }

 private:
  struct Route {
    tlm_utils::simple_initiator_socket<TinyBus>* socket;
    uint32_t base;
  };

  static bool in_ram(uint64_t address, uint64_t bytes) {
    return address >= abi::kRamBase && address + bytes <= uint64_t{abi::kRamBase} + kRamBytes;
  }
  std::optional<Route> route(uint64_t address) {
    const auto in = [address](uint32_t base, uint32_t size) { return address - base < size; };
    if (in(abi::kClintBase, abi::kClintSize)) return Route{&to_clint, abi::kClintBase};
    if (in(abi::kPlicBase, abi::kPlicSize)) return Route{&to_plic, abi::kPlicBase};
    if (in(abi::kUartBase, abi::kUartSize)) return Route{&to_uart, abi::kUartBase};
    if (in(abi::kFinisherBase, abi::kFinisherSize)) return Route{&to_finisher, abi::kFinisherBase};
    return std::nullopt;
  }
  void access_ram(tlm::tlm_generic_payload& payload) {
    unsigned char* const at = ram.data() + (payload.get_address() - abi::kRamBase);
    if (payload.is_read()) {
      std::memcpy(payload.get_data_ptr(), at, payload.get_data_length());
    } else {
      std::memcpy(at, payload.get_data_ptr(), payload.get_data_length());
    }
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    const uint64_t address = payload.get_address();
    if (in_ram(address, payload.get_data_length())) {
      ram_log.push_back(address);
      access_ram(payload);
      delay += ram_latency;
      payload.set_dmi_allowed(dmi);
      payload.set_response_status(tlm::TLM_OK_RESPONSE);
    } else if (const auto to = route(address)) {
      payload.set_address(address - to->base);
      (*to->socket)->b_transport(payload, delay);
      payload.set_address(address);
    } else {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
  }
  unsigned transport_dbg(tlm::tlm_generic_payload& payload) {
    const uint64_t address = payload.get_address();
    if (in_ram(address, payload.get_data_length())) {
      access_ram(payload);
      return payload.get_data_length();
    }
    const auto to = route(address);
    if (!to) return 0;
    payload.set_address(address - to->base);
    const unsigned done = (*to->socket)->transport_dbg(payload);
    payload.set_address(address);
    return done;
  }
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& grant) {
    if (!dmi || !in_ram(payload.get_address(), 1)) return false;
    grant.set_start_address(abi::kRamBase);
    grant.set_end_address(uint64_t{abi::kRamBase} + kRamBytes - 1);
    grant.set_dmi_ptr(ram.data());
    grant.set_read_latency(ram_latency);
    grant.set_write_latency(ram_latency);
    grant.allow_read_write();
    return true;
  }
};

/// The smallest system that runs programs for QEMU's virt board: core, RAM at 0x8000'0000, CLINT,
/// PLIC, UART and finisher. A store to the finisher or to `tohost` stops the simulation.
class TinySystem {
 public:
  explicit TinySystem(const core::IssConfig& config = {})
      : iss("iss", config),
        bus("bus"),
        clint("clint"),
        plic("plic"),
        uart("uart"),
        finisher("finisher") {
    iss.bus.bind(bus.from_core);
    bus.to_clint.bind(clint.socket);
    bus.to_plic.bind(plic.socket);
    bus.to_uart.bind(uart.socket);
    bus.to_finisher.bind(finisher.socket);
    clint.set_software_interrupt_callback([this](bool on) { iss.set_software_interrupt(on); });
    clint.set_timer_interrupt_callback([this](bool on) { iss.set_timer_interrupt(on); });
    plic.set_interrupt_callback([this](bool on) { iss.set_external_interrupt(on); });
    uart.set_interrupt_callback([this](bool on) { plic.set_source(abi::kUartIrq, on); });
    uart.set_transmit_callback([this](uint8_t byte) { output += static_cast<char>(byte); });
    iss.set_time_source([this] { return clint.mtime(); });
    finisher.set_callback([this](const periph::FinisherRequest& request) {
      end(request.kind == periph::FinisherRequest::Kind::kReset ? -1 : request.exit_code);
    });
  }

  core::Iss iss;
  TinyBus bus;
  periph::Clint clint;
  periph::Plic plic;
  periph::Uart16550 uart;
  periph::Finisher finisher;
  std::string output;            ///< what the program sent to the UART
  std::optional<int> exit_code;  ///< once the program has ended

  void end(int code) {
    exit_code = code;
    iss.stop();
    sc_core::sc_stop();
  }

  void write_ram(uint32_t address, const void* data, std::size_t size_bytes) {
    std::memcpy(&bus.ram.at(address - abi::kRamBase), data, size_bytes);
  }
  uint32_t ram_word(uint32_t address) const {
    uint32_t value = 0;
    std::memcpy(&value, &bus.ram.at(address - abi::kRamBase), sizeof(value));
    return value;
  }
  void load(const core::Elf& elf) {
    for (const auto& segment : elf.segments()) {
      write_ram(segment.address, segment.data.data(), segment.data.size());
    }
    iss.set_pc(elf.entry());
  }
};

}  // namespace tessera::test
