#include <algorithm>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

/// Extra padding after one dimension with which rounding down gives what ceil_mode asks for: a
/// last, partial window, unless it starts in the padding.
int64_t ceil_padding(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride,
                     int64_t dilation) {
  const int64_t extent = (kernel - 1) * dilation + 1;
  const int64_t room = size + before + after - extent;
  if (stride < 1 || room < 0) return 0;  // refused by shape inference
  const int64_t positions = (room + stride - 1) / stride + 1;
  const bool starts_inside = (positions - 1) * stride < size + before;
  return starts_inside ? (positions - 1) * stride - room > 0 ? (positions - 1) * stride - room : 0
                       : 0;
}

}  // namespace

void OnnxImporter::apply_ceil_mode(const Proto& proto, const Shape& x, Node& node) const {
  if (int_attribute(proto, "ceil_mode", 0) == 0) return;
  Window& w = node.window;
  const int64_t bottom =
      ceil_padding(x[1], w.pad_top, w.pad_bottom, w.kernel_h, w.stride_h, w.dilation_h);
  const int64_t right =
      ceil_padding(x[2], w.pad_left, w.pad_right, w.kernel_w, w.stride_w, w.dilation_w);
  if (node.op == Op::kAveragePool && bottom + right > 0) {
    fail("averages over partial windows (ceil_mode=1) are not supported; use ceil_mode=0");
  }
  w.pad_bottom += bottom;
  w.pad_right += right;
}

/// Whether the tensor can hold no negative value.
bool OnnxImporter::is_never_negative(const std::string& tensor) {
  const auto grid = graph_.quantizations.find(tensor);
  if (grid != graph_.quantizations.end() && !grid->second.is_signed) return true;
  const Node* node = producer_of(tensor);
  if (node == nullptr) return false;
  return node->op == Op::kRelu || (node->op == Op::kClip && node->clip_low >= 0);
}

/// Zeros that a Pad has put around the input of a pooling become its padding. A maximum leaves its
/// padding out, which is the same where a zero cannot win and no window lies in the padding alone.
void OnnxImporter::take_padding(const Proto& proto, const Pads& pads, Node& node) {
  Window& w = node.window;
  const bool own = w.pad_top + w.pad_left + w.pad_bottom + w.pad_right != 0;
  if (own || string_attribute(proto, "auto_pad", "NOTSET").rfind("SAME", 0) == 0) {
    fail("it pads a tensor that a Pad has padded already");
  }
  const int64_t rows = (w.kernel_h - 1) * w.dilation_h;
  const int64_t columns = (w.kernel_w - 1) * w.dilation_w;
  if (node.op == Op::kMaxPool &&
      (!is_never_negative(node.inputs[0]) || std::max(pads[0], pads[2]) > rows ||
       std::max(pads[1], pads[3]) > columns)) {
    fail("zeros around a maximum are supported only behind a Relu; use the pooling's own pads");
  }
  node.count_include_pad = true;
  w.pad_top = pads[0];
  w.pad_left = pads[1];
  w.pad_bottom = pads[2];
  w.pad_right = pads[3];
}

void OnnxImporter::import_global_max_pool(const Proto& proto) {
  Node node = new_node(proto, Op::kMaxPool);
  node.inputs.push_back(read(proto, 0));
  const Shape& x = graph_.shapes.at(node.inputs[0]);
  if (x.size() != 3) fail("needs a feature map {C, H, W}, its input is ", to_string(x));
  node.window.kernel_h = x[1];
  node.window.kernel_w = x[2];
  add(proto, std::move(node));
}

void OnnxImporter::import_pool(const Proto& proto, Op op) {
  Node node = new_node(proto, op);
  Pads extra{};
  node.inputs.push_back(read_padded(proto, 0, extra));
  const Shape& x = graph_.shapes.at(node.inputs[0]);
  if (x.size() != 3) fail("needs a feature map {C, H, W}, its input is ", to_string(x));
  if (find_attribute(proto, "kernel_shape") == nullptr) fail("it has no kernel_shape");
  node.count_include_pad = int_attribute(proto, "count_include_pad", 0) != 0;
  set_window(proto, x, node.window);
  if (extra != Pads{}) take_padding(proto, extra, node);
  const Window& w = node.window;
  if (op == Op::kAveragePool && (w.dilation_h != 1 || w.dilation_w != 1)) {
    fail("dilated averages are not supported");
  }
  apply_ceil_mode(proto, x, node);
  add(proto, std::move(node));
}

}  // namespace tessera::graph
