#pragma once

/// Labelled images for training, calibration and measurement.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::data {

enum class Split : uint8_t { kTrain, kTest };

const char* name_of(Split split);

struct ImageShape {
  int64_t channels = 0, height = 0, width = 0;
  int64_t size_bytes() const { return channels * height * width; }
  bool operator==(const ImageShape& other) const {
    return channels == other.channels && height == other.height && width == other.width;
  }
};

/// Images are bytes, 0..255, planes in CHW order, one image after the other.
struct Dataset {
  std::string source;  ///< folder or file that was read, for messages
  int64_t count = 0;
  int64_t channels = 0, height = 0, width = 0;
  int64_t classes = 0;  ///< labels are 0..classes-1; 0: there are none
  std::vector<uint8_t> images;
  std::vector<uint8_t> labels;  ///< one an image, or none at all

  bool labelled() const { return !labels.empty(); }

  ImageShape shape() const { return {channels, height, width}; }
  int64_t image_size_bytes() const { return shape().size_bytes(); }
  const uint8_t* image(int64_t index) const {
    return images.data() + static_cast<size_t>(index * image_size_bytes());
  }
};

/// Finds and reads one split of a data set.
///
/// `path_or_name` is
///  - a folder: idx files (MNIST and Fashion-MNIST, gzipped or not), CIFAR-10 binary (directly or
///  in
///    a sub-folder `cifar-10-batches-bin`), or `train.bin` and `test.bin` of generic records;
///  - a file of generic records: it serves as both splits;
///  - `fashion-mnist`, `mnist` or `cifar10`: looked for in $TESSERA_DATA_DIR/<name>, in
///    $TESSERA_DATA_DIR, and in the system's folders;
///  - `noise`: make_noise of the `expected` shape, which must be given;
///  - empty: $TESSERA_DATA_DIR if it holds a data set of any kind, otherwise `fashion-mnist`.
///
/// Generic records are a label byte and C*H*W image bytes each. Their shape comes from `shape.txt`
/// beside them ("C H W"), else from `expected`, else it is CIFAR-10's, 3x32x32.
///
/// Throws std::runtime_error: nothing found (says what was looked for and how to get it), a file
/// that is truncated or corrupt, or images that are not of the `expected` shape.
Dataset open_dataset(const std::string& path_or_name, Split split,
                     const std::optional<ImageShape>& expected = std::nullopt);

/// Images of independent bytes, each value as likely as any other, and no labels: for values and
/// timing, where no data set is at hand. Always the same 4 images for training, and the same 100,
/// different from those, for testing.
Dataset make_noise(Split split, const ImageShape& shape);

/// The images [first, first + count) of a data set, or fewer where it ends before.
Dataset slice(const Dataset& dataset, int64_t first, int64_t count);

}  // namespace tessera::data
