#include "data/dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "data/readers.hpp"
#include "support/error_of.hpp"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;
using test::error_of;
using testing::HasSubstr;

class DataFiles : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("TESSERA_DATA_DIR");
    folder_ = fs::temp_directory_path() / ("tessera_data_test_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const Bytes& bytes) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path.string();
  }

  std::string write_gz(const std::string& name, const Bytes& bytes) const {
    const std::string path = write(name, {});
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path;
  }

  std::string folder() const { return folder_.string(); }

  fs::path folder_;
};

void append_be(Bytes& bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<uint8_t>(value >> shift));
  }
}

Bytes idx(const std::vector<uint32_t>& dimensions, const Bytes& elements) {
  Bytes bytes = {0, 0, 8, static_cast<uint8_t>(dimensions.size())};
  for (const uint32_t dimension : dimensions) append_be(bytes, dimension);
  bytes.insert(bytes.end(), elements.begin(), elements.end());
  return bytes;
}

Bytes pattern(size_t count, unsigned factor = 7) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * factor);
  return bytes;
}

Bytes records(size_t count, size_t image_bytes, uint8_t classes) {
  Bytes bytes;
  for (size_t i = 0; i < count; ++i) {
    bytes.push_back(static_cast<uint8_t>(i % classes));
    bytes.insert(bytes.end(), image_bytes, static_cast<uint8_t>(10 + i));
  }
  return bytes;
}

TEST_F(DataFiles, idx_reads_the_same_gzipped_and_plain) {
  const Bytes pixels = pattern(3 * 2 * 4);
  const std::string images = write("i", idx({3, 2, 4}, pixels));
  const std::string labels = write("l", idx({3}, {2, 0, 5}));
  const Dataset plain = read_idx(images, labels);
  EXPECT_EQ(plain.count, 3);
  EXPECT_TRUE(plain.shape() == (ImageShape{1, 2, 4}));
  EXPECT_EQ(plain.classes, 6);
  EXPECT_EQ(plain.images, pixels);
  EXPECT_EQ(plain.labels, (Bytes{2, 0, 5}));
  EXPECT_EQ(plain.image(1)[0], pixels[8]);

  const Dataset zipped =
      read_idx(write_gz("i.gz", idx({3, 2, 4}, pixels)), write_gz("l.gz", idx({3}, {2, 0, 5})));
  EXPECT_EQ(zipped.images, plain.images);
  EXPECT_EQ(zipped.labels, plain.labels);
}

TEST_F(DataFiles, idx_with_four_dimensions_has_channels) {
  const Dataset set =
      read_idx(write("i", idx({2, 3, 2, 2}, pattern(24))), write("l", idx({2}, {0, 1})));
  EXPECT_TRUE(set.shape() == (ImageShape{3, 2, 2}));
}

TEST_F(DataFiles, truncated_and_corrupt_idx_files_are_named) {
  const std::string labels = write("labels", idx({3}, {2, 0, 5}));
  Bytes image_bytes = idx({3, 2, 4}, pattern(24));
  const auto error_for = [&](const Bytes& bytes) {
    const std::string path = write("images", bytes);
    const std::string error = error_of([&] { read_idx(path, labels); });
    EXPECT_THAT(error, HasSubstr(path));
    return error;
  };
  EXPECT_THAT(error_for({}), HasSubstr("truncated"));
  EXPECT_THAT(error_for({0, 0, 8, 3, 0}), HasSubstr("truncated"));
  EXPECT_THAT(error_for(Bytes(image_bytes.begin(), image_bytes.end() - 1)),
              HasSubstr("truncated: its elements need 24 bytes, the file has 23"));
  Bytes longer = image_bytes;
  longer.push_back(0);
  EXPECT_THAT(error_for(longer), HasSubstr("longer than its header"));
  EXPECT_THAT(error_for(pattern(100, 3)), HasSubstr("not an idx file"));
  Bytes floats = image_bytes;
  floats[2] = 0x0D;
  EXPECT_THAT(error_for(floats), HasSubstr("not unsigned bytes"));
  EXPECT_THAT(error_for(idx({0xFFFFFFFF, 0xFFFFFFFF, 28}, {})), HasSubstr("impossible"));
  EXPECT_THAT(error_for(idx({3, 0, 4}, {})), HasSubstr("impossible idx dimension 0"));
  EXPECT_THAT(error_for(idx({4, 2, 3}, pattern(24))), HasSubstr("3 labels for 4 images"));
}

TEST_F(DataFiles, a_header_that_promises_gigabytes_is_refused_without_allocating_them) {
  const std::string labels = write("labels", idx({3}, {2, 0, 5}));
  const std::string images = write("images", idx({60000, 300, 300}, pattern(100)));
  EXPECT_THAT(error_of([&] { read_idx(images, labels); }), HasSubstr("truncated"));
}

