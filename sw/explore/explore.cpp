#include "explore/explore.hpp"

#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "explore/chip_variants.hpp"
#include "explore/networks.hpp"
#include "explore/pareto.hpp"
#include "explore/results_file.hpp"
#include "reference/parallel.hpp"

namespace tessera::explore {
namespace {

/// A combination of the axes' values as a chip, or why there is none.
struct Variant {
  chip::Chip chip;
  std::optional<std::string> error;
  std::string identity;  ///< digest of every key, and of the axes' values
};

std::vector<Variant> make_variants(const Sweep& sweep, const ChipVariants& chips, int jobs) {
  std::vector<Variant> variants(sweep.chip_count());
  reference::parallel_for(variants.size(), jobs, [&](size_t i) {
    Variant& v = variants[i];
    const std::vector<Setting> settings = sweep.settings(i);
    Digest identity;
    try {
      v.chip = chips.with(settings);
      identity.add(chip::to_yaml(v.chip));
    } catch (const std::runtime_error& e) {
      v.error = e.what();
      identity.add(chips.name() + "\n" + e.what());
    }
    for (const auto& [key, value] : settings) identity.add("\n" + key + "=" + value);
    v.identity = identity.text();
  });
  return variants;
}

/// The points as results that only lack their costs.
std::vector<Result> make_results(const Sweep& sweep, const std::vector<Variant>& variants,
                                 const Networks& networks, const std::string& chip_name) {
  std::vector<Result> results(sweep.point_count());
  for (size_t i = 0; i < results.size(); ++i) {
    const Point point = sweep.point(i);
    const Variant& variant = variants[point.chip];
    Result& r = results[i];
    r.point = i;
    r.network = sweep.networks[point.network].file;
    r.network_digest = networks.digest(point.network);
    r.widths = sweep.widths[point.widths].text;
    r.chip = chip_name;
    if (!variant.error) r.chip_fingerprint = chip::fingerprint(variant.chip);
    r.parameters = sweep.settings(point.chip);
    r.error = variant.error;
    r.key = Digest().add(r.network_digest + "\n" + r.widths + "\n" + variant.identity).text();
  }
  return results;
}

void take_over(Result& result, const Result& found) {
  result.error = found.error;
  result.costs = found.costs;
}

/// Values of the sweep that none of the points that are there has: what an edit added.
std::string describe_new(const std::vector<Result>& results, const std::vector<size_t>& missing) {
  std::set<std::pair<std::string, std::string>> known;
  const auto visit = [](const Result& r, const auto& body) {
    body("network", r.network);
    body("widths", r.widths);
    for (const auto& [key, value] : r.parameters) body(key, value);
  };
  size_t next = 0;
  for (const Result& r : results) {
    if (next < missing.size() && missing[next] == r.point) {
      ++next;
    } else {
      visit(r,
            [&](const std::string& key, const std::string& value) { known.emplace(key, value); });
    }
  }
  std::string text;
  for (const size_t i : missing) {
    visit(results[i], [&](const std::string& key, const std::string& value) {
      if (known.emplace(key, value).second) text += (text.empty() ? "" : ", ") + key + " " + value;
    });
  }
  return text;
}

/// Fills in the points that the file has; the numbers of the others.
std::vector<size_t> find_missing(std::vector<Result>& results, const ResultsFile& file,
                                 const std::function<void(const std::string&)>& say) {
  std::unordered_map<std::string, const Result*> found;
  for (const Result& r : file.found()) found.emplace(r.key, &r);
  std::set<std::string> used;
  std::vector<size_t> missing;
  for (Result& r : results) {
    const auto it = found.find(r.key);
    if (it == found.end()) {
      missing.push_back(r.point);
    } else {
      take_over(r, *it->second);
      used.insert(r.key);
    }
  }
  if (file.repaired_bytes() != 0) {
    say("cut off a torn last line of " + std::to_string(file.repaired_bytes()) + " bytes");
  }
  if (file.found().empty()) return missing;
  std::string text = std::to_string(results.size() - missing.size()) + " of " +
                     std::to_string(results.size()) + " points are there";
  const std::string added = describe_new(results, missing);
  if (!missing.empty()) text += ", " + std::to_string(missing.size()) + " to do";
  if (!missing.empty() && !added.empty() && !used.empty()) text += "; new: " + added;
  if (found.size() > used.size()) {
    text += "; " + std::to_string(found.size() - used.size()) + " of other sweeps are left alone";
  }
  say(text);
  return missing;
}

}  // namespace

std::vector<Result> explore(const Sweep& sweep, const Evaluate& evaluate,
                            const ExploreOptions& options) {
  const auto say = [&](const std::string& message) {
    if (options.on_message) options.on_message(message);
  };
  const ChipVariants chips(sweep);
  Networks networks(sweep);
  const std::vector<Variant> variants = make_variants(sweep, chips, options.jobs);
  std::vector<Result> results = make_results(sweep, variants, networks, chips.name());

  ResultsFile file(options.results);
  const std::vector<size_t> missing = find_missing(results, file, say);

  std::mutex progress;
  size_t done = results.size() - missing.size();
  reference::parallel_for(missing.size(), options.jobs, [&](size_t i) {
    Result& r = results[missing[i]];
    const Point point = sweep.point(r.point);
    if (!r.error) {
      const auto graph = networks.get(point.network, point.widths);
      try {
        r.costs = evaluate(*graph, variants[point.chip].chip);
      } catch (const std::runtime_error& e) {
        r.error = e.what();
      }
    }
    // What is reported is what the file holds, to the last digit, now and when it is read again.
    const auto kept = parse_line(to_line(r));
    if (!kept) throw std::runtime_error("point " + std::to_string(r.point) + " costs no numbers");
    file.append(r);
    take_over(r, *kept);
    const std::lock_guard<std::mutex> lock(progress);
    ++done;
    if (options.on_progress) options.on_progress(done, results.size());
  });
  return results;
}

std::vector<Result> front_of(const Sweep& sweep, const std::vector<Result>& results) {
  std::map<std::pair<std::string, std::string>, std::vector<const Result*>> groups;
  for (const Result& r : results) {
    if (r.error) continue;
    groups[sweep.one_front ? std::pair<std::string, std::string>() : std::pair(r.network, r.widths)]
        .push_back(&r);
  }
  std::map<size_t, Result> front;
  for (const auto& [name, members] : groups) {
    std::vector<std::vector<double>> rows;
    for (const Result* r : members) {
      rows.emplace_back();
      for (const std::string& objective : sweep.objectives) {
        const Metric& metric = *find_metric(objective);
        const double value = value_of(metric, r->costs);
        rows.back().push_back(metric.more_is_better ? -value : value);
      }
    }
    for (const size_t i : pareto_front(rows)) front.emplace(members[i]->point, *members[i]);
  }
  std::vector<Result> sorted;
  for (auto& [point, result] : front) sorted.push_back(std::move(result));
  return sorted;
}

}  // namespace tessera::explore
