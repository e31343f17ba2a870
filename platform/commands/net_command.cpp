#include <cstdio>

#include "command.hpp"
#include "compress/nets.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::platform {
namespace {

std::string known_nets() {
  std::string text;
  for (const std::string& name : compress::net_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

long long parameter_count(const graph::Graph& net) {
  size_t count = 0;
  for (const auto& [name, tensor] : net.weights) count += tensor.data.size();
  return static_cast<long long>(count);
}

}  // namespace

int net_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("net NET -o NET.onnx [options]\nNET is one of: " + known_nets(), "net");
  args.options().add_options()("output,o", po::value<std::string>(), "ONNX file to write")(
      "seed", po::value<uint64_t>()->default_value(1), "of the weights");
  if (!args.parse(arguments)) return kExitGood;
  const std::string name = args.require("net", "the network");
  const std::string output = args.require("output", "the ONNX file to write (-o)");
  const graph::Graph net = compress::build_net(name, args.get<uint64_t>("seed"));
  graph::write_onnx(net, output);
  std::printf("%s: %s, %lld parameters, %lld MACs an image\n", output.c_str(), name.c_str(),
              parameter_count(net), static_cast<long long>(graph::mac_count(net)));
  return kExitGood;
}

}  // namespace tessera::platform
