#pragma once

/// Learning which channels stay and how wide each layer's weights are, together with the weights.
///
/// Every channel group has a gate, and so has every step from one width of a layer's weights to the
/// next. Gates are random while they learn and are decided in the end: Louizos et al., Learning
/// sparse neural networks through L0 regularization, 2018; van Baalen et al., Bayesian Bits, 2020.
/// Unlike the latter, the coarser and the finer grid of a step have scales of their own, those that
/// the network is deployed with.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compress/channel_groups.hpp"
#include "compress/fine_tune.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// What is counted against the budget; biases never are.
enum class JointCost : uint8_t {
  kWeightBits,  ///< sum over weights of their width
  kBops         ///< sum over multiplications of weight bits * activation bits
};

struct JointOptions {
  FineTuneOptions training;          ///< of the weights; freeze and keep_zeros are not looked at
  double gate_learning_rate = 0.02;  ///< Adam, constant
  double dual_learning_rate = 0.02;  ///< of the budget's multiplier, times ln(cost / budget)
  JointCost cost = JointCost::kWeightBits;
  double ratio = 8;  ///< cost of the original network in 32 bit over the budget
  std::vector<int> bits = {2, 4, 8, 16};  ///< of weights, ascending
  bool channels = true;                   ///< false: only widths are learned
};

/// What was learned.
struct JointResult {
  ChannelMap map;
  std::vector<bool> removed;               ///< by group of `map`
  std::map<std::string, int> weight_bits;  ///< by convolution and fully connected layer
  double ratio = 0;                        ///< reached by these decisions, as JointOptions::ratio
  double expected_ratio = 0;               ///< by the gates' probabilities, before
  double multiplier = 0;                   ///< of the budget, at the end
};

/// MACs and weights of every convolution and fully connected layer times the bits of its operands
/// (32 and 32 for kBops, 32 for kWeightBits).
double float_cost(const graph::Graph& net, JointCost cost);

}  // namespace tessera::compress
