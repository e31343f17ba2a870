#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/onnx_constants.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

/// Of a constant that an operator makes larger than its operands.
constexpr int64_t kMaxGrownElements = int64_t{1} << 24;

void check_growth(const Shape& shape) {
  if (checked_count(shape, "its result") > kMaxGrownElements) {
    fail("its result of shape ", to_string(shape), " is too large");
  }
}

/// The constant whose element i is `from`'s element source(i).
template <class Source>
Constant rearranged(const Constant& from, Shape shape, const Source& source) {
  Constant c;
  c.name = from.name;
  c.element_type = from.element_type;
  c.grid = from.grid;
  c.grid_axis = from.grid_axis;
  c.integer_form = from.integer_form;
  const auto count = static_cast<size_t>(checked_count(shape, "a constant"));
  c.shape = std::move(shape);
  if (from.is_float()) {
    c.floats.resize(count);
    for (size_t i = 0; i < count; ++i) c.floats[i] = from.floats[source(i)];
  } else {
    c.integers.resize(count);
    for (size_t i = 0; i < count; ++i) c.integers[i] = from.integers[source(i)];
  }
  return c;
}

Constant with_shape(const Constant& from, Shape shape) {
  if (element_count(shape) != element_count(from.shape)) {
    fail("cannot reshape ", to_string(from.shape), " to ", to_string(shape));
  }
  return rearranged(from, std::move(shape), [](size_t i) { return i; });
}

const Constant& needed(const std::vector<const Constant*>& inputs, size_t index) {
  if (index >= inputs.size() || inputs[index] == nullptr) fail("input ", index, " is missing");
  return *inputs[index];
}

const Constant* optional(const std::vector<const Constant*>& inputs, size_t index) {
  return index < inputs.size() ? inputs[index] : nullptr;
}

/// The axes of Squeeze and Unsqueeze: an attribute before opset 13, an input since.
std::vector<int64_t> axes_of(const onnx::NodeProto& node,
                             const std::vector<const Constant*>& inputs) {
  const Constant* axes = optional(inputs, 1);
  return axes != nullptr ? axes->integers : ints_attribute(node, "axes");
}

Constant cast(const onnx::NodeProto& node, const Constant& x) {
  Constant c = x;
  c.element_type = static_cast<int>(int_attribute(node, "to", onnx::TensorProto::FLOAT));
  if (!is_supported_type(c.element_type)) {
    fail("casts to unsupported element type ", c.element_type);
  }
  if (x.is_float() && !c.is_float()) {
    c.floats.clear();
    for (const float value : x.floats) c.integers.push_back(std::llrint(std::trunc(value)));
  } else if (!x.is_float() && c.is_float()) {
    c.integers.clear();
    c.floats.assign(x.integers.begin(), x.integers.end());
  }
  return c;
}

Constant join(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs) {
  Constant c = needed(inputs, 0);
  if (c.shape.size() != 1 || int_attribute(node, "axis", 0) > 0) {
    fail("joins constants that are not vectors");
  }
  for (size_t i = 1; i < inputs.size(); ++i) {
    const Constant& next = needed(inputs, i);
    if (next.shape.size() != 1 || next.element_type != c.element_type) {
      fail("joins constants of different kinds");
    }
    check_growth({c.shape[0] + next.shape[0]});
    c.floats.insert(c.floats.end(), next.floats.begin(), next.floats.end());
    c.integers.insert(c.integers.end(), next.integers.begin(), next.integers.end());
    c.shape[0] += next.shape[0];
  }
  return c;
}

Constant filled(const onnx::NodeProto& node, const Constant& shape) {
  const onnx::AttributeProto* value = find_attribute(node, "value");
  Constant one;
  one.shape = {1};
  one.floats = {0};
  if (value != nullptr) one = read_constant(value->t(), "");
  if (element_count(one.shape) != 1) fail("its value is not a single element");
  check_growth(shape.integers);
  return rearranged(one, shape.integers, [](size_t) { return size_t{0}; });
}

Constant gather(const onnx::NodeProto& node, const Constant& x, const Constant& index) {
  if (x.shape.size() != 1 || int_attribute(node, "axis", 0) > 0) {
    fail("gathers from constants that are not vectors");
  }
  if (index.is_float()) fail("its indices must be integers");
  check_growth(index.shape);
  std::vector<size_t> sources;
  for (const int64_t i : index.integers) {
    sources.push_back(static_cast<size_t>(from_end(i, x.shape[0])));
  }
  return rearranged(x, index.shape, [&](size_t i) { return sources[i]; });
}

