#pragma once

/// Which channels of a network can only be removed together.
///
/// Example: y = relu(conv1(x)), z = conv2(y) + y. Channel 3 of conv1's output, of y, of conv2's
/// output and of z are one group: the addition needs both sides, and relu passes its channels
/// through. Removing the group takes row 3 from conv1 and conv2, and column 3 from conv2 and from
/// what reads z.

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::compress {

/// Coupled channels.
struct ChannelGroup {
  std::vector<std::string> layers;  ///< names of the convolutions and Gemms that compute a channel
                                    ///< of it, in graph order; depthwise ones only pass it on
  bool fixed = false;               ///< of the network's input or output, or its removal would
                                    ///< change other channels
};

struct ChannelMap {
  std::vector<ChannelGroup> groups;
  /// By activation tensor: index into `groups` of every channel; of every element for vectors.
  std::map<std::string, std::vector<size_t>> group_of;
};

/// A convolution whose output channels each read one input channel.
bool is_depthwise(const graph::Graph& graph, const graph::Node& node);

/// Needs inferred shapes. Convolutions in several groups couple the channels at the same place of
/// every group, so that the groups stay equally large.
ChannelMap find_channel_groups(const graph::Graph& graph);

/// The network without the groups for which `removed` is true. It computes what `graph` would with
/// those channels set to zero wherever they appear. Throws std::runtime_error if a group is fixed,
/// a tensor would lose all its channels, or the network is quantised.
graph::Graph remove_channels(const graph::Graph& graph, const ChannelMap& map,
                             const std::vector<bool>& removed);

}  // namespace tessera::compress
