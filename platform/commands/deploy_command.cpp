#include <cstdio>
#include <iostream>

#include "chip/chip.hpp"
#include "command.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::platform {
namespace {

std::string tile_of(const deploy::Candidate& c) {
  std::string tile = std::to_string(c.rows) + "x" + std::to_string(c.columns) + "x" +
                     std::to_string(c.channels) + (c.channels_outer ? " k,y,x" : " y,x,k");
  if (c.slice_channels != 0) tile += " slices of " + std::to_string(c.slice_channels);
  if (c.by_channels) tile += " by channels";
  if (c.spread_y * c.spread_x > 1) {
    tile += " spread " + std::to_string(c.spread_y) + "x" + std::to_string(c.spread_x);
  }
  return tile;
}

/// What the array does of what it could do in the layer's estimated cycles.
double utilization(const deploy::Mapping& mapping, const chip::Chip& chip) {
  const double peak = static_cast<double>(chip.npu.rows) * chip.npu.columns * mapping.lanes;
  return static_cast<double>(mapping.macs) / (peak * static_cast<double>(mapping.best.cycles));
}

void print_candidate(const deploy::Candidate& c, const chip::Chip& chip) {
  std::printf(
      " %-30s %-7s %11llu cycles: array %llu, transfers %llu, commands %llu", tile_of(c).c_str(),
      deploy::bound_of(c.compute_cycles, c.transfer_cycles, c.command_cycles, chip),
      static_cast<unsigned long long>(c.cycles), static_cast<unsigned long long>(c.compute_cycles),
      static_cast<unsigned long long>(c.transfer_cycles),
      static_cast<unsigned long long>(c.command_cycles));
}

/// Two lines a layer: the mapping that was chosen and the next best.
void print_plan(const deploy::Deployment& deployment, const chip::Chip& chip) {
  std::printf("tiles are rows x columns x channels, with the loops from the outermost\n");
  for (const auto& layer : deployment.layers) {
    const deploy::Mapping& m = layer.mapping;
    const auto& c = m.program.config;
    const std::string widths = std::to_string(c.activation_bits) + "x" +
                               (c.p4 != 0 ? "p4" : std::to_string(c.weight_bits));
    std::printf("%-22s %-5s", layer.name.c_str(), widths.c_str());
    print_candidate(m.best, chip);
    std::printf("; %.1f %% of the array, %llu DRAM bytes\n", 100 * utilization(m, chip),
                static_cast<unsigned long long>(m.best.traffic_bytes));
    std::printf("%-28s weights %u bytes", "", layer.weight_bytes);
    if (layer.coded_bytes != 0) std::printf(", coded %u", layer.coded_bytes);
    std::printf("\n");
    if (!m.second) continue;
    std::printf("%-28s", "  next best");
    print_candidate(*m.second, chip);
    std::printf("\n");
  }
}

}  // namespace

int deploy_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("deploy NET.onnx --chip CHIP -o IMAGE.timg", "net");
  args.options().add_options()("chip", po::value<std::string>()->default_value("reference"),
                               "chip file or name")("output,o", po::value<std::string>(),
                                                    "image to write")(
      "strip", "leave out the network that 'run' checks outputs against")(
      "no-coding", "leave the weights as they are, also where coding them would make them smaller")(
      "explain", "print how each layer is mapped");
  if (!args.parse(arguments)) return kExitGood;
  const std::string net = args.require("net", "the quantised network (ONNX)");
  const std::string output = args.require("output", "the image to write (-o)");

  const chip::Chip chip = chip::load_chip(args.text("chip"));
  const graph::Graph graph = graph::read_onnx(net);
  deploy::DeployOptions options;
  options.strip = args.has("strip");
  if (args.has("no-coding")) options.coding = deploy::Coding::kNowhere;
  const deploy::Deployment deployment = [&] {
    try {
      return deploy::deploy(graph, chip, options);
    } catch (const std::runtime_error& e) {
      throw std::runtime_error(net + ": " + e.what());
    }
  }();
  deploy::write_file(output, deployment.image.data(), deployment.image.size());
  if (args.has("explain")) print_plan(deployment, chip);
  const auto image = deploy::Image::parse(deployment.image, output);
  std::cout << output << ": " << deployment.layers.size() << " layers for chip " << chip.name
            << ", " << image.header().device_bytes << " bytes on the chip\n";
  return kExitGood;
}

}  // namespace tessera::platform
