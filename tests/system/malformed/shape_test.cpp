/// Models with shapes that conflict, are empty, open or huge.

#include "system/malformed/malformed_model.hpp"

namespace tessera::test {
namespace {

constexpr int64_t kHuge = int64_t{1} << 40;
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

class MalformedShape : public MalformedModel {
 protected:
  void expect_attribute_refused(int node, const char* name, std::initializer_list<int64_t> values,
                                const std::vector<std::string>& clues) {
    SCOPED_TRACE(name);
    GoodModel model;
    OnnxBuilder::ints(model.at(node), name, values);
    expect_model_refused(model, clues);
  }
};

TEST_F(MalformedShape, with_an_input_dimension_that_is_open_negative_zero_or_huge) {
  for (int dimension : {1, 2, 3}) {
    GoodModel open;
    open.input_shape().mutable_dim(dimension)->set_dim_param("size");
    expect_model_refused(open, {"'x'", "dimension " + std::to_string(dimension), "open"});
    for (const int64_t size : {int64_t{-1}, int64_t{0}, kHuge, kLargest}) {
      GoodModel model;
      model.input_shape().mutable_dim(dimension)->set_dim_value(size);
      expect_model_refused(model, {"'x'", std::to_string(size)});
    }
  }
}

TEST_F(MalformedShape, with_an_input_of_no_or_of_another_rank_or_type) {
  GoodModel flat;
  flat.input_shape().mutable_dim()->RemoveLast();
  expect_model_refused(flat, {"'x'", "3 dimensions"});
  GoodModel none;
  none.graph().mutable_input(0)->clear_type();
  expect_model_refused(none, {"'x'"});
  GoodModel integers;
  integers.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  expect_model_refused(integers, {"'x'", "float"});
}

TEST_F(MalformedShape, that_conflicts_with_the_weights) {
  GoodModel channels;
  channels.input_shape().mutable_dim(1)->set_dim_value(3);
  expect_model_refused(channels, {"'conv'", "{4, 2, 3, 3}", "{3, 6, 6}"});
  GoodModel bias;
  bias.initializer("b").set_dims(0, 3);
  bias.initializer("b").mutable_float_data()->RemoveLast();
  expect_model_refused(bias, {"'conv'", "'b'", "{4}", "{3}"});
  GoodModel kernel;
  OnnxBuilder::ints(kernel.at(GoodModel::kConv), "kernel_shape", {5, 5});
  expect_model_refused(kernel, {"'conv'", "5x5", "{4, 2, 3, 3}"});
  GoodModel window;
  window.input_shape().mutable_dim(2)->set_dim_value(2);
  expect_model_refused(window, {"'conv'", "window"});
}

TEST_F(MalformedShape, that_conflicts_between_the_operands_of_an_addition) {
  GoodModel model;
  model.node("Add", {"xq", "r"}, "sum");
  model.set_input(GoodModel::kQuantY, 0, "sum");
  expect_model_refused(model, {"'Add_of_sum'", "{2, 6, 6}", "{4, 4, 4}"});
}

TEST_F(MalformedShape, with_attributes_out_of_range) {
  const int conv = GoodModel::kConv;
  expect_attribute_refused(conv, "strides", {0, 1}, {"'conv'", "stride", "0"});
  expect_attribute_refused(conv, "strides", {-1, 1}, {"'conv'", "-1"});
  expect_attribute_refused(conv, "strides", {1}, {"'conv'", "strides"});
  expect_attribute_refused(conv, "dilations", {kLargest, 1}, {"'conv'", "dilation"});
  expect_attribute_refused(conv, "pads", {-1, 0, 0, 0}, {"'conv'", "padding", "-1"});
  expect_attribute_refused(conv, "pads", {kHuge, kHuge, 0, 0}, {"'conv'", "padding"});
  expect_attribute_refused(conv, "pads", {1 << 20, 1 << 20, 1 << 20, 1 << 20},
                           {"'conv'", "exceeds"});
  expect_attribute_refused(conv, "pads", {1, 1}, {"'conv'", "pads"});
  for (const int64_t groups : {int64_t{0}, int64_t{-1}, int64_t{3}, kLargest}) {
    GoodModel model;
    OnnxBuilder::integer(model.at(conv), "group", groups);
    expect_model_refused(model, {"'conv'", std::to_string(groups) + " group"});
  }
}

TEST_F(MalformedShape, with_automatic_padding_of_huge_attributes) {
  for (const char* name : {"strides", "dilations"}) {
    GoodModel model;
    OnnxBuilder::text(model.at(GoodModel::kConv), "auto_pad", "SAME_UPPER");
    OnnxBuilder::ints(model.at(GoodModel::kConv), name, {kLargest, kLargest});
    expect_model_refused(model, {"'conv'"});
  }
  GoodModel pool;
  auto& node = pool.node("MaxPool", {"r"}, "p");
  OnnxBuilder::ints(node, "kernel_shape", {kLargest, 1});
  OnnxBuilder::integer(node, "ceil_mode", 1);
  pool.set_input(GoodModel::kQuantY, 0, "p");
  expect_model_refused(pool, {"'MaxPool_of_p'"});
}

TEST_F(MalformedShape, with_weights_of_an_impossible_shape) {
  for (const int64_t size : {int64_t{0}, int64_t{-1}, int64_t{5}, kHuge, kLargest}) {
    GoodModel model;
    model.initializer("w").set_dims(0, size);
    expect_model_refused(model, {"'w'", std::to_string(size)});
  }
  GoodModel several;
  for (int i = 0; i < 4; ++i) several.initializer("w").set_dims(i, int64_t{1} << 32);
  expect_model_refused(several, {"4294967296"});
  GoodModel flat;
  flat.initializer("w").clear_dims();
  flat.initializer("w").add_dims(72);
  expect_model_refused(flat, {"'conv'", "{72}"});
}

TEST_F(MalformedShape, with_a_tensor_of_no_elements) {
  GoodModel model;
  model.initializer("w").set_dims(1, 0);
  model.initializer("w").clear_float_data();
  expect_model_refused(model, {"'w'", "empty"});
  GoodModel slice;
  slice.integers("zero_index", {0});
  slice.integers("two", {2});
  slice.node("Slice", {"r", "zero_index", "zero_index", "two"}, "s").set_name("slice");
  slice.set_input(GoodModel::kQuantY, 0, "s");
  expect_model_refused(slice, {"'slice'"});
}

TEST_F(MalformedShape, with_constants_that_grow_on_folding) {
  GoodModel model;
  model.integers("size", {kHuge});
  model.node("ConstantOfShape", {"size"}, "fill").set_name("fill");
  model.node("Add", {"r", "fill"}, "sum");
  model.set_input(GoodModel::kQuantY, 0, "sum");
  expect_model_refused(model, {"'fill'", "too large"});
  GoodModel below;
  below.integers("size", {int64_t{1} << 29});
  below.node("ConstantOfShape", {"size"}, "fill").set_name("fill");
  below.node("Add", {"r", "fill"}, "sum");
  below.set_input(GoodModel::kQuantY, 0, "sum");
  expect_model_refused(below, {"'fill'", "too large"});
}

TEST_F(MalformedShape, with_constants_that_double_from_node_to_node) {
  GoodModel model;
  model.integers("n0", {1, 2, 3, 4});
  for (int i = 0; i < 60; ++i) {
    const std::string from = "n" + std::to_string(i);
    OnnxBuilder::integer(model.node("Concat", {from, from}, "n" + std::to_string(i + 1)), "axis",
                         0);
  }
  model.node("Reshape", {"r", "n60"}, "sum");
  model.set_input(GoodModel::kQuantY, 0, "sum");
  expect_model_refused(model, {"too large"});
}

TEST_F(MalformedShape, with_channels_that_grow_beyond_what_a_tensor_may_hold) {
  GoodModel model;
  std::string last = "r";
  for (int i = 0; i < 40; ++i) {
    const std::string next = "n" + std::to_string(i);
    OnnxBuilder::integer(model.node("Concat", {last, last}, next), "axis", 1);
    last = next;
  }
  model.set_input(GoodModel::kQuantY, 0, last);
  expect_model_refused(model, {"Concat", "exceeds"});
}

TEST_F(MalformedShape, that_a_reshape_cannot_reach) {
  for (const int64_t size : {int64_t{7}, int64_t{-2}, kHuge}) {
    GoodModel model;
    model.integers("target", {1, size});
    model.node("Reshape", {"r", "target"}, "flat").set_name("reshape");
    model.set_input(GoodModel::kQuantY, 0, "flat");
    expect_model_refused(model, {"'reshape'", std::to_string(size)});
  }
}

TEST_F(MalformedShape, larger_than_the_chip) {
  GoodModel model;
  model.input_shape().mutable_dim(2)->set_dim_value(1600);
  model.input_shape().mutable_dim(3)->set_dim_value(1600);
  OnnxBuilder::ints(model.at(GoodModel::kConv), "dilations", {700, 700});
  expect_model_refused(model, {"conv", "scratchpad", "bytes short"});
}

}  // namespace
}  // namespace tessera::test
