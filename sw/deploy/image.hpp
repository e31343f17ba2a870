#pragma once

/// The deployable image (.timg) as a file: building, checking, reading.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "abi/image.hpp"
#include "graph/integer_network.hpp"

namespace tessera::deploy {

/// A checked image. Every offset that the firmware or the loader follows has been validated.
class Image {
 public:
  /// Throws std::runtime_error, one line, if the bytes are not an image of this version, are
  /// truncated or damaged. `path` is for the message.
  static Image parse(std::vector<uint8_t> bytes, const std::string& path);
  static Image read(const std::string& path);

  const abi::ImageHeader& header() const { return header_; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  const std::vector<abi::LayerProgram>& layers() const { return layers_; }
  /// The words of the section; see abi::LayerProgram.
  const std::vector<uint32_t>& weight_pieces() const { return weight_pieces_; }
  /// Bytes of a layer's weights in the image: of coded ones with their tables and index.
  uint32_t weight_bytes(const abi::LayerProgram& layer) const;
  const abi::IoTensor& input() const { return tensors_[0]; }
  const abi::IoTensor& output() const { return tensors_[1]; }

  std::string network_name() const { return name(header_.network_name); }
  std::string chip_name() const { return name(header_.chip_name); }
  /// A network of the input tensor alone: all that graph::quantize_input needs.
  graph::IntegerNetwork input_network() const;

  /// A string of the names section.
  std::string name(uint32_t offset) const;
  /// A section's bytes; empty if the image has none of it.
  std::string_view section(abi::Section id) const;
  std::vector<abi::SectionEntry> sections() const { return entries_; }

  /// Throws std::runtime_error if the image was deployed for a chip with another fingerprint.
  void require_chip(uint32_t fingerprint, const std::string& chip_name) const;

 private:
  void check_tensor(const abi::IoTensor& tensor, const char* role) const;
  void check_layers() const;
  void check_weights(const abi::LayerProgram& layer) const;
  void check_places(const abi::LayerProgram& layer) const;

  std::string path_;
  std::vector<uint8_t> bytes_;
  abi::ImageHeader header_ = {};
  std::vector<abi::SectionEntry> entries_;
  std::vector<abi::LayerProgram> layers_;
  std::vector<uint32_t> weight_pieces_;
  abi::IoTensor tensors_[2] = {};
};

/// What an image is made of.
struct ImageContents {
  std::string network_name;
  std::string chip_name;
  std::string chip_yaml;
  uint32_t chip_fingerprint = 0;
  uint32_t arena_bytes = 0;
  std::vector<abi::LayerProgram> layers;  ///< names already offsets into `names`
  abi::IoTensor input = {};
  abi::IoTensor output = {};
  graph::InputNormalization normalization;
  std::string names;  ///< NUL-terminated strings one after the other
  std::vector<uint8_t> weights;
  std::vector<uint32_t> weight_pieces;  ///< of coded weights; empty: leave the section out
  std::vector<uint8_t> parameters;
  std::string graph_onnx;  ///< empty: leave the section out
};

/// A tensor of the image as the software knows it.
graph::IntegerTensor to_tensor(const abi::IoTensor& io, const std::string& name);

/// Appends a string to a names section and returns its offset.
uint32_t add_name(std::string& names, const std::string& name);

/// Lays out the sections, fills in sizes and CRC.
std::vector<uint8_t> build_image(ImageContents contents);

/// Writes a file completely or not at all. Throws std::runtime_error.
void write_file(const std::string& path, const void* data, size_t size_bytes);

}  // namespace tessera::deploy
