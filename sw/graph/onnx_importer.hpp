#pragma once

#include <onnx/onnx_pb.h>

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "graph/onnx_constants.hpp"

namespace tessera::graph {

/// What to do about an operator that is not supported.
const char* advice_for(const std::string& op);

/// Turns one parsed ONNX model into a Graph. ONNX tensors are either constants, which are
/// evaluated on the way, or views of the graph's activations.
class OnnxImporter {
 public:
  /// `folder` is where external data lies.
  OnnxImporter(const onnx::ModelProto& model, std::string folder);

  /// Throws std::runtime_error naming node and operator.
  Graph run();

 private:
  using Pads = std::array<int64_t, 4>;  // top, left, bottom, right

  /// What an ONNX name stands for: a tensor of the graph, before or after its quantisation.
  struct View {
    std::string tensor;
    bool quantized = false;
    std::optional<IntegerForm> integers = {};  ///< between QuantizeLinear and DequantizeLinear
    std::optional<Pads> padding = {};          ///< a Pad that the next layer takes over
    bool channels_last = false;                ///< the file has it as {N, H, W, C}
    std::optional<Shape> interleaved = {};     ///< a map that the file flattened as {H, W, C}
  };
  using Proto = onnx::NodeProto;
  struct NamedTensor {
    std::string name;
    Tensor tensor;
  };

  // onnx_importer.cpp: the model around the nodes
  void check_model();
  void import_input();
  bool is_transposed_at_once(const std::string& input) const;
  void import_metadata();
  void index_tensors();
  std::vector<const Proto*> sorted_nodes() const;
  std::vector<const Proto*> live_nodes() const;
  void import_node(const Proto& node);
  bool fold(const Proto& node);
  void dispatch(const Proto& node);
  void finish();
  void rename_output();
  void drop_unread_nodes();

  // What nodes read and write
  bool has_input(const Proto& node, int index) const;
  const Constant* find_constant(const std::string& name);
  const Constant& constant(const Proto& node, int index, const char* what);
  const Constant* optional_constant(const Proto& node, int index);
  bool is_view(const Proto& node, int index) const;
  const View& view(const Proto& node, int index) const;
  const Shape& shape_of(const View& view) const { return graph_.shapes.at(view.tensor); }
  std::string take(const View& view);
  std::string read_in_any_layout(const Proto& node, int index);
  std::string read(const Proto& node, int index);
  std::string read_padded(const Proto& node, int index, Pads& padding);
  std::string add_weight(const Constant& values, bool keep_grid);
  std::string add_plain_weight(const std::string& name, Tensor tensor);
  Node new_node(const Proto& proto, Op op);
  void add(const Proto& proto, Node node);
  void alias(const Proto& proto, View view);
  std::string unused_name(const std::string& wish) const;
  bool read_once(const std::string& onnx_name) const;
  Node* producer_of(const std::string& tensor);
  void rename_tensor(Node& node, const std::string& name);
  Shape onnx_shape(const View& view) const;

  // onnx_operators.cpp, onnx_pools.cpp, onnx_scales.cpp: computing operators
  void import_conv(const Proto& node);
  void import_gemm(const Proto& node);
  void import_matmul(const Proto& node);
  void import_batch_norm(const Proto& node);
  void import_arithmetic(const Proto& node);
  void import_sum(const Proto& node);
  void import_extremum(const Proto& node);
  void import_clip(const Proto& node);
  void import_relu(const Proto& node);
  void import_pool(const Proto& node, Op op);
  void import_global_max_pool(const Proto& node);
  void import_lrn(const Proto& node);
  void import_softmax(const Proto& node);
  void import_simple(const Proto& node, Op op);
  void import_concat(const Proto& node);
  void set_window(const Proto& node, const Shape& x, Window& window) const;
  void apply_ceil_mode(const Proto& node, const Shape& x, Node& result) const;
  void take_padding(const Proto& proto, const Pads& pads, Node& node);
  bool is_never_negative(const std::string& tensor);
  void add_elementwise(const Proto& node, Node made);
  Node* sole_layer_before(const Proto& node, int index);
  bool merge_bias(const Proto& node, int index, const Tensor& bias);
  bool scale_quantized_layer(const Proto& node, int index, const Tensor& scale,
                             const Tensor& shift);
  void add_scale_and_shift(const Proto& node, int index, NamedTensor scale, NamedTensor shift);
  Tensor channel_values(const Proto& node, const Constant& values, const View& x) const;
  void add_gemm(const Proto& node, Constant weight, const Constant* bias, float beta);

  // onnx_rearrangements.cpp: operators that move values
  void import_identity(const Proto& node);
  void import_cast(const Proto& node);
  void import_transpose(const Proto& node);
  void import_unsqueeze(const Proto& node);
  bool restore_pixel(const Proto& node, const Shape& target);
  void import_flatten(const Proto& node);
  void import_reshape(const Proto& node);
  void import_squeeze(const Proto& node);
  void import_reduce_mean(const Proto& node);
  std::vector<int64_t> pads_of(const Proto& node);
  void import_pad(const Proto& node);
  void import_slice(const Proto& node);
  void subsample(const Proto& node, int64_t stride_h, int64_t stride_w);
  void flatten(const Proto& node);

  // onnx_quantizers.cpp: integer grids
  void import_quantize_linear(const Proto& node);
  void import_dequantize_linear(const Proto& node);
  void import_quant(const Proto& node);
  IntegerForm integer_form(const Proto& node);
  void clip_integers(const Proto& node);
  void add_clip(const Proto& node, View& x, float low, float high, const Quantization& grid);
  void put_on_grid(const Proto& node, const Quantization& grid, int64_t low, int64_t high);

  const onnx::ModelProto& model_;
  const onnx::GraphProto& proto_;
  std::string folder_;
  int64_t opset_ = 0;
  int64_t batch_ = 1;            // of the file; 1 if it is left open
  int64_t folded_elements_ = 0;  // of the constants that fold() made
  Graph graph_;
  std::map<std::string, const onnx::TensorProto*> initializers_;
  std::map<std::string, int> producers_;  // index of the node that writes an ONNX tensor
  std::map<std::string, Constant> constants_;
  std::map<std::string, View> views_;
  std::set<std::string> read_unquantized_;
  std::set<std::string> node_names_;
};

}  // namespace tessera::graph
