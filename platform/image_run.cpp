#include "image_run.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "abi/number_formats.hpp"
#include "command.hpp"
#include "graph/onnx_io.hpp"
#include "loader.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::platform {
namespace {

void require_input_shape(const deploy::Image& image, const data::Dataset& dataset) {
  const abi::IoTensor& in = image.input();
  if (dataset.channels == in.channels && dataset.height == in.height && dataset.width == in.width) {
    return;
  }
  const auto shape = [](int64_t c, int64_t h, int64_t w) {
    return std::to_string(c) + "x" + std::to_string(h) + "x" + std::to_string(w);
  };
  throw std::runtime_error(
      "the images of " + dataset.source + " are " +
      shape(dataset.channels, dataset.height, dataset.width) + ", network " + image.network_name() +
      " takes " + shape(in.channels, in.height, in.width) + "; name another data set with --data");
}

std::string describe_difference(uint64_t index, const std::vector<int32_t>& expected,
                                const std::vector<int32_t>& got) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == got[i]) continue;
    return "image " + std::to_string(index) + ", output " + std::to_string(i) + ": expected " +
           std::to_string(expected[i]) + ", got " + std::to_string(got[i]);
  }
  return {};
}

/// Compares every logit, and the firmware's argmax with the reference's.
void check_outputs(Soc& soc, const MemoryPlan& plan, const deploy::Image& image,
                   const data::Dataset& dataset, ImageRunResult& result) {
  const std::string_view onnx = image.section(abi::Section::kGraph);
  const graph::Graph graph = graph::parse_onnx(std::string(onnx), image.network_name());
  const graph::IntegerNetwork net = graph::lower(graph);
  const reference::IntegerEngine engine(net);
  result.checked = true;
  std::vector<std::vector<int32_t>> inputs;
  for (uint32_t i = 0; i < result.images; ++i) {
    inputs.push_back(graph::quantize_input(net, dataset.image(i)));
  }
  const auto expected = engine.run_batch(inputs);
  for (uint32_t i = 0; i < result.images; ++i) {
    const auto got = read_output(soc, plan, image, i);
    const auto top1 = static_cast<uint32_t>(
        std::max_element(expected[i].begin(), expected[i].end()) - expected[i].begin());
    const uint32_t found = read_result(soc, plan, i).top1;
    if (expected[i] == got && top1 == found) continue;
    if (result.mismatches++ > 0) continue;
    result.first_mismatch = describe_difference(i, expected[i], got);
    if (expected[i] == got) {
      result.first_mismatch = "image " + std::to_string(i) + ": the reference's class is " +
                              std::to_string(top1) + ", the firmware's " + std::to_string(found);
    }
  }
}

/// Cycles are the first cluster's, which takes part in every layer; events are those of all.
void gather_layers(const chip::Chip& chip, const deploy::Image& image, Soc& soc,
                   ImageRunResult& result) {
  std::map<uint32_t, npu::EventCounts> events;
  for (std::size_t c = 0; c < soc.clusters(); ++c) {
    const npu::ClusterStatistics statistics = soc.cluster(c).statistics();
    result.clusters.push_back(statistics.cycles);
    result.kernel_seconds += soc.cluster(c).kernel_seconds();
    result.events += statistics.events;
    for (const npu::LayerStatistics& s : statistics.layers) events[s.layer] += s.events;
  }
  result.cycles = result.clusters.front();
  for (const npu::LayerStatistics& s : soc.cluster(0).statistics().layers) {
    const abi::LayerProgram& program = image.layers().at(s.layer);
    const abi::ComputeConfig& config = program.config;
    LayerResult layer;
    layer.name = image.name(program.name);
    layer.inserted = program.inserted != 0;
    layer.fully_connected =
        uint64_t{program.rows} * program.columns * config.pool_h * config.pool_w == 1;
    layer.widths = std::to_string(config.activation_bits) + "x" +
                   (config.p4 != 0 ? "p4" : std::to_string(config.weight_bits));
    layer.peak_macs_per_cycle =
        uint64_t{chip.npu.rows} * chip.npu.columns * chip.npu.clusters *
        static_cast<uint64_t>(abi::lanes(config.activation_bits, config.weight_bits));
    layer.cycles = s.cycles;
    layer.events = events[s.layer];
    layer.array_pj = npu::array_energy(layer.events, chip.technology).total_pj();
    layer.fixed_array_pj = npu::fixed_array_energy(layer.events, chip.technology).total_pj();
    result.layers.push_back(std::move(layer));
  }
}

