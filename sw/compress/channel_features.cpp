#include "compress/channel_features.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "reference/float_engine.hpp"
#include "reference/parallel.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using Matrix = Eigen::MatrixXd;

constexpr size_t kAccumulators = 4;  // fixed, so that sums do not depend on threads
constexpr double kRidge = 1e-4;      // of the mean moment; keeps dead channels invertible

/// A layer that reads whole channels, and where they are.
struct Reader {
  const Node* node;
  std::string tensor;  ///< whose channels they are
  int64_t block;       ///< weights a row that read one channel
};

std::vector<Reader> readers_of(const Graph& graph) {
  std::vector<Reader> readers;
  for (const Node& node : graph.nodes) {
    const bool is_plain_conv = node.op == Op::kConv && node.groups == 1;
    if (!is_plain_conv && node.op != Op::kGemm) continue;
    std::string tensor = node.inputs[0];
    const Node* before = graph.producer(tensor);
    if (node.op == Op::kGemm && before != nullptr && before->op == Op::kFlatten) {
      tensor = before->inputs[0];
    }
    const graph::Tensor& weight = graph.weights.at(node.inputs[1]);
    const int64_t row = static_cast<int64_t>(weight.data.size()) / weight.shape[0];
    readers.push_back({&node, tensor, row / graph.shapes.at(tensor)[0]});
  }
  return readers;
}

using Sums = std::map<std::string, Matrix>;

Sums empty_sums(const Graph& graph, const std::vector<Reader>& readers) {
  Sums sums;
  for (const Reader& reader : readers) {
    const int64_t channels = graph.shapes.at(reader.tensor)[0];
    sums[reader.tensor] = Matrix::Zero(channels, channels);
  }
  return sums;
}

void add_products(const std::vector<float>& values, Matrix& sum) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Index channels = sum.rows();
  const Eigen::Map<const RowMajor> x(values.data(), channels,
                                     static_cast<Eigen::Index>(values.size()) / channels);
  sum += (x * x.transpose()).cast<double>();
}

Matrix as_matrix(const std::vector<double>& values) {
  const auto size = static_cast<Eigen::Index>(std::lround(std::sqrt(values.size())));
  return Eigen::Map<const Matrix>(values.data(), size, size);
}

Matrix regularized(const ChannelFeatures& features) {
  Matrix moments = as_matrix(features.moments);
  const double mean = moments.diagonal().mean();
  moments.diagonal().array() += mean > 0 ? kRidge * mean : 1;
  return moments;
}

/// Where the channels of a family are in the tensors that layers read.
struct View {
  const ChannelFeatures* features;
  std::map<size_t, std::vector<Eigen::Index>> channels_of;  ///< by group
};

std::vector<View> views_of(const ChannelMap& map, const FeatureMap& features,
                           const std::vector<size_t>& family) {
  std::vector<View> views;
  for (const auto& [tensor, feature] : features) {
    const std::vector<size_t>& groups = map.group_of.at(tensor);
    View view{&feature, {}};
    for (size_t i = 0; i < groups.size(); ++i) {
      if (std::find(family.begin(), family.end(), groups[i]) == family.end()) continue;
      view.channels_of[groups[i]].push_back(static_cast<Eigen::Index>(i));
    }
    if (!view.channels_of.empty()) views.push_back(std::move(view));
  }
  return views;
}

double energy(const View& view, size_t group) {
  double sum = 0;
  const auto channels = static_cast<size_t>(view.features->read_energy.size());
  const auto found = view.channels_of.find(group);
  if (found == view.channels_of.end()) return 0;
  for (const Eigen::Index i : found->second) {
    const auto c = static_cast<size_t>(i);
    sum += view.features->moments[c * channels + c] * view.features->read_energy[c];
  }
  return sum;
}

