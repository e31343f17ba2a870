#pragma once

/// A cluster with a crossbar and a DRAM, driven by a thread of the test through its registers.

#include <tlm_utils/simple_initiator_socket.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <systemc>
#include <vector>

#include "abi/npu_commands.hpp"
#include "memory/dram.hpp"
#include "noc/at_bridge.hpp"
#include "noc/interconnect.hpp"
#include "npu/cluster.hpp"

namespace tessera::common {

/// For the names of parametrised tests.
inline void PrintTo(TimingMode timing, std::ostream* out) {
  *out << (timing == TimingMode::kApproximatelyTimed ? "at" : "lt");
}

}  // namespace tessera::common

namespace tessera::npu::test {

constexpr uint32_t kDramBase = 0x8010'0000;

/// 4x4 PEs, 64/64/32/8 KiB, 1 ns clock, 1 MiB of DRAM.
chip::Chip small_chip();

class ClusterBench : public sc_core::sc_module {
 public:
  using Program = std::function<void(ClusterBench&)>;

  ClusterBench(const chip::Chip& chip, common::TimingMode timing,
               std::unique_ptr<ArrayBackend> array = nullptr,
               const sc_core::sc_module_name& name = "bench");

  /// Runs the simulation with `program` as the host, until it returns.
  void run(Program program);

  // For programs.
  uint32_t read(uint32_t offset);
  void write(uint32_t offset, uint32_t value);
  tlm::tlm_response_status access(tlm::tlm_command command, uint32_t offset, uint32_t& value,
                                  uint32_t bytes = 4);
  void pass_cycles(uint64_t cycles) { wait(clock.cycles(cycles)); }
  /// Waits until the condition holds; fails the test and stops the program after `cycles`.
  void wait_until(const std::function<bool()>& condition, uint64_t cycles = 1'000'000);
  void wait_for_notify(uint32_t count);
  uint64_t now() const { return clock.now_cycles(); }

  template <typename Payload>
  void push(abi::Engine engine, abi::CommandHeader header, uint32_t tag, const Payload& payload) {
    header.payload_words = abi::words_of<Payload>();
    std::vector<uint32_t> words(header.payload_words);
    std::memcpy(words.data(), &payload, sizeof(Payload));
    push_words(engine, header, tag, words);
  }
  void push_words(abi::Engine engine, const abi::CommandHeader& header, uint32_t tag,
                  const std::vector<uint32_t>& words);

  /// From now on what is pushed is kept, until start_list writes it to DRAM at `address` and lets
  /// the cluster fetch it. Returns the words.
  void begin_list();
  uint32_t start_list(uint32_t address);

  uint8_t* dram_at(uint32_t address) { return dram.data() + (address - kDramBase); }

  const common::Clock clock;
  Cluster cluster;
  memory::Dram dram;
  std::vector<bool> interrupts;  ///< levels, as they changed

 private:
  void host_thread();

  bool keeps_list_ = false;
  std::vector<uint32_t> list_;
  noc::Interconnect crossbar_;
  tlm_utils::simple_initiator_socket<ClusterBench> host_;
  Program program_;
};

abi::CommandHeader header(abi::Opcode opcode, uint32_t wait_mask = 0, uint32_t signal_mask = 0,
                          bool notify = false);

/// A contiguous copy.
abi::Transfer plain_transfer(uint32_t dram_address, uint32_t local_address, uint32_t bytes);

constexpr uint32_t kLoadBit = abi::engine_bit(abi::Engine::kLoad);
constexpr uint32_t kComputeBit = abi::engine_bit(abi::Engine::kCompute);
constexpr uint32_t kStoreBit = abi::engine_bit(abi::Engine::kStore);

}  // namespace tessera::npu::test
