#include "deploy/fusion.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "abi/number_formats.hpp"

namespace tessera::deploy {
namespace {

using graph::IntegerLayer;
using graph::IntegerNetwork;
using graph::IntegerOp;

constexpr int kIdentityWeightBits = 2;

/// A convolution that hands its input through unchanged.
IntegerLayer identity(const IntegerNetwork& net, int tensor, const std::string& name) {
  const auto& t = net.tensors[static_cast<size_t>(tensor)];
  const auto channels = static_cast<size_t>(t.channels);
  IntegerLayer conv;
  conv.name = name;
  conv.op = IntegerOp::kConv;
  conv.inputs = {tensor};
  conv.output = tensor;
  conv.low = abi::min_value(t.bits, t.is_signed);
  conv.high = abi::max_value(t.bits, t.is_signed);
  conv.weight_bits = kIdentityWeightBits;
  conv.groups = t.channels;
  conv.weights.assign(channels, 1);
  conv.bias.assign(channels, 0);
  conv.rescale.assign(channels, graph::Rescale{});
  return conv;
}

/// Marks inserted identities apart from layers of the network.
FusedLayer identity_group(const IntegerNetwork& net, int tensor, const std::string& name) {
  FusedLayer g;
  g.name = name;
  g.convolution = identity(net, tensor, name);
  g.inserted = true;
  g.input = tensor;
  g.output = tensor;
  return g;
}

class Fuser {
 public:
  explicit Fuser(IntegerNetwork& net) : net_(net) {
    for (const auto& layer : net_.layers) {
      for (int input : layer.inputs) ++readers_[input];
    }
    ++readers_[net_.output];
  }

  std::vector<FusedLayer> run() {
    const size_t count = net_.layers.size();
    for (size_t i = 0; i < count; ++i) {
      const IntegerLayer layer = net_.layers[i];
      switch (layer.op) {
        case IntegerOp::kConv:
          add_convolution(layer);
          break;
        case IntegerOp::kAdd:
          add_addition(layer);
          break;
        case IntegerOp::kMaxPool:
        case IntegerOp::kAveragePool:
          add_pool(layer);
          break;
        case IntegerOp::kConcat:
          break;
      }
    }
    copy_unplaceable_slices();
    return std::move(groups_);
  }

 private:
  void add_convolution(const IntegerLayer& layer) {
    FusedLayer g;
    g.name = layer.name;
    g.convolution = layer;
    g.input = layer.inputs.at(0);
    groups_.push_back(std::move(g));
    set_output(groups_.back(), layer.output);
  }

  /// The group that produces `tensor` if nothing else reads the tensor.
  FusedLayer* private_producer(int tensor) {
    if (readers_[tensor] != 1) return nullptr;
    const auto it = producer_.find(tensor);
    return it == producer_.end() ? nullptr : &groups_[it->second];
  }

  /// How many groups have run once the tensor is complete.
  size_t ready(int tensor) const {
    const auto it = producer_.find(tensor);
    if (it != producer_.end()) return it->second + 1;
    size_t groups = 0;
    for (const auto& layer : net_.layers) {
      if (layer.op != IntegerOp::kConcat || layer.output != tensor) continue;
      for (int input : layer.inputs) groups = std::max(groups, ready(input));
    }
    return groups;
  }

  /// Which operand's group can add the other one, which must be complete when the group runs.
  int own_operand(const IntegerLayer& add) {
    for (int own = 0; own < 2; ++own) {
      const int tensor = add.inputs.at(static_cast<size_t>(own));
      const FusedLayer* group = private_producer(tensor);
      if (group == nullptr || group->add || group->pool) continue;
      if (ready(add.inputs.at(static_cast<size_t>(1 - own))) < ready(tensor)) return own;
    }
    return -1;
  }

  void add_addition(const IntegerLayer& layer) {
    int own = own_operand(layer);
    FusedLayer* group = nullptr;
    if (own >= 0) {
      group = private_producer(layer.inputs[static_cast<size_t>(own)]);
    } else {
      own = 0;
      groups_.push_back(identity_group(net_, layer.inputs[0], layer.name));
      group = &groups_.back();
    }
    group->add = layer;
    group->own_operand = own;
    group->residual = layer.inputs[static_cast<size_t>(1 - own)];
    set_output(*group, layer.output);
  }