/// Absolute cosine between two groups' maps, the least over all tensors that have both.
double similarity(const std::vector<View>& views, size_t a, size_t b) {
  double least = 1;
  for (const View& view : views) {
    const auto in_a = view.channels_of.find(a), in_b = view.channels_of.find(b);
    if (in_a == view.channels_of.end() || in_b == view.channels_of.end()) continue;
    const size_t channels = view.features->read_energy.size();
    const auto moment = [&](Eigen::Index i, Eigen::Index j) {
      return view.features->moments[static_cast<size_t>(i) * channels + static_cast<size_t>(j)];
    };
    const size_t pairs = std::min(in_a->second.size(), in_b->second.size());
    for (size_t n = 0; n < pairs; ++n) {
      const Eigen::Index i = in_a->second[n], j = in_b->second[n];
      const double norm = std::sqrt(moment(i, i) * moment(j, j));
      // A channel that is always zero is like every other.
      least = std::min(least, norm > 0 ? std::fabs(moment(i, j)) / norm : 1);
    }
  }
  return least;
}

/// A view under elimination: the inverse of the moments of the channels that are left.
struct Elimination {
  View view;
  Matrix inverse;

  double cost(size_t group) const {
    double sum = 0;
    const auto found = view.channels_of.find(group);
    if (found == view.channels_of.end()) return 0;
    for (const Eigen::Index i : found->second) {
      sum += view.features->read_energy[static_cast<size_t>(i)] / inverse(i, i);
    }
    return sum;
  }
  void remove(size_t group) {
    const auto found = view.channels_of.find(group);
    if (found == view.channels_of.end()) return;
    for (const Eigen::Index i : found->second) {
      const Eigen::VectorXd column = inverse.col(i);
      const double pivot = column(i);
      inverse.noalias() -= column * (column.transpose() / pivot);
      inverse.row(i).array() = 0;
      inverse.col(i).array() = 0;
    }
  }
};

}  // namespace

FeatureMap observe_features(const Graph& graph, const data::Dataset& images, int64_t count,
                            int threads) {
  const std::vector<Reader> readers = readers_of(graph);
  const reference::FloatEngine engine(graph);
  const int64_t used = std::min(count, images.count);
  std::array<Sums, kAccumulators> sums;
  sums.fill(empty_sums(graph, readers));
  reference::parallel_for(kAccumulators, threads, [&](size_t slot) {
    for (auto i = static_cast<int64_t>(slot); i < used; i += kAccumulators) {
      engine.run(reference::normalize(graph, images.image(i)),
                 [&](const std::string& tensor, const std::vector<float>& values) {
                   const auto found = sums[slot].find(tensor);
                   if (found != sums[slot].end()) add_products(values, found->second);
                 });
    }
  });

  FeatureMap features;
  for (auto& [tensor, total] : sums[0]) {
    for (size_t slot = 1; slot < kAccumulators; ++slot) total += sums[slot].at(tensor);
    const graph::Shape& shape = graph.shapes.at(tensor);
    const int64_t pixels = graph::element_count(shape) / shape[0];
    total /= static_cast<double>(std::max<int64_t>(1, used * pixels));
    ChannelFeatures& entry = features[tensor];
    entry.moments.assign(total.data(), total.data() + total.size());
    entry.read_energy.assign(static_cast<size_t>(shape[0]), 0);
  }
  for (const Reader& reader : readers) {
    std::vector<double>& read = features.at(reader.tensor).read_energy;
    const std::vector<float>& weights = graph.weights.at(reader.node->inputs[1]).data;
    for (size_t i = 0; i < weights.size(); ++i) {
      const size_t channel = i / static_cast<size_t>(reader.block) % read.size();
      read[channel] += double{weights[i]} * double{weights[i]};
    }
  }
  return features;
}

