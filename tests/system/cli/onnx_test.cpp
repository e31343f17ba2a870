/// Networks that `deploy` and `compress` must refuse.

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

class Network : public BadInput {
 protected:
  void expect_network_refused(const std::string& bytes, std::vector<std::string> clues) {
    const std::string net = given("net.onnx", bytes);
    clues.emplace_back("net.onnx");
    expect_refused({"deploy", net, "-o", output("net.timg")}, clues);
    expect_refused({"compress", net, "-o", output("q.onnx"), "--test-images", "10"}, clues);
  }
};

/// Every occurrence of an operator's name by another of the same length: the protobuf stays valid.
std::string with_operator(std::string bytes, const std::string& from, const std::string& to) {
  size_t found = 0;
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
    bytes.replace(at, from.size(), to);
    ++found;
  }
  if (found == 0) throw std::runtime_error("the network has no " + from);
  return bytes;
}

TEST_F(Network, with_an_unsupported_operator_is_refused_with_operator_and_node) {
  const std::string bytes = read_file(shipped_network("lenet5-int8"));
  expect_network_refused(with_operator(bytes, "MaxPool", "MaxPxxl"),
                         {"'pool1'", "MaxPxxl", "not supported"});
}

TEST_F(Network, that_is_truncated_is_refused) {
  const std::string bytes = read_file(shipped_network("lenet5-int8"));
  expect_network_refused(bytes.substr(0, bytes.size() / 2), {"truncated"});
}

TEST_F(Network, that_is_text_is_refused) {
  expect_network_refused("This is no network.\n", {"no ONNX file"});
}

TEST_F(Network, that_is_empty_is_refused) { expect_network_refused("", {"no ONNX file"}); }

TEST_F(Network, that_does_not_exist_is_named) {
  expect_refused({"deploy", folder_ / "none.onnx", "-o", output("net.timg")}, {"none.onnx"});
}

TEST_F(Network, that_is_not_quantised_cannot_be_deployed) {
  expect_refused({"deploy", shipped_network("lenet5"), "-o", output("net.timg")},
                 {"'image'", "no integer grid", "quantise"});
}

TEST_F(Network, refused_by_deploy_is_named_by_its_file) {
  expect_refused({"deploy", shipped_network("lenet5"), "-o", output("net.timg")}, {"lenet5.onnx"});
}

}  // namespace
}  // namespace tessera::test