NocResult noc_result(const chip::Chip& chip, const noc::Interconnect& network,
                     std::size_t clusters) {
  NocResult result;
  result.topology = chip::name_of(chip.noc.topology);
  for (unsigned i = 0; i < noc::kFirstEngine + noc::kEnginesPerCluster * clusters; ++i) {
    const noc::PortStatistics port = network.initiator_statistics(i);
    result.transactions += port.transactions;
    result.bytes += port.bytes;
    result.contention_cycles += port.contention_cycles;
  }
  result.links = network.links();
  return result;
}

}  // namespace

const noc::Interconnect::LinkReport* NocResult::busiest() const {
  const auto most = std::max_element(links.begin(), links.end(), [](const auto& a, const auto& b) {
    return a.statistics.flits < b.statistics.flits;
  });
  return most == links.end() ? nullptr : &*most;
}

double LayerResult::utilization() const {
  const double peak =
      static_cast<double>(peak_macs_per_cycle) * static_cast<double>(cycles.total());
  return peak == 0 ? 0 : static_cast<double>(events.macs) / peak;
}

double ImageRunResult::top1_percent() const {
  return images == 0 ? 0 : 100.0 * static_cast<double>(correct) / static_cast<double>(images);
}

double ImageRunResult::latency_ms() const {
  return images == 0
             ? 0
             : static_cast<double>(cycles.total()) / static_cast<double>(images) / clock_hz * 1e3;
}

namespace {

/// MACs over what the array could have done in the cycles that `cycles_of` a layer gives.
template <typename CyclesOf>
double utilization_of(const std::vector<LayerResult>& layers, const CyclesOf& cycles_of) {
  double macs = 0;
  double peak = 0;
  for (const LayerResult& layer : layers) {
    if (layer.inserted) continue;
    macs += static_cast<double>(layer.events.macs);
    peak += static_cast<double>(layer.peak_macs_per_cycle) *
            static_cast<double>(cycles_of(layer.cycles));
  }
  return peak == 0 ? 0 : macs / peak;
}

uint64_t compute_cycles(const npu::CycleCounts& cycles) { return cycles[npu::Cause::kCompute]; }

}  // namespace

double ImageRunResult::utilization() const {
  return utilization_of(layers, [](const npu::CycleCounts& cycles) { return cycles.total(); });
}

double ImageRunResult::busy_utilization() const { return utilization_of(layers, compute_cycles); }

double ImageRunResult::convolution_utilization() const {
  std::vector<LayerResult> convolutions;
  for (const LayerResult& layer : layers) {
    if (!layer.fully_connected) convolutions.push_back(layer);
  }
  return utilization_of(convolutions, compute_cycles);
}

ImageRunResult run_image(const chip::Chip& chip, const deploy::Image& image,
                         const data::Dataset& dataset, const core::Elf* firmware,
                         const ImageRunOptions& options) {
  require_input_shape(image, dataset);
  const MemoryPlan plan = plan_memory(chip, image, static_cast<uint32_t>(dataset.count));
  SocOptions soc_options = options.soc;
  soc_options.boot_info = plan.boot_info_address;
  Session session(chip, soc_options, firmware);
  session.set_uart_sink(options.uart_sink);
  Soc& soc = session.soc();
  load_memory(soc, plan, image, dataset);

  const Outcome outcome = session.run(options.max_cycles);
  if (!outcome.finished || outcome.exit_code != 0) throw RunFailed(session.explain(outcome));

  ImageRunResult result;
  result.network = image.network_name();
  result.chip = chip.name;
  result.images = static_cast<uint64_t>(dataset.count);
  result.labelled = dataset.labelled();
  result.image_bytes = image.header().device_bytes;
  result.total_cycles = outcome.cycles;
  result.simulation_seconds = outcome.wall_seconds;
  result.clock_hz = chip.clock_mhz * 1e6;
  result.dram = soc.dram().counters();
  result.noc = noc_result(chip, soc.network(), soc.clusters());
  result.host_instructions = soc.iss() != nullptr ? soc.iss()->instructions_retired() : 0;
  for (uint32_t i = 0; i < result.images; ++i) {
    const abi::InferenceResult r = read_result(soc, plan, i);
    if (r.done != abi::kResultDone) {
      throw RunFailed("the firmware ended before image " + std::to_string(i));
    }
    if (result.labelled && r.top1 == dataset.labels[i]) ++result.correct;
  }

  gather_layers(chip, image, soc, result);
  npu::SystemEvents system;
  system.dram_activates = result.dram.activates;
  system.core_instructions = result.host_instructions;
  system.seconds = static_cast<double>(result.total_cycles) / result.clock_hz;
  result.energy = npu::energy_of(result.events, system, chip.technology);
  result.fixed_array_pj = npu::fixed_array_energy(result.events, chip.technology).total_pj();
  if (options.check && !image.section(abi::Section::kGraph).empty()) {
    check_outputs(soc, plan, image, dataset, result);
  }
  return result;
}

}  // namespace tessera::platform
