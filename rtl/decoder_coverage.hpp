#pragma once

/// Functional coverage of a co-simulation of the decoder: named bins, docs/cosim.md lists them.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rtl/decoder_stimulus.hpp"

namespace tessera::rtl {

class DecoderCoverage {
 public:
  DecoderCoverage();

  /// Counts a trial that was drawn by `stimulus` last. `refused`: the decoder let a beat wait.
  void sample(const DecoderTrial& trial, const DecoderStimulus& stimulus, uint32_t lanes,
              bool refused);

  int bins() const { return static_cast<int>(counts_.size()); }
  double percent() const;
  /// Names of the empty bins.
  std::vector<std::string> holes() const;

 private:
  void hit(const std::string& bin) { ++counts_.at(bin); }
  void sample_table(const DecoderTrial& trial, const DecoderStimulus& stimulus);
  void sample_block(const DecoderTrial& trial, const DecoderStimulus& stimulus, uint32_t lanes);

  std::map<std::string, uint64_t> counts_;
  std::string before_ = "reset";  ///< the stream before
};

}  // namespace tessera::rtl
