/// Models whose weights, scales or stored data are not usable.

#include <limits>

#include "system/malformed/malformed_model.hpp"

namespace tessera::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class MalformedValue : public MalformedModel {
 protected:
  static onnx::TensorProto& set_external(GoodModel& model, const std::string& location) {
    auto& w = model.initializer("w");
    w.clear_float_data();
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    return add_entry(w, "location", location);
  }
  static onnx::TensorProto& add_entry(onnx::TensorProto& tensor, const std::string& key,
                                      const std::string& value) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
    return tensor;
  }
};

TEST_F(MalformedValue, of_a_weight_or_bias_is_not_finite) {
  for (const float value : {kNan, kInfinity, -kInfinity}) {
    GoodModel weights;
    weights.initializer("w").set_float_data(5, value);
    expect_model_refused(weights, {"'conv'", "'w'", "not finite"});
    GoodModel bias;
    bias.initializer("b").set_float_data(2, value);
    expect_model_refused(bias, {"'conv'", "'b'", "not finite"});
  }
}

TEST_F(MalformedValue, of_a_scale_is_zero_negative_or_not_finite) {
  for (const char* scale : {"xq_scale", "wq_scale", "y_scale"}) {
    for (const float value : {0.F, -0.5F, kNan, kInfinity}) {
      SCOPED_TRACE(std::string(scale) + " " + std::to_string(value));
      GoodModel model;
      model.initializer(scale).set_float_data(0, value);
      expect_model_refused(model, {"quant_", "scale", "positive"});
    }
  }
}

TEST_F(MalformedValue, of_a_scale_is_absent_or_one_of_too_many) {
  GoodModel none;
  none.initializer("xq_scale").add_dims(0);
  none.initializer("xq_scale").clear_float_data();
  expect_model_refused(none, {"quant_xq", "scale"});
  GoodModel five;
  auto& scale = five.initializer("wq_scale");
  scale.add_dims(5);
  for (int i = 0; i < 4; ++i) scale.add_float_data(0.1F);
  expect_model_refused(five, {"quant_wq", "scale", "{5}"});
}

TEST_F(MalformedValue, of_scales_that_do_not_fit_together) {
  GoodModel model;
  model.initializer("y_scale").set_float_data(0, 1e-30F);
  expect_model_refused(model, {"conv", "do not fit together"});
  GoodModel bias;
  bias.initializer("b").set_float_data(1, 1e30F);
  expect_model_refused(bias, {"conv", "bias of channel 1", "32 bits"});
}

TEST_F(MalformedValue, of_a_width_is_no_whole_number_in_range) {
  for (const float bits : {0.F, 1.F, -8.F, 17.F, 2.5F, 1e30F, kNan, kInfinity}) {
    SCOPED_TRACE(bits);
    GoodModel model;
    model.initializer("xq_bits").set_float_data(0, bits);
    expect_model_refused(model, {"quant_xq", "2..16"});
  }
}

TEST_F(MalformedValue, of_a_zero_point_is_not_zero) {
  GoodModel model;
  model.initializer("zero").set_float_data(0, 3);
  expect_model_refused(model, {"quant_", "zero point"});
}

TEST_F(MalformedValue, of_stored_weights_lies_outside_their_integer_type) {
  GoodModel model;
  model.small_integers("q", {4, 2, 3, 3}, onnx::TensorProto::INT8, std::vector<int>(72, 1000));
  model.floats("s", {}, {0.1F});
  model.node("DequantizeLinear", {"q", "s"}, "dq").set_name("dequantize");
  model.set_input(GoodModel::kConv, 1, "dq");
  expect_model_refused(model, {"'q'", "1000", "-128..127"});
}

TEST_F(MalformedValue, of_a_clip_is_reversed_or_not_a_number) {
  for (const auto& [low, high] : {std::pair{6.F, 0.F}, {kNan, 6.F}, {0.F, kNan}}) {
    GoodModel model;
    model.floats("low", {}, {low});
    model.floats("high", {}, {high});
    model.node("Clip", {"r", "low", "high"}, "clipped").set_name("clip");
    model.set_input(GoodModel::kQuantY, 0, "clipped");
    expect_model_refused(model, {"'clip'", "minimum"});
  }
}

TEST_F(MalformedValue, of_a_variance_is_not_positive) {
  for (const float variance : {-1.F, kNan}) {
    GoodModel model;
    model.floats("one", {4}, {1, 1, 1, 1});
    model.floats("variance", {4}, {1, variance, 1, 1});
    model.node("BatchNormalization", {"c", "one", "one", "one", "variance"}, "n").set_name("norm");
    model.set_input(GoodModel::kRelu, 0, "n");
    expect_model_refused(model, {"'norm'", "variance of channel 1"});
  }
}

TEST_F(MalformedValue, data_are_missing_or_of_another_size) {
  GoodModel missing;
  missing.initializer("w").clear_float_data();
  expect_model_refused(missing, {"'w'", "data is missing"});
  GoodModel few;
  few.initializer("w").mutable_float_data()->RemoveLast();
  expect_model_refused(few, {"'w'", "72"});
  GoodModel raw;
  raw.initializer("w").clear_float_data();
  raw.initializer("w").set_raw_data(std::string(287, 'x'));
  expect_model_refused(raw, {"'w'", "287", "288"});
}

TEST_F(MalformedValue, data_are_of_an_unsupported_type) {
  for (const int type : {0, 8, 14, 99}) {
    GoodModel model;
    model.initializer("w").set_data_type(type);
    expect_model_refused(model, {"'w'", "element type " + std::to_string(type)});
  }
}

TEST_F(MalformedValue, external_data_are_absent_or_outside_the_folder) {
  for (const char* location : {"absent.bin", "../absent.bin", "/etc/hostname", ""}) {
    GoodModel model;
    set_external(model, location);
    expect_model_refused(model, {"'w'", "external data", location});
  }
}

TEST_F(MalformedValue, external_data_are_a_folder_or_endless) {
  GoodModel model;
  set_external(model, ".");
  expect_model_refused(model, {"'w'", "external data"});
}

TEST_F(MalformedValue, external_data_are_too_short_or_begin_outside_the_file) {
  given("weights.bin", std::string(287, 'x'));
  GoodModel whole;
  set_external(whole, "weights.bin");
  expect_model_refused(whole, {"'w'", "weights.bin", "too short"});
  for (const char* offset : {"-1", "288", "9223372036854775807", "12garbage"}) {
    SCOPED_TRACE(offset);
    GoodModel model;
    add_entry(set_external(model, "weights.bin"), "offset", offset);
    expect_model_refused(model, {"'w'", "weights.bin"});
  }
}

TEST_F(MalformedValue, of_the_normalisation_is_no_number_or_not_positive) {
  for (const auto& [key, value] : {std::pair{"tessera.input_mean", "0.5,half"},
                                   {"tessera.input_mean", "0.1,0.2,0.3"},
                                   {"tessera.input_std", "0"},
                                   {"tessera.input_std", "-1"},
                                   {"tessera.input_std", "nan"}}) {
    GoodModel model;
    auto& entry = *model.model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
    expect_model_refused(model, {"metadata"});
  }
}

}  // namespace
}  // namespace tessera::test
