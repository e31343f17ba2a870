#include "data/readers.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace tessera::data {
namespace {

constexpr int64_t kMaxDatasetBytes = int64_t{1} << 33;
constexpr int64_t kMaxDimension = int64_t{1} << 31;
constexpr size_t kChunkBytes = size_t{1} << 20;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw std::runtime_error(path + ": " + what);
}

/// A file's bytes, gunzipped if it is gzipped.
class ByteSource {
 public:
  explicit ByteSource(const std::string& path) : path_(path), file_(nullptr, gzclose) {
    if (!std::filesystem::is_regular_file(path)) fail(path, "no such file");
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) fail(path, "cannot be opened");
    gzbuffer(file_.get(), 1U << 17);
  }

  /// Appends up to `count` bytes; fewer at the end of the file. Reads in chunks, so that a header
  /// that promises too much costs no memory.
  size_t read(std::vector<uint8_t>& bytes, size_t count) {
    size_t done = 0;
    while (done < count) {
      const size_t chunk = std::min(count - done, kChunkBytes);
      const size_t start = bytes.size();
      bytes.resize(start + chunk);
      const int got = gzread(file_.get(), bytes.data() + start, static_cast<unsigned>(chunk));
      bytes.resize(start + static_cast<size_t>(std::max(got, 0)));
      check_stream(got);
      done += static_cast<size_t>(got);
      if (static_cast<size_t>(got) < chunk) break;
    }
    return done;
  }

  void read_exactly(std::vector<uint8_t>& bytes, size_t count, const char* what) {
    const size_t got = read(bytes, count);
    if (got != count) {
      fail(path_, std::string("truncated: ") + what + " need " + std::to_string(count) +
                      " bytes, the file has " + std::to_string(got));
    }
  }

  /// Also makes zlib check the CRC, which it does at the end of the stream.
  void expect_end() {
    std::vector<uint8_t> rest;
    if (read(rest, 1) != 0) fail(path_, "corrupt: longer than its header says");
  }

 private:
  void check_stream(int got) const {
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (got < 0 || code == Z_BUF_ERROR) {
      fail(path_, code == Z_BUF_ERROR ? "truncated gzip file"
                                      : std::string("corrupt gzip file (") + message + ")");
    }
  }

  std::string path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

uint32_t big_endian(const uint8_t* bytes) {
  return (uint32_t{bytes[0]} << 24) | (uint32_t{bytes[1]} << 16) | (uint32_t{bytes[2]} << 8) |
         uint32_t{bytes[3]};
}

struct IdxFile {
  std::vector<int64_t> dimensions;
  std::vector<uint8_t> bytes;
};

IdxFile read_idx_file(const std::string& path) {
  ByteSource source(path);
  std::vector<uint8_t> header;
  source.read_exactly(header, 4, "an idx header");
  constexpr uint8_t kUnsignedByte = 0x08;
  if (header[0] != 0 || header[1] != 0 || header[3] == 0 || header[3] > 4) {
    fail(path, "not an idx file (its first four bytes are not 0, 0, type, dimensions)");
  }
  if (header[2] != kUnsignedByte) fail(path, "idx elements are not unsigned bytes");
  source.read_exactly(header, size_t{4} * header[3], "idx dimensions");
  IdxFile file;
  int64_t size_bytes = 1;
  for (size_t i = 0; i < header[3]; ++i) {
    const int64_t dimension = big_endian(header.data() + 4 + 4 * i);
    if (dimension == 0 || dimension > kMaxDimension || size_bytes > kMaxDatasetBytes / dimension) {
      fail(path, "corrupt: impossible idx dimension " + std::to_string(dimension));
    }
    size_bytes *= dimension;
    file.dimensions.push_back(dimension);
  }
  source.read_exactly(file.bytes, static_cast<size_t>(size_bytes), "its elements");
  source.expect_end();
  return file;
}

int64_t classes_of(const std::vector<uint8_t>& labels) {
  return labels.empty() ? 0 : int64_t{*std::max_element(labels.begin(), labels.end())} + 1;
}

void append_records(Dataset& dataset, const std::string& path, int64_t classes) {
  const auto image_bytes = static_cast<size_t>(dataset.image_size_bytes());
  ByteSource source(path);
  std::vector<uint8_t> record;
  int64_t count = 0;
  while (true) {
    record.clear();
    const size_t got = source.read(record, image_bytes + 1);
    if (got == 0) break;
    if (got != image_bytes + 1) {
      fail(path, "truncated: record " + std::to_string(count) + " has " + std::to_string(got) +
                     " of " + std::to_string(image_bytes + 1) + " bytes (a label and " +
                     std::to_string(dataset.channels) + "x" + std::to_string(dataset.height) + "x" +
                     std::to_string(dataset.width) + " bytes)");
    }
    if (classes > 0 && record[0] >= classes) {
      fail(path, "corrupt: record " + std::to_string(count) + " has label " +
                     std::to_string(record[0]) + ", expected 0.." + std::to_string(classes - 1));
    }
    dataset.labels.push_back(record[0]);
    dataset.images.insert(dataset.images.end(), record.begin() + 1, record.end());
    ++count;
  }
  if (count == 0) fail(path, "holds no record");
}

}  // namespace

Dataset read_idx(const std::string& images_path, const std::string& labels_path) {
  IdxFile images = read_idx_file(images_path);
  IdxFile labels = read_idx_file(labels_path);
  const std::vector<int64_t>& dimensions = images.dimensions;
  if (dimensions.size() != 3 && dimensions.size() != 4) {
    fail(images_path, "expected images, {N, H, W} or {N, C, H, W}, got " +
                          std::to_string(dimensions.size()) + " dimensions");
  }
  if (labels.dimensions.size() != 1) {
    fail(labels_path,
         "expected labels, one dimension, got " + std::to_string(labels.dimensions.size()));
  }
  if (labels.dimensions[0] != dimensions[0]) {
    fail(labels_path, std::to_string(labels.dimensions[0]) + " labels for " +
                          std::to_string(dimensions[0]) + " images in " + images_path);
  }
  Dataset dataset;
  dataset.source = images_path;
  dataset.count = dimensions[0];
  dataset.channels = dimensions.size() == 4 ? dimensions[1] : 1;
  dataset.height = dimensions[dimensions.size() - 2];
  dataset.width = dimensions[dimensions.size() - 1];
  dataset.classes = classes_of(labels.bytes);
  dataset.images = std::move(images.bytes);
  dataset.labels = std::move(labels.bytes);
  return dataset;
}

Dataset read_records(const std::vector<std::string>& paths, const ImageShape& shape,
                     int64_t classes) {
  Dataset dataset;
  dataset.source = paths.at(0);
  dataset.channels = shape.channels;
  dataset.height = shape.height;
  dataset.width = shape.width;
  for (const std::string& path : paths) append_records(dataset, path, classes);
  dataset.count = static_cast<int64_t>(dataset.labels.size());
  dataset.classes = classes > 0 ? classes : classes_of(dataset.labels);
  return dataset;
}

}  // namespace tessera::data
