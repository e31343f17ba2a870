#include <cstdio>
#include <sstream>

#include "command.hpp"
#include "deploy/image.hpp"
#include "json_text.hpp"
#ifdef TESSERA_HAS_RTL
#include "pe/mode.hpp"
#include "rtl/pe_cosim.hpp"
#endif

namespace tessera::platform {

#ifdef TESSERA_HAS_RTL

namespace {

boost::json::object to_json(const rtl::PeCosimResult& r) {
  boost::json::object o;
  o["schema"] = "tessera-cosim";
  o["schema_version"] = 1;
  o["unit"] = r.unit;
  o["seed"] = r.seed;
  o["modes"] = boost::json::array(r.modes.begin(), r.modes.end());
  o["vectors"] = r.vectors;
  o["cycles"] = r.cycles;
  o["value_mismatches"] = r.value_mismatches;
  o["cycle_mismatches"] = r.cycle_mismatches;
  o["coverage_percent"] = r.coverage_percent;
  o["coverage_bins"] = r.coverage_bins;
  o["coverage_holes"] = boost::json::array(r.holes.begin(), r.holes.end());
  o["differences"] = boost::json::array(r.differences.begin(), r.differences.end());
  o["injected_vector"] =
      r.injected_vector ? boost::json::value(*r.injected_vector) : boost::json::value(nullptr);
  return o;
}

std::vector<abi::PeMode> parse_modes(const std::string& list) {
  std::vector<abi::PeMode> modes;
  std::istringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) {
    const auto named = pe::modes_named(name);
    modes.insert(modes.end(), named.begin(), named.end());
  }
  return modes;
}

}  // namespace

int cosim_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("cosim [--unit pe] [options]", "");
  args.options().add_options()("unit", po::value<std::string>()->default_value("pe"),
                               "what to check: pe")(
      "modes", po::value<std::string>(), "comma-separated, such as a8w8u,a4p4s; default all")(
      "count", po::value<uint64_t>()->default_value(1000), "random vectors a mode")(
      "seed", po::value<uint64_t>()->default_value(1), "of the random vectors")(
      "inject", po::value<std::string>(),
      "flip a bit in the RTL: a:BIT@VECTOR, w:BIT@VECTOR or acc:BIT@VECTOR")(
      "json", po::value<std::string>(), "write the report to this file");
  if (!args.parse(arguments)) return kExitGood;
  if (args.text("unit") != "pe") throw UsageError("--unit must be pe, got " + args.text("unit"));

  rtl::PeCosimOptions options;
  if (args.has("modes")) options.modes = parse_modes(args.text("modes"));
  options.count = args.get<uint64_t>("count");
  options.seed = args.get<uint64_t>("seed");
  if (args.has("inject")) options.inject = rtl::parse_pe_fault(args.text("inject"));
  const rtl::PeCosimResult r = rtl::run_pe_cosim(options);

  std::printf(
      "PE: %zu modes, %llu vectors, %llu cycles compared: %llu value and %llu cycle "
      "differences, coverage %.1f %% of %d bins\n",
      r.modes.size(), static_cast<unsigned long long>(r.vectors),
      static_cast<unsigned long long>(r.cycles),
      static_cast<unsigned long long>(r.value_mismatches),
      static_cast<unsigned long long>(r.cycle_mismatches), r.coverage_percent, r.coverage_bins);
  for (const std::string& d : r.differences) std::printf("difference: %s\n", d.c_str());
  for (const std::string& h : r.holes) std::printf("not covered: %s\n", h.c_str());
  if (args.has("json")) {
    const std::string text = json_text(to_json(r));
    deploy::write_file(args.text("json"), text.data(), text.size());
  }
  return r.passed() ? kExitGood : kExitFailed;
}

#else

int cosim_command(const std::vector<std::string>&) {
  throw UsageError("this build has no RTL: configure with TESSERA_RTL=ON");
}

#endif

}  // namespace tessera::platform
