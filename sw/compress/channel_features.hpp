#pragma once

/// What the layers of a network see of the channels that they read: second moments on images, from
/// which redundant channels are found and their removal is made up for.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compress/channel_groups.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Of one activation tensor with C channels ({C, H, W}, or a vector of C) that layers read.
struct ChannelFeatures {
  std::vector<double> moments;      ///< {C, C}: mean over images and pixels of x_i * x_j
  std::vector<double> read_energy;  ///< {C}: sum of squares of the weights that read the channel
};

/// By tensor. A Gemm behind a Flatten reads the channels of the map before it.
using FeatureMap = std::map<std::string, ChannelFeatures>;

/// Runs the network on the first `images` images. The result does not depend on `threads`.
FeatureMap observe_features(const graph::Graph& graph, const data::Dataset& images, int64_t count,
                            int threads);

/// The first `count` (less than all) of the groups in `family` to remove, by clustering: channels
/// whose maps have the largest absolute cosine are joined, clusters by their least similar members
/// (complete linkage); each cluster keeps the channel with the largest energy at its readers.
std::vector<size_t> similar_channels(const ChannelMap& map, const FeatureMap& features,
                                     const std::vector<size_t>& family, size_t count);

/// The first `count` of the groups in `family` to remove, one by one that whose best linear
/// reconstruction from all channels that are left costs its readers least: the residual is 1 /
/// (M^-1)_jj for moments M, times the readers' energy (the criterion of Hassibi and Stork, Second
/// order derivatives for network pruning: optimal brain surgeon, 1992, applied to a layer's
/// inputs).
std::vector<size_t> reconstructible_channels(const ChannelMap& map, const FeatureMap& features,
                                             const std::vector<size_t>& family, size_t count);

/// Adds to the weights that read kept channels what they need to replace the removed ones by their
/// least-squares reconstruction, a linear combination of the kept channels of the same tensor.
/// Depthwise layers, those in groups and those that share their weights stay as they are.
void compensate(graph::Graph& graph, const ChannelMap& map, const std::vector<bool>& removed,
                const FeatureMap& features);

}  // namespace tessera::compress
