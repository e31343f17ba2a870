#include "compress/nets_families.hpp"

namespace tessera::compress {
namespace {

/// Filters of an inception module, as table 1 of the paper lists them.
struct Inception {
  const char* name;
  int64_t one, three_reduce, three, five_reduce, five, pool;
};

void conv_relu(NetBuilder& net, const std::string& name, int64_t out, const Square& window) {
  net.conv(name, out, window);
  net.relu(name + ".relu");
}

void inception(NetBuilder& net, const Inception& module) {
  const std::string name = std::string("inception") + module.name;
  const std::string input = net.last();
  std::vector<std::string> branches;
  const auto end_branch = [&] {
    branches.push_back(net.last());
    net.from(input);
  };
  conv_relu(net, name + ".1x1", module.one, {1});
  end_branch();
  conv_relu(net, name + ".3x3_reduce", module.three_reduce, {1});
  conv_relu(net, name + ".3x3", module.three, {3, 1, 1});
  end_branch();
  conv_relu(net, name + ".5x5_reduce", module.five_reduce, {1});
  conv_relu(net, name + ".5x5", module.five, {5, 1, 2});
  end_branch();
  net.max_pool(name + ".pool", {3, 1, 1});
  conv_relu(net, name + ".pool_proj", module.pool, {1});
  end_branch();
  net.concat(name + ".concat", branches);
}

}  // namespace

graph::Graph googlenet_224(uint64_t seed) {
  constexpr Inception kModules[] = {
      {"3a", 64, 96, 128, 16, 32, 32},     {"3b", 128, 128, 192, 32, 96, 64},
      {"4a", 192, 96, 208, 16, 48, 64},    {"4b", 160, 112, 224, 24, 64, 64},
      {"4c", 128, 128, 256, 24, 64, 64},   {"4d", 112, 144, 288, 32, 64, 64},
      {"4e", 256, 160, 320, 32, 128, 128}, {"5a", 256, 160, 320, 32, 128, 128},
      {"5b", 384, 192, 384, 48, 128, 128}};
  NetBuilder net = start("googlenet", Task::k224, seed);
  conv_relu(net, "conv1", 64, {7, 2, 3});
  net.max_pool_overhanging("pool1", {3, 2}, 1);
  conv_relu(net, "conv2_reduce", 64, {1});
  conv_relu(net, "conv2", 192, {3, 1, 1});
  net.max_pool_overhanging("pool2", {3, 2}, 1);
  for (const Inception& module : kModules) {
    inception(net, module);
    const std::string name = module.name;
    if (name == "3b") net.max_pool_overhanging("pool3", {3, 2}, 1);
    if (name == "4e") net.max_pool_overhanging("pool4", {3, 2}, 1);
  }
  net.global_average_pool("pool5");
  net.flatten("flatten");
  return finish(net, "fc", Task::k224);
}

}  // namespace tessera::compress
