#include "inference.hpp"

#include "hal.hpp"
#include "plic.hpp"

namespace tessera::firmware {

using abi::Engine;
namespace reg = abi::npu_reg;

bool Inference::prepare(const Network& network, uint32_t address, uint32_t bytes) {
  network_ = network;
  address_ = address;
  const uint32_t clusters = network.clusters;
  lists_.start(static_cast<uint32_t*>(hal::memory(address, bytes)), bytes / 4);
  for (uint32_t c = 0; c < clusters; ++c) runners_[c].start(network.npus[c], lists_);
  layers_a_list_ = clusters == 1 ? network.layer_count : 1;
  for (uint32_t first = 0; first < network.layer_count; first += layers_a_list_) {
    for (uint32_t c = 0; c < clusters; ++c) write_list(first, layers_a_list_, c);
  }
  if (!lists_.fits()) return false;
  for (uint32_t c = 0; c < clusters; ++c) give_tokens(network.npus[c]);
  return true;
}

void Inference::write_list(uint32_t first_layer, uint32_t layers, uint32_t cluster) {
  LayerRunner& runner = runners_[cluster];
  const uint32_t before = lists_.words();
  for (uint32_t i = first_layer; i < first_layer + layers; ++i) {
    const bool last = i + 1 == first_layer + layers;
    runner.begin(i, network_.layers[i], network_.bases, cluster, network_.clusters, last);
    while (runner.step()) {
    }
  }
  runner.finish();
  words_[first_layer / layers_a_list_][cluster] = lists_.words() - before;
  lists_.align(kListAlignmentWords);
}

/// As if two groups had been computed and two results stored: what follows waits for them.
void Inference::give_tokens(const Npu& npu) const {
  abi::CommandHeader group;
  group.opcode = abi::Opcode::kConfigure;
  group.signal_mask = abi::engine_bit(Engine::kLoad);
  abi::CommandHeader stored;
  stored.opcode = abi::Opcode::kStore;
  stored.signal_mask = abi::engine_bit(Engine::kCompute);
  for (int slot = 0; slot < 2; ++slot) {
    npu.push(Engine::kCompute, group, 0, network_.layers[0].config);
    npu.push(Engine::kStore, stored, 0, abi::Transfer{});
  }
}

void Inference::run(uint32_t input, uint32_t output) {
  const uint32_t clusters = network_.clusters;
  for (uint32_t c = 0; c < clusters; ++c) {
    network_.npus[c].write(reg::BASE_1, input);
    network_.npus[c].write(reg::BASE_2, output);
  }
  uint32_t address = address_;
  for (uint32_t list = 0; list * layers_a_list_ < network_.layer_count; ++list) {
    for (uint32_t c = 0; c < clusters; ++c) {
      const uint32_t words = words_[list][c];
      if (words == 0) continue;
      network_.npus[c].fetch(address, words);
      address += (words + kListAlignmentWords - 1) / kListAlignmentWords * kListAlignmentWords * 4;
    }
    for (uint32_t c = 0; c < clusters; ++c) wait_for(network_.npus[c]);
  }
}

void Inference::wait_for(const Npu& npu) const {
  while (!npu.done()) {
    hal::wait_for_interrupt();
    const uint32_t source = plic::claim();
    if (source - abi::kNpuIrq < network_.clusters) {
      network_.npus[source - abi::kNpuIrq].on_interrupt();
    }
    if (source != 0) plic::complete(source);
  }
}

}  // namespace tessera::firmware
