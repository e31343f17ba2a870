#include <gtest/gtest.h>

#include <algorithm>

#include "cluster_bench.hpp"
#include "convolution_case.hpp"
#include "npu/registers.hpp"

namespace tessera::npu::test {
namespace {

namespace reg = abi::npu_reg;
using abi::Engine;
using abi::Opcode;

constexpr auto kTiming = common::TimingMode::kApproximatelyTimed;

void run_program(const ClusterBench::Program& program) {
  ClusterBench bench(small_chip(), kTiming);
  bool finished = false;
  bench.run([&](ClusterBench& b) {
    program(b);
    finished = true;
  });
  EXPECT_TRUE(finished);
}

TEST(ClusterRegisters, the_cluster_describes_itself) {
  run_program([](ClusterBench& b) {
    EXPECT_EQ(b.read(reg::ID), abi::kNpuId);
    EXPECT_EQ(b.read(reg::ROWS), 4u);
    EXPECT_EQ(b.read(reg::COLUMNS), 4u);
    EXPECT_EQ(b.read(reg::ACTIVATION_BYTES), 64u << 10);
    EXPECT_EQ(b.read(reg::WEIGHT_BYTES), 64u << 10);
    EXPECT_EQ(b.read(reg::OUTPUT_BYTES), 32u << 10);
    EXPECT_EQ(b.read(reg::PARAMETER_BYTES), 8u << 10);
    EXPECT_EQ(b.read(reg::FIFO_WORDS), 64u);
    EXPECT_EQ(b.read(reg::LOAD_SPACE), 64u);
    EXPECT_EQ(b.read(reg::STATUS), 0u);
  });
}

TEST(ClusterRegisters, every_register_answers_what_its_access_rights_say) {
  run_program([](ClusterBench& b) {
    for (uint32_t offset = 0; offset < abi::kNpuRegisterBytes + 8; offset += 4) {
      const Register* entry = find_register(offset);
      uint32_t word = 0;
      const auto read = b.access(tlm::TLM_READ_COMMAND, offset, word);
      if (entry == nullptr) {
        EXPECT_EQ(read, tlm::TLM_ADDRESS_ERROR_RESPONSE);
      } else {
        EXPECT_EQ(read, entry->readable() ? tlm::TLM_OK_RESPONSE : tlm::TLM_COMMAND_ERROR_RESPONSE)
            << entry->name;
        if (!entry->writable()) {
          EXPECT_EQ(b.access(tlm::TLM_WRITE_COMMAND, offset, word), tlm::TLM_COMMAND_ERROR_RESPONSE)
              << entry->name;
          EXPECT_NE(b.cluster.bad_access_text().find(entry->name), std::string::npos);
        }
      }
    }
  });
}

TEST(ClusterRegisters, only_aligned_words_are_accessed) {
  run_program([](ClusterBench& b) {
    uint32_t word = 0;
    EXPECT_EQ(b.access(tlm::TLM_READ_COMMAND, reg::ID + 1, word), tlm::TLM_BURST_ERROR_RESPONSE);
    EXPECT_EQ(b.access(tlm::TLM_READ_COMMAND, reg::ID, word, 2), tlm::TLM_BURST_ERROR_RESPONSE);
  });
}

abi::Transfer small_load() { return plain_transfer(kDramBase, 0, 64); }

TEST(ClusterRegisters, a_write_to_a_full_fifo_waits_until_the_engine_takes_words) {
  run_program([](ClusterBench& b) {
    // The first load waits for a token that the compute engine gives at cycle 20000 or later.
    b.push(Engine::kLoad, header(Opcode::kLoad, kComputeBit), 0, small_load());
    sc_core::sc_spawn([&b] {
      sc_core::wait(b.clock.cycles(20000));
      ConvolutionCase layer(ConvolutionShape{}, 1);
      b.push(Engine::kCompute, header(Opcode::kConfigure, 0, kLoadBit), 0, layer.config());
    });
    for (int i = 0; i < 5; ++i) b.push(Engine::kLoad, header(Opcode::kLoad), 0, small_load());
    EXPECT_EQ(b.read(reg::LOAD_SPACE), 9u);
    EXPECT_LT(b.now(), 1000u);
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, small_load());
    EXPECT_GT(b.now(), 20000u);
    b.wait_for_notify(1);
  });
}

TEST(ClusterRegisters, notifications_are_counted_and_interrupt_until_cleared) {
  run_program([](ClusterBench& b) {
    b.write(reg::SPACE_THRESHOLD, 65);
    b.write(reg::IRQ_ENABLE, abi::kIrqNotify);
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, small_load());
    b.wait_for_notify(1);
    EXPECT_EQ(b.read(reg::IRQ_PENDING), abi::kIrqNotify);
    EXPECT_EQ(b.interrupts, std::vector<bool>{true});
    b.write(reg::IRQ_PENDING, abi::kIrqError);
    EXPECT_EQ(b.read(reg::IRQ_PENDING), abi::kIrqNotify) << "another bit was cleared";
    b.write(reg::IRQ_PENDING, abi::kIrqNotify);
    EXPECT_EQ(b.read(reg::IRQ_PENDING), 0u);
    EXPECT_EQ(b.interrupts, (std::vector<bool>{true, false}));
    b.write(reg::IRQ_ENABLE, 0);
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, small_load());
    b.wait_for_notify(2);
    EXPECT_EQ(b.interrupts.size(), 2u);
    b.write(reg::IRQ_ENABLE, abi::kIrqNotify);
    EXPECT_EQ(b.interrupts.size(), 3u);
  });
}

