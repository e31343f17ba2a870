#include "compress/batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

TEST(Batches, the_order_of_an_epoch_is_a_permutation_that_seed_and_epoch_decide) {
  const std::vector<int64_t> order = epoch_order(1000, 5, 3);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 1000U);
  EXPECT_EQ(*std::max_element(order.begin(), order.end()), 999);
  EXPECT_EQ(order, epoch_order(1000, 5, 3));
  EXPECT_NE(order, epoch_order(1000, 5, 4));
  EXPECT_NE(order, epoch_order(1000, 6, 3));
}

TEST(Batches, the_normalisation_is_that_of_the_pixels) {
  data::Dataset set;
  set.count = 2;
  set.channels = 2;
  set.height = set.width = 1;
  set.images = {0, 51, 255, 51};
  set.labels = {0, 0};
  const auto centred = measure_normalization(set, true);
  EXPECT_FLOAT_EQ(centred.mean[0], 0.5F);
  EXPECT_FLOAT_EQ(centred.std[0], 0.5F);
  EXPECT_FLOAT_EQ(centred.mean[1], 0.2F);
  EXPECT_FLOAT_EQ(centred.std[1], 1.0F) << "a constant channel is not divided by zero";
  const auto unsigned_input = measure_normalization(set, false);
  EXPECT_EQ(unsigned_input.mean[0], 0);
  EXPECT_FLOAT_EQ(unsigned_input.std[0], std::sqrt(0.5F));
}

int reflected_in_eight(int i) { return i < 0 ? -i : i > 7 ? 14 - i : i; }

TEST(Batches, augmented_images_are_shifts_and_mirror_images_of_the_original) {
  const data::Dataset set = corner_images(1, 1);
  const graph::InputNormalization plain{{0}, {1.0F / 255}};
  std::vector<float> pixels(64);
  std::set<int> seen;
  for (uint64_t n = 0; n < 500; ++n) {
    augment_image(set, 0, plain, {1, true}, augmentation_key(1, static_cast<int>(n), 0),
                  pixels.data());
    int matches = 0;
    for (int flip = 0; flip < 2; ++flip) {
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          bool same = true;
          for (int y = 0; y < 8; ++y) {
            for (int x = 0; x < 8; ++x) {
              const int from_y = y - dy, from_x = (flip != 0 ? 7 - x : x) - dx;
              const int at_y = reflected_in_eight(from_y), at_x = reflected_in_eight(from_x);
              const float expected = set.images[static_cast<size_t>(at_y * 8 + at_x)];
              same &= std::fabs(pixels[static_cast<size_t>(y * 8 + x)] - expected) < 0.01F;
            }
          }
          if (same) {
            ++matches;
            seen.insert(flip * 9 + (dy + 1) * 3 + dx + 1);
          }
        }
      }
    }
    EXPECT_EQ(matches, 1);
  }
  EXPECT_EQ(seen.size(), 18U) << "all shifts, mirrored and not, must occur";
}

TEST(Batches, an_image_is_mirrored_in_every_second_epoch) {
  const data::Dataset set = corner_images(64, 1);
  const graph::InputNormalization plain{{0}, {1.0F / 255}};
  int mirrored_first = 0;
  for (int64_t i = 0; i < set.count; ++i) {
    std::vector<bool> mirrored;
    for (int epoch = 1; epoch <= 6; ++epoch) {
      std::vector<float> pixels(64);
      augment_image(set, i, plain, {0, true}, augmentation_key(3, epoch, i), pixels.data());
      mirrored.push_back(std::fabs(pixels[0] - set.image(i)[7]) < 0.01F);
    }
    for (size_t e = 1; e < mirrored.size(); ++e) EXPECT_NE(mirrored[e], mirrored[e - 1]) << i;
    mirrored_first += mirrored[0] ? 1 : 0;
  }
  EXPECT_GT(mirrored_first, 16);
  EXPECT_LT(mirrored_first, 48);
}

TEST(Batches, without_augmentation_the_image_is_only_normalised) {
  const data::Dataset set = corner_images(3, 1);
  std::vector<float> pixels(64);
  augment_image(set, 2, {{0.25F}, {0.5F}}, {}, 12345, pixels.data());
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_FLOAT_EQ(pixels[i], (static_cast<float>(set.image(2)[i]) / 255 - 0.25F) / 0.5F);
  }
}

}  // namespace
}  // namespace tessera::compress
