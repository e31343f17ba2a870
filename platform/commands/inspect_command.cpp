#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "command.hpp"
#include "deploy/image.hpp"

namespace tessera::platform {
namespace {

const char* section_name(uint32_t id) {
  switch (static_cast<abi::Section>(id)) {
    case abi::Section::kProgram:
      return "program";
    case abi::Section::kWeights:
      return "weights";
    case abi::Section::kWeightPieces:
      return "pieces";
    case abi::Section::kParameters:
      return "parameters";
    case abi::Section::kTensors:
      return "tensors";
    case abi::Section::kNames:
      return "names";
    case abi::Section::kChip:
      return "chip";
    case abi::Section::kNormalization:
      return "normalization";
    case abi::Section::kGraph:
      return "graph";
  }
  return "unknown";
}

std::string shape(uint32_t channels, uint32_t height, uint32_t width) {
  return std::to_string(channels) + "x" + std::to_string(height) + "x" + std::to_string(width);
}

void print_tensor(const deploy::Image& image, const char* role, const abi::IoTensor& t) {
  float scale;
  std::memcpy(&scale, &t.scale, sizeof(scale));
  std::printf("%-8s %s %s, %u bit %s, scale %g, %u bytes\n", role, image.name(t.name).c_str(),
              shape(t.channels, t.height, t.width).c_str(), t.bits,
              t.is_signed != 0 ? "signed" : "unsigned", static_cast<double>(scale),
              t.row_bytes * t.height);
}

void print_layer(const deploy::Image& image, const abi::LayerProgram& l) {
  const auto& c = l.config;
  std::string extras;
  if (l.weight_tables != 0) {
    extras += " coded to " + std::to_string(image.weight_bytes(l));
  }
  if (c.residual_bits != 0) extras += " +residual";
  if (c.pool_kind == static_cast<uint8_t>(abi::PoolKind::kMax)) extras += " +maxpool";
  if (c.pool_kind == static_cast<uint8_t>(abi::PoolKind::kAverage)) extras += " +avgpool";
  if (c.stochastic != 0) extras += " stochastic";
  std::printf("  %-24s out %-12s %2u x %s -> %2u bit, tiles %ux%ux%u, weights %u bytes%s\n",
              image.name(l.name).c_str(), shape(l.channels, l.rows, l.columns).c_str(),
              c.activation_bits,
              c.p4 != 0 ? "p4" : (std::to_string(c.weight_bits) + " bit").c_str(), c.output_bits,
              l.rows_per_tile, l.columns_per_tile, l.channels_per_tile,
              l.channels * l.weight_channel_bytes, extras.c_str());
}

/// A $readmemh file: one 32-bit word a line.
std::string hex_words(std::string_view bytes) {
  std::string text;
  char line[16];
  for (size_t i = 0; i < bytes.size(); i += 4) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<size_t>(4, bytes.size() - i));
    std::snprintf(line, sizeof(line), "%08x\n", word);
    text += line;
  }
  return text;
}

void export_hex(const deploy::Image& image, const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& s : image.sections()) {
    if (s.offset >= image.header().device_bytes) continue;
    const std::string text = hex_words(image.section(static_cast<abi::Section>(s.id)));
    deploy::write_file(folder + "/" + section_name(s.id) + ".hex", text.data(), text.size());
  }
}

}  // namespace

int inspect_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("inspect IMAGE.timg [--export hex -o FOLDER]", "image");
  args.options().add_options()("export", po::value<std::string>(),
                               "hex: write each section as a $readmemh file")(
      "output,o", po::value<std::string>(), "folder for --export");
  if (!args.parse(arguments)) return kExitGood;
  const auto image = deploy::Image::read(args.require("image", "the image"));
  if (args.has("export")) {
    if (args.text("export") != "hex") throw UsageError("--export must be hex");
    export_hex(image, args.require("output", "the folder to write to (-o)"));
  }
  const auto& h = image.header();
  std::printf("network  %s for chip %s\n", image.network_name().c_str(), image.chip_name().c_str());
  std::printf("bytes    %u, of which %u on the chip; %u bytes of DRAM for intermediate maps\n",
              h.total_bytes, h.device_bytes, h.arena_bytes);
  print_tensor(image, "input", image.input());
  print_tensor(image, "output", image.output());
  std::printf("layers   %u\n", h.layer_count);
  for (const auto& l : image.layers()) print_layer(image, l);
  std::printf("sections\n");
  for (const auto& s : image.sections()) {
    std::printf("  %-12s offset %8u, %8u bytes\n", section_name(s.id), s.offset, s.bytes);
  }
  return kExitGood;
}

}  // namespace tessera::platform
