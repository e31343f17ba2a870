/// The chip's firmware: writes the command lists of an image, starts them for every input and
/// reports.

#include "abi/image.hpp"
#include "abi/memory_map.hpp"
#include "console.hpp"
#include "hal.hpp"
#include "inference.hpp"
#include "npu.hpp"

namespace tessera::firmware {
namespace {

constexpr uint32_t kExitBadBoot = 2;
constexpr uint32_t kExitNpuError = 3;
constexpr uint32_t kExitException = 4;
constexpr uint32_t kExitNoRoom = 5;

/// Cycles without progress after which a missing token is an error.
constexpr uint32_t kTokenTimeoutCycles = 100'000;

/// Of the chip's clusters.
uint32_t clusters = 0;
Npu npus[abi::kMaxClusters];
Inference inference;

/// The layers are copied to the local RAM, where each of their words costs a cycle.
abi::LayerProgram layers[kMaxLayers];
uint32_t weight_pieces[abi::kMaxWeightPieces];

/// The loaded image, as far as the firmware needs it.
struct Program {
  const abi::ImageHeader* header = nullptr;
  const abi::LayerProgram* layers = nullptr;
  abi::IoTensor output = {};  ///< a copy, as of the layers
  const char* names = nullptr;
  uint32_t weights = 0;
  uint32_t parameters = 0;
};
Program program;

bool find_sections(uint32_t image) {
  const auto* header =
      static_cast<const abi::ImageHeader*>(hal::memory(image, sizeof(abi::ImageHeader)));
  if (header->magic != abi::kImageMagic || header->version != abi::kImageVersion) return false;
  program.header = header;
  const auto* sections = static_cast<const abi::SectionEntry*>(
      hal::memory(image + static_cast<uint32_t>(sizeof(abi::ImageHeader)),
                  header->section_count * static_cast<uint32_t>(sizeof(abi::SectionEntry))));
  for (uint32_t i = 0; i < header->section_count; ++i) {
    const abi::SectionEntry& s = sections[i];
    const uint32_t address = image + s.offset;
    switch (static_cast<abi::Section>(s.id)) {
      case abi::Section::kProgram:
        if (header->layer_count > kMaxLayers) return false;
        __builtin_memcpy(layers, hal::memory(address, s.bytes),
                         header->layer_count * sizeof(abi::LayerProgram));
        program.layers = layers;
        break;
      case abi::Section::kTensors:
        program.output = static_cast<const abi::IoTensor*>(hal::memory(address, s.bytes))[1];
        break;
      case abi::Section::kNames:
        program.names = static_cast<const char*>(hal::memory(address, s.bytes));
        break;
      case abi::Section::kWeights:
        program.weights = address;
        break;
      case abi::Section::kParameters:
        program.parameters = address;
        break;
      case abi::Section::kWeightPieces:
        if (s.bytes > sizeof(weight_pieces)) return false;
        __builtin_memcpy(weight_pieces, hal::memory(address, s.bytes), s.bytes);
        break;
      case abi::Section::kChip:
      case abi::Section::kNormalization:
      case abi::Section::kGraph:
        break;
    }
  }
  return program.layers != nullptr && program.names != nullptr;
}

void banner(const abi::BootInfo& boot) {
  print("Tessera firmware, ");
  if (clusters > 1) {
    print_decimal(clusters);
    print(" clusters of ");
  }
  print_decimal(npus[0].read(abi::npu_reg::ROWS));
  print("x");
  print_decimal(npus[0].read(abi::npu_reg::COLUMNS));
  print(" PEs at ");
  print_decimal(boot.clock_hz / 1'000'000);
  print(" MHz\nnetwork ");
  print(program.names + program.header->network_name);
  print(", ");
  print_decimal(program.header->layer_count);
  print(" layers, ");
  print_decimal(boot.image_count);
  print(" images\n");
}

/// The class with the largest logit, the first of equal ones; of a map, channel by channel. Reads
/// the tensor a word of DRAM at a time, for each word takes the way there and back.
[[gnu::noinline]] uint32_t argmax(const void* logits, const abi::IoTensor& tensor) {
  const auto* words = static_cast<const uint32_t*>(logits);
  const uint32_t pixels = tensor.height * tensor.width;
  const uint32_t unused_bits = 32 - tensor.bits;
  const uint32_t sign = tensor.is_signed != 0 ? 1U << 31 : 0;
  uint32_t word = 0;
  uint32_t bits_left = 0;  // of the word
  uint32_t best = 0;
  uint32_t best_rank = 0;
  for (uint32_t pixel = 0; pixel < pixels; ++pixel) {
    const uint32_t end = pixel + tensor.channels * pixels;
    for (uint32_t index = pixel; index != end; index += pixels) {
      if (bits_left == 0) {
        word = *words++;
        bits_left = 32;
      }
      const uint32_t rank = (word << unused_bits) ^ sign;  // ordered as the values are
      word >>= tensor.bits;
      bits_left -= tensor.bits;
      if (rank < best_rank || (rank == best_rank && index >= best)) continue;
      best = index;
      best_rank = rank;
    }
    // Pixels begin with a byte.
    word >>= bits_left % 8;
    bits_left -= bits_left % 8;
  }
  return best;
}

void set_phase(uint32_t phase) {
  for (uint32_t c = 0; c < clusters; ++c) npus[c].write(abi::npu_reg::PHASE, phase);
}

/// Writes the command lists to the room that the loader has left for them.
void prepare(const abi::BootInfo& boot) {
  Network network;
  network.npus = npus;
  network.clusters = clusters;
  network.layers = program.layers;
  network.layer_count = program.header->layer_count;
  network.bases.arena = boot.arena_address;
  network.bases.weights = program.weights;
  network.bases.parameters = program.parameters;
  network.bases.weight_pieces = weight_pieces;
  if (inference.prepare(network, boot.list_address, boot.list_bytes)) return;
  print("the command lists take ");
  print_decimal(inference.needed_bytes());
  print(" bytes, there is room for ");
  print_decimal(boot.list_bytes);
  print("\n");
  finish(kExitNoRoom);
}

void run_images(const abi::BootInfo& boot) {
  auto* results = static_cast<abi::InferenceResult*>(hal::memory(
      boot.result_address, boot.image_count * static_cast<uint32_t>(sizeof(abi::InferenceResult))));
  const abi::IoTensor& logits = program.output;

  for (uint32_t image = 0; image < boot.image_count; ++image) {
    const uint32_t address = boot.output_address + image * boot.output_stride;
    set_phase(image + 1);
    inference.run(boot.input_address + image * boot.input_stride, address);
    results[image].top1 = argmax(hal::memory(address, logits.row_bytes * logits.height), logits);
    results[image].done = abi::kResultDone;
    set_phase(0);
  }
  for (uint32_t c = 0; c < clusters; ++c) npus[c].check();
}

}  // namespace

void exception(uint32_t cause, uint32_t pc, uint32_t address) {
  print("exception ");
  print_decimal(cause);
  print(" at pc ");
  print_hex(pc);
  print(", address ");
  print_hex(address);
  print("\n");
  finish(kExitException);
}

void npu_failed(const Npu& cluster) {
  namespace reg = abi::npu_reg;
  const uint32_t tag = cluster.read(reg::ERROR_TAG);
  const uint32_t layer = abi::tag_layer(tag);
  print("NPU error: layer ");
  print_decimal(layer);
  print(" (");
  print(layer < program.header->layer_count ? program.names + program.layers[layer].name : "?");
  print("): ");
  print(abi::name_of(static_cast<abi::NpuError>(cluster.read(reg::ERROR_CAUSE))));
  print(" in the ");
  print(abi::name_of(static_cast<abi::Engine>(cluster.read(reg::ERROR_ENGINE))));
  print(" engine, tile ");
  print_decimal(tag & 0xFFFF);
  print(", info ");
  print_hex(cluster.read(reg::ERROR_INFO));
  print("\n");
  finish(kExitNpuError);
}

void main(uint32_t boot_info) {
  const auto boot = *static_cast<const abi::BootInfo*>(
      hal::memory(boot_info, static_cast<uint32_t>(sizeof(abi::BootInfo))));
  if (boot.magic != abi::kBootMagic || !find_sections(boot.image_address)) {
    print("no image that this firmware can run: none, another version, or too many layers\n");
    finish(kExitBadBoot);
  }
  clusters = boot.cluster_count < abi::kMaxClusters ? boot.cluster_count : abi::kMaxClusters;
  for (uint32_t c = 0; c < clusters; ++c) {
    npus[c].start(c);
    npus[c].write(abi::npu_reg::TOKEN_TIMEOUT, kTokenTimeoutCycles);
  }
  banner(boot);
  prepare(boot);
  run_images(boot);
  print("done\n");
  finish(0);
}

}  // namespace tessera::firmware
