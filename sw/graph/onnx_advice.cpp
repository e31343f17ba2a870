#include <map>

#include "graph/onnx_importer.hpp"

namespace tessera::graph {
namespace {

constexpr const char* kActivation =
    "the chip's activations are Relu and Clip: train the network with one of them";
constexpr const char* kResize = "the chip does not enlarge maps: let the network end before it";
constexpr const char* kNormalization =
    "the chip cannot take statistics of a map: train the network with BatchNormalization";
constexpr const char* kSequence =
    "only feed-forward networks with constant weights can run on the chip";
constexpr const char* kIntegerForm =
    "export in QDQ form (QuantizeLinear/DequantizeLinear around the float operators) instead";
constexpr const char* kFused = "export without fusing operators (onnxruntime: basic optimisation)";
constexpr const char* kFinn = "export the network as it is before FINN's transformations";

}  // namespace

const char* advice_for(const std::string& op) {
  static const std::map<std::string, const char*> advice{
      {"Attention", kSequence},
      {"BipolarQuant", "the chip's narrowest weights have 2 bits: use Quant with bit width 2"},
      {"Celu", kActivation},
      {"ConvTranspose", kResize},
      {"DepthToSpace", kResize},
      {"DynamicQuantizeLinear", "quantise statically, with scales from calibration"},
      {"Elu", kActivation},
      {"Erf", kActivation},
      {"FloatQuant", "use Quant (integer grids) instead"},
      {"FusedConv", kFused},
      {"FusedGemm", kFused},
      {"GRU", kSequence},
      {"Gelu", kActivation},
      {"GroupNormalization", kNormalization},
      {"HardSigmoid", kActivation},
      {"HardSwish", kActivation},
      {"InstanceNormalization", kNormalization},
      {"LSTM", kSequence},
      {"LayerNormalization", kNormalization},
      {"LeakyRelu", kActivation},
      {"MatMulNBits", kIntegerForm},
      {"Mish", kActivation},
      {"MultiThreshold", kFinn},
      {"PRelu", kActivation},
      {"RNN", kSequence},
      {"Resize", kResize},
      {"Selu", kActivation},
      {"Sigmoid", kActivation},
      {"Softplus", kActivation},
      {"Split", "let two convolutions compute the parts of the map"},
      {"Swish", kActivation},
      {"Tanh", kActivation},
      {"ThresholdedRelu", kActivation},
      {"Trunc", "round the average with a Quant of its own instead of cutting bits off"},
      {"Upsample", kResize},
      {"XnorPopcountMatMul", kFinn}};
  const auto found = advice.find(op);
  if (found != advice.end()) return found->second;
  const bool is_integer_form =
      op.rfind("QLinear", 0) == 0 || op.find("Integer") != std::string::npos;
  return is_integer_form ? kIntegerForm
                         : "replace it in the network (docs list the supported ones)";
}

}  // namespace tessera::graph
