#include "rtl/array_cosim.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "pe/mode.hpp"
#include "rtl/pe_fault.hpp"

namespace tessera::rtl {
namespace {

constexpr std::size_t kReportedDifferences = 5;

/// One RUN in so many is drawn freely while there are empty bins.
constexpr uint64_t kFreeDraws = 4;

std::vector<abi::PeMode> modes_of(const ArrayCosimOptions& options) {
  std::vector<abi::PeMode> modes;
  for (const abi::PeMode& mode : options.modes.empty() ? pe::all_modes() : options.modes) {
    pe::check_mode(mode);
    const auto same = [&mode](const abi::PeMode& other) { return pe::same_mode(mode, other); };
    if (std::none_of(modes.begin(), modes.end(), same)) modes.push_back(mode);
  }
  return modes;
}

/// Ends a RUN after some cycles.
class Breaker final : public ArrayObserver {
 public:
  explicit Breaker(uint64_t last_cycle) : last_cycle_(last_cycle) {}
  bool edge(uint64_t cycle, const ArrayOutputs&, const ArrayEvents&) override {
    return cycle < last_cycle_;
  }

 private:
  uint64_t last_cycle_;
};

/// What the instrumented RTL has counted, by way of a file: Verilator writes no other.
RtlCoverage coverage_of(VerilatedArray& device) {
  std::string path = (std::filesystem::temp_directory_path() / "tessera-coverage-XXXXXX").string();
  const int descriptor = mkstemp(path.data());
  if (descriptor < 0) throw ArrayError("cannot write the coverage file " + path);
  close(descriptor);
  struct Remover {
    const std::string& path;
    ~Remover() { std::remove(path.c_str()); }
  } remover{path};
  device.write_coverage(path);
  return read_rtl_coverage(path);
}

/// Runs RTL and model side by side and keeps the score.
class ArrayCosim {
 public:
  ArrayCosim(const ArrayCosimOptions& options, const std::vector<abi::PeMode>& modes)
      : options_(options),
        rtl_(options.rows, options.columns,
             options.rtl_coverage ? ArrayBuild::kCoverage : ArrayBuild::kFast),
        stimulus_(options.rows, options.columns, modes, options.seed),
        coverage_(modes) {
    if (options.inject) rtl_.inject(*options.inject);
  }

  void run() {
    while (result_.tiles < options_.tiles) {
      DrawnRun drawn = draw();
      if (result_.runs == 0 && drawn.before == Before::kRun) drawn.before = Before::kReset;
      prepare(drawn.before);
      compare(drawn);
      if (options_.on_progress) {
        options_.on_progress(static_cast<double>(result_.tiles) /
                             static_cast<double>(options_.tiles));
      }
    }
  }

  ArrayCosimResult finish() {
    result_.coverage_percent = coverage_.percent();
    result_.coverage_bins = coverage_.bins();
    result_.holes = coverage_.holes();
    result_.fault = options_.inject;
    if (options_.inject) {
      result_.fault_effect = !rtl_.fault_struck() ? FaultEffect::kNotStruck
                             : result_.agreed()   ? FaultEffect::kNoEffect
                                                  : FaultEffect::kFound;
    }
    if (options_.rtl_coverage) result_.rtl_coverage = coverage_of(rtl_.device());
    return std::move(result_);
  }

 private:
  DrawnRun draw() {
    const bool freely = stimulus_.below(kFreeDraws) == 0;
    const auto wish = coverage_.wish(stimulus_.below(UINT32_MAX));
    return stimulus_.draw(wish && !freely ? *wish : RunWish());
  }

  /// The RTL draws its stalls from the seed plus the number of RUNs before; a replay has none.
  void set_stalls(const ArrayStalls& stalls) {
    ArrayStalls here = stalls;
    here.seed -= rtl_.runs();
    rtl_.set_stalls(here);
  }

  void prepare(Before before) {
    if (before == Before::kReset) rtl_.device().reset();
    if (before != Before::kBrokenRun) return;
    const StoredRun broken = stimulus_.draw(RunWish()).run;
    const uint64_t cycles = chip::run_cycles(broken.shape, broken.bank_cycles).total;
    Breaker breaker(stimulus_.below(cycles));
    npu::MatrixClient client = broken.client();
    set_stalls(broken.stalls);
    rtl_.set_observer(&breaker);
    rtl_.run(broken.view(), client);
    rtl_.set_observer(nullptr);
  }

  void compare(const DrawnRun& drawn) {
    const StoredRun& run = drawn.run;
    const npu::ArrayRun view = run.view();
    npu::MatrixClient client = run.client();
    const ExpectedRun expected = expected_of(model_, view, client);
    RunChecker checker(view, expected, run.stalls.any(), rtl_.runs());
    set_stalls(run.stalls);
    rtl_.set_observer(&checker);
    const npu::ArrayResult got = rtl_.run(view, client);
    rtl_.set_observer(nullptr);
    checker.end(got, rtl_.stall_cycles());

    ++result_.runs;
    result_.tiles += run.shape.tiles();
    result_.vectors += run.shape.tiles() * run.shape.steps;
    result_.values += 2 * run.shape.channels * run.shape.pixels;
    result_.cycles += got.cycles.total;
    if (!run.stalls.any()) result_.exact_cycles += got.cycles.total;
    if (checker.divergence()) {
      note(*checker.divergence(), run);
    } else {
      coverage_.sample(drawn, expected);
    }
  }

  void note(const Divergence& divergence, const StoredRun& run) {
    ++(divergence.in_time ? result_.cycle_mismatches : result_.value_mismatches);
    if (result_.differences.size() < kReportedDifferences) {
      result_.differences.push_back(divergence.text() + " (" + run.name() + ")");
    }
    if (result_.first) return;
    result_.first = divergence;
    result_.diverged_run = run;
    if (options_.inject && options_.inject->run == divergence.run) {
      result_.diverged_run->fault = options_.inject;
      result_.diverged_run->fault->run = 0;
    }
  }

  const ArrayCosimOptions& options_;
  RtlArray rtl_;
  npu::ModelArray model_;
  ArrayStimulus stimulus_;
  ArrayCoverage coverage_;
  ArrayCosimResult result_;
};

}  // namespace

ArrayCosimResult run_array_cosim(const ArrayCosimOptions& options) {
  if (options.tiles == 0) throw CosimOptionError("an array co-simulation needs at least 1 tile");
  const std::vector<abi::PeMode> modes = modes_of(options);
  ArrayCosim cosim(options, modes);
  cosim.run();
  ArrayCosimResult result = cosim.finish();
  result.rows = options.rows;
  result.columns = options.columns;
  result.seed = options.seed;
  for (const abi::PeMode& mode : modes) result.modes.push_back(pe::mode_name(mode));
  return result;
}

}  // namespace tessera::rtl
