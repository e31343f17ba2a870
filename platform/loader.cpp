#include "loader.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "abi/memory_map.hpp"
#include "deploy/packing.hpp"
#include "firmware/inference.hpp"

namespace tessera::platform {
namespace {

constexpr uint64_t kAlignment = 4096;
constexpr uint32_t kTensorAlignment = 64;

uint64_t align(uint64_t value) { return (value + kAlignment - 1) / kAlignment * kAlignment; }

uint32_t tensor_bytes(const abi::IoTensor& t) { return t.row_bytes * t.height; }

/// Room for what the firmware writes.
uint32_t list_bytes(const chip::Chip& chip, const deploy::Image& image) {
  uint64_t bytes = 0;
  for (const abi::LayerProgram& layer : image.layers()) {
    bytes += firmware::most_list_bytes(layer, chip.npu.clusters);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(bytes, std::numeric_limits<uint32_t>::max()));
}

/// Memory that the plan has put in DRAM.
uint8_t* planned(Soc& soc, uint32_t address, uint64_t bytes) {
  uint8_t* memory = soc.memory(address, bytes);
  if (memory == nullptr) throw std::logic_error("the memory plan leaves DRAM");
  return memory;
}

}  // namespace

MemoryPlan plan_memory(const chip::Chip& chip, const deploy::Image& image, uint32_t image_count) {
  MemoryPlan plan;
  abi::BootInfo& b = plan.boot;
  const uint64_t dram = uint64_t{abi::kRamBase} + chip.core.local_ram_bytes;
  uint64_t next = dram;
  const auto take = [&](uint64_t bytes) {
    const uint64_t address = next;
    next = align(next + bytes);
    return static_cast<uint32_t>(address);
  };
  b.magic = abi::kBootMagic;
  b.image_count = image_count;
  b.cluster_count = chip.npu.clusters;
  b.clock_hz = static_cast<uint32_t>(std::llround(chip.clock_mhz * 1e6));
  b.input_stride = deploy::round_up(tensor_bytes(image.input()), kTensorAlignment);
  b.output_stride = deploy::round_up(tensor_bytes(image.output()), kTensorAlignment);
  plan.boot_info_address = take(sizeof(abi::BootInfo));
  b.image_address = take(image.header().device_bytes);
  b.arena_address = take(image.header().arena_bytes);
  b.list_bytes = list_bytes(chip, image);
  b.list_address = take(b.list_bytes);
  b.input_address = take(uint64_t{b.input_stride} * image_count);
  b.output_address = take(uint64_t{b.output_stride} * image_count);
  b.result_address = take(sizeof(abi::InferenceResult) * uint64_t{image_count});
  if (next - dram > chip.dram.size_bytes) {
    throw std::runtime_error("the image with " + std::to_string(image_count) + " inputs needs " +
                             std::to_string((next - dram) >> 20) + " MiB of DRAM, chip " +
                             chip.name + " has " + std::to_string(chip.dram.size_bytes >> 20) +
                             " MiB; use a smaller --count or a larger dram.size_mib");
  }
  return plan;
}

void load_memory(Soc& soc, const MemoryPlan& plan, const deploy::Image& image,
                 const data::Dataset& dataset) {
  const abi::BootInfo& b = plan.boot;
  std::memcpy(planned(soc, plan.boot_info_address, sizeof(b)), &b, sizeof(b));
  const uint32_t image_bytes = image.header().device_bytes;
  std::memcpy(planned(soc, b.image_address, image_bytes), image.bytes().data(), image_bytes);

  const graph::IntegerNetwork input = image.input_network();
  for (uint32_t i = 0; i < b.image_count; ++i) {
    const auto packed =
        deploy::pack_activations(input.tensors[0], graph::quantize_input(input, dataset.image(i)));
    std::memcpy(planned(soc, b.input_address + i * b.input_stride, packed.size()), packed.data(),
                packed.size());
  }
}

std::vector<int32_t> read_output(Soc& soc, const MemoryPlan& plan, const deploy::Image& image,
                                 uint32_t index) {
  const uint8_t* bytes = planned(soc, plan.boot.output_address + index * plan.boot.output_stride,
                                 tensor_bytes(image.output()));
  return deploy::unpack_activations(
      deploy::to_tensor(image.output(), image.name(image.output().name)), bytes);
}

abi::InferenceResult read_result(Soc& soc, const MemoryPlan& plan, uint32_t index) {
  abi::InferenceResult result;
  constexpr auto kBytes = static_cast<uint32_t>(sizeof(result));
  std::memcpy(&result, planned(soc, plan.boot.result_address + index * kBytes, kBytes), kBytes);
  return result;
}

}  // namespace tessera::platform
