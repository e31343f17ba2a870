#include <cstdio>
#include <sstream>
#include <tuple>

#include "command.hpp"
#include "deploy/image.hpp"
#include "json_text.hpp"
#include "progress.hpp"
#ifdef TESSERA_HAS_RTL
#include "pe/mode.hpp"
#include "rtl/array_cosim.hpp"
#include "rtl/array_vectors.hpp"
#include "rtl/decoder_cosim.hpp"
#include "rtl/pe_cosim.hpp"
#include "rtl/replay.hpp"
#endif

namespace tessera::platform {

#ifdef TESSERA_HAS_RTL

namespace {

constexpr uint64_t kDefaultVectors = 1000;
constexpr uint64_t kDefaultTiles = 10'000;
constexpr uint64_t kDefaultVectorTiles = 40;
constexpr uint64_t kDefaultStreams = 20'000;

/// Holes printed of each kind; the report has all.
constexpr std::size_t kPrintedHoles = 50;

using Count = unsigned long long;

boost::json::array to_json(const std::vector<std::string>& texts) {
  return boost::json::array(texts.begin(), texts.end());
}

boost::json::object to_json(const rtl::PeCosimResult& r) {
  boost::json::object o;
  o["schema"] = "tessera-cosim";
  o["schema_version"] = 1;
  o["unit"] = r.unit;
  o["seed"] = r.seed;
  o["modes"] = to_json(r.modes);
  o["vectors"] = r.vectors;
  o["cycles"] = r.cycles;
  o["value_mismatches"] = r.value_mismatches;
  o["cycle_mismatches"] = r.cycle_mismatches;
  o["coverage_percent"] = r.coverage_percent;
  o["coverage_bins"] = r.coverage_bins;
  o["coverage_holes"] = to_json(r.holes);
  o["differences"] = to_json(r.differences);
  o["injected_vector"] =
      r.injected_vector ? boost::json::value(*r.injected_vector) : boost::json::value(nullptr);
  return o;
}

boost::json::object to_json(const rtl::DecoderCosimResult& r) {
  boost::json::object o;
  o["schema"] = "tessera-cosim";
  o["schema_version"] = 1;
  o["unit"] = "decoder";
  o["lanes"] = r.lanes;
  o["beat_words"] = r.beat_words;
  o["seed"] = r.seed;
  o["streams"] = r.streams;
  o["bytes"] = r.bytes;
  o["cycles"] = r.cycles;
  o["exact_cycles"] = r.exact_cycles;
  o["value_mismatches"] = r.value_mismatches;
  o["cycle_mismatches"] = r.cycle_mismatches;
  o["coverage_percent"] = r.coverage_percent;
  o["coverage_bins"] = r.coverage_bins;
  o["coverage_holes"] = to_json(r.holes);
  o["differences"] = to_json(r.differences);
  o["fault_struck"] = r.fault_struck;
  return o;
}

boost::json::object to_json(const rtl::RtlCoverage& coverage) {
  boost::json::object o;
  o["line_points"] = coverage.line_points();
  o["line_hits"] = coverage.line_hits();
  o["toggle_points"] = coverage.toggle_points();
  o["toggle_hits"] = coverage.toggle_hits();
  boost::json::array modules;
  for (const rtl::ModuleCoverage& m : coverage.modules) {
    modules.push_back(boost::json::object{{"module", m.module},
                                          {"line_points", m.line_points},
                                          {"line_hits", m.line_hits},
                                          {"toggle_points", m.toggle_points},
                                          {"toggle_hits", m.toggle_hits}});
  }
  o["modules"] = std::move(modules);
  o["line_holes"] = to_json(coverage.line_holes);
  o["toggle_holes"] = to_json(coverage.toggle_holes);
  return o;
}

const char* name_of(rtl::FaultEffect effect) {
  switch (effect) {
    case rtl::FaultEffect::kNone:
      return "none";
    case rtl::FaultEffect::kFound:
      return "found";
    case rtl::FaultEffect::kNoEffect:
      return "no effect";
    case rtl::FaultEffect::kNotStruck:
      return "not struck";
  }
  return "unknown";
}

boost::json::object to_json(const rtl::ArrayCosimResult& r) {
  boost::json::object o;
  o["schema"] = "tessera-cosim";
  o["schema_version"] = 1;
  o["unit"] = "array";
  o["rows"] = r.rows;
  o["columns"] = r.columns;
  o["seed"] = r.seed;
  o["modes"] = to_json(r.modes);
  o["tiles"] = r.tiles;
  o["runs"] = r.runs;
  o["vectors"] = r.vectors;
  o["values"] = r.values;
  o["cycles"] = r.cycles;
  o["exact_cycles"] = r.exact_cycles;
  o["value_mismatches"] = r.value_mismatches;
  o["cycle_mismatches"] = r.cycle_mismatches;
  o["coverage_percent"] = r.coverage_percent;
  o["coverage_bins"] = r.coverage_bins;
  o["coverage_holes"] = to_json(r.holes);
  o["differences"] = to_json(r.differences);
  o["injected_fault"] =
      r.fault ? boost::json::value(rtl::to_string(*r.fault)) : boost::json::value(nullptr);
  o["fault_effect"] = name_of(r.fault_effect);
  o["rtl_coverage"] =
      r.rtl_coverage ? boost::json::value(to_json(*r.rtl_coverage)) : boost::json::value(nullptr);
  return o;
}

std::vector<abi::PeMode> modes_of(const Arguments& args) {
  std::vector<abi::PeMode> modes;
  std::istringstream stream(args.text("modes"));
  for (std::string name; std::getline(stream, name, ',');) {
    const auto named = pe::modes_named(name);
    modes.insert(modes.end(), named.begin(), named.end());
  }
  return modes;
}

uint64_t count_of(const Arguments& args, uint64_t otherwise) {
  return args.has("count") ? args.get<uint64_t>("count") : otherwise;
}

/// --size, "ROWSxCOLUMNS".
std::pair<uint32_t, uint32_t> size_of(const Arguments& args, const std::string& otherwise) {
  const std::string text = args.has("size") ? args.text("size") : otherwise;
  unsigned rows = 0;
  unsigned columns = 0;
  int used = 0;
  const int read = std::sscanf(text.c_str(), "%4ux%4u%n", &rows, &columns, &used);
  if (read != 2 || static_cast<std::size_t>(used) != text.size()) {
    throw UsageError("--size must be ROWSxCOLUMNS (decoder: LANESxWORDS), such as 4x8, got " +
                     text);
  }
  return {rows, columns};
}

void write_report(const Arguments& args, const boost::json::object& report) {
  if (!args.has("json")) return;
  const std::string text = json_text(report);
  deploy::write_file(args.text("json"), text.data(), text.size());
}

void print_some(const char* what, const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < texts.size() && i < kPrintedHoles; ++i) {
    std::printf("%s: %s\n", what, texts[i].c_str());
  }
  if (texts.size() > kPrintedHoles) {
    std::printf("%s: and %zu more, all of them in the report (--json)\n", what,
                texts.size() - kPrintedHoles);
  }
}

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_rtl_coverage(const rtl::RtlCoverage& coverage) {
  const auto row = [](const char* name, uint64_t line_hits, uint64_t lines, uint64_t toggle_hits,
                      uint64_t toggles) {
    std::printf("  %-22s lines %5llu of %5llu (%5.1f %%), toggles %6llu of %6llu (%5.1f %%)\n",
                name, static_cast<Count>(line_hits), static_cast<Count>(lines),
                percent(line_hits, lines), static_cast<Count>(toggle_hits),
                static_cast<Count>(toggles), percent(toggle_hits, toggles));
  };
  std::printf("RTL coverage:\n");
  for (const rtl::ModuleCoverage& m : coverage.modules) {
    row(m.module.c_str(), m.line_hits, m.line_points, m.toggle_hits, m.toggle_points);
  }
  row("all", coverage.line_hits(), coverage.line_points(), coverage.toggle_hits(),
      coverage.toggle_points());
  print_some("not reached", coverage.line_holes);
  print_some("never moved", coverage.toggle_holes);
}

int cosim_pe(const Arguments& args) {
  for (const char* option : {"size", "rtl-coverage", "export-vectors"}) {
    if (args.has(option)) throw UsageError(std::string("--") + option + " needs --unit array");
  }
  rtl::PeCosimOptions options;
  options.modes = modes_of(args);
  options.count = count_of(args, kDefaultVectors);
  options.seed = args.get<uint64_t>("seed");
  if (args.has("inject")) options.inject = rtl::parse_pe_fault(args.text("inject"));
  const rtl::PeCosimResult r = rtl::run_pe_cosim(options);

  std::printf(
      "PE: %zu modes, %llu vectors, %llu cycles compared: %llu value and %llu cycle "
      "differences, coverage %.1f %% of %d bins\n",
      r.modes.size(), static_cast<Count>(r.vectors), static_cast<Count>(r.cycles),
      static_cast<Count>(r.value_mismatches), static_cast<Count>(r.cycle_mismatches),
      r.coverage_percent, r.coverage_bins);
  for (const std::string& d : r.differences) std::printf("difference: %s\n", d.c_str());
  for (const std::string& h : r.holes) std::printf("not covered: %s\n", h.c_str());
  write_report(args, to_json(r));
  return r.passed() ? kExitGood : kExitFailed;
}

/// Looks closer at the first difference, by a replay of its RUN alone.
void explain(const rtl::ArrayCosimResult& r, const std::string& prefix) {
  const std::string replay_path = prefix + ".replay.json";
  const std::string waveform_path = prefix + ".fst";
  rtl::write_stored_run(*r.diverged_run, replay_path);
  const rtl::ReplayResult replay = rtl::replay(*r.diverged_run, waveform_path);
  if (!replay.divergence) {
    std::printf("the RUN alone (%s) does not differ: it takes what went before to see it\n",
                replay_path.c_str());
    return;
  }
  std::printf("the first one, alone: %s\n", rtl::text_of(replay).c_str());
  std::printf("to see it again: tessera cosim --replay %s; waveforms: %s\n", replay_path.c_str(),
              waveform_path.c_str());
}

int cosim_array(const Arguments& args) {
  rtl::ArrayCosimOptions options;
  options.rtl_coverage = args.has("rtl-coverage");
  std::tie(options.rows, options.columns) = size_of(args, options.rtl_coverage ? "2x4" : "4x8");
  options.modes = modes_of(args);
  options.tiles = count_of(args, kDefaultTiles);
  options.seed = args.get<uint64_t>("seed");
  if (args.has("inject")) options.inject = rtl::parse_array_fault(args.text("inject"));
  rtl::ArrayCosimResult r;
  {
    Progress progress;
    options.on_progress = [&](double fraction) { progress.show("co-simulation", fraction); };
    r = rtl::run_array_cosim(options);
  }

  std::printf(
      "array %ux%u: %zu modes, %llu tiles in %llu RUNs, %llu values and %llu cycles compared: RTL "
      "and model differ in values in %llu and in cycles in %llu RUNs, coverage %.1f %% of %d "
      "bins\n",
      r.rows, r.columns, r.modes.size(), static_cast<Count>(r.tiles), static_cast<Count>(r.runs),
      static_cast<Count>(r.values), static_cast<Count>(r.cycles),
      static_cast<Count>(r.value_mismatches), static_cast<Count>(r.cycle_mismatches),
      r.coverage_percent, r.coverage_bins);
  if (r.fault) {
    std::printf("fault %s: %s\n", rtl::to_string(*r.fault).c_str(), name_of(r.fault_effect));
  }
  for (const std::string& d : r.differences) std::printf("difference: %s\n", d.c_str());
  if (r.first) explain(r, args.text("divergence"));
  print_some("not covered", r.holes);
  if (r.rtl_coverage) print_rtl_coverage(*r.rtl_coverage);
  write_report(args, to_json(r));
  return r.passed() ? kExitGood : kExitFailed;
}

int cosim_decoder(const Arguments& args) {
  for (const char* option : {"modes", "rtl-coverage", "export-vectors"}) {
    if (args.has(option)) throw UsageError(std::string("--") + option + " needs --unit array");
  }
  rtl::DecoderCosimOptions options;
  std::tie(options.lanes, options.beat_words) = size_of(args, "16x4");
  options.count = count_of(args, kDefaultStreams);
  options.seed = args.get<uint64_t>("seed");
  if (args.has("inject")) {
    options.inject =
        rtl::parse_decoder_fault(args.text("inject"), options.lanes, options.beat_words);
  }
  const rtl::DecoderCosimResult r = rtl::run_decoder_cosim(options);

  std::printf(
      "decoder %ux%u: %llu streams, %llu bytes and %llu cycles compared: RTL and model differ in "
      "values in %llu and in cycles in %llu streams, coverage %.1f %% of %d bins\n",
      r.lanes, r.beat_words, static_cast<Count>(r.streams), static_cast<Count>(r.bytes),
      static_cast<Count>(r.cycles), static_cast<Count>(r.value_mismatches),
      static_cast<Count>(r.cycle_mismatches), r.coverage_percent, r.coverage_bins);
  for (const std::string& d : r.differences) std::printf("difference: %s\n", d.c_str());
  print_some("not covered", r.holes);
  write_report(args, to_json(r));
  // A fault that changes nothing is no success.
  return r.passed() && !options.inject ? kExitGood : kExitFailed;
}

int export_vectors(const Arguments& args) {
  for (const char* option : {"inject", "rtl-coverage", "json"}) {
    if (args.has(option)) {
      throw UsageError(std::string("--export-vectors goes without --") + option);
    }
  }
  rtl::VectorOptions options;
  std::tie(options.rows, options.columns) = size_of(args, "2x4");
  options.modes = modes_of(args);
  options.tiles = count_of(args, kDefaultVectorTiles);
  options.seed = args.get<uint64_t>("seed");
  const std::string folder = args.text("export-vectors");
  const rtl::VectorSummary s = rtl::export_vectors(options, folder);
  std::printf(
      "%s: %llu RUNs of %llu tiles, %llu steps and %llu columns of results on %ux%u PEs\n"
      "to run them with Icarus Verilog: %s/run.sh\n",
      folder.c_str(), static_cast<Count>(s.runs), static_cast<Count>(s.tiles),
      static_cast<Count>(s.steps), static_cast<Count>(s.columns), options.rows, options.columns,
      folder.c_str());
  return kExitGood;
}

int replay_file(const Arguments& args) {
  for (const char* option :
       {"size", "modes", "count", "inject", "rtl-coverage", "export-vectors", "json"}) {
    if (args.has(option)) throw UsageError(std::string("--replay goes without --") + option);
  }
  const rtl::StoredRun run = rtl::read_stored_run(args.text("replay"));
  const std::string waveform_path = args.text("divergence") + ".fst";
  const rtl::ReplayResult result = rtl::replay(run, waveform_path);
  std::printf("%s: %llu tiles, %llu cycles, of %llu that the model takes\n%s\n", run.name().c_str(),
              static_cast<Count>(result.tiles), static_cast<Count>(result.cycles),
              static_cast<Count>(result.expected_cycles), rtl::text_of(result).c_str());
  if (!result.divergence) return kExitGood;
  std::printf("waveforms: %s\n", waveform_path.c_str());
  return kExitFailed;
}

}  // namespace

