#pragma once

/// Which backend computes behind the NPU's array interface: `--array model|rtl|lockstep`.

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>

#include "npu/array.hpp"

namespace tessera::platform {

class ArrayChoice {
 public:
  /// Throws UsageError for an unknown name, a fault without lockstep, or a build without RTL.
  /// `fault` is empty or what rtl::parse_array_fault reads. A difference that lockstep finds is
  /// written to `divergence_prefix`.replay.json and .fst.
  ArrayChoice(const std::string& name, const std::string& fault, std::string divergence_prefix);
  ~ArrayChoice();

  /// For SocOptions. What it makes may outlive the choice. Throws rtl::ArrayError if the RTL was
  /// not compiled for such an array.
  std::function<std::unique_ptr<npu::ArrayBackend>(uint32_t rows, uint32_t columns)> factory()
      const;

  /// Whether lockstep has found a difference, which stops the simulation.
  bool diverged() const;

  /// Writes replay file and waveforms; returns what differed and where they are, in words.
  std::string explain_divergence() const;

  /// After a run without a difference: throws RunFailed if there was a fault that should have made
  /// one.
  void require_no_fault() const;

  /// {"runs", "tiles", "values", "cycles"} that lockstep compared; null if it was not lockstep.
  boost::json::value compared() const;

 private:
  struct State;

  std::string name_;
  std::string divergence_prefix_;
  std::shared_ptr<State> state_;
};

}  // namespace tessera::platform