TEST_F(DataFiles, truncated_and_corrupt_gzip_files_are_named) {
  const std::string labels = write("labels", idx({30}, pattern(30)));
  const std::string good = write_gz("good.gz", idx({30, 40, 40}, pattern(48000, 7919)));
  std::ifstream file(good, std::ios::binary);
  Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string cut =
      write("cut.gz", Bytes(bytes.begin(), bytes.begin() + static_cast<long>(bytes.size() / 2)));
  EXPECT_THAT(error_of([&] { read_idx(cut, labels); }), HasSubstr("cut.gz: truncated"));
  Bytes wrong_crc = bytes;
  wrong_crc[wrong_crc.size() - 6] ^= 1;
  const std::string flipped = write("flipped.gz", wrong_crc);
  EXPECT_THAT(error_of([&] { read_idx(flipped, labels); }), HasSubstr("flipped.gz: corrupt"));
}

TEST(Noise, has_the_shape_of_the_network_and_no_labels) {
  const ImageShape shape{3, 5, 7};
  const Dataset noise = open_dataset("noise", Split::kTest, shape);
  EXPECT_TRUE(noise.shape() == shape);
  EXPECT_EQ(noise.images.size(), static_cast<size_t>(noise.count * shape.size_bytes()));
  EXPECT_FALSE(noise.labelled());
  EXPECT_EQ(noise.classes, 0);
  const Dataset part = slice(noise, 1, 2);
  EXPECT_EQ(part.count, 2);
  EXPECT_FALSE(part.labelled());
  EXPECT_EQ(part.images, Bytes(noise.image(1), noise.image(1) + 2 * shape.size_bytes()));
  EXPECT_THAT(error_of([] { open_dataset("noise", Split::kTest); }), HasSubstr("noise"));
}

TEST(Noise, is_the_same_every_time_and_another_in_each_split) {
  const ImageShape shape{1, 16, 16};
  const Dataset train = make_noise(Split::kTrain, shape), test = make_noise(Split::kTest, shape);
  EXPECT_EQ(make_noise(Split::kTrain, shape).images, train.images);
  EXPECT_FALSE(std::equal(train.images.begin(), train.images.end(), test.images.begin()));
  EXPECT_FALSE(std::equal(test.image(0), test.image(1), test.image(1)));
}

TEST(Noise, takes_every_byte_as_often) {
  const Dataset noise = make_noise(Split::kTest, {3, 32, 32});
  std::vector<double> counts(256);
  for (const uint8_t value : noise.images) counts[value] += 1;
  const double expected = static_cast<double>(noise.images.size()) / 256;
  double chi_squared = 0;
  for (const double count : counts)
    chi_squared += (count - expected) * (count - expected) / expected;
  EXPECT_NEAR(chi_squared, 255, 5 * std::sqrt(2 * 255.0));
}

