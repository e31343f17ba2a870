#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "compress/measure.hpp"
#include "data/dataset.hpp"
#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kImages = 500;
const std::string kNets = std::string(TESSERA_SOURCE_DIR) + "/models/nets/";

struct Shipped {
  const char* file;
  double least_top1_percent;  ///< on the first 500 test images
};

class ShippedNets : public testing::TestWithParam<Shipped> {
 protected:
  void SetUp() override {
    unsetenv("TESSERA_DATA_DIR");
    if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
      GTEST_SKIP() << "needs the package dataset-fashion-mnist";
    }
    test_ = data::open_dataset("fashion-mnist", data::Split::kTest);
  }
  data::Dataset test_;
};

TEST_P(ShippedNets, classify_on_the_integer_engine) {
  const graph::Graph net = graph::read_onnx(kNets + GetParam().file);
  EXPECT_GE(measure_integer(graph::lower(net), test_, kImages, 2), GetParam().least_top1_percent);
}

INSTANTIATE_TEST_SUITE_P(
    , ShippedNets,
    testing::Values(Shipped{"lenet5-int16.onnx", 90}, Shipped{"lenet5-int8.onnx", 90},
                    Shipped{"lenet5-int8-stochastic.onnx", 90}, Shipped{"lenet5-mix.onnx", 90},
                    Shipped{"lenet5-p4.onnx", 89}, Shipped{"lenet5-int4.onnx", 89},
                    Shipped{"lenet5-int2.onnx", 85}));

class ShippedFloatNet : public ShippedNets {};

TEST_P(ShippedFloatNet, classifies_on_the_float_engine) {
  const graph::Graph net = graph::read_onnx(kNets + GetParam().file);
  EXPECT_TRUE(net.quantizations.empty());
  EXPECT_GE(measure_float(net, test_, kImages, 2), GetParam().least_top1_percent);
}

INSTANTIATE_TEST_SUITE_P(, ShippedFloatNet, testing::Values(Shipped{"lenet5.onnx", 90}));

}  // namespace
}  // namespace tessera::compress
