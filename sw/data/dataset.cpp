#include "data/dataset.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>

#include "data/readers.hpp"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr ImageShape kCifarShape{3, 32, 32};
constexpr int64_t kCifarClasses = 10;
constexpr int64_t kMaxSide = 65536;
constexpr const char* kNoise = "noise";
constexpr int64_t kNoiseTrainImages = 4;
constexpr int64_t kNoiseTestImages = 100;

/// What a folder may hold; a name restricts it.
enum class Format : uint8_t { kAny, kIdx, kCifar };

struct NamedSet {
  const char* name;
  Format format;
  const char* how_to_get;
};

constexpr NamedSet kNamedSets[] = {
    {"fashion-mnist", Format::kIdx, "`apt-get install dataset-fashion-mnist`"},
    {"mnist", Format::kIdx, "download the four idx files of MNIST"},
    {"cifar10", Format::kCifar, "download and unpack cifar-10-binary.tar.gz"},
};

constexpr const char* kSystemFolders[] = {"/usr/share/datasets", "/usr/local/share/datasets"};

std::string to_string(const ImageShape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

std::string existing(const std::vector<fs::path>& candidates) {
  for (const fs::path& path : candidates) {
    if (fs::is_regular_file(path)) return path.string();
  }
  return "";
}

std::optional<Dataset> try_idx(const fs::path& folder, Split split) {
  const std::string stem = split == Split::kTrain ? "train" : "t10k";
  const auto find = [&](const std::string& kind, const std::string& rank) {
    return existing({folder / (stem + "-" + kind + "-" + rank + "-ubyte.gz"),
                     folder / (stem + "-" + kind + "-" + rank + "-ubyte"),
                     folder / (stem + "-" + kind + "." + rank + "-ubyte")});
  };
  const std::string images = find("images", "idx3");
  const std::string labels = find("labels", "idx1");
  if (images.empty() && labels.empty()) return std::nullopt;
  if (images.empty() || labels.empty()) {
    throw std::runtime_error(folder.string() + ": " + stem + "-" +
                             (images.empty() ? "images-idx3-ubyte" : "labels-idx1-ubyte") +
                             "[.gz] is missing beside " + (images.empty() ? labels : images));
  }
  return read_idx(images, labels);
}

std::optional<Dataset> try_cifar(const fs::path& folder, Split split) {
  for (const fs::path& base : {folder, folder / "cifar-10-batches-bin"}) {
    if (!fs::is_regular_file(base / "test_batch.bin") &&
        !fs::is_regular_file(base / "data_batch_1.bin")) {
      continue;
    }
    std::vector<std::string> paths;
    if (split == Split::kTest) {
      paths.push_back((base / "test_batch.bin").string());
    } else {
      for (int batch = 1; batch <= 5; ++batch) {
        paths.push_back((base / ("data_batch_" + std::to_string(batch) + ".bin")).string());
      }
    }
    return read_records(paths, kCifarShape, kCifarClasses);
  }
  return std::nullopt;
}

ImageShape record_shape(const fs::path& folder, const std::optional<ImageShape>& expected) {
  const fs::path path = folder / "shape.txt";
  if (!fs::is_regular_file(path)) return expected.value_or(kCifarShape);
  std::ifstream file(path);
  ImageShape shape;
  std::string rest;
  const auto possible = [](int64_t side) { return side >= 1 && side <= kMaxSide; };
  if (!(file >> shape.channels >> shape.height >> shape.width) || (file >> rest) ||
      !possible(shape.channels) || !possible(shape.height) || !possible(shape.width)) {
    throw std::runtime_error(path.string() +
                             ": expected the image shape as three numbers, \"C H W\", each 1.." +
                             std::to_string(kMaxSide));
  }
  return shape;
}

std::optional<Dataset> try_records(const fs::path& folder, Split split,
                                   const std::optional<ImageShape>& expected) {
  const fs::path path = folder / (split == Split::kTrain ? "train.bin" : "test.bin");
  if (!fs::is_regular_file(path)) return std::nullopt;
  return read_records({path.string()}, record_shape(folder, expected));
}

std::optional<Dataset> try_folder(const fs::path& folder, Split split, Format format,
                                  const std::optional<ImageShape>& expected) {
  std::optional<Dataset> found;
  if (format != Format::kCifar) found = try_idx(folder, split);
  if (!found && format != Format::kIdx) found = try_cifar(folder, split);
  if (!found && format == Format::kAny) found = try_records(folder, split, expected);
  if (found) found->source = folder.string();
  return found;
}

/// A place to look in, and what to accept there.
struct Candidate {
  fs::path folder;
  Format format;
};

std::vector<Candidate> candidates_of(const NamedSet& set, bool anything_from_environment) {
  std::vector<Candidate> candidates;
  const char* environment = std::getenv("TESSERA_DATA_DIR");
  if (environment != nullptr && *environment != '\0') {
    const fs::path folder = environment;
    if (!fs::is_directory(folder)) {
      throw std::runtime_error("TESSERA_DATA_DIR: " + folder.string() +
                               " is not a folder; set it to one that holds data sets, or unset it");
    }
    if (anything_from_environment) candidates.push_back({folder, Format::kAny});
    candidates.push_back({folder / set.name, set.format});
    candidates.push_back({folder, set.format});
  }
  for (const char* folder : kSystemFolders) {
    candidates.push_back({fs::path(folder) / set.name, set.format});
  }
  return candidates;
}

Dataset open_named(const NamedSet& set, bool anything_from_environment, Split split,
                   const std::optional<ImageShape>& expected) {
  std::string looked;
  for (const Candidate& place : candidates_of(set, anything_from_environment)) {
    if (auto found = try_folder(place.folder, split, place.format, expected)) return *found;
    const std::string folder = place.folder.string();
    if (looked.find(folder + ",") == std::string::npos) looked += folder + ", ";
  }
  looked.resize(looked.size() - 2);
  throw std::runtime_error("data set " + std::string(set.name) + " not found in " + looked + "\n" +
                           set.how_to_get + ", pass --data DIR or set TESSERA_DATA_DIR");
}

Dataset open_path(const fs::path& path, Split split, const std::optional<ImageShape>& expected) {
  if (fs::is_regular_file(path)) {
    return read_records({path.string()}, record_shape(path.parent_path(), expected));
  }
  if (auto found = try_folder(path, split, Format::kAny, expected)) return *found;
  throw std::runtime_error(
      path.string() + ": holds no " + name_of(split) +
      " data: looked for idx files (train-images-idx3-ubyte[.gz] ..), CIFAR-10 binary "
      "(data_batch_1.bin ..) and train.bin, test.bin\n"
      "pass --data DIR or set TESSERA_DATA_DIR; `apt-get install dataset-fashion-mnist` gives "
      "Fashion-MNIST");
}

Dataset find_and_read(const std::string& path_or_name, Split split,
                      const std::optional<ImageShape>& expected) {
  if (path_or_name.empty()) return open_named(kNamedSets[0], true, split, expected);
  if (path_or_name == kNoise) {
    if (!expected)
      throw std::runtime_error("data set noise: the network takes no images {C, H, W}");
    return make_noise(split, *expected);
  }
  for (const NamedSet& set : kNamedSets) {
    if (path_or_name == set.name) return open_named(set, false, split, expected);
  }
  if (fs::exists(path_or_name)) return open_path(path_or_name, split, expected);
  throw std::runtime_error(
      "data set " + path_or_name +
      ": no such file or folder, and not one of fashion-mnist, mnist, cifar10, noise\n"
      "pass --data DIR or set TESSERA_DATA_DIR; `apt-get install dataset-fashion-mnist` gives "
      "Fashion-MNIST");
}

}  // namespace

