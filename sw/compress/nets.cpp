#include "compress/nets.hpp"

#include <functional>
#include <stdexcept>

#include "compress/nets_families.hpp"

namespace tessera::compress {
namespace {

struct Entry {
  std::string name;
  std::function<graph::Graph(uint64_t seed)> build;
};

Entry for_task(const std::string& name, graph::Graph (*family)(Task, uint64_t), Task task) {
  return {name, [=](uint64_t seed) { return family(task, seed); }};
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> kEntries = {
      {"lenet5", lenet5},
      for_task("vgg16-cifar10", vgg16, Task::kCifar10),
      for_task("resnet18-cifar10", resnet18, Task::kCifar10),
      {"resnet20-cifar10", resnet20_cifar10},
      for_task("mobilenet-v1-cifar10", mobilenet_v1, Task::kCifar10),
      for_task("mobilenet-v2-cifar10", mobilenet_v2, Task::kCifar10),
      for_task("vgg16-224", vgg16, Task::k224),
      for_task("resnet18-224", resnet18, Task::k224),
      for_task("resnet50-224", resnet50, Task::k224),
      {"googlenet-224", googlenet_224},
      for_task("mobilenet-v1-224", mobilenet_v1, Task::k224),
      for_task("mobilenet-v2-224", mobilenet_v2, Task::k224),
  };
  return kEntries;
}

}  // namespace

NetBuilder start(const std::string& family, Task task, uint64_t seed) {
  if (task == Task::kCifar10) return {family + "-cifar10", {3, 32, 32}, seed};
  return {family + "-224", {3, 224, 224}, seed};
}

graph::Graph finish(NetBuilder& net, const std::string& name, Task task) {
  net.gemm(name, task == Task::kCifar10 ? 10 : 1000);
  return net.finish({{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}});
}

std::vector<std::string> net_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) names.push_back(entry.name);
  return names;
}

graph::Graph build_net(const std::string& name, uint64_t seed) {
  std::string known;
  for (const Entry& entry : entries()) {
    if (entry.name == name) return entry.build(seed);
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  throw std::runtime_error("network " + name + " is unknown; known are " + known +
                           ", or give an ONNX file");
}

}  // namespace tessera::compress
