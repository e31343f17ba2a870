#include "rtl/pe_cosim.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>

#include "pe/mode.hpp"
#include "rtl/pe_coverage.hpp"
#include "rtl/pe_stimulus.hpp"
#include "rtl/verilated_pe.hpp"

namespace tessera::rtl {
namespace {

constexpr std::size_t kReportedDifferences = 5;

bool same_values(const pe::PeOutputs& a, const pe::PeOutputs& b) {
  return a.accumulator == b.accumulator && a.overflow == b.overflow && a.shadow == b.shadow &&
         a.shadow_overflow == b.shadow_overflow;
}

bool same_strobes(const pe::PeOutputs& a, const pe::PeOutputs& b) {
  return a.accumulator_valid == b.accumulator_valid && a.captured == b.captured;
}

std::ostream& operator<<(std::ostream& out, const pe::OperandWord& word) {
  return out << "0x" << std::hex << std::setfill('0') << std::setw(16) << word.high << std::setw(16)
             << word.low << std::dec;
}

std::ostream& operator<<(std::ostream& out, const pe::PeOutputs& outputs) {
  return out << "accumulator " << outputs.accumulator << (outputs.overflow ? " (overflow)" : "")
             << (outputs.accumulator_valid ? " valid" : "") << ", shadow " << outputs.shadow
             << (outputs.shadow_overflow ? " (overflow)" : "")
             << (outputs.captured ? " captured" : "");
}

/// The modes asked for, each once.
std::vector<abi::PeMode> modes_of(const PeCosimOptions& options) {
  std::vector<abi::PeMode> modes;
  for (const abi::PeMode& mode : options.modes.empty() ? pe::all_modes() : options.modes) {
    pe::check_mode(mode);
    const auto same = [&mode](const abi::PeMode& other) { return pe::same_mode(mode, other); };
    if (std::none_of(modes.begin(), modes.end(), same)) modes.push_back(mode);
  }
  return modes;
}

/// Runs device and model in lockstep, one cycle a call, and keeps the score.
class Lockstep {
 public:
  Lockstep(const PeCosimOptions& options, const std::vector<abi::PeMode>& modes,
           pe::ClockedPe& device)
      : inject_(options.inject), device_(device), coverage_(modes) {
    device_.reset();
    for (Cycle& cycle : pipeline_) cycle.inputs.mode = modes.front();
  }

  void clock(const pe::PeInputs& inputs) {
    const bool overflow_before = expected_.overflow;
    const Cycle retiring = pipeline_.back();
    const pe::PeOutputs got = device_.clock(struck(inputs));
    expected_ = model_.clock(inputs);
    coverage_.sample(inputs);
    const bool overflow_fresh = retiring.inputs.clear || !overflow_before;
    if (retiring.inputs.valid && expected_.overflow && overflow_fresh) {
      coverage_.sample_overflow(retiring.inputs.mode, expected_.accumulator < 0);
    }
    compare(retiring, got);
    for (std::size_t stage = pipeline_.size() - 1; stage > 0; --stage) {
      pipeline_[stage] = pipeline_[stage - 1];
    }
    pipeline_.front() = {inputs, result_.vectors};
    if (inputs.valid) ++result_.vectors;
    ++result_.cycles;
  }

  PeCosimResult finish() {
    result_.coverage_percent = coverage_.percent();
    result_.coverage_bins = coverage_.bins();
    result_.holes = coverage_.holes();
    return result_;
  }

 private:
  struct Cycle {
    pe::PeInputs inputs;
    uint64_t vector = 0;
  };

  /// The inputs as the device sees them. A fault waits for a vector in which it shows: an operand
  /// bit must change the sum, and an accumulator bit must not be cleared at this very edge.
  pe::PeInputs struck(const pe::PeInputs& inputs) {
    if (!inject_ || result_.injected_vector || !inputs.valid || result_.vectors < inject_->vector) {
      return inputs;
    }
    pe::PeInputs faulty = inputs;
    if (inject_->target == PeFault::Target::kAccumulator) {
      if (pipeline_.back().inputs.clear) return inputs;
      device_.flip_accumulator_bit(inject_->bit);
    } else {
      pe::OperandWord& word =
          inject_->target == PeFault::Target::kActivation ? faulty.activations : faulty.weights;
      word = pe::flip_bit(word, inject_->bit);
      const pe::FusedMultiplier multiplier(inputs.mode);
      if (multiplier.multiply(faulty.activations, faulty.weights).sum ==
          multiplier.multiply(inputs.activations, inputs.weights).sum) {
        return inputs;
      }
    }
    result_.injected_vector = result_.vectors;
    return faulty;
  }

  void compare(const Cycle& retiring, const pe::PeOutputs& got) {
    const bool values_agree = same_values(got, expected_);
    const bool strobes_agree = same_strobes(got, expected_);
    if (!values_agree) ++result_.value_mismatches;
    if (!strobes_agree) ++result_.cycle_mismatches;
    if ((values_agree && strobes_agree) || result_.differences.size() >= kReportedDifferences) {
      return;
    }
    const pe::PeInputs& step = retiring.inputs;
    std::ostringstream text;
    text << pe::mode_name(step.mode) << ", cycle " << result_.cycles << ", ";
    if (step.valid) {
      text << "vector " << retiring.vector << (step.clear ? " (clear)" : "") << ": activations "
           << step.activations << ", weights " << step.weights;
    } else {
      text << "no step" << (step.clear ? " (clear)" : "");
    }
    text << "; expected " << expected_ << "; got " << got;
    result_.differences.push_back(text.str());
  }

  std::optional<PeFault> inject_;
  pe::ClockedPe& device_;
  pe::ModelPe model_;
  pe::PeOutputs expected_;
  std::array<Cycle, pe::kLatencyCycles - 1> pipeline_;
  PeCoverage coverage_;
  PeCosimResult result_;
};

}  // namespace

PeCosimResult run_pe_cosim(const PeCosimOptions& options, pe::ClockedPe& device) {
  const std::vector<abi::PeMode> modes = modes_of(options);

  Lockstep lockstep(options, modes, device);
  PeStimulus stimulus(options.seed,
                      [&lockstep](const pe::PeInputs& inputs) { lockstep.clock(inputs); });
  for (const abi::PeMode& mode : modes) {
    stimulus.corner_operands(mode);
    stimulus.control_sequences(mode);
    stimulus.random_stream(mode, options.count);
    if (mode.activation_bits == 16 && mode.weight_bits == 16) stimulus.overflow(mode);
  }
  if (modes.size() > 1) stimulus.mode_changes(modes, options.count);
  stimulus.flush(modes.front());

  PeCosimResult result = lockstep.finish();
  result.seed = options.seed;
  for (const abi::PeMode& mode : modes) result.modes.push_back(pe::mode_name(mode));
  if (options.inject && !result.injected_vector) {
    throw CosimOptionError("the fault changes none of the " + std::to_string(result.vectors) +
                           " vectors; choose an earlier vector, or a bit that these modes use");
  }
  return result;
}

PeCosimResult run_pe_cosim(const PeCosimOptions& options) {
  VerilatedPe device;
  return run_pe_cosim(options, device);
}

}  // namespace tessera::rtl