TEST(ClusterRegisters, the_space_interrupt_is_a_level) {
  run_program([](ClusterBench& b) {
    b.write(reg::SPACE_THRESHOLD, 60);
    b.write(reg::IRQ_ENABLE, abi::kIrqSpace);
    EXPECT_EQ(b.interrupts, std::vector<bool>{true});
    b.write(reg::IRQ_PENDING, abi::kIrqSpace);
    EXPECT_EQ(b.read(reg::IRQ_PENDING), abi::kIrqSpace);
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, small_load());
    EXPECT_EQ(b.interrupts.at(1), false);
    b.wait_for_notify(1);
    EXPECT_EQ(b.interrupts, (std::vector<bool>{true, false, true}));
  });
}

TEST(ClusterRegisters, status_shows_the_engines_at_work) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kLoad, header(Opcode::kLoad, kStoreBit), abi::make_tag(2, 5), small_load());
    EXPECT_EQ(b.read(reg::STATUS), kLoadBit);
    EXPECT_EQ(b.cluster.status_text(),
              "load: waits for a token of store for layer 2, command 5; compute: idle; store: "
              "idle");
    b.push(Engine::kStore, header(Opcode::kStore, 0, kLoadBit), 0,
           plain_transfer(kDramBase, abi::kLocalOutputs, 4096));
    EXPECT_EQ(b.read(reg::STATUS), kLoadBit | kStoreBit);
    b.wait_until([&] { return b.read(reg::STATUS) == 0; });
  });
}

TEST(ClusterRegisters, a_reset_forgets_commands_tokens_and_counts) {
  run_program([](ClusterBench& b) {
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, kStoreBit, true), 0, small_load());
    b.wait_for_notify(1);
    b.push(Engine::kCompute, header(Opcode::kRun, kLoadBit), 0, abi::ComputeRun{});
    b.push(Engine::kLoad, header(Opcode::kLoad), 0, plain_transfer(kDramBase, 0, 32768));
    b.pass_cycles(20);
    b.write(reg::CONTROL, abi::kControlReset);
    b.pass_cycles(1);
    EXPECT_EQ(b.read(reg::NOTIFY_COUNT), 0u);
    EXPECT_EQ(b.read(reg::COMPUTE_SPACE), 64u);
    b.wait_until([&] { return b.read(reg::STATUS) == 0; });
    // The token that the first load gave to the store engine is gone.
    b.write(reg::TOKEN_TIMEOUT, 100);
    b.push(Engine::kStore, header(Opcode::kStore, kLoadBit), 0,
           plain_transfer(kDramBase, abi::kLocalOutputs, 16));
    b.pass_cycles(200);
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), static_cast<uint32_t>(abi::NpuError::kTokenUnderflow));
    b.write(reg::CONTROL, abi::kControlReset);
    EXPECT_EQ(b.read(reg::ERROR_CAUSE), 0u);
    ConvolutionCase layer(ConvolutionShape{}, 3);
    layer.execute(b, 0);
    EXPECT_EQ(layer.mismatches(b), 0u);
  });
}

