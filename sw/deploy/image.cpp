#include "deploy/image.hpp"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "abi/number_formats.hpp"
#include "deploy/packing.hpp"
#include "deploy/weight_coding.hpp"

namespace tessera::deploy {
namespace {

constexpr size_t kSectionAlignment = 64;

uint32_t crc32c(const std::vector<uint8_t>& bytes) {
  uint32_t crc = 0xFFFF'FFFF;
  const auto add = [&crc](const uint8_t* data, size_t size) {
    while (size != 0) {
      const auto piece = static_cast<int>(std::min<size_t>(size, 1 << 30));
      crc = crc32_iscsi(const_cast<uint8_t*>(data), piece, crc);  // reads only
      data += piece;
      size -= static_cast<size_t>(piece);
    }
  };
  constexpr size_t kField = offsetof(abi::ImageHeader, crc32c);
  constexpr uint8_t kZero[sizeof(abi::ImageHeader::crc32c)] = {};
  add(bytes.data(), kField);
  add(kZero, sizeof(kZero));
  add(bytes.data() + kField + sizeof(kZero), bytes.size() - kField - sizeof(kZero));
  return ~crc;
}

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw std::runtime_error(path + ": " + what);
}

template <typename T>
T read_struct(const std::vector<uint8_t>& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace

Image Image::read(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) fail(path, "is a folder, not an image");
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot be opened");
  std::vector<uint8_t> bytes;
  constexpr std::streamsize kPiece = 1 << 20;
  do {
    const size_t before = bytes.size();
    bytes.resize(before + kPiece);
    file.read(reinterpret_cast<char*>(bytes.data() + before), kPiece);
    bytes.resize(before + static_cast<size_t>(file.gcount()));
  } while (file);
  return parse(std::move(bytes), path);
}

Image Image::parse(std::vector<uint8_t> bytes, const std::string& path) {
  Image image;
  image.path_ = path;
  image.bytes_ = std::move(bytes);
  const auto& b = image.bytes_;
  if (b.size() < sizeof(abi::ImageHeader)) fail(path, "is too short for a Tessera image");
  const auto h = read_struct<abi::ImageHeader>(b, 0);
  image.header_ = h;
  if (h.magic != abi::kImageMagic) fail(path, "is not a Tessera image");
  if (h.version != abi::kImageVersion) {
    fail(path, "is an image of version " + std::to_string(h.version) + ", this is for version " +
                   std::to_string(abi::kImageVersion) + "; deploy the network again");
  }
  if (h.total_bytes != b.size()) {
    fail(path, "has " + std::to_string(b.size()) + " bytes instead of " +
                   std::to_string(h.total_bytes) + ": it is truncated or damaged");
  }
  if (crc32c(b) != h.crc32c) fail(path, "is damaged: its CRC does not match");

  const uint64_t table_end =
      sizeof(abi::ImageHeader) + uint64_t{h.section_count} * sizeof(abi::SectionEntry);
  if (table_end > b.size()) fail(path, "has a section table beyond its end");
  if (h.device_bytes > b.size()) fail(path, "claims more bytes for the chip than it has");
  for (uint32_t i = 0; i < h.section_count; ++i) {
    const auto e =
        read_struct<abi::SectionEntry>(b, sizeof(abi::ImageHeader) + i * sizeof(abi::SectionEntry));
    if (e.offset % kSectionAlignment != 0 || uint64_t{e.offset} + e.bytes > b.size()) {
      fail(path, "section " + std::to_string(e.id) + " lies beyond its end");
    }
    const auto id = static_cast<abi::Section>(e.id);
    if (id != abi::Section::kChip && id != abi::Section::kGraph &&
        id != abi::Section::kNormalization && uint64_t{e.offset} + e.bytes > h.device_bytes) {
      fail(path, "section " + std::to_string(e.id) + " is not among the bytes for the chip");
    }
    image.entries_.push_back(e);
  }

  const std::string_view program = image.section(abi::Section::kProgram);
  if (h.layer_count == 0 || program.size() != h.layer_count * sizeof(abi::LayerProgram)) {
    fail(path, "its program does not have the " + std::to_string(h.layer_count) +
                   " layers of its header");
  }
  image.layers_.resize(h.layer_count);
  std::memcpy(image.layers_.data(), program.data(), program.size());
  const std::string_view tensors = image.section(abi::Section::kTensors);
  if (tensors.size() != sizeof(image.tensors_)) fail(path, "lacks its input and output tensors");
  std::memcpy(image.tensors_, tensors.data(), tensors.size());
  const std::string_view pieces = image.section(abi::Section::kWeightPieces);
  if (pieces.size() % sizeof(uint32_t) != 0 ||
      pieces.size() > abi::kMaxWeightPieces * sizeof(uint32_t)) {
    fail(path, "its index of coded weights has " + std::to_string(pieces.size()) + " bytes");
  }
  image.weight_pieces_.resize(pieces.size() / sizeof(uint32_t));
  if (!pieces.empty()) std::memcpy(image.weight_pieces_.data(), pieces.data(), pieces.size());
  const std::string_view names = image.section(abi::Section::kNames);
  if (names.empty() || names.back() != '\0') fail(path, "its names do not end");
  const size_t normalization = image.section(abi::Section::kNormalization).size();
  if (normalization % (2 * sizeof(float)) != 0) fail(path, "its input normalisation is damaged");
  image.check_tensor(image.tensors_[0], "input");
  image.check_tensor(image.tensors_[1], "output");
  image.check_layers();
  return image;
}

graph::IntegerTensor to_tensor(const abi::IoTensor& io, const std::string& name) {
  graph::IntegerTensor t;
  t.name = name;
  t.channels = io.channels;
  t.height = io.height;
  t.width = io.width;
  t.bits = static_cast<int>(io.bits);
  t.is_signed = io.is_signed != 0;
  float scale = 0;
  std::memcpy(&scale, &io.scale, sizeof(scale));
  t.scale = scale;
  return t;
}

graph::IntegerNetwork Image::input_network() const {
  graph::IntegerNetwork net;
  net.tensors = {to_tensor(input(), name(input().name))};
  net.input_low = input().low;
  net.input_high = input().high;
  const std::string_view raw = section(abi::Section::kNormalization);
  std::vector<float> values(raw.size() / sizeof(float));
  std::memcpy(values.data(), raw.data(), values.size() * sizeof(float));
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  net.normalization.mean.assign(values.begin(), half);
  net.normalization.std.assign(half, values.end());
  return net;
}

std::string Image::name(uint32_t offset) const {
  const std::string_view names = section(abi::Section::kNames);
  return offset < names.size() ? std::string(names.data() + offset) : std::string("?");
}

std::string_view Image::section(abi::Section id) const {
  for (const auto& e : entries_) {
    if (e.id == static_cast<uint32_t>(id)) {
      return {reinterpret_cast<const char*>(bytes_.data()) + e.offset, e.bytes};
    }
  }
  return {};
}

void Image::check_layers() const {
  const size_t names = section(abi::Section::kNames).size();
  const uint64_t parameters = section(abi::Section::kParameters).size();
  for (const auto& l : layers_) {
    if (l.name >= names) fail(path_, "a layer's name lies beyond the names");
    const std::string who = "layer " + name(l.name) + ": ";
    if (l.rows == 0 || l.columns == 0 || l.channels == 0 || l.rows_per_tile == 0 ||
        l.columns_per_tile == 0 || l.channels_per_tile == 0) {
      fail(path_, who + "has an empty dimension");
    }
    if (l.map_by_channels > (l.config.slice_channels != 0 ? 1 : 0)) {
      fail(path_, who + "loads its map by channels, but has no slices");
    }
    check_weights(l);
    if (l.parameter_offset + uint64_t{l.channels} * sizeof(abi::ChannelParameters) > parameters) {
      fail(path_, who + "its parameters lie beyond their section");
    }
    check_places(l);
  }
}

namespace {

uint64_t block_count(const abi::LayerProgram& l) {
  return (uint64_t{l.channels} + l.channels_per_tile - 1) / l.channels_per_tile;
}

}  // namespace

uint32_t Image::weight_bytes(const abi::LayerProgram& l) const {
  if (l.weight_tables == 0) return l.channels * l.weight_channel_bytes;
  const auto last = static_cast<uint32_t>(l.weight_tables + block_count(l));
  return weight_pieces_[l.weight_pieces + last] +
         (last + 1) * static_cast<uint32_t>(sizeof(uint32_t));
}

void Image::check_weights(const abi::LayerProgram& l) const {
  const std::string who = "layer " + name(l.name) + ": ";
  const std::string_view weights = section(abi::Section::kWeights);
  const uint64_t bytes = uint64_t{l.channels} * l.weight_channel_bytes;
  if (l.weight_tables == 0) {
    if (l.weight_offset + bytes > weights.size()) {
      fail(path_, who + "its weights lie beyond their section");
    }
    return;
  }
  if (l.weight_tables > abi::kTableBanks || bytes > UINT32_MAX) {
    fail(path_, who + "has coded weights of " + std::to_string(l.weight_tables) + " tables and " +
                    std::to_string(bytes) + " bytes");
  }
  const uint64_t last = l.weight_tables + block_count(l);
  if (l.weight_pieces + last >= weight_pieces_.size()) {
    fail(path_, who + "the index of its coded weights lies beyond its section");
  }
  const uint32_t* piece = weight_pieces_.data() + l.weight_pieces;
  for (uint64_t i = 0; i < last; ++i) {
    if (piece[i] >= piece[i + 1] || (piece[i + 1] - piece[i]) % abi::kCodeWordBytes != 0) {
      fail(path_, who + "the pieces of its coded weights are not in order");
    }
  }
  if (uint64_t{l.weight_offset} + piece[last] > weights.size()) {
    fail(path_, who + "its coded weights lie beyond their section");
  }
  const auto* coded = reinterpret_cast<const uint8_t*>(weights.data()) + l.weight_offset;
  for (uint32_t i = 0; i < l.weight_tables; ++i) {
    const std::string fault = table_fault(coded + piece[i], piece[i + 1] - piece[i]);
    if (!fault.empty()) fail(path_, who + "its code table " + fault);
  }
}

void Image::check_tensor(const abi::IoTensor& t, const char* role) const {
  const auto bits = static_cast<int>(t.bits);
  const std::string who = std::string("its ") + role + " tensor ";
  if (!abi::is_operand_width(bits)) fail(path_, who + "has no width of the chip");
  constexpr uint32_t kMostElements = 1U << 27;
  const uint64_t pixels = uint64_t{t.height} * t.width;
  if (t.channels == 0 || pixels == 0 || t.channels > kMostElements || pixels > kMostElements ||
      pixels * t.channels > kMostElements) {
    fail(path_, who + "is empty or too large");
  }
  if (t.pixel_bytes != pixel_bytes(t.channels, bits) ||
      t.row_bytes != uint64_t{t.pixel_bytes} * t.width) {
    fail(path_, who + "is not densely packed");
  }
  if (t.low > t.high || t.low < abi::min_value(bits, t.is_signed != 0) ||
      t.high > abi::max_value(bits, t.is_signed != 0)) {
    fail(path_, who + "has a range that its width does not hold");
  }
}

/// Every byte that the firmware reads or writes for a layer's tensors. What lies on chip must be
/// within the addresses of a scratchpad; whether it has so many the chip checks.
void Image::check_places(const abi::LayerProgram& l) const {
  const abi::ComputeConfig& c = l.config;
  struct Extent {
    uint64_t rows, row_pitch, columns, pixel_pitch, pixel_bytes;
    uint64_t end() const {
      return (rows - 1) * row_pitch + (columns - 1) * pixel_pitch + pixel_bytes;
    }
  };
  const auto check = [&](const char* what, abi::TensorSpace space, uint64_t offset,
                         const Extent& in_dram, uint64_t row_pitch, uint64_t pixel_pitch) {
    uint64_t size = 0;
    Extent extent = in_dram;
    if (space == abi::TensorSpace::kActivations) {
      size = abi::kLocalRegionBytes;
      extent.row_pitch = row_pitch;
      extent.pixel_pitch = pixel_pitch;
    } else if (space == abi::TensorSpace::kInput || space == abi::TensorSpace::kOutput) {
      const abi::IoTensor& io = space == abi::TensorSpace::kInput ? input() : output();
      size = uint64_t{io.row_bytes} * io.height;
    } else if (space == abi::TensorSpace::kArena) {
      size = header_.arena_bytes;
    }
    if (extent.rows == 0 || extent.columns == 0 || offset + extent.end() > size) {
      fail(path_, "layer " + name(l.name) + ": its " + what + " lies beyond its memory");
    }
  };
  const uint64_t row_bytes = uint64_t{l.input_columns} * l.input_pixel_bytes;
  if (row_bytes > UINT32_MAX) fail(path_, "layer " + name(l.name) + ": its input is too wide");
  const auto packed = [&](uint8_t bits) { return (uint64_t{l.channels} * bits + 7) / 8; };
  check("input", l.input_space, l.input_offset,
        {l.input_rows, row_bytes, l.input_columns, l.input_pixel_bytes, l.input_pixel_bytes},
        c.input_row_pitch, c.input_pixel_pitch);
  check("output", l.output_space, l.output_offset,
        {l.rows, l.output_row_bytes, l.columns, l.output_pixel_bytes, packed(c.output_bits)},
        c.output_row_pitch, c.output_pixel_pitch);
  if (c.residual_bits == 0) return;
  if (l.residual_pixel_bytes == 0 || l.residual_row_bytes < l.residual_pixel_bytes) {
    fail(path_, "layer " + name(l.name) + ": its residual has no size");
  }
  check("residual", l.residual_space, l.residual_offset,
        {(uint64_t{l.rows} - 1) * c.pool_stride_y + c.pool_h, l.residual_row_bytes,
         (uint64_t{l.columns} - 1) * c.pool_stride_x + c.pool_w, l.residual_pixel_bytes,
         packed(c.residual_bits)},
        c.residual_row_pitch, c.residual_pixel_pitch);
}

void Image::require_chip(uint32_t fingerprint, const std::string& wanted) const {
  if (header_.chip_fingerprint == fingerprint) return;
  fail(path_, "was deployed for chip " + chip_name() + " and does not fit chip " + wanted +
                  " (other PE counts, scratchpads or FIFOs); deploy the network for it");
}

uint32_t add_name(std::string& names, const std::string& name) {
  const auto offset = static_cast<uint32_t>(names.size());
  names += name;
  names.push_back('\0');
  return offset;
}

std::vector<uint8_t> build_image(ImageContents c) {
  abi::ImageHeader h = {};
  h.magic = abi::kImageMagic;
  h.version = abi::kImageVersion;
  h.chip_fingerprint = c.chip_fingerprint;
  h.layer_count = static_cast<uint32_t>(c.layers.size());
  h.arena_bytes = c.arena_bytes;
  h.network_name = add_name(c.names, c.network_name);
  h.chip_name = add_name(c.names, c.chip_name);

  const abi::IoTensor io[2] = {c.input, c.output};
  std::vector<float> normalization = c.normalization.mean;
  normalization.insert(normalization.end(), c.normalization.std.begin(), c.normalization.std.end());
  struct Part {
    abi::Section id;
    const void* data;
    size_t bytes;
  };
  const size_t piece_bytes = c.weight_pieces.size() * sizeof(uint32_t);
  std::vector<Part> parts = {
      {abi::Section::kProgram, c.layers.data(), c.layers.size() * sizeof(abi::LayerProgram)},
      {abi::Section::kTensors, io, sizeof(io)},
      {abi::Section::kNames, c.names.data(), c.names.size()},
      {abi::Section::kParameters, c.parameters.data(), c.parameters.size()},
      {abi::Section::kWeights, c.weights.data(), c.weights.size()},
      {abi::Section::kNormalization, normalization.data(), normalization.size() * sizeof(float)},
      {abi::Section::kChip, c.chip_yaml.data(), c.chip_yaml.size()},
  };
  if (piece_bytes != 0) {
    parts.insert(parts.begin(), {abi::Section::kWeightPieces, c.weight_pieces.data(), piece_bytes});
  }
  if (!c.graph_onnx.empty()) {
    parts.push_back({abi::Section::kGraph, c.graph_onnx.data(), c.graph_onnx.size()});
  }
  h.section_count = static_cast<uint32_t>(parts.size());

  std::vector<uint8_t> bytes(sizeof(h) + parts.size() * sizeof(abi::SectionEntry));
  std::vector<abi::SectionEntry> entries;
  for (const Part& part : parts) {
    bytes.resize((bytes.size() + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment);
    if (part.id == abi::Section::kNormalization)
      h.device_bytes = static_cast<uint32_t>(bytes.size());
    entries.push_back({static_cast<uint32_t>(part.id), static_cast<uint32_t>(bytes.size()),
                       static_cast<uint32_t>(part.bytes), 0});
    const auto* data = static_cast<const uint8_t*>(part.data);
    bytes.insert(bytes.end(), data, data + part.bytes);
  }
  if (bytes.size() > 0xFFFF'FFFFULL) {
    throw std::runtime_error("the image of " + c.network_name + " exceeds 4 GiB");
  }
  h.total_bytes = static_cast<uint32_t>(bytes.size());
  std::memcpy(bytes.data() + sizeof(h), entries.data(), entries.size() * sizeof(entries[0]));
  std::memcpy(bytes.data(), &h, sizeof(h));
  h.crc32c = crc32c(bytes);
  std::memcpy(bytes.data(), &h, sizeof(h));
  return bytes;
}

void write_file(const std::string& path, const void* data, size_t size_bytes) {
  const std::string partial = path + ".partial";
  {
    std::ofstream file(partial, std::ios::binary | std::ios::trunc);
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size_bytes));
    file.flush();
    if (!file) {
      std::remove(partial.c_str());
      throw std::runtime_error(path + ": cannot be written");
    }
  }
  std::error_code error;
  std::filesystem::rename(partial, path, error);
  if (error) {
    std::remove(partial.c_str());
    throw std::runtime_error(path + ": cannot be written: " + error.message());
  }
}

}  // namespace tessera::deploy
