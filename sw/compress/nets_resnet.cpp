#include "compress/nets_families.hpp"

namespace tessera::compress {
namespace {

/// The branches of a block end without an activation; `shortcut` is what its input has become.
void close_block(NetBuilder& net, const std::string& name, const std::string& shortcut) {
  net.add(name + ".add", shortcut);
  net.relu(name + ".relu");
}

/// The block's input, or a 1x1 convolution of it where the block changes the shape.
std::string projected(NetBuilder& net, const std::string& name, int64_t out, int64_t stride) {
  const std::string input = net.last();
  if (stride == 1 && net.last_shape()[0] == out) return input;
  net.conv_bn(name + ".shortcut", out, {1, stride, 0});
  const std::string shortcut = net.last();
  net.from(input);
  return shortcut;
}

void two_convolutions(NetBuilder& net, const std::string& name, int64_t out, int64_t stride) {
  net.conv_bn(name + ".conv1", out, {3, stride, 1});
  net.relu(name + ".relu1");
  net.conv_bn(name + ".conv2", out, {3, 1, 1});
}

void basic_block(NetBuilder& net, const std::string& name, int64_t out, int64_t stride) {
  const std::string shortcut = projected(net, name, out, stride);
  two_convolutions(net, name, out, stride);
  close_block(net, name, shortcut);
}

void bottleneck_block(NetBuilder& net, const std::string& name, int64_t out, int64_t stride) {
  const std::string shortcut = projected(net, name, out, stride);
  net.conv_bn(name + ".conv1", out / 4, {1});
  net.relu(name + ".relu1");
  net.conv_bn(name + ".conv2", out / 4, {3, stride, 1});
  net.relu(name + ".relu2");
  net.conv_bn(name + ".conv3", out, {1});
  close_block(net, name, shortcut);
}

void option_a_block(NetBuilder& net, const std::string& name, int64_t out, int64_t stride) {
  const std::string input = net.last();
  std::string shortcut = input;
  if (stride != 1) {
    net.padded_shortcut(name + ".shortcut", out, stride);
    shortcut = net.last();
    net.from(input);
  }
  two_convolutions(net, name, out, stride);
  close_block(net, name, shortcut);
}

using Block = void (*)(NetBuilder&, const std::string&, int64_t, int64_t);

/// Stages of blocks; all but the first halve the map and double the channels.
void stages(NetBuilder& net, const std::vector<int64_t>& depths, int64_t width, Block block) {
  for (size_t stage = 0; stage < depths.size(); ++stage, width *= 2) {
    for (int64_t i = 0; i < depths[stage]; ++i) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(i);
      block(net, name, width, stage > 0 && i == 0 ? 2 : 1);
    }
  }
}

void stem(NetBuilder& net, Task task, int64_t width) {
  if (task == Task::kCifar10) {
    net.conv_bn("conv1", width, {3, 1, 1});
    net.relu("relu1");
    return;
  }
  net.conv_bn("conv1", width, {7, 2, 3});
  net.relu("relu1");
  net.max_pool("pool1", {3, 2, 1});
}

graph::Graph head(NetBuilder& net, Task task) {
  net.global_average_pool("pool");
  net.flatten("flatten");
  return finish(net, "fc", task);
}

}  // namespace

graph::Graph resnet18(Task task, uint64_t seed) {
  NetBuilder net = start("resnet18", task, seed);
  stem(net, task, 64);
  stages(net, {2, 2, 2, 2}, 64, basic_block);
  return head(net, task);
}

graph::Graph resnet50(Task task, uint64_t seed) {
  NetBuilder net = start("resnet50", task, seed);
  stem(net, task, 64);
  stages(net, {3, 4, 6, 3}, 256, bottleneck_block);
  return head(net, task);
}

graph::Graph resnet20_cifar10(uint64_t seed) {
  NetBuilder net = start("resnet20", Task::kCifar10, seed);
  stem(net, Task::kCifar10, 16);
  stages(net, {3, 3, 3}, 16, option_a_block);
  return head(net, Task::kCifar10);
}

}  // namespace tessera::compress