  void add_pool(const IntegerLayer& layer) {
    const graph::Window& w = layer.window;
    if (w.dilation_h != 1 || w.dilation_w != 1) {
      throw std::runtime_error("layer " + layer.name +
                               ": the chip does not pool over dilated windows");
    }
    const bool padded = w.pad_top != 0 || w.pad_left != 0 || w.pad_bottom != 0 || w.pad_right != 0;
    const int input = layer.inputs.at(0);
    FusedLayer* group = padded ? nullptr : private_producer(input);
    if (group == nullptr || group->pool) {
      groups_.push_back(identity_group(net_, input, layer.name));
      group = &groups_.back();
    }
    group->pool = layer;
    if (padded) {
      if (layer.op == IntegerOp::kMaxPool && net_.tensors[static_cast<size_t>(input)].is_signed) {
        throw std::runtime_error("layer " + layer.name +
                                 ": maximum pooling with padding needs an unsigned input (put it "
                                 "after a ReLU)");
      }
      graph::Window& c = group->convolution.window;
      c.pad_top = w.pad_top;
      c.pad_left = w.pad_left;
      c.pad_bottom = w.pad_bottom;
      c.pad_right = w.pad_right;
      graph::Window& p = group->pool->window;
      p.pad_top = p.pad_left = p.pad_bottom = p.pad_right = 0;
    }
    set_output(*group, layer.output);
  }

  void set_output(FusedLayer& group, int tensor) {
    const auto index = static_cast<size_t>(&group - groups_.data());
    group.output = tensor;
    producer_[tensor] = index;
  }

  /// Whether the tensor can be written straight into its place in the concatenation.
  bool placeable(const IntegerLayer& concat, int tensor, int64_t channel) {
    const auto& t = net_.tensors[static_cast<size_t>(tensor)];
    return private_producer(tensor) != nullptr && channel * t.bits % 8 == 0 &&
           (t.channels * t.bits % 8 == 0 || tensor == concat.inputs.back()) &&
           std::count(concat.inputs.begin(), concat.inputs.end(), tensor) == 1;
  }

  void copy_unplaceable_slices() {
    for (auto& layer : net_.layers) {
      if (layer.op != IntegerOp::kConcat) continue;
      const auto& target = net_.tensors[static_cast<size_t>(layer.output)];
      int64_t channel = 0;
      for (int& tensor : layer.inputs) {
        const auto t = net_.tensors[static_cast<size_t>(tensor)];
        if (t.bits != target.bits || t.is_signed != target.is_signed) {
          throw std::runtime_error("layer " + layer.name + ": operand " + t.name +
                                   " has another format than the concatenation; quantise them "
                                   "with one scale and width");
        }
        if (channel * t.bits % 8 != 0) {
          throw std::runtime_error("layer " + layer.name + ": operand " + t.name +
                                   " does not start at a whole byte");
        }
        if (!placeable(layer, tensor, channel)) {
          const int source = tensor;
          net_.tensors.push_back(t);
          tensor = static_cast<int>(net_.tensors.size()) - 1;
          FusedLayer copy = identity_group(net_, source, layer.name);
          copy.output = tensor;
          insert_after_producer(source, std::move(copy));
        }
        channel += t.channels;
      }
    }
  }

  /// Groups run in vector order: the copy comes right behind what it reads.
  void insert_after_producer(int tensor, FusedLayer copy) {
    const auto it = producer_.find(tensor);
    const size_t at = it == producer_.end() ? concat_end(tensor) : it->second + 1;
    groups_.insert(groups_.begin() + static_cast<std::ptrdiff_t>(at), std::move(copy));
    for (auto& [output, index] : producer_) {
      if (index >= at) ++index;
    }
  }

  /// Position after the last group that writes a part of the concatenation `tensor`; 0 for the
  /// network's input.
  size_t concat_end(int tensor) {
    size_t end = 0;
    for (const auto& layer : net_.layers) {
      if (layer.op != IntegerOp::kConcat || layer.output != tensor) continue;
      for (size_t g = 0; g < groups_.size(); ++g) {
        if (std::count(layer.inputs.begin(), layer.inputs.end(), groups_[g].output) != 0) {
          end = g + 1;
        }
      }
    }
    return end;
  }

  IntegerNetwork& net_;
  std::map<int, int> readers_;
  std::map<int, size_t> producer_;  ///< group that writes a tensor
  std::vector<FusedLayer> groups_;
};

}  // namespace

std::vector<FusedLayer> fuse(IntegerNetwork& network) { return Fuser(network).run(); }

std::pair<FusedLayer, FusedLayer> split_pool(const IntegerNetwork& network,
                                             const FusedLayer& layer) {
  FusedLayer first = layer;
  first.output = layer.pool->inputs.at(0);
  first.pool.reset();
  FusedLayer second = identity_group(network, first.output, layer.pool->name);
  second.pool = layer.pool;
  second.output = layer.output;
  return {std::move(first), std::move(second)};
}

std::vector<ConcatSlice> concat_slices(const IntegerNetwork& network) {
  std::vector<ConcatSlice> slices;
  for (const auto& layer : network.layers) {
    if (layer.op != IntegerOp::kConcat) continue;
    int64_t channel = 0;
    for (int tensor : layer.inputs) {
      slices.push_back({tensor, layer.output, channel});
      channel += network.tensors[static_cast<size_t>(tensor)].channels;
    }
  }
  return slices;
}

}  // namespace tessera::deploy