/// The product of all elements.
Constant product(const Constant& x) {
  if (x.is_float() || x.shape.size() > 1) fail("multiplies constants that are no integer vectors");
  Constant c = x;
  c.shape = {};
  c.integers = {1};
  for (const int64_t factor : x.integers) {
    if (__builtin_mul_overflow(c.integers[0], factor, &c.integers[0]))
      fail("its product overflows");
  }
  return c;
}

Constant slice(const Constant& x, const std::vector<const Constant*>& inputs) {
  const Constant& starts = needed(inputs, 1);
  const Constant& ends = needed(inputs, 2);
  const Constant* axes = optional(inputs, 3);
  const Constant* steps = optional(inputs, 4);
  for (const Constant* one : {&starts, &ends, axes, steps}) {
    if (one != nullptr && one->integers.size() != 1) fail("slices several axes at once, or none");
  }
  const auto rank = static_cast<int64_t>(x.shape.size());
  const auto axis = static_cast<size_t>(from_end(axes != nullptr ? axes->integers.at(0) : 0, rank));
  const int64_t step = steps != nullptr ? steps->integers.at(0) : 1;
  const int64_t size = x.shape[axis];
  if (step == 0) fail("slices with step 0");
  const int64_t lowest = step > 0 ? 0 : -1;
  const auto position = [&](int64_t v) {
    return std::clamp(v < 0 ? v + size : v, lowest, step > 0 ? size : size - 1);
  };
  const int64_t start = std::max<int64_t>(position(starts.integers[0]), 0);
  const int64_t span = position(ends.integers[0]) - start;
  Shape shape = x.shape;
  if ((span > 0) != (step > 0) || span == 0 || size == 0) {
    shape[axis] = 0;
  } else {
    shape[axis] = step < -size || step > size ? 1 : (span + step - (step > 0 ? 1 : -1)) / step;
  }
  size_t inner = 1;
  for (size_t i = axis + 1; i < x.shape.size(); ++i) inner *= static_cast<size_t>(x.shape[i]);
  const auto count = static_cast<size_t>(shape[axis]);
  return rearranged(x, shape, [&](size_t i) {
    const size_t low = i % inner;
    const auto j = static_cast<int64_t>(i / inner % count);
    const size_t high = i / inner / count;
    return (high * static_cast<size_t>(size) + static_cast<size_t>(start + j * step)) * inner + low;
  });
}

/// Before opset 10, what is cut is said by attributes.
Constant slice(const onnx::NodeProto& node, const std::vector<const Constant*>& inputs) {
  if (inputs.size() != 1) return slice(needed(inputs, 0), inputs);
  const Constant starts = integer_constant(ints_attribute(node, "starts"));
  const Constant ends = integer_constant(ints_attribute(node, "ends"));
  const Constant axes = integer_constant(ints_attribute(node, "axes"));
  return slice(needed(inputs, 0),
               {inputs[0], &starts, &ends, axes.integers.empty() ? nullptr : &axes});
}

Constant squeeze(const Constant& x, const std::vector<int64_t>& axes) {
  std::vector<bool> drop(x.shape.size(), axes.empty());
  for (const int64_t axis : axes) {
    drop[static_cast<size_t>(from_end(axis, static_cast<int64_t>(x.shape.size())))] = true;
  }
  Shape shape;
  for (size_t i = 0; i < x.shape.size(); ++i) {
    if (!drop[i] || (axes.empty() && x.shape[i] != 1)) shape.push_back(x.shape[i]);
  }
  return with_shape(x, shape);
}

Constant unsqueeze(const Constant& x, std::vector<int64_t> axes) {
  const auto rank = static_cast<int64_t>(x.shape.size() + axes.size());
  for (int64_t& axis : axes) axis = from_end(axis, rank);
  std::sort(axes.begin(), axes.end());
  Shape shape = x.shape;
  for (const int64_t axis : axes) {
    if (axis > static_cast<int64_t>(shape.size())) fail("repeats an axis");
    shape.insert(shape.begin() + axis, 1);
  }
  return with_shape(x, shape);
}

