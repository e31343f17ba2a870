/// Models whose nodes and tensors do not make a network.

#include "system/malformed/malformed_model.hpp"

namespace tessera::test {
namespace {

class MalformedStructure : public MalformedModel {};

TEST_F(MalformedStructure, without_a_graph_or_without_nodes) {
  GoodModel no_graph;
  no_graph.model.clear_graph();
  expect_model_refused(no_graph, {"without nodes"});
  GoodModel no_nodes;
  no_nodes.graph().clear_node();
  expect_model_refused(no_nodes, {"without nodes"});
}

TEST_F(MalformedStructure, with_missing_weights) {
  GoodModel model;
  model.initializer("w").set_name("elsewhere");
  expect_model_refused(model, {"'w'", "quant_wq", "no initializer"});
}

TEST_F(MalformedStructure, with_weights_that_are_computed) {
  GoodModel model;
  model.at(GoodModel::kConv).set_input(1, "xq");
  expect_model_refused(model, {"'conv'", "'xq'", "constant"});
}

TEST_F(MalformedStructure, with_a_missing_operand) {
  GoodModel model;
  model.at(GoodModel::kConv).mutable_input()->DeleteSubrange(1, 2);
  expect_model_refused(model, {"'conv'", "weights", "missing"});
  GoodModel none;
  none.at(GoodModel::kRelu).clear_input();
  expect_model_refused(none, {"'relu'", "missing"});
}

TEST_F(MalformedStructure, with_an_operand_that_nothing_produces) {
  GoodModel model;
  model.at(GoodModel::kRelu).set_input(0, "nowhere");
  expect_model_refused(model, {"'relu'", "'nowhere'", "no node"});
}

TEST_F(MalformedStructure, with_a_cycle) {
  GoodModel model;
  model.at(GoodModel::kConv).set_input(0, "r");
  expect_model_refused(model, {"'conv'", "cycle"});
  GoodModel self;
  self.at(GoodModel::kRelu).set_input(0, "r");
  expect_model_refused(self, {"'relu'", "cycle"});
}

TEST_F(MalformedStructure, with_a_tensor_that_is_produced_twice) {
  GoodModel model;
  model.at(GoodModel::kConv).set_output(0, "r");
  expect_model_refused(model, {"'r'", "produced twice"});
  GoodModel input;
  input.at(GoodModel::kRelu).set_output(0, "x");
  input.at(GoodModel::kQuantY).set_input(0, "x");
  expect_model_refused(input, {"'x'", "produced twice"});
  GoodModel initializer;
  *initializer.graph().add_initializer() = initializer.initializer("w");
  expect_model_refused(initializer, {"'w'", "twice"});
}

TEST_F(MalformedStructure, with_several_inputs_or_none) {
  GoodModel several;
  auto& second = *several.graph().add_input();
  second = several.graph().input(0);
  second.set_name("mask");
  expect_model_refused(several, {"several inputs", "'x'", "'mask'"});
  GoodModel none;
  none.graph().clear_input();
  expect_model_refused(none, {"no input"});
}

TEST_F(MalformedStructure, with_several_outputs_or_none) {
  GoodModel several;
  several.graph().add_output()->set_name("r");
  expect_model_refused(several, {"2 outputs", "exactly one"});
  GoodModel none;
  none.graph().clear_output();
  expect_model_refused(none, {"0 outputs"});
  GoodModel node;
  node.at(GoodModel::kRelu).clear_output();
  expect_model_refused(node, {"'r'"});
}

TEST_F(MalformedStructure, with_an_output_that_nothing_produces_or_that_needs_no_input) {
  GoodModel unknown;
  unknown.graph().mutable_output(0)->set_name("nowhere");
  expect_model_refused(unknown, {"'nowhere'", "produced by no node"});
  GoodModel constant;
  constant.graph().mutable_output(0)->set_name("w");
  expect_model_refused(constant, {"'w'", "does not depend on the input"});
}

TEST_F(MalformedStructure, with_an_unsupported_operator) {
  for (const char* op : {"Resize", "LSTM", "Einsum", "If", "Loop", ""}) {
    GoodModel model;
    model.at(GoodModel::kRelu).set_op_type(op);
    expect_model_refused(model, {"'relu'", op, "not supported"});
  }
}

TEST_F(MalformedStructure, with_an_operator_of_an_unknown_domain) {
  GoodModel model;
  model.at(GoodModel::kRelu).set_domain("com.acme.gpu");
  auto& import = *model.model.add_opset_import();
  import.set_domain("com.acme.gpu");
  import.set_version(1);
  expect_model_refused(model, {"'relu'", "com.acme.gpu", "not supported"});
}

TEST_F(MalformedStructure, with_an_opset_that_is_not_known) {
  for (const int64_t version : {int64_t{-1}, int64_t{0}, int64_t{6}, int64_t{1} << 40}) {
    GoodModel model;
    model.model.mutable_opset_import(0)->set_version(version);
    expect_model_refused(model, {"opset " + std::to_string(version), "export with opset"});
  }
}

TEST_F(MalformedStructure, of_many_thousand_nodes_is_refused_as_fast) {
  GoodModel model;
  std::string last = "r";
  for (int i = 0; i < 20000; ++i) {
    const std::string next = "n" + std::to_string(i);
    model.node("Identity", {last}, next);
    last = next;
  }
  model.node("Resize", {last}, "end");
  model.set_input(GoodModel::kQuantY, 0, "end");
  expect_model_refused(model, {"'Resize_of_end'", "not supported"});
}

}  // namespace
}  // namespace tessera::test