std::vector<size_t> similar_channels(const ChannelMap& map, const FeatureMap& features,
                                     const std::vector<size_t>& family, size_t count) {
  const std::vector<View> views = views_of(map, features, family);
  const auto size = static_cast<Eigen::Index>(family.size());
  Matrix likeness(size, size);
  std::vector<double> energies;
  for (Eigen::Index a = 0; a < size; ++a) {
    const size_t group = family[static_cast<size_t>(a)];
    energies.push_back(0);
    for (const View& view : views) energies.back() += energy(view, group);
    for (Eigen::Index b = 0; b < size; ++b) {
      likeness(a, b) = a == b ? -1 : similarity(views, group, family[static_cast<size_t>(b)]);
    }
  }
  // Every cluster is at the index of the channel that it keeps.
  std::vector<size_t> removed;
  while (removed.size() < count) {
    Eigen::Index a = 0, b = 0;
    likeness.maxCoeff(&a, &b);
    if (energies[static_cast<size_t>(a)] < energies[static_cast<size_t>(b)]) std::swap(a, b);
    const Eigen::VectorXd joined = likeness.col(a).cwiseMin(likeness.col(b));
    likeness.col(a) = joined;
    likeness.row(a) = joined.transpose();
    likeness(a, a) = -1;
    likeness.col(b).array() = -1;
    likeness.row(b).array() = -1;
    removed.push_back(family[static_cast<size_t>(b)]);
  }
  return removed;
}

std::vector<size_t> reconstructible_channels(const ChannelMap& map, const FeatureMap& features,
                                             const std::vector<size_t>& family, size_t count) {
  std::vector<Elimination> eliminations;
  for (View& view : views_of(map, features, family)) {
    Matrix inverse =
        regularized(*view.features)
            .llt()
            .solve(Matrix::Identity(static_cast<Eigen::Index>(view.features->read_energy.size()),
                                    static_cast<Eigen::Index>(view.features->read_energy.size())));
    eliminations.push_back({std::move(view), std::move(inverse)});
  }
  std::vector<size_t> left = family, removed;
  while (removed.size() < count) {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < left.size(); ++i) {
      double cost = 0;
      for (const Elimination& elimination : eliminations) cost += elimination.cost(left[i]);
      if (cost >= least) continue;
      least = cost;
      best = i;
    }
    for (Elimination& elimination : eliminations) elimination.remove(left[best]);
    removed.push_back(left[best]);
    left.erase(left.begin() + static_cast<long>(best));
  }
  return removed;
}

void compensate(Graph& graph, const ChannelMap& map, const std::vector<bool>& removed,
                const FeatureMap& features) {
  for (const Reader& reader : readers_of(graph)) {
    const std::vector<size_t>& groups = map.group_of.at(reader.tensor);
    std::vector<Eigen::Index> gone, kept;
    for (size_t i = 0; i < groups.size(); ++i) {
      (removed[groups[i]] ? gone : kept).push_back(static_cast<Eigen::Index>(i));
    }
    const std::string& name = reader.node->inputs[1];
    if (gone.empty() || kept.empty() || graph.consumers(name).size() > 1) continue;
    const Matrix moments = regularized(features.at(reader.tensor));
    // x_gone = share * x_kept, in the least-squares sense.
    const Matrix share = moments(kept, kept).llt().solve(moments(kept, gone)).transpose();

    std::vector<float>& weights = graph.weights.at(name).data;
    const auto block = static_cast<size_t>(reader.block);
    const size_t row_size = groups.size() * block;
    for (size_t row = 0; row < weights.size(); row += row_size) {
      for (size_t tap = 0; tap < block; ++tap) {
        Eigen::VectorXd lost(static_cast<Eigen::Index>(gone.size()));
        const auto at = [&](Eigen::Index channel) -> float& {
          return weights[row + static_cast<size_t>(channel) * block + tap];
        };
        for (Eigen::Index i = 0; i < lost.size(); ++i) lost(i) = at(gone[static_cast<size_t>(i)]);
        const Eigen::VectorXd gained = share.transpose() * lost;
        for (Eigen::Index i = 0; i < gained.size(); ++i) {
          at(kept[static_cast<size_t>(i)]) += static_cast<float>(gained(i));
        }
      }
    }
  }
}

}  // namespace tessera::compress
