#include "soc.hpp"

#include <cmath>

#include "abi/memory_map.hpp"
#include "abi/npu_registers.hpp"

namespace tessera::platform {
namespace {

using noc::kEnginesPerCluster;
using noc::kFirstEngine;
using noc::kFirstNpu;

constexpr unsigned kBootInfoRegister = 11;  // a1

uint64_t period_ps(const chip::Chip& chip) {
  return static_cast<uint64_t>(std::llround(chip.cycle_ns() * 1000.0));
}

}  // namespace

Soc::Soc(const sc_core::sc_module_name& name, const chip::Chip& chip, const SocOptions& options)
    : sc_module(name),
      clock_(period_ps(chip)),
      dram_base_(abi::kRamBase + chip.core.local_ram_bytes),
      local_bus_("local_bus", abi::kRamBase, chip.core.local_ram_bytes),
      local_ram_("local_ram", chip.core.local_ram_bytes, clock_),
      network_("network", noc::chip_layout(chip), clock_, chip.noc),
      dram_("dram", chip.dram, clock_),
      clint_("clint"),
      plic_("plic"),
      uart_("uart"),
      finisher_("finisher") {
  for (uint32_t i = 0; i < chip.npu.clusters; ++i) {
    clusters_.push_back(std::make_unique<npu::Cluster>(
        ("npu" + std::to_string(i)).c_str(), chip, options.timing,
        options.make_array ? options.make_array(chip.npu.rows, chip.npu.columns) : nullptr));
  }
  map_addresses(chip);
  if (options.core == CoreKind::kIss) {
    core::IssConfig config;
    config.reset_pc = options.entry;
    config.clock_period = clock_.period();
    config.quantum_instructions = options.quantum_instructions;
    iss_ = std::make_unique<core::Iss>("iss", config);
    iss_->write_register(kBootInfoRegister, options.boot_info);
  } else {
    native_ = std::make_unique<NativeCore>("native", options.boot_info, clock_.period(),
                                           options.quantum_instructions);
  }
  bind(options);
  connect_interrupts();
}

void Soc::map_addresses(const chip::Chip& chip) {
  network_.map({dram_base_, chip.dram.size_bytes, noc::kDram});
  network_.map({abi::kClintBase, abi::kClintSize, noc::kClint});
  network_.map({abi::kPlicBase, abi::kPlicSize, noc::kPlic});
  network_.map({abi::kUartBase, abi::kUartSize, noc::kUart});
  network_.map({abi::kFinisherBase, abi::kFinisherSize, noc::kFinisher});
  for (uint32_t i = 0; i < clusters_.size(); ++i) {
    network_.map({abi::kNpuBase + i * abi::kNpuStride, abi::kNpuStride, kFirstNpu + i});
  }
}

void Soc::bind(const SocOptions& options) {
  if (iss_) iss_->bus.bind(local_bus_.from_core);
  if (native_) native_->bus.bind(local_bus_.from_core);
  local_bus_.to_local.bind(local_ram_.socket);
  if (options.timing == common::TimingMode::kApproximatelyTimed) {
    at_bridge_ = std::make_unique<noc::AtBridge>("at_bridge");
    local_bus_.to_chip.bind(at_bridge_->target_socket);
    at_bridge_->initiator_socket.bind(network_.from_initiator[noc::kCore]);
  } else {
    local_bus_.to_chip.bind(network_.from_initiator[noc::kCore]);
  }
  for (unsigned i = 0; i < clusters_.size(); ++i) {
    const unsigned first = kFirstEngine + kEnginesPerCluster * i;
    clusters_[i]->load_bus.bind(network_.from_initiator[first]);
    clusters_[i]->store_bus.bind(network_.from_initiator[first + 1]);
    clusters_[i]->list_bus.bind(network_.from_initiator[first + 2]);
    network_.to_target[kFirstNpu + i].bind(clusters_[i]->registers);
  }
  network_.attach(noc::kDram, dram_);
  network_.to_target[noc::kClint].bind(clint_.socket);
  network_.to_target[noc::kPlic].bind(plic_.socket);
  network_.to_target[noc::kUart].bind(uart_.socket);
  network_.to_target[noc::kFinisher].bind(finisher_.socket);
}

void Soc::connect_interrupts() {
  for (uint32_t i = 0; i < clusters_.size(); ++i) {
    clusters_[i]->on_interrupt(
        [this, i](bool level) { plic_.set_source(abi::kNpuIrq + i, level); });
  }
  uart_.set_interrupt_callback([this](bool level) { plic_.set_source(abi::kUartIrq, level); });
  if (native_) {
    plic_.set_interrupt_callback([this](bool level) { native_->set_external_interrupt(level); });
    return;
  }
  plic_.set_interrupt_callback([this](bool level) { iss_->set_external_interrupt(level); });
  clint_.set_software_interrupt_callback(
      [this](bool level) { iss_->set_software_interrupt(level); });
  clint_.set_timer_interrupt_callback([this](bool level) { iss_->set_timer_interrupt(level); });
  iss_->set_time_source([this] { return clint_.mtime(); });
}

uint8_t* Soc::memory(uint32_t address, uint64_t size_bytes) {
  const auto inside = [&](uint64_t base, uint64_t bytes) {
    return address >= base && address - base <= bytes && size_bytes <= bytes - (address - base);
  };
  if (inside(abi::kRamBase, local_ram_.size())) return local_ram_.data() + address - abi::kRamBase;
  if (inside(dram_base_, dram_.size())) return dram_.data() + address - dram_base_;
  return nullptr;
}

}  // namespace tessera::platform
