#pragma once

/// Readers of the file formats. Each throws std::runtime_error naming the file if it is missing,
/// truncated, longer than its header says, or not of the format.

#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace tessera::data {

/// idx, the format of MNIST (yann.lecun.com/exdb/mnist), gzipped or plain: a file of images, type
/// unsigned byte, {N, H, W} or {N, C, H, W}, and a file of labels, {N}.
Dataset read_idx(const std::string& images_path, const std::string& labels_path);

/// Records of one label byte and shape.size_bytes() image bytes, from one or several files,
/// gzipped or plain. With `classes` above 0 a label of that value or more is an error; otherwise
/// the number of classes is the largest label plus one.
Dataset read_records(const std::vector<std::string>& paths, const ImageShape& shape,
                     int64_t classes = 0);

}  // namespace tessera::data
