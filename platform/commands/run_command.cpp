#include <fstream>
#include <iostream>
#include <optional>

#include "array_choice.hpp"
#include "chip/chip.hpp"
#include "command.hpp"
#include "core/signature.hpp"
#include "data/dataset.hpp"
#include "deploy/image.hpp"
#include "firmware_file.hpp"
#include "image_run.hpp"
#include "json_text.hpp"
#include "run_report.hpp"

namespace tessera::platform {
namespace {

constexpr uint64_t kDefaultMaxCycles = 10'000'000'000;

common::TimingMode timing_of(const std::string& name) {
  if (name == "at") return common::TimingMode::kApproximatelyTimed;
  if (name == "lt") return common::TimingMode::kLooselyTimed;
  throw UsageError("--timing must be at or lt, got " + name);
}

CoreKind core_of(const std::string& name) {
  if (name == "iss") return CoreKind::kIss;
  if (name == "native") return CoreKind::kNative;
  throw UsageError("--core must be iss or native, got " + name);
}

int run_elf(const Arguments& args, const chip::Chip& chip, const SocOptions& soc,
            const ArrayChoice& array, uint64_t max_cycles) {
  if (soc.core == CoreKind::kNative) throw UsageError("--elf needs --core iss");
  const core::Elf elf = core::Elf::read(args.text("elf"));
  Session session(chip, soc, &elf);
  session.set_uart_sink([](char c) { std::cout.put(c).flush(); });
  const Outcome outcome = session.run(max_cycles);
  if (array.diverged()) throw RunFailed(array.explain_divergence());
  array.require_no_fault();
  if (args.has("signature") && outcome.finished) {
    const auto read = [&](uint32_t address, void* data, uint32_t bytes) {
      return session.soc().iss()->debug_read(address, data, bytes) == bytes;
    };
    const std::string text = core::signature_text(elf, read);
    deploy::write_file(args.text("signature"), text.data(), text.size());
  }
  if (args.has("json")) {
    boost::json::object o;
    o["schema"] = "tessera-elf";
    o["schema_version"] = 1;
    o["finished"] = outcome.finished;
    o["exit_code"] = outcome.exit_code;
    o["total_cycles"] = outcome.cycles;
    o["host_instructions"] = session.soc().iss()->instructions_retired();
    o["simulation_seconds"] = outcome.wall_seconds;
    const std::string text = json_text(o);
    deploy::write_file(args.text("json"), text.data(), text.size());
  }
  if (!outcome.finished || outcome.exit_code != 0) throw RunFailed(session.explain(outcome));
  return kExitGood;
}

/// run_image, in whose failure a difference between RTL and model comes first.
ImageRunResult run_checked(const chip::Chip& chip, const deploy::Image& image,
                           const data::Dataset& images, const core::Elf* firmware,
                           const ImageRunOptions& options, const ArrayChoice& array) {
  try {
    return run_image(chip, image, images, firmware, options);
  } catch (const RunFailed& e) {
    if (!array.diverged()) throw;
    throw RunFailed(array.explain_divergence() + "\nthe chip then: " + e.what());
  }
}

int run_network(const Arguments& args, const chip::Chip& chip, const SocOptions& soc,
                const ArrayChoice& array, uint64_t max_cycles) {
  if (soc.core == CoreKind::kNative && args.has("firmware")) {
    throw UsageError("--firmware needs --core iss: the native core runs what it is built with");
  }
  const auto image = deploy::Image::read(args.text("image"));
  image.require_chip(chip::fingerprint(chip), chip.name);
  const abi::IoTensor& in = image.input();
  const data::ImageShape expected{in.channels, in.height, in.width};
  const data::Dataset all = data::open_dataset(args.text("data"), data::Split::kTest, expected);
  const uint64_t count = args.get<uint64_t>("count");
  if (count == 0 || count > static_cast<uint64_t>(all.count)) {
    throw UsageError("--count must be 1.." + std::to_string(all.count) + ", got " +
                     std::to_string(count));
  }

  std::optional<core::Elf> firmware;
  if (soc.core == CoreKind::kIss) {
    firmware = core::Elf::read(args.has("firmware") ? args.text("firmware") : find_firmware());
  }

  ImageRunOptions options;
  options.soc = soc;
  options.max_cycles = max_cycles;
  options.check = !args.has("no-check");
  options.uart_sink = [](char c) { std::cerr.put(c); };
  const ImageRunResult result =
      run_checked(chip, image, data::slice(all, 0, static_cast<int64_t>(count)),
                  firmware ? &*firmware : nullptr, options, array);

  array.require_no_fault();
  const RunSetup setup{args.text("array"), args.text("core"), args.text("timing"),
                       soc.quantum_instructions, array.compared()};
  std::cout << run_text(result, setup);
  if (args.has("json")) {
    const std::string text = json_text(run_report(result, setup));
    deploy::write_file(args.text("json"), text.data(), text.size());
  }
  return result.mismatches == 0 ? kExitGood : kExitFailed;
}

}  // namespace

int run_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("run IMAGE.timg [options]   or   run --elf PROGRAM [options]", "image");
  const auto text = [] { return po::value<std::string>(); };
  args.options().add_options()("chip", text()->default_value("reference"), "chip file or name")(
      "data", text()->default_value(""), "data set: a folder, or a name (fashion-mnist, noise)")(
      "count", po::value<uint64_t>()->default_value(10), "images of the test split to run")(
      "array", text()->default_value("model"),
      "the PE array: model; rtl: Verilated; lockstep: both, compared tile by tile")(
      "inject", text(), "with lockstep: flip a bit in the RTL (see cosim --help)")(
      "divergence", text()->default_value("divergence"),
      "where lockstep writes a difference: this name with .replay.json and .fst")(
      "core", text()->default_value("iss"),
      "iss: the ELF on the instruction-set simulator; native: the same source on the host")(
      "timing", text()->default_value("at"),
      "at: four-phase transactions with contention; lt: annotated delays")(
      "quantum", po::value<uint64_t>()->default_value(1000),
      "instructions the core may run ahead of the system")(
      "max-cycles", po::value<uint64_t>()->default_value(kDefaultMaxCycles),
      "end a run that has not ended by then")("firmware", text(), "another firmware ELF")(
      "no-check", "do not compare the outputs with the integer reference")(
      "json", text(), "write the report to this file")(
      "elf", text(), "run this bare-metal program instead of an image")(
      "signature", text(), "with --elf: write begin_signature..end_signature to this file");
  if (!args.parse(arguments)) return kExitGood;
  if (args.has("image") == args.has("elf")) throw UsageError("name an image, or --elf PROGRAM");
  if (args.has("signature") && !args.has("elf")) throw UsageError("--signature needs --elf");

  const ArrayChoice array(args.text("array"), args.text("inject"), args.text("divergence"));
  SocOptions soc;
  soc.make_array = array.factory();
  soc.timing = timing_of(args.text("timing"));
  soc.core = core_of(args.text("core"));
  soc.quantum_instructions = args.get<uint64_t>("quantum");
  if (soc.quantum_instructions == 0) throw UsageError("--quantum must be at least 1");
  const uint64_t max_cycles = args.get<uint64_t>("max-cycles");
  if (max_cycles == 0) throw UsageError("--max-cycles must be at least 1");
  const chip::Chip chip = chip::load_chip(args.text("chip"));
  return args.has("elf") ? run_elf(args, chip, soc, array, max_cycles)
                         : run_network(args, chip, soc, array, max_cycles);
}

}  // namespace tessera::platform
