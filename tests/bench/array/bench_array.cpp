/// Speed of simulation: multiply-accumulates a second, functional and timed, through a cluster with
/// its DMA, crossbar and DRAM. The layer is 64 x 64 x 3 x 3 on 56 x 56 at 8 bit, in tiles of 14
/// rows, on 16 x 16 PEs.

#include <benchmark/benchmark.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstring>
#include <memory>
#include <random>
#include <systemc>
#include <vector>

#include "chip/chip.hpp"
#include "memory/dram.hpp"
#include "noc/interconnect.hpp"
#include "npu/cluster.hpp"

namespace {

using namespace tessera;
namespace reg = abi::npu_reg;
using abi::Engine;
using abi::Opcode;

constexpr uint32_t kSize = 56;
constexpr uint32_t kChannels = 64;
constexpr uint32_t kTileRows = 14;
constexpr uint32_t kRowPitch = (kSize + 2) * kChannels;
constexpr uint32_t kReduction = 9 * kChannels;
constexpr uint64_t kMacs = uint64_t{kSize} * kSize * kChannels * kReduction;
constexpr uint32_t kDramBase = 0x8010'0000;
constexpr uint32_t kInput = kDramBase;
constexpr uint32_t kWeights = kDramBase + 0x10'0000;
constexpr uint32_t kParameters = kDramBase + 0x20'0000;
constexpr uint32_t kOutput = kDramBase + 0x30'0000;

class Bench : public sc_core::sc_module {
 public:
  Bench(const sc_core::sc_module_name& name, const chip::Chip& chip)
      : sc_module(name),
        clock_(chip.period_ps()),
        cluster_("cluster", chip, common::TimingMode::kApproximatelyTimed),
        dram_("dram", chip.dram, clock_),
        crossbar_("crossbar", noc::crossbar_layout(3, 1), clock_, chip.noc),
        host_("host") {
    SC_HAS_PROCESS(Bench);
    crossbar_.map({kDramBase, dram_.size(), 0, 0});
    cluster_.load_bus.bind(crossbar_.from_initiator[0]);
    cluster_.store_bus.bind(crossbar_.from_initiator[1]);
    cluster_.list_bus.bind(crossbar_.from_initiator[2]);
    crossbar_.attach(0, dram_);
    host_.bind(cluster_.registers);
    std::mt19937 random(1);
    for (uint32_t i = 0; i < 0x20'0000; ++i) dram_.data()[i] = static_cast<uint8_t>(random());
    for (uint32_t k = 0; k < kChannels; ++k) {
      const abi::ChannelParameters parameters{100, 40000, 31, 0};
      std::memcpy(dram_.data() + (kParameters - kDramBase) + k * 8, &parameters, 8);
    }
    SC_THREAD(host_thread);
  }

  npu::Cluster& cluster() { return cluster_; }

 private:
  void write(uint32_t offset, uint32_t value) {
    tlm::tlm_generic_payload payload;
    payload.set_write();
    payload.set_address(offset);
    payload.set_data_ptr(reinterpret_cast<uint8_t*>(&value));
    payload.set_data_length(4);
    payload.set_streaming_width(4);
    sc_core::sc_time delay;
    host_->b_transport(payload, delay);
    wait(delay);
  }

  template <typename Payload>
  void push(uint32_t fifo, Opcode opcode, uint32_t wait_mask, uint32_t signal_mask, bool notify,
            const Payload& payload) {
    abi::CommandHeader header;
    header.opcode = opcode;
    header.payload_words = abi::words_of<Payload>();
    header.wait_mask = wait_mask;
    header.signal_mask = signal_mask;
    header.notify = notify;
    write(fifo, abi::encode(header));
    write(fifo, 0);
    std::vector<uint32_t> words(header.payload_words);
    std::memcpy(words.data(), &payload, sizeof payload);
    for (const uint32_t word : words) write(fifo, word);
  }

  static abi::Transfer rows(uint32_t dram, uint32_t local, uint32_t bytes, uint32_t count,
                            uint32_t local_stride) {
    abi::Transfer t{};
    t.dram_address = dram;
    t.local_address = local;
    t.x_bytes = bytes;
    t.y_count = count;
    t.z_count = 1;
    t.y_dram_stride = static_cast<int32_t>(bytes);
    t.y_local_stride = static_cast<int32_t>(local_stride);
    return t;
  }

  void send_tile(uint32_t y0) {
    constexpr uint32_t kRowBytes = kSize * kChannels;
    const uint32_t load = abi::engine_bit(Engine::kLoad);
    const uint32_t compute = abi::engine_bit(Engine::kCompute);
    const uint32_t store = abi::engine_bit(Engine::kStore);
    const bool first = y0 == 0;
    const bool last = y0 + kTileRows == kSize;
    const uint32_t from = first ? 0 : y0 - 1;
    const uint32_t to = last ? kSize : y0 + kTileRows + 1;
    abi::Transfer input =
        rows(kInput + from * kRowBytes, abi::kLocalActivations, kRowBytes, to - from, kRowPitch);
    push(reg::LOAD_FIFO, Opcode::kLoad, first ? 0 : compute, compute, false, input);
    abi::ComputeRun run{};
    run.activation_address = abi::kLocalActivations;
    run.weight_address = abi::kLocalWeights;
    run.parameter_address = abi::kLocalParameters;
    run.output_address = abi::kLocalOutputs;
    run.channel_count = kChannels;
    run.y_first = static_cast<uint16_t>(y0);
    run.y_count = kTileRows;
    run.x_count = kSize;
    run.input_row = first ? -1 : 0;
    run.input_column = -1;
    run.input_rows = static_cast<uint16_t>(to - from);
    run.input_columns = kSize;
    push(reg::COMPUTE_FIFO, Opcode::kRun, load | (first ? 0 : store), load | store, false, run);
    push(reg::STORE_FIFO, Opcode::kStore, compute, compute, last,
         rows(kOutput + y0 * kRowBytes, abi::kLocalOutputs, kRowBytes, kTileRows, kRowBytes));
  }

  void send_layer() {
    abi::ComputeConfig config{};
    config.activation_bits = config.weight_bits = config.output_bits = 8;
    config.segment_elements = 3 * kChannels;
    config.segments_y = 3;
    config.segments_x = 1;
    config.tap_step_y = config.pixel_step_y = config.pixel_step_x = 1;
    config.input_pixel_pitch = kChannels;
    config.input_row_pitch = kRowPitch;
    config.spread_y = config.spread_x = 1;
    config.pool_h = config.pool_w = config.pool_stride_y = config.pool_stride_x = 1;
    config.convolution_width = kSize;
    config.output_pixel_pitch = kChannels;
    config.output_row_pitch = kSize * kChannels;
    config.high = 255;
    write(reg::CONTROL, abi::kControlReset);
    push(reg::COMPUTE_FIFO, Opcode::kConfigure, 0, 0, false, config);
    push(reg::LOAD_FIFO, Opcode::kLoad, 0, 0, false,
         rows(kWeights, abi::kLocalWeights, kChannels * kReduction, 1, 0));
    push(reg::LOAD_FIFO, Opcode::kLoad, 0, 0, false,
         rows(kParameters, abi::kLocalParameters, kChannels * 8, 1, 0));
    for (uint32_t y = 0; y < kSize; y += kTileRows) send_tile(y);
  }

  void host_thread() {
    bool notified = false;
    sc_core::sc_event interrupt;
    cluster_.on_interrupt([&](bool level) {
      notified = level;
      interrupt.notify(sc_core::SC_ZERO_TIME);
    });
    write(reg::IRQ_ENABLE, abi::kIrqNotify | abi::kIrqError);
    write(reg::PHASE, 1);
    while (true) {
      send_layer();
      while (!notified) wait(interrupt);
      sc_core::sc_pause();
      wait(clock_.cycles(1));
    }
  }

  const common::Clock clock_;
  npu::Cluster cluster_;
  memory::Dram dram_;
  noc::Interconnect crossbar_;
  tlm_utils::simple_initiator_socket<Bench> host_;
};

std::unique_ptr<Bench> the_bench;

void convolution_64x64x3x3_on_56x56(benchmark::State& state) {
  uint64_t layers = 0;
  for (auto _ : state) {
    sc_core::sc_start();
    ++layers;
  }
  if (!the_bench->cluster().error_text().empty()) {
    state.SkipWithError(the_bench->cluster().error_text().c_str());
  }
  const npu::ClusterStatistics statistics = the_bench->cluster().statistics();
  state.counters["MMAC/s"] =
      benchmark::Counter(static_cast<double>(layers * kMacs) / 1e6, benchmark::Counter::kIsRate);
  state.counters["utilisation"] = static_cast<double>(statistics.events.macs) /
                                  (static_cast<double>(statistics.cycles.total()) * 1024);
}
BENCHMARK(convolution_64x64x3x3_on_56x56)->Unit(benchmark::kMillisecond)->MinTime(2);

}  // namespace

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  the_bench = std::make_unique<Bench>("bench", chip::load_chip("reference"));
  benchmark::RunSpecifiedBenchmarks();
  the_bench.reset();
  return 0;
}
