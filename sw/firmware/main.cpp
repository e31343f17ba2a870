/// The chip's firmware: walks the layer program of an image for every input and reports.

#include "abi/image.hpp"
#include "abi/memory_map.hpp"
#include "console.hpp"
#include "hal.hpp"
#include "layer.hpp"
#include "npu.hpp"
#include "plic.hpp"

namespace tessera::firmware {
namespace {

constexpr uint32_t kExitBadBoot = 2;
constexpr uint32_t kExitNpuError = 3;
constexpr uint32_t kExitException = 4;

/// Cycles without progress after which a missing token is an error.
constexpr uint32_t kTokenTimeoutCycles = 100'000;

/// Of the chip's clusters.
uint32_t clusters = 0;
Npu npus[abi::kMaxClusters];
LayerRunner runners[abi::kMaxClusters];

/// The layers are copied to the local RAM, where each of their words costs a cycle.
constexpr uint32_t kMaxLayers = 512;
abi::LayerProgram layers[kMaxLayers];
uint32_t weight_pieces[abi::kMaxWeightPieces];

/// The loaded image, as far as the firmware needs it.
struct Program {
  const abi::ImageHeader* header = nullptr;
  const abi::LayerProgram* layers = nullptr;
  const abi::IoTensor* tensors = nullptr;
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
        program.tensors = static_cast<const abi::IoTensor*>(hal::memory(address, s.bytes));
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
  return program.layers != nullptr && program.tensors != nullptr && program.names != nullptr;
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

/// Reads bit-packed elements a word of DRAM at a time, for each word takes the way there and back.
class ElementReader {
 public:
  ElementReader(const void* tensor, uint32_t bits, bool is_signed)
      : words_(static_cast<const uint32_t*>(tensor)), bits_(bits), is_signed_(is_signed) {}

  /// The element that starts at a bit of the tensor, which is a multiple of its width.
  int32_t at(uint32_t bit) {
    if (bit / 32 != loaded_) {
      loaded_ = bit / 32;
      word_ = words_[loaded_];
    }
    const uint32_t raw = word_ >> bit % 32 << (32 - bits_);
    return is_signed_ ? static_cast<int32_t>(raw) >> (32 - bits_)
                      : static_cast<int32_t>(raw >> (32 - bits_));
  }

 private:
  const uint32_t* words_;
  uint32_t bits_;
  bool is_signed_;
  uint32_t loaded_ = ~0U;
  uint32_t word_ = 0;
};

/// The class with the largest logit, the first of equal ones; of a map, channel by channel.
[[gnu::noinline]] uint32_t argmax(const void* logits, const abi::IoTensor& tensor) {
  ElementReader reader(logits, tensor.bits, tensor.is_signed != 0);
  const uint32_t pixels = tensor.height * tensor.width;
  const uint32_t pixel_bits = tensor.pixel_bytes * 8;
  uint32_t best = 0;
  int32_t best_value = reader.at(0);
  uint32_t index = 0;
  for (uint32_t c = 0; c < tensor.channels; ++c) {
    uint32_t bit = c * tensor.bits;
    for (uint32_t p = 0; p < pixels; ++p, ++index, bit += pixel_bits) {
      const int32_t value = reader.at(bit);
      if (value > best_value) {
        best = index;
        best_value = value;
      }
    }
  }
  return best;
}

void set_phase(uint32_t phase) {
  for (uint32_t c = 0; c < clusters; ++c) npus[c].write(abi::npu_reg::PHASE, phase);
}

/// Each cluster takes its share of the tiles. One cluster alone goes from layer to layer without
/// the host's help; several wait for each other.
void run_layer(uint32_t index, const TensorBases& bases) {
  const bool last = index + 1 == program.header->layer_count;
  const bool barrier = last || clusters > 1;
  for (uint32_t c = 0; c < clusters; ++c) {
    runners[c].begin(index, program.layers[index], bases, c, clusters, barrier);
  }
  for (bool more = true; more;) {
    more = false;
    for (uint32_t c = 0; c < clusters; ++c) more |= runners[c].step();
  }
  if (!barrier) return;
  for (uint32_t c = 0; c < clusters; ++c) npus[c].wait_for_notify();
}

void run_images(const abi::BootInfo& boot) {
  auto* results = static_cast<abi::InferenceResult*>(hal::memory(
      boot.result_address, boot.image_count * static_cast<uint32_t>(sizeof(abi::InferenceResult))));
  const abi::IoTensor& logits = program.tensors[1];
  const uint32_t layer_count = program.header->layer_count;

  for (uint32_t image = 0; image < boot.image_count; ++image) {
    TensorBases bases;
    bases.space[static_cast<uint32_t>(abi::TensorSpace::kArena)] = boot.arena_address;
    bases.space[static_cast<uint32_t>(abi::TensorSpace::kInput)] =
        boot.input_address + image * boot.input_stride;
    bases.space[static_cast<uint32_t>(abi::TensorSpace::kOutput)] =
        boot.output_address + image * boot.output_stride;
    bases.weights = program.weights;
    bases.parameters = program.parameters;
    bases.weight_pieces = weight_pieces;

    set_phase(image + 1);
    for (uint32_t i = 0; i < layer_count; ++i) run_layer(i, bases);

    const uint32_t address = boot.output_address + image * boot.output_stride;
    results[image].top1 = argmax(hal::memory(address, logits.row_bytes * logits.height), logits);
    results[image].done = abi::kResultDone;
    set_phase(0);
  }
}

}  // namespace

void external_interrupt() {
  const uint32_t source = plic::claim();
  if (source >= abi::kNpuIrq && source < abi::kNpuIrq + clusters) {
    npus[source - abi::kNpuIrq].on_interrupt();
  }
  if (source != 0) plic::complete(source);
}

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
  const auto& boot = *static_cast<const abi::BootInfo*>(
      hal::memory(boot_info, static_cast<uint32_t>(sizeof(abi::BootInfo))));
  if (boot.magic != abi::kBootMagic || !find_sections(boot.image_address)) {
    print("no image that this firmware can run: none, another version, or too many layers\n");
    finish(kExitBadBoot);
  }
  clusters = boot.cluster_count < abi::kMaxClusters ? boot.cluster_count : abi::kMaxClusters;
  for (uint32_t c = 0; c < clusters; ++c) {
    npus[c].start(c);
    npus[c].write(abi::npu_reg::TOKEN_TIMEOUT, kTokenTimeoutCycles);
    runners[c].start(npus[c]);
  }
  hal::enable_interrupts();
  banner(boot);
  run_images(boot);
  print("done\n");
  finish(0);
}

}  // namespace tessera::firmware
