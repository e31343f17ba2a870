#include "compress/prune_target.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

#include "compress/allocate.hpp"
#include "compress/compress_report.hpp"
#include "compress/logits_comparison.hpp"
#include "graph/text.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;

constexpr int kParts = 8;
constexpr int kBisections = 40;

/// What one family may become.
struct FamilyChoices {
  FamilyKey key;
  std::vector<FamilySize> sizes;
  std::vector<Choice> choices;  ///< cost: above the cheapest
};

class Search {
 public:
  Search(const Graph& net, const PruneOptions& options, const std::string& file,
         const GraphCost& latency_cycles)
      : net_(net), options_(options), file_(file), map_(find_channel_groups(net)) {
    const PruneGoal goal = options.target->goal;
    if (goal == PruneGoal::kSize) {
      cost_ = parameter_count;
    } else if (goal == PruneGoal::kMacs) {
      cost_ = [](const Graph& graph) { return graph::mac_count(graph); };
    } else {
      cost_ = latency_cycles;
    }
    budget_ = static_cast<int64_t>(static_cast<double>(cost_(net)) / options.target->ratio);
  }

  RemovalPlan run(const Remover& remover, const data::Dataset& train, int threads) {
    list_choices();
    measure(remover, train, threads);
    return best();
  }

 private:
  void list_choices() {
    const auto rules = rules_of_families(net_, map_, options_, file_);
    for (const std::vector<size_t>& family : channel_families(net_, map_)) {
      FamilyChoices entry;
      entry.key = key_of(map_, family);
      const auto rule = rules.find(entry.key);
      for (int part = 0; part < (rule == rules.end() ? kParts : 1); ++part) {
        const double ratio =
            rule == rules.end() ? static_cast<double>(part) / kParts : rule->second->ratio;
        const size_t kept = kept_groups(family.size(), ratio, options_);
        if (!entry.sizes.empty() && entry.sizes.back().kept == kept) continue;
        entry.sizes.push_back({family.size(), kept});
      }
      whole_[entry.key] = {family.size(), family.size()};
      families_.push_back(std::move(entry));
    }
  }

  /// Losses and costs of every choice, the other families being whole.
  void measure(const Remover& remover, const data::Dataset& train, int threads) {
    const Evidence evidence = remover.look_at(net_);
    const LogitsComparison comparison(net_, LogitsLoss::kSquaredError, options_.images, train,
                                      threads);
    for (FamilyChoices& family : families_) {
      for (const FamilySize& size : family.sizes) {
        RemovalPlan plan = whole_;
        plan[family.key] = size;
        const bool nothing_goes = size.kept == size.before;
        const double loss =
            nothing_goes ? 0 : comparison.loss(remover.remove(net_, evidence, plan, 1));
        family.choices.push_back({cost_of(plan), loss});
      }
      const int64_t cheapest =
          std::min_element(family.choices.begin(), family.choices.end(),
                           [](const Choice& a, const Choice& b) { return a.cost < b.cost; })
              ->cost;
      for (Choice& choice : family.choices) choice.cost -= cheapest;
    }
  }

  /// Of the network with as many channels left as planned, whichever they are.
  int64_t cost_of(const RemovalPlan& plan) const {
    std::vector<bool> removed(map_.groups.size(), false);
    for (const std::vector<size_t>& family : channel_families(net_, map_)) {
      const FamilySize size = plan.at(key_of(map_, family));
      for (size_t i = size.kept; i < family.size(); ++i) removed[family[i]] = true;
    }
    return cost_(remove_channels(net_, map_, removed));
  }

  RemovalPlan plan_with(int64_t limit) const {
    std::vector<std::vector<Choice>> choices;
    for (const FamilyChoices& family : families_) choices.push_back(family.choices);
    const Allocation allocation = allocate(choices, limit);
    RemovalPlan plan;
    for (size_t f = 0; f < families_.size(); ++f) {
      plan[families_[f].key] = families_[f].sizes[allocation.chosen[f]];
    }
    return plan;
  }

  RemovalPlan best() const {
    static const char* const kKeys[] = {"size", "macs", "latency"};
    RemovalPlan found = plan_with(0);
    const int64_t least = cost_of(found);
    if (least > budget_) {
      graph::fail(file_, ":", options_.target->line, ": prune.target.",
                  kKeys[static_cast<size_t>(options_.target->goal)], " asks for ", budget_,
                  " at most, the smallest network that pruning can leave costs ", least);
    }
    int64_t low = 0, high = 1;
    for (const FamilyChoices& family : families_) {
      for (const Choice& choice : family.choices) high += choice.cost;
    }
    for (int i = 0; i < kBisections && high - low > 1; ++i) {
      const int64_t middle = low + (high - low) / 2;
      const RemovalPlan plan = plan_with(middle);
      if (cost_of(plan) <= budget_) {
        low = middle;
        found = plan;
      } else {
        high = middle;
      }
    }
    return found;
  }

  const Graph& net_;
  const PruneOptions& options_;
  const std::string& file_;
  ChannelMap map_;
  GraphCost cost_;
  int64_t budget_ = 0;
  std::vector<FamilyChoices> families_;
  RemovalPlan whole_;
};

}  // namespace

RemovalPlan plan_by_target(const Graph& net, const Remover& remover, const PruneOptions& options,
                           const std::string& file, const data::Dataset& train, int threads,
                           const GraphCost& latency_cycles) {
  return Search(net, options, file, latency_cycles).run(remover, train, threads);
}

std::string to_text(const RemovalPlan& plan) {
  std::ostringstream text;
  for (const auto& [key, size] : plan) {
    text << size.before << '\n' << size.kept << '\n' << key.size() << '\n';
    for (const std::string& layer : key) text << layer << '\n';
  }
  return text.str();
}

RemovalPlan parse_removals(const std::string& text) {
  std::istringstream stream(text);
  RemovalPlan plan;
  std::string line;
  const auto number = [&] {
    std::getline(stream, line);
    return static_cast<size_t>(std::stoull(line));
  };
  while (stream.peek() != std::istringstream::traits_type::eof()) {
    FamilySize size;
    size.before = number();
    size.kept = number();
    FamilyKey key(number());
    for (std::string& layer : key) std::getline(stream, layer);
    plan[key] = size;
  }
  return plan;
}

}  // namespace tessera::compress