TEST_F(DataFiles, cifar_is_read_from_its_folder_or_the_one_above) {
  for (int batch = 1; batch <= 5; ++batch) {
    write("cifar-10-batches-bin/data_batch_" + std::to_string(batch) + ".bin",
          records(2, 3072, 10));
  }
  write("cifar-10-batches-bin/test_batch.bin", records(3, 3072, 10));
  const Dataset train = open_dataset(folder(), Split::kTrain);
  EXPECT_EQ(train.count, 10);
  EXPECT_TRUE(train.shape() == (ImageShape{3, 32, 32}));
  EXPECT_EQ(train.classes, 10);
  EXPECT_EQ(train.labels, (Bytes{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(train.image(1)[3071], 11);
  EXPECT_EQ(open_dataset(folder() + "/cifar-10-batches-bin", Split::kTest).count, 3);
}

TEST_F(DataFiles, corrupt_cifar_batches_are_named) {
  Bytes batch = records(2, 3072, 10);
  batch[3073] = 10;
  const std::string path = write("test_batch.bin", batch);
  EXPECT_THAT(error_of([&] { open_dataset(folder(), Split::kTest); }),
              HasSubstr(path + ": corrupt: record 1 has label 10"));
  batch[3073] = 1;
  batch.pop_back();
  write("test_batch.bin", batch);
  EXPECT_THAT(error_of([&] { open_dataset(folder(), Split::kTest); }),
              HasSubstr("record 1 has 3072 of 3073 bytes"));
  EXPECT_THAT(error_of([&] { open_dataset(folder(), Split::kTrain); }),
              HasSubstr("data_batch_1.bin: no such file"));
}

TEST_F(DataFiles, generic_records_take_their_shape_from_a_file_or_the_network) {
  write("set/train.bin", records(4, 6, 3));
  write("set/test.bin", records(2, 6, 3));
  const ImageShape shape{1, 2, 3};
  EXPECT_EQ(open_dataset(folder() + "/set", Split::kTrain, shape).count, 4);
  EXPECT_THAT(error_of([&] { open_dataset(folder() + "/set", Split::kTest); }),
              HasSubstr("of 3073 bytes"));
  std::ofstream(folder_ / "set/shape.txt") << "1 2 3\n";
  const Dataset test = open_dataset(folder() + "/set", Split::kTest);
  EXPECT_TRUE(test.shape() == shape);
  EXPECT_EQ(test.classes, 2);
  EXPECT_EQ(open_dataset(folder() + "/set/test.bin", Split::kTrain).count, 2);
  std::ofstream(folder_ / "set/shape.txt") << "1 -2 3\n";
  EXPECT_THAT(error_of([&] { open_dataset(folder() + "/set", Split::kTest); }),
              HasSubstr("shape.txt: expected the image shape"));
}

TEST_F(DataFiles, images_of_another_shape_than_the_network_takes_are_refused) {
  write("t10k-images-idx3-ubyte", idx({1, 2, 2}, pattern(4)));
  write("t10k-labels-idx1-ubyte", idx({1}, {0}));
  EXPECT_THAT(error_of([&] {
                open_dataset(folder(), Split::kTest, ImageShape{3, 32, 32});
              }),
              HasSubstr("images are 1x2x2, the network takes 3x32x32"));
}

TEST_F(DataFiles, half_a_data_set_is_an_error) {
  write("t10k-images-idx3-ubyte.gz", idx({1, 2, 2}, pattern(4)));
  EXPECT_THAT(error_of([&] { open_dataset(folder(), Split::kTest); }),
              HasSubstr("t10k-labels-idx1-ubyte[.gz] is missing"));
}

TEST_F(DataFiles, the_environment_names_the_folder_of_data_sets) {
  write("mnist/t10k-images-idx3-ubyte", idx({1, 2, 2}, pattern(4)));
  write("mnist/t10k-labels-idx1-ubyte", idx({1}, {0}));
  setenv("TESSERA_DATA_DIR", folder().c_str(), 1);
  EXPECT_EQ(open_dataset("mnist", Split::kTest).source, folder() + "/mnist");
  setenv("TESSERA_DATA_DIR", (folder() + "/mnist").c_str(), 1);
  EXPECT_EQ(open_dataset("", Split::kTest).source, folder() + "/mnist");
  EXPECT_EQ(open_dataset("mnist", Split::kTest).source, folder() + "/mnist");
  EXPECT_THAT(error_of([&] { open_dataset("cifar10", Split::kTest); }),
              HasSubstr("cifar10 not found in"));
  setenv("TESSERA_DATA_DIR", (folder() + "/nowhere").c_str(), 1);
  EXPECT_THAT(error_of([&] { open_dataset("", Split::kTest); }), HasSubstr("is not a folder"));
}

TEST_F(DataFiles, a_missing_data_set_says_what_was_looked_for_and_how_to_get_it) {
  for (const std::string& where : {folder(), folder() + "/nowhere"}) {
    const std::string error = error_of([&] { open_dataset(where, Split::kTest); });
    EXPECT_THAT(error, HasSubstr(where));
    EXPECT_THAT(error, HasSubstr("apt-get install dataset-fashion-mnist"));
    EXPECT_THAT(error, HasSubstr("--data"));
    EXPECT_THAT(error, HasSubstr("TESSERA_DATA_DIR"));
  }
  setenv("TESSERA_DATA_DIR", folder().c_str(), 1);
  const std::string error = error_of([&] { open_dataset("cifar10", Split::kTest); });
  EXPECT_THAT(error, HasSubstr(folder() + "/cifar10"));
  EXPECT_THAT(error, HasSubstr("cifar-10-binary"));
}

TEST_F(DataFiles, a_slice_keeps_order_and_stops_at_the_end) {
  const Dataset set =
      read_idx(write("i", idx({5, 1, 2}, pattern(10))), write("l", idx({5}, {4, 3, 2, 1, 0})));
  const Dataset part = slice(set, 3, 10);
  EXPECT_EQ(part.count, 2);
  EXPECT_EQ(part.labels, (Bytes{1, 0}));
  EXPECT_EQ(part.image(0)[0], set.image(3)[0]);
  EXPECT_EQ(slice(set, 9, 1).count, 0);
}

TEST(FashionMnist, the_default_is_found_where_the_package_puts_it) {
  if (!fs::exists("/usr/share/datasets/fashion-mnist")) GTEST_SKIP() << "package not installed";
  unsetenv("TESSERA_DATA_DIR");
  const Dataset test = open_dataset("", Split::kTest);
  EXPECT_EQ(test.count, 10000);
  EXPECT_TRUE(test.shape() == (ImageShape{1, 28, 28}));
  EXPECT_EQ(test.classes, 10);
  EXPECT_EQ(std::vector<int64_t>(10, 1000), [&] {
    std::vector<int64_t> histogram(10);
    for (const uint8_t label : test.labels) ++histogram[label];
    return histogram;
  }());
}

}  // namespace
}  // namespace tessera::data
