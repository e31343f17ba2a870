#include <cstdio>
#include <iostream>

#include "chip/chip.hpp"
#include "command.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::platform {
namespace {

void print_plan(const deploy::Deployment& deployment) {
  std::printf("%-24s %9s %6s %12s %12s %7s %12s %12s\n", "layer", "act x wgt", "lanes", "tile rows",
              "tile chans", "order", "compute cyc", "DRAM bytes");
  for (const auto& layer : deployment.layers) {
    const auto& p = layer.mapping.program;
    const std::string widths = std::to_string(p.config.activation_bits) + " x " +
                               (p.config.p4 != 0 ? "p4" : std::to_string(p.config.weight_bits));
    const std::string rows = std::to_string(p.rows_per_tile) + "/" + std::to_string(p.rows);
    const std::string channels =
        std::to_string(p.channels_per_tile) + "/" + std::to_string(p.channels);
    std::printf("%-24s %9s %6d %12s %12s %7s %12llu %12llu\n", layer.name.c_str(), widths.c_str(),
                layer.mapping.lanes, rows.c_str(), channels.c_str(),
                p.channels_outer != 0 ? "k,y" : "y,k",
                static_cast<unsigned long long>(layer.mapping.compute_cycles),
                static_cast<unsigned long long>(layer.mapping.traffic_bytes));
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
      "explain", "print how each layer is mapped");
  if (!args.parse(arguments)) return kExitGood;
  const std::string net = args.require("net", "the quantised network (ONNX)");
  const std::string output = args.require("output", "the image to write (-o)");

  const chip::Chip chip = chip::load_chip(args.text("chip"));
  const graph::Graph graph = graph::read_onnx(net);
  deploy::DeployOptions options;
  options.strip = args.has("strip");
  const deploy::Deployment deployment = [&] {
    try {
      return deploy::deploy(graph, chip, options);
    } catch (const std::runtime_error& e) {
      throw std::runtime_error(net + ": " + e.what());
    }
  }();
  deploy::write_file(output, deployment.image.data(), deployment.image.size());
  if (args.has("explain")) print_plan(deployment);
  const auto image = deploy::Image::parse(deployment.image, output);
  std::cout << output << ": " << deployment.layers.size() << " layers for chip " << chip.name
            << ", " << image.header().device_bytes << " bytes on the chip\n";
  return kExitGood;
}

}  // namespace tessera::platform
