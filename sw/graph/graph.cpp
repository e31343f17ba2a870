#include "graph/graph.hpp"

#include <algorithm>
#include <cmath>

#include "abi/number_formats.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int32_t kLargestPowerOfTwo = 1 << abi::kP4FractionBits;

int32_t nearest_power_of_two(float ratio) {
  const float magnitude = std::fabs(ratio);
  if (!(magnitude >= 0.5F)) return 0;
  int32_t power = 1;
  while (power < kLargestPowerOfTwo && magnitude >= 1.5F * static_cast<float>(power)) power *= 2;
  return ratio < 0 ? -power : power;
}

}  // namespace

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(count, dimension, &count)) {
      fail("shape ", to_string(shape), " has no countable number of elements");
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "{";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "}";
}

int32_t Quantization::min() const {
  return code == WeightCode::kPowerOfTwo ? -kLargestPowerOfTwo : abi::min_value(bits, is_signed);
}

int32_t Quantization::max() const {
  return code == WeightCode::kPowerOfTwo ? kLargestPowerOfTwo : abi::max_value(bits, is_signed);
}

bool operator==(const Quantization& a, const Quantization& b) {
  return a.bits == b.bits && a.is_signed == b.is_signed && a.scales == b.scales && a.code == b.code;
}

int32_t quantize(float value, float scale, const Quantization& grid) {
  const float ratio = value / scale;
  if (grid.code == WeightCode::kPowerOfTwo) return nearest_power_of_two(ratio);
  if (std::isnan(ratio)) return 0;
  const float low = static_cast<float>(grid.min());
  const float high = static_cast<float>(grid.max());
  return static_cast<int32_t>(std::clamp(std::nearbyint(ratio), low, high));
}

const char* name_of(Op op) {
  switch (op) {
    case Op::kConv:
      return "Conv";
    case Op::kGemm:
      return "Gemm";
    case Op::kBatchNorm:
      return "BatchNormalization";
    case Op::kRelu:
      return "Relu";
    case Op::kClip:
      return "Clip";
    case Op::kMaxPool:
      return "MaxPool";
    case Op::kAveragePool:
      return "AveragePool";
    case Op::kGlobalAveragePool:
      return "GlobalAveragePool";
    case Op::kAdd:
      return "Add";
    case Op::kConcat:
      return "Concat";
    case Op::kPadChannels:
      return "PadChannels";
    case Op::kSubsample:
      return "Subsample";
    case Op::kFlatten:
      return "Flatten";
    case Op::kLrn:
      return "LRN";
    case Op::kSoftmax:
      return "Softmax";
  }
  return "?";
}

NormalizedChannel normalized_channel(const InputNormalization& normalization, int64_t c) {
  const auto pick = [c](const std::vector<float>& values, double otherwise) -> double {
    if (values.empty()) return otherwise;
    return values.size() == 1 ? values.front() : values.at(static_cast<size_t>(c));
  };
  return {pick(normalization.mean, 0), pick(normalization.std, 1)};
}

const Node* Graph::producer(const std::string& tensor) const {
  for (const Node& node : nodes) {
    if (node.output == tensor) return &node;
  }
  return nullptr;
}

std::vector<const Node*> Graph::consumers(const std::string& tensor) const {
  std::vector<const Node*> found;
  for (const Node& node : nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), tensor) != node.inputs.end()) {
      found.push_back(&node);
    }
  }
  return found;
}

}  // namespace tessera::graph
