#pragma once

/// The chip: one module that holds and connects all blocks.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/timing_mode.hpp"
#include "core/iss.hpp"
#include "local_bus.hpp"
#include "memory/dram.hpp"
#include "memory/local_ram.hpp"
#include "native_core.hpp"
#include "noc/at_bridge.hpp"
#include "noc/interconnect.hpp"
#include "npu/cluster.hpp"
#include "periph/clint.hpp"
#include "periph/finisher.hpp"
#include "periph/plic.hpp"
#include "periph/uart16550.hpp"

namespace tessera::platform {

enum class CoreKind { kIss, kNative };

struct SocOptions {
  common::TimingMode timing = common::TimingMode::kApproximatelyTimed;
  CoreKind core = CoreKind::kIss;
  uint64_t quantum_instructions = 1000;  ///< at least 1
  uint32_t boot_info = 0;                ///< what the firmware finds in a1
  uint32_t entry = 0;                    ///< reset pc of the iss
  /// Makes the backend of the PE array; if empty it is the model.
  std::function<std::unique_ptr<npu::ArrayBackend>(uint32_t rows, uint32_t columns)> make_array;
};

///     iss | native -- local bus -- [AT bridge] --+            +-- CLINT, PLIC, UART, finisher
///                         |                      |            |
///                     local RAM               network --------+-- registers of each NPU cluster
///                                                |            |
///       NPU load, store, fetch engines (of each) -+            +-- DRAM
class Soc : public sc_core::sc_module {
 public:
  Soc(const sc_core::sc_module_name& name, const chip::Chip& chip, const SocOptions& options);

  const common::Clock& clock() const { return clock_; }
  core::Iss* iss() { return iss_.get(); }         ///< null with the native core
  NativeCore* native() { return native_.get(); }  ///< null with the ISS
  std::size_t clusters() const { return clusters_.size(); }
  npu::Cluster& cluster(std::size_t index) { return *clusters_.at(index); }
  const memory::Dram& dram() const { return dram_; }
  const noc::Interconnect& network() const { return network_; }
  periph::Uart16550& uart() { return uart_; }
  periph::Finisher& finisher() { return finisher_; }

  uint32_t dram_base() const { return dram_base_; }
  uint32_t dram_bytes() const { return static_cast<uint32_t>(dram_.size()); }

  /// RAM and DRAM contents at a physical address; null if not all of it is memory.
  uint8_t* memory(uint32_t address, uint64_t size_bytes);

 private:
  void map_addresses(const chip::Chip& chip);
  void bind(const SocOptions& options);
  void connect_interrupts();

  common::Clock clock_;
  uint32_t dram_base_;
  std::unique_ptr<core::Iss> iss_;
  std::unique_ptr<NativeCore> native_;
  LocalBus local_bus_;
  std::unique_ptr<noc::AtBridge> at_bridge_;
  memory::LocalRam local_ram_;
  noc::Interconnect network_;
  memory::Dram dram_;
  periph::Clint clint_;
  periph::Plic plic_;
  periph::Uart16550 uart_;
  periph::Finisher finisher_;
  std::vector<std::unique_ptr<npu::Cluster>> clusters_;
};

}  // namespace tessera::platform