int cosim_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("cosim [--unit pe|array|decoder] [options]   or   cosim --replay FILE", "");
  const auto text = [] { return po::value<std::string>(); };
  args.options().add_options()("unit", text()->default_value("pe"),
                               "what to check: pe, array or decoder")(
      "modes", text(), "comma-separated, such as a8w8u,a4p4s; default all")(
      "count", po::value<uint64_t>(),
      "random vectors a mode (default 1000), tiles of the array (10000; 40 to export), or "
      "streams of the decoder (20000)")("seed", po::value<uint64_t>()->default_value(1),
                                        "of what is random")(
      "size", text(),
      "array: ROWSxCOLUMNS (default 4x8; 2x4 to export and with --rtl-coverage); decoder: "
      "LANESxWORDS "
      "a beat (default 16x4)")(
      "inject", text(),
      "flip a bit in the RTL. pe: a:BIT@VECTOR, w:BIT@VECTOR or acc:BIT@VECTOR; array: "
      "a:COLUMN,BIT@RUN:CYCLE, w:ROW,BIT@RUN:CYCLE, acc:ROW,COLUMN,BIT@RUN:CYCLE or "
      "NAME,BIT@RUN:CYCLE of a control register; decoder: stream:BIT@STREAM:CYCLE, held:..., "
      "bytes:... or words:...")(
      "divergence", text()->default_value("divergence"),
      "array: where a difference is written: this name with .replay.json and .fst")(
      "replay", text(), "run this replay file alone, in lockstep")(
      "rtl-coverage", "array: line and toggle coverage of the RTL, of 2x4 PEs")(
      "export-vectors", text(), "array: fill this folder with vectors and a Verilog test bench")(
      "json", text(), "write the report to this file");
  if (!args.parse(arguments)) return kExitGood;
  const std::string unit = args.text("unit");
  if (unit != "pe" && unit != "array" && unit != "decoder") {
    throw UsageError("--unit must be pe, array or decoder, got " + unit);
  }
  if (args.has("replay")) return replay_file(args);
  if (unit == "pe") return cosim_pe(args);
  if (unit == "decoder") return cosim_decoder(args);
  return args.has("export-vectors") ? export_vectors(args) : cosim_array(args);
}

#else

int cosim_command(const std::vector<std::string>&) {
  throw UsageError("this build has no RTL: configure with TESSERA_RTL=ON");
}

#endif

}  // namespace tessera::platform