const char* name_of(Split split) { return split == Split::kTrain ? "train" : "test"; }

Dataset open_dataset(const std::string& path_or_name, Split split,
                     const std::optional<ImageShape>& expected) {
  Dataset dataset = find_and_read(path_or_name, split, expected);
  if (expected && !(dataset.shape() == *expected)) {
    throw std::runtime_error(dataset.source + ": images are " + to_string(dataset.shape()) +
                             ", the network takes " + to_string(*expected) +
                             "; pass --data with a matching data set");
  }
  return dataset;
}

Dataset make_noise(Split split, const ImageShape& shape) {
  Dataset noise;
  noise.source = kNoise;
  noise.count = split == Split::kTrain ? kNoiseTrainImages : kNoiseTestImages;
  noise.channels = shape.channels;
  noise.height = shape.height;
  noise.width = shape.width;
  noise.images.resize(static_cast<size_t>(noise.count * shape.size_bytes()));
  std::mt19937 random(split == Split::kTrain ? 1 : 2);
  // The highest bits: the standard fixes this generator, but no distribution.
  for (uint8_t& value : noise.images) value = static_cast<uint8_t>(random() >> 24);
  return noise;
}

Dataset slice(const Dataset& dataset, int64_t first, int64_t count) {
  Dataset part = dataset;
  const int64_t begin = std::clamp<int64_t>(first, 0, dataset.count);
  const int64_t end = std::clamp<int64_t>(first + count, begin, dataset.count);
  const int64_t size = dataset.image_size_bytes();
  part.images.assign(dataset.images.begin() + begin * size, dataset.images.begin() + end * size);
  if (dataset.labelled()) {
    part.labels.assign(dataset.labels.begin() + begin, dataset.labels.begin() + end);
  }
  part.count = end - begin;
  return part;
}

}  // namespace tessera::data
