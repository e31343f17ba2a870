#include "fuzz/network/trial.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include "data/dataset.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "fuzz/network/random_graph.hpp"
#include "graph/integer_network.hpp"
#include "platform/image_run.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::fuzz {
namespace {

constexpr int64_t kImages = 2;
constexpr uint64_t kMaxCycles = 200'000'000;
constexpr rlim_t kMaxSeconds = 60;  // of processor time; a network takes a fraction of one

/// Random images, each labelled with the class that the reference finds, so that the firmware's
/// own argmax shows in the accuracy.
data::Dataset random_dataset(const graph::Graph& graph, uint64_t seed) {
  Random random(seed);
  const graph::IntegerNetwork net = graph::lower(graph);
  const reference::IntegerEngine engine(net);
  const auto& input = net.tensors[static_cast<size_t>(net.input)];
  data::Dataset dataset;
  dataset.source = "random";
  dataset.count = kImages;
  dataset.channels = input.channels;
  dataset.height = input.height;
  dataset.width = input.width;
  for (int64_t i = 0; i < kImages; ++i) {
    const auto image = random_image(graph, random);
    dataset.images.insert(dataset.images.end(), image.begin(), image.end());
    const auto logits = engine.run(graph::quantize_input(net, image.data()));
    dataset.labels.push_back(
        static_cast<uint8_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  dataset.classes = kLargestOutput;
  return dataset;
}

Outcome run_deployed(const Platform& where, const graph::Graph& graph, uint64_t seed,
                     const std::vector<uint8_t>& bytes, const chip::Chip& chip) {
  const auto image = deploy::Image::parse(bytes, "fuzz");
  std::unique_ptr<core::Elf> firmware;
  if (where.core == platform::CoreKind::kIss) {
    firmware = std::make_unique<core::Elf>(core::Elf::read(TESSERA_FIRMWARE_ELF));
  }
  platform::ImageRunOptions options;
  options.soc.core = where.core;
  options.soc.timing = where.timing;
  options.max_cycles = kMaxCycles;
  const auto result =
      platform::run_image(chip, image, random_dataset(graph, seed), firmware.get(), options);
  if (!result.checked || result.images != kImages) return {Verdict::kBroken, "nothing was checked"};
  if (result.mismatches != 0) {
    const bool in_outputs = result.first_mismatch.find(", output ") != std::string::npos;
    return {in_outputs ? Verdict::kDifferent : Verdict::kOtherClass, result.first_mismatch};
  }
  if (result.correct != result.images) {
    return {Verdict::kOtherClass, "the firmware's class is not the reference's"};
  }
  return {Verdict::kEqual, ""};
}

/// The chip with a 2x4 array and the smallest scratchpads that the network fits, or the largest
/// tried.
chip::Chip tightest(chip::Chip chip, const graph::Graph& graph) {
  chip.name = "tight";
  chip.npu.rows = 2;
  chip.npu.columns = 4;
  chip::Scratchpads& s = chip.npu.scratchpads;
  for (uint32_t bytes = 1024; bytes <= 1 << 20; bytes *= 2) {
    s.activation_bytes = s.weight_bytes = bytes;
    s.output_bytes = s.parameter_bytes = bytes / 4;
    try {
      deploy::deploy(graph, chip);
      break;
    } catch (const std::runtime_error&) {
    }
  }
  return chip;
}

/// Only the deployer may refuse.
Outcome deploy_and_run(const Platform& where, const graph::Graph& graph, uint64_t seed) {
  const chip::Chip chip = where.is_tight ? tightest(where.chip, graph) : where.chip;
  std::vector<uint8_t> image;
  try {
    deploy::DeployOptions options;
    options.coding = seed % 3 == 0 ? deploy::Coding::kEverywhere : deploy::Coding::kWhereItPays;
    image = deploy::deploy(graph, chip, options).image;
  } catch (const std::runtime_error& error) {
    return {Verdict::kRefused, error.what()};
  }
  return run_deployed(where, graph, seed, image, chip);
}

[[noreturn]] void be_child(int pipe, const Platform& where, const graph::Graph& graph,
                           uint64_t seed) {
  const rlimit limit{kMaxSeconds, kMaxSeconds};
  setrlimit(RLIMIT_CPU, &limit);
  Outcome outcome;
  try {
    outcome = deploy_and_run(where, graph, seed);
  } catch (const std::exception& error) {
    outcome.message = error.what();
  }
  const std::string text = std::to_string(static_cast<int>(outcome.verdict)) + outcome.message;
  const bool written = write(pipe, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  _exit(written ? 0 : 1);
}

std::string read_all(int pipe) {
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = read(pipe, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

}  // namespace

std::string describe(const Platform& where) {
  return where.chip.name + (where.core == platform::CoreKind::kIss ? ", iss" : ", native") +
         (where.timing == common::TimingMode::kLooselyTimed ? ", lt" : ", at") +
         (where.is_tight ? ", tight" : "");
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kEqual:
      return "equal";
    case Verdict::kRefused:
      return "refused";
    case Verdict::kDifferent:
      return "different";
    case Verdict::kOtherClass:
      return "of another class";
    case Verdict::kBroken:
      return "broken";
  }
  return "?";
}

Outcome try_on(const Platform& where, const graph::Graph& graph, uint64_t seed) {
  int pipes[2];
  if (pipe(pipes) != 0) throw std::runtime_error("no pipe");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) be_child(pipes[1], where, graph, seed);
  close(pipes[1]);
  const std::string text = read_all(pipes[0]);
  close(pipes[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  if (WIFSIGNALED(status)) {
    return {Verdict::kBroken, "ended by signal " + std::to_string(WTERMSIG(status))};
  }
  if (text.empty()) {
    return {Verdict::kBroken, "ended with status " + std::to_string(WEXITSTATUS(status))};
  }
  return {static_cast<Verdict>(text[0] - '0'), text.substr(1)};
}

}  // namespace tessera::fuzz
