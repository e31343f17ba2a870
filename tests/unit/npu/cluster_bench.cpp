#include "cluster_bench.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace tessera::npu::test {

chip::Chip small_chip() {
  chip::Chip chip;
  chip.name = "small";
  chip.clock_mhz = 1000;
  chip.npu.clusters = 1;
  chip.npu.rows = 4;
  chip.npu.columns = 4;
  chip.npu.fifo_words = 64;
  chip.npu.scratchpads = {64 << 10, 64 << 10, 32 << 10, 8 << 10, 16};
  chip.dma = {64, 8};
  chip.noc.width_bytes = 16;
  chip.noc.latency_cycles = 4;
  chip.dram.size_bytes = 1 << 20;
  chip.dram.channels = 1;
  chip.dram.banks = 8;
  chip.dram.row_bytes = 2048;
  chip.dram.bus_bytes = 8;
  chip.dram.data_rate_mtps = 2400;
  chip.dram.burst_length = 8;
  chip.dram.t_rcd_ns = chip.dram.t_rp_ns = chip.dram.t_cas_ns = 14;
  chip.dram.t_ras_ns = 32;
  chip.dram.t_wr_ns = 15;
  chip.dram.t_rfc_ns = 350;
  chip.dram.t_refi_ns = 7800;
  return chip;
}

ClusterBench::ClusterBench(const chip::Chip& chip, common::TimingMode timing,
                           std::unique_ptr<ArrayBackend> array, const sc_core::sc_module_name& name)
    : sc_module(name),
      clock(chip.period_ps()),
      cluster("cluster", chip, timing, std::move(array)),
      dram("dram", chip.dram, clock),
      crossbar_("crossbar", noc::crossbar_layout(3, 1), clock, chip.noc),
      host_("host") {
  SC_HAS_PROCESS(ClusterBench);
  crossbar_.map({kDramBase, dram.size(), 0, 0});
  cluster.load_bus.bind(crossbar_.from_initiator[0]);
  cluster.store_bus.bind(crossbar_.from_initiator[1]);
  cluster.list_bus.bind(crossbar_.from_initiator[2]);
  crossbar_.attach(0, dram);
  host_.bind(cluster.registers);
  cluster.on_interrupt([this](bool level) { interrupts.push_back(level); });
  SC_THREAD(host_thread);
}

void ClusterBench::run(Program program) {
  program_ = std::move(program);
  sc_core::sc_start();
}

void ClusterBench::host_thread() {
  try {
    program_(*this);
  } catch (const std::runtime_error& error) {
    ADD_FAILURE() << error.what();
  }
  sc_core::sc_stop();
}

tlm::tlm_response_status ClusterBench::access(tlm::tlm_command command, uint32_t offset,
                                              uint32_t& value, uint32_t bytes) {
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(offset);
  payload.set_data_ptr(reinterpret_cast<uint8_t*>(&value));
  payload.set_data_length(bytes);
  payload.set_streaming_width(bytes);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  sc_core::sc_time delay;
  host_->b_transport(payload, delay);
  wait(delay);
  return payload.get_response_status();
}

uint32_t ClusterBench::read(uint32_t offset) {
  uint32_t value = 0;
  EXPECT_EQ(access(tlm::TLM_READ_COMMAND, offset, value), tlm::TLM_OK_RESPONSE);
  return value;
}

void ClusterBench::write(uint32_t offset, uint32_t value) {
  EXPECT_EQ(access(tlm::TLM_WRITE_COMMAND, offset, value), tlm::TLM_OK_RESPONSE);
}

void ClusterBench::wait_until(const std::function<bool()>& condition, uint64_t cycles) {
  const uint64_t end = now() + cycles;
  while (!condition()) {
    if (now() > end) throw std::runtime_error("timed out: " + cluster.status_text());
    pass_cycles(1);
  }
}

void ClusterBench::wait_for_notify(uint32_t count) {
  wait_until([&] {
    if (!cluster.error_text().empty()) throw std::runtime_error(cluster.error_text());
    return read(abi::npu_reg::NOTIFY_COUNT) >= count;
  });
}

void ClusterBench::push_words(abi::Engine engine, const abi::CommandHeader& header, uint32_t tag,
                              const std::vector<uint32_t>& words) {
  constexpr uint32_t kFifos[] = {abi::npu_reg::LOAD_FIFO, abi::npu_reg::COMPUTE_FIFO,
                                 abi::npu_reg::STORE_FIFO};
  if (keeps_list_) {
    list_.insert(list_.end(), {abi::encode(header), tag});
    list_.insert(list_.end(), words.begin(), words.end());
    return;
  }
  const uint32_t fifo = kFifos[static_cast<std::size_t>(engine)];
  write(fifo, abi::encode(header));
  write(fifo, tag);
  for (const uint32_t word : words) write(fifo, word);
}

void ClusterBench::begin_list() {
  list_.clear();
  keeps_list_ = true;
}

uint32_t ClusterBench::start_list(uint32_t address) {
  keeps_list_ = false;
  std::memcpy(dram_at(address), list_.data(), list_.size() * sizeof(uint32_t));
  const auto words = static_cast<uint32_t>(list_.size());
  write(abi::npu_reg::LIST_ADDRESS, address);
  write(abi::npu_reg::LIST_WORDS, words);
  return words;
}

abi::CommandHeader header(abi::Opcode opcode, uint32_t wait_mask, uint32_t signal_mask,
                          bool notify) {
  abi::CommandHeader result;
  result.opcode = opcode;
  result.wait_mask = wait_mask;
  result.signal_mask = signal_mask;
  result.notify = notify;
  return result;
}

abi::Transfer plain_transfer(uint32_t dram_address, uint32_t local_address, uint32_t bytes) {
  abi::Transfer transfer{};
  transfer.dram_address = dram_address;
  transfer.local_address = local_address;
  transfer.x_bytes = bytes;
  transfer.y_count = 1;
  transfer.z_count = 1;
  return transfer;
}

}  // namespace tessera::npu::test
