#include "compress/nets_families.hpp"

namespace tessera::compress {

graph::Graph lenet5(uint64_t seed) {
  NetBuilder net("lenet5", {1, 28, 28}, seed);
  net.conv("conv1", 6, {5, 1, 2});
  net.relu("relu1");
  net.max_pool("pool1", {2, 2});
  net.conv("conv2", 16, {5});
  net.relu("relu2");
  net.max_pool("pool2", {2, 2});
  net.flatten("flatten");
  net.gemm("fc1", 120);
  net.relu("relu3");
  net.gemm("fc2", 84);
  net.relu("relu4");
  net.gemm("fc3", 10);
  return net.finish({});
}

graph::Graph vgg16(Task task, uint64_t seed) {
  NetBuilder net = start("vgg16", task, seed);
  const int64_t widths[] = {64, 128, 256, 512, 512};
  const int64_t depths[] = {2, 2, 3, 3, 3};
  for (size_t stage = 0; stage < 5; ++stage) {
    const std::string number = std::to_string(stage + 1);
    for (int64_t i = 1; i <= depths[stage]; ++i) {
      const std::string position = number + "_" + std::to_string(i);
      if (task == Task::kCifar10) {
        net.conv_bn("conv" + position, widths[stage], {3, 1, 1});
      } else {
        net.conv("conv" + position, widths[stage], {3, 1, 1});
      }
      net.relu("relu" + position);
    }
    net.max_pool("pool" + number, {2, 2});
  }
  net.flatten("flatten");
  const int64_t hidden = task == Task::kCifar10 ? 512 : 4096;
  net.gemm("fc6", hidden);
  net.relu("relu6");
  if (task == Task::k224) {
    net.gemm("fc7", hidden);
    net.relu("relu7");
  }
  return finish(net, "fc8", task);
}

}  // namespace tessera::compress