Constant transpose(const onnx::NodeProto& node, const Constant& x) {
  std::vector<int64_t> order = ints_attribute(node, "perm");
  const size_t rank = x.shape.size();
  if (order.empty()) {
    for (size_t i = rank; i > 0; --i) order.push_back(static_cast<int64_t>(i) - 1);
  }
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted.size() != rank || sorted[i] != static_cast<int64_t>(i))
      fail("perm is no permutation");
  }
  std::vector<size_t> stride(rank, 1);
  for (size_t i = rank; i-- > 1;) stride[i - 1] = stride[i] * static_cast<size_t>(x.shape[i]);
  Shape shape;
  for (const int64_t axis : order) shape.push_back(x.shape[static_cast<size_t>(axis)]);
  Constant c = rearranged(x, shape, [&](size_t i) {
    size_t source = 0;
    for (size_t d = rank; d-- > 0;) {
      const auto size = static_cast<size_t>(shape[d]);
      source += i % size * stride[static_cast<size_t>(order[d])];
      i /= size;
    }
    return source;
  });
  c.grid_axis = std::find(order.begin(), order.end(), x.grid_axis) - order.begin();
  return c;
}

template <class T>
T combine(const std::string& op, T a, T b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (b == T{0}) fail("divides by zero");
  return a / b;
}

/// Wraps around instead of overflowing, and refuses the one quotient that does not fit.
int64_t combine_integers(const std::string& op, int64_t a, int64_t b) {
  if (op == "Div") {
    if (b == -1 && a == std::numeric_limits<int64_t>::min()) fail("divides out of range");
    return combine(op, a, b);
  }
  return static_cast<int64_t>(combine(op, static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

Constant arithmetic(const std::string& op, const Constant& a, const Constant& b) {
  const auto a_count = element_count(a.shape);
  const auto b_count = element_count(b.shape);
  if (a.is_float() != b.is_float() || (a_count != b_count && a_count != 1 && b_count != 1)) {
    fail("combines constants of shapes ", to_string(a.shape), " and ", to_string(b.shape));
  }
  const bool like_a = a_count != 1 || a.shape.size() >= b.shape.size();
  Constant c = like_a ? a : b;
  c.floats = a.is_float() ? (like_a ? a : b).values() : std::vector<float>{};
  c.grid.reset();
  const std::vector<float> left = a.values();
  const std::vector<float> right = b.values();
  const auto pick = [](const auto& v, size_t i) { return v.size() == 1 ? v[0] : v[i]; };
  for (size_t i = 0; i < c.floats.size(); ++i) {
    c.floats[i] = combine(op, pick(left, i), pick(right, i));
  }
  for (size_t i = 0; i < c.integers.size(); ++i) {
    c.integers[i] = combine_integers(op, pick(a.integers, i), pick(b.integers, i));
  }
  return c;
}

}  // namespace

std::optional<Constant> evaluate(const onnx::NodeProto& node,
                                 const std::vector<const Constant*>& inputs) {
  const std::string& op = node.op_type();
  if (op == "Cast") return cast(node, needed(inputs, 0));
  if (op == "Concat") return join(node, inputs);
  if (op == "ConstantOfShape") return filled(node, needed(inputs, 0));
  if (op == "Gather") return gather(node, needed(inputs, 0), needed(inputs, 1));
  if (op == "Reshape") {
    const Constant& x = needed(inputs, 0);
    return with_shape(x, reshaped(x.shape, needed(inputs, 1).integers));
  }
  if (op == "ReduceProd") return product(needed(inputs, 0));
  if (op == "Slice") return slice(node, inputs);
  if (op == "Squeeze") return squeeze(needed(inputs, 0), axes_of(node, inputs));
  if (op == "Unsqueeze") return unsqueeze(needed(inputs, 0), axes_of(node, inputs));
  if (op == "Transpose") return transpose(node, needed(inputs, 0));
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") {
    return arithmetic(op, needed(inputs, 0), needed(inputs, 1));
  }
  return std::nullopt;
}

Shape reshaped(const Shape& from, const std::vector<int64_t>& target) {
  Shape shape = target;
  int64_t known = 1;
  int64_t* open = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && i < from.size()) shape[i] = from[i];
    if (shape[i] == -1 && open == nullptr) {
      open = &shape[i];
    } else if (shape[i] < 1 || __builtin_mul_overflow(known, shape[i], &known)) {
      fail("cannot reshape ", to_string(from), " to ", to_string(target));
    }
  }
  const int64_t total = element_count(from);
  if (open != nullptr) *open = total / known;
  if (element_count(shape) != total) {
    fail("cannot reshape ", to_string(from), " to ", to_string(target));
  }
  return shape;
}

}  // namespace tessera::graph
