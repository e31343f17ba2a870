#pragma once

/// The order and the augmentation of training images: functions of seed and epoch alone, so that a
/// resumed run sees what an uninterrupted one sees.

#include <cstdint>
#include <vector>

#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

struct Augmentation {
  int shift_pixels = 0;  ///< uniform in [-shift, shift] each way; the mirror image moves in
  bool flip = false;     ///< left-right, each image in every second epoch
};

/// A permutation of 0..count-1.
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int epoch);

/// Mean and standard deviation a channel over all pixels, in units of byte / 255. Without
/// `zero_mean` the mean is reported as 0 and the deviation is the root mean square.
graph::InputNormalization measure_normalization(const data::Dataset& dataset, bool zero_mean);

/// Writes the normalised, augmented image to C*H*W floats. `key` decides the augmentation.
void augment_image(const data::Dataset& dataset, int64_t index,
                   const graph::InputNormalization& normalization, const Augmentation& augmentation,
                   uint64_t key, float* pixels);

/// The key of an image in an epoch.
uint64_t augmentation_key(uint64_t seed, int epoch, int64_t index);

}  // namespace tessera::compress
