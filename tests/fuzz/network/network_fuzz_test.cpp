#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "fuzz/network/describe.hpp"
#include "fuzz/network/random_graph.hpp"
#include "fuzz/network/shrink.hpp"
#include "fuzz/network/trial.hpp"

// Random networks from the graph to the logits on modelled chips, held against the integer
// reference. A case is 50 seeds; TESSERA_TEST_SEED=<seed> runs that seed alone, whatever its
// number, and prints its network.

namespace tessera::fuzz {
namespace {

constexpr uint64_t kBatches = 10;
constexpr uint64_t kSeedsPerBatch = 50;
constexpr int kMostRefusedPercent = 4;

/// Both shipped chips, fast; now and then as the user gets them by default, or a tight chip.
std::vector<Platform> platforms_of(uint64_t seed) {
  std::vector<Platform> platforms{{chip::load_chip("reference")}, {chip::load_chip("edge")}};
  if (seed % 10 == 0) {
    platforms.push_back({chip::load_chip(seed % 20 == 0 ? "edge" : "reference"),
                         platform::CoreKind::kIss, common::TimingMode::kApproximatelyTimed});
  }
  if (seed % 4 == 1) {
    platforms.push_back({chip::load_chip("edge")});
    platforms.back().is_tight = true;
  }
  return platforms;
}

/// A refusal without names and numbers: "layer L: its smallest tile needs # bytes .."
std::string kind_of(const std::string& refusal) {
  std::string kind;
  for (size_t i = 0; i < refusal.size(); ++i) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(refusal[i])) != 0;
    if (is_digit && !kind.empty() && kind.back() == '#') continue;
    kind += is_digit ? '#' : refusal[i];
  }
  return kind;
}

bool names_a_node(const std::string& refusal, const graph::Graph& graph) {
  for (const graph::Node& node : graph.nodes) {
    if (refusal.find(node.name) != std::string::npos) return true;
  }
  return false;
}

class NetworkFuzz : public testing::TestWithParam<uint64_t> {
 protected:
  void run(uint64_t seed) {
    const graph::Graph graph = random_graph(seed);
    for (const Platform& where : platforms_of(seed)) {
      const Outcome outcome = try_on(where, graph, seed);
      ++trials_;
      ++verdicts_[name_of(outcome.verdict)];
      if (outcome.verdict == Verdict::kEqual) continue;
      if (outcome.verdict == Verdict::kRefused) {
        ++refusals_[kind_of(outcome.message)];
        EXPECT_TRUE(names_a_node(outcome.message, graph))
            << "seed " << seed << ": " << outcome.message;
      } else {
        report(seed, where, graph, outcome);
      }
    }
  }

  void report(uint64_t seed, const Platform& where, const graph::Graph& graph,
              const Outcome& outcome) {
    const auto same = [&](const graph::Graph& smaller) {
      return try_on(where, smaller, seed).verdict == outcome.verdict;
    };
    const graph::Graph smallest = shrink(graph, same);
    ADD_FAILURE() << "seed " << seed << " on " << describe(where) << ": "
                  << name_of(outcome.verdict) << ": " << outcome.message << "\nwhole "
                  << describe(graph) << "smallest: " << try_on(where, smallest, seed).message
                  << "\n"
                  << describe(smallest) << "rerun with TESSERA_TEST_SEED=" << seed;
  }

  void print_summary(uint64_t first, uint64_t last) const {
    std::printf("seeds %llu..%llu: %d trials", static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(last), trials_);
    for (const auto& [verdict, count] : verdicts_) std::printf(", %d %s", count, verdict.c_str());
    std::printf("\n");
    for (const auto& [kind, count] : refusals_) std::printf("  %3d x %s\n", count, kind.c_str());
  }

  int refused() const {
    const auto found = verdicts_.find(name_of(Verdict::kRefused));
    return found == verdicts_.end() ? 0 : found->second;
  }

  int trials_ = 0;
  std::map<std::string, int> verdicts_;
  std::map<std::string, int> refusals_;
};

TEST_P(NetworkFuzz, networks_compute_what_the_reference_computes) {
  if (const char* text = std::getenv("TESSERA_TEST_SEED")) {
    const uint64_t seed = std::strtoull(text, nullptr, 10);
    if (seed / kSeedsPerBatch % kBatches != GetParam())
      GTEST_SKIP() << "another seed was asked for";
    std::printf("%s", describe(random_graph(seed)).c_str());
    run(seed);
    return print_summary(seed, seed);
  }
  const uint64_t first = GetParam() * kSeedsPerBatch;
  for (uint64_t i = 0; i < kSeedsPerBatch; ++i) run(first + i);
  print_summary(first, first + kSeedsPerBatch - 1);
  EXPECT_GE(trials_, 2 * static_cast<int>(kSeedsPerBatch));
  EXPECT_LE(refused() * 100, trials_ * kMostRefusedPercent);
}

INSTANTIATE_TEST_SUITE_P(Batch, NetworkFuzz, testing::Range<uint64_t>(0, kBatches));

}  // namespace
}  // namespace tessera::fuzz
