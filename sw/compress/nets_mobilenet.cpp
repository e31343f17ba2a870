#include "compress/nets_families.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kStemWidth = 32;

void stem(NetBuilder& net, Task task) {
  net.conv_bn("conv1", kStemWidth, {3, task == Task::kCifar10 ? 1 : 2, 1});
}

void depthwise(NetBuilder& net, const std::string& name, int64_t stride) {
  const int64_t channels = net.last_shape()[0];
  net.conv_bn(name, channels, {3, stride, 1}, channels);
}

/// Widens the input `expansion` times, filters each channel, and narrows to `out`, without an
/// activation behind; the input is added where it has the same shape.
void inverted_residual(NetBuilder& net, const std::string& name, int64_t expansion, int64_t out,
                       int64_t stride) {
  const std::string input = net.last();
  const int64_t channels = net.last_shape()[0];
  if (expansion != 1) {
    net.conv_bn(name + ".expand", channels * expansion, {1});
    net.relu6(name + ".relu1");
  }
  depthwise(net, name + ".depthwise", stride);
  net.relu6(name + ".relu2");
  net.conv_bn(name + ".project", out, {1});
  if (stride == 1 && channels == out) net.add(name + ".add", input);
}

graph::Graph head(NetBuilder& net, Task task) {
  net.global_average_pool("pool");
  net.flatten("flatten");
  return finish(net, "fc", task);
}

}  // namespace

graph::Graph mobilenet_v1(Task task, uint64_t seed) {
  struct Block {
    int64_t out, stride;
  };
  constexpr Block kBlocks[] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                               {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                               {512, 1}, {1024, 2}, {1024, 1}};
  NetBuilder net = start("mobilenet-v1", task, seed);
  stem(net, task);
  net.relu("relu1");
  int index = 0;
  for (const Block& block : kBlocks) {
    const std::string name = "block" + std::to_string(++index);
    depthwise(net, name + ".depthwise", block.stride);
    net.relu(name + ".relu1");
    net.conv_bn(name + ".pointwise", block.out, {1});
    net.relu(name + ".relu2");
  }
  return head(net, task);
}

graph::Graph mobilenet_v2(Task task, uint64_t seed) {
  struct Stage {
    int64_t expansion, out, depth, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  NetBuilder net = start("mobilenet-v2", task, seed);
  stem(net, task);
  net.relu6("relu1");
  int index = 0;
  for (const Stage& stage : kStages) {
    const bool keeps_size = task == Task::kCifar10 && stage.out == 24;
    for (int64_t i = 0; i < stage.depth; ++i) {
      inverted_residual(net, "block" + std::to_string(++index), stage.expansion, stage.out,
                        i == 0 && !keeps_size ? stage.stride : 1);
    }
  }
  net.conv_bn("conv2", 1280, {1});
  net.relu6("relu2");
  return head(net, task);
}

}  // namespace tessera::compress