TEST(ClusterRegisters, a_load_frames_every_plane_with_zeros) {
  run_program([](ClusterBench& b) {
    for (uint32_t i = 0; i < 256; ++i) *b.dram_at(kDramBase + i) = static_cast<uint8_t>(i + 1);
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, plain_transfer(kDramBase, 0, 256));
    b.wait_for_notify(1);
    abi::Transfer t{};
    t.dram_address = kDramBase + 10;
    t.local_address = 16;
    t.x_bytes = 3;
    t.y_count = 2;
    t.z_count = 2;
    t.y_dram_stride = 7;
    t.z_dram_stride = 50;
    t.y_local_stride = 8;
    t.z_local_stride = 64;
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, 0, true), 0, t);
    b.wait_for_notify(2);
    for (uint32_t address = 0; address < 256; ++address) {
      uint32_t expected = (address + 1) & 0xFF;
      for (uint32_t z = 0; z < 2; ++z) {
        for (uint32_t y = 0; y < 2; ++y) {
          const uint32_t row = 16 + z * 64 + y * 8;
          if (address < row || address >= row + 3) continue;
          expected = 10 + z * 50 + y * 7 + (address - row) + 1;
        }
      }
      ASSERT_EQ(*b.cluster.memories().at(address), expected) << "at " << address;
    }
  });
}

TEST(ClusterRegisters, four_phase_transport_reaches_the_registers) {
  struct Host : sc_core::sc_module {
    explicit Host(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
      SC_HAS_PROCESS(Host);
      SC_THREAD(access);
    }
    void access() {
      tlm::tlm_generic_payload payload;
      payload.set_read();
      payload.set_address(reg::ID);
      payload.set_data_ptr(reinterpret_cast<uint8_t*>(&id));
      payload.set_data_length(4);
      payload.set_streaming_width(4);
      sc_core::sc_time delay;
      socket->b_transport(payload, delay);
      status = payload.get_response_status();
      sc_core::sc_stop();
    }
    tlm_utils::simple_initiator_socket<Host> socket;
    uint32_t id = 0;
    tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
  };
  const chip::Chip chip = small_chip();
  const common::Clock clock(chip.period_ps());
  Cluster cluster("cluster", chip, kTiming);
  memory::Dram dram("dram", chip.dram, clock);
  noc::Interconnect crossbar("crossbar", noc::crossbar_layout(4, 2), clock, chip.noc);
  crossbar.map({kDramBase, dram.size(), 0, 0});
  crossbar.map({0, 0x1000, 1, 0});
  noc::AtBridge bridge("bridge");
  Host host("host");
  host.socket.bind(bridge.target_socket);
  bridge.initiator_socket.bind(crossbar.from_initiator[0]);
  cluster.load_bus.bind(crossbar.from_initiator[1]);
  cluster.store_bus.bind(crossbar.from_initiator[2]);
  cluster.list_bus.bind(crossbar.from_initiator[3]);
  crossbar.attach(0, dram);
  crossbar.to_target[1].bind(cluster.registers);
  sc_core::sc_start();
  EXPECT_EQ(host.status, tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(host.id, abi::kNpuId);
}

}  // namespace
}  // namespace tessera::npu::test
