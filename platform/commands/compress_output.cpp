#include "commands/compress_output.hpp"

#include <cstdio>

namespace tessera::platform {
namespace {

using boost::json::object;

constexpr const char* kBudgetNames[] = {"size", "bytes", "bops", "latency"};
constexpr const char* kSensitivityNames[] = {"hessian", "mse"};

long long number(int64_t value) { return value; }

double ratio(int64_t before, int64_t after) {
  return after == 0 ? 0 : static_cast<double>(before) / static_cast<double>(after);
}

/// The accuracies, or that there are none.
std::string accuracy_text(const compress::CompressReport& r) {
  if (!r.integer_top1_percent || !r.float_top1_percent) {
    return "accuracy not measured (no labels)";
  }
  char text[128];
  std::snprintf(text, sizeof(text), "top-1 %.2f %% (float %.2f %%) on %lld images",
                *r.integer_top1_percent, *r.float_top1_percent, number(r.test_images));
  return text;
}

boost::json::value json_number(const std::optional<double>& number) {
  return number ? boost::json::value(*number) : boost::json::value(nullptr);
}

boost::json::value json_latency(const compress::CompressReport& r) {
  if (!r.latency) return nullptr;
  const compress::LatencyReport& l = *r.latency;
  return object{{"chip", l.chip},
                {"estimated", true},
                {"given_16_bit_cycles", l.given_16_bit.cycles},
                {"pruned_16_bit_cycles", l.pruned_16_bit.cycles},
                {"cycles", l.result.cycles},
                {"ratio", ratio(l.given_16_bit.cycles, l.result.cycles)},
                {"width_ratio", ratio(l.pruned_16_bit.cycles, l.result.cycles)},
                {"given_16_bit_dram_bytes", l.given_16_bit.dram_bytes},
                {"dram_bytes", l.result.dram_bytes},
                {"dram_bytes_ratio", ratio(l.given_16_bit.dram_bytes, l.result.dram_bytes)}};
}

boost::json::value json_plan(const compress::CompressReport& r) {
  if (!r.plan) return nullptr;
  boost::json::array layers;
  for (const compress::PlannedLayer& l : r.plan->layers) {
    layers.push_back(object{{"name", l.name},
                            {"weight_bits", l.weight.bits},
                            {"weight_code", to_string(l.weight) == "p4" ? "p4" : "integer"},
                            {"activation_bits", l.activation_bits},
                            {"cost", l.cost},
                            {"weight_loss", l.weight_loss},
                            {"activation_loss", l.activation_loss},
                            {"sensitivity", l.sensitivity}});
  }
  return object{{"budget_kind", kBudgetNames[static_cast<size_t>(r.plan->kind)]},
                {"unit", unit_of(r.plan->kind)},
                {"budget", r.plan->budget},
                {"cost", r.plan->cost},
                {"loss", r.plan->loss},
                {"sensitivity", kSensitivityNames[static_cast<size_t>(r.plan->sensitivity)]},
                {"layers", std::move(layers)}};
}

boost::json::array json_layers(const compress::CompressReport& r) {
  boost::json::array layers;
  for (const compress::LayerReport& l : r.layers) {
    layers.push_back(object{{"name", l.name},
                            {"op", l.op},
                            {"weight_bits", l.weight_bits},
                            {"weight_code", l.power_of_two ? "p4" : "integer"},
                            {"activation_bits", l.activation_bits},
                            {"activation_signed", l.activation_signed},
                            {"weights", l.weights},
                            {"nonzero_weights", l.nonzero_weights},
                            {"channels", l.channels},
                            {"channels_given", l.channels_given},
                            {"bytes", l.size_bytes},
                            {"coded_bytes", l.coded_bytes},
                            {"macs", l.macs}});
  }
  return layers;
}

void print_latency(const compress::CompressReport& r) {
  if (!r.latency_error.empty()) {
    std::printf("latency not estimated: %s\n", r.latency_error.c_str());
  }
  if (!r.latency) return;
  const compress::LatencyReport& l = *r.latency;
  std::printf(
      "estimated on %s: %lld cycles; 16 bit everywhere %lld (%.2fx), before pruning %lld (%.2fx)\n",
      l.chip.c_str(), number(l.result.cycles), number(l.pruned_16_bit.cycles),
      ratio(l.pruned_16_bit.cycles, l.result.cycles), number(l.given_16_bit.cycles),
      ratio(l.given_16_bit.cycles, l.result.cycles));
}

}  // namespace

void print_plan(const compress::WidthPlan& plan) {
  std::printf("%-20s %8s %8s %14s %12s\n", "plan", "weights", "inputs", unit_of(plan.kind), "loss");
  for (const compress::PlannedLayer& l : plan.layers) {
    std::printf("%-20s %8s %8d %14lld %12.4g\n", l.name.c_str(), to_string(l.weight).c_str(),
                l.activation_bits, number(l.cost), l.weight_loss + l.activation_loss);
  }
  std::printf("%-20s %8s %8s %14lld %12.4g (budget %lld)\n\n", "in all", "", "", number(plan.cost),
              plan.loss, number(plan.budget));
  std::fflush(stdout);
}

void print(const compress::CompressReport& r, const std::string& output) {
  std::printf("%-20s %15s %8s %8s %10s %10s %12s\n", "layer", "op", "weights", "inputs", "channels",
              "bytes", "MACs");
  for (const compress::LayerReport& l : r.layers) {
    const std::string weights = l.power_of_two ? "p4" : std::to_string(l.weight_bits) + " bit";
    const std::string channels =
        std::to_string(l.channels) + "/" + std::to_string(l.channels_given);
    std::printf("%-20s %15s %8s %6d %c %10s %10lld %12lld\n", l.name.c_str(), l.op.c_str(),
                weights.c_str(), l.activation_bits, l.activation_signed ? 's' : 'u',
                channels.c_str(), number(l.size_bytes), number(l.macs));
  }
  if (r.pruned_top1_percent) {
    std::printf("pruned: %lld of %lld parameters left, float top-1 %.2f %%\n",
                number(r.pruned_parameters), number(r.parameters), *r.pruned_top1_percent);
  }
  if (!r.merged_layers.empty()) {
    std::printf("merged into their neighbours:");
    for (const std::string& name : r.merged_layers) std::printf(" %s", name.c_str());
    std::printf("\n");
  }
  print_latency(r);
  std::printf(
      "%s: %s, %lld bytes (float %lld, %.2fx), Huffman coded %lld (%.2fx), BOPs %.1fx fewer\n",
      output.c_str(), accuracy_text(r).c_str(), number(r.integer_size_bytes),
      number(r.float_size_bytes), ratio(r.float_size_bytes, r.integer_size_bytes),
      number(r.coded_size_bytes), ratio(r.float_size_bytes, r.coded_size_bytes),
      ratio(r.float_bit_operations, r.bit_operations));
}

object to_json(const compress::CompressReport& r) {
  object o;
  o["schema"] = "tessera-compress";
  o["schema_version"] = 1;
  o["network"] = r.net;
  o["recipe"] = r.recipe;
  o["test_images"] = r.test_images;
  o["float_top1_percent"] = json_number(r.float_top1_percent);
  o["integer_top1_percent"] = json_number(r.integer_top1_percent);
  o["logits_relative_error"] = json_number(r.logits_relative_error);
  o["pruned_top1_percent"] = json_number(r.pruned_top1_percent);
  o["parameters"] = r.parameters;
  o["pruned_parameters"] = r.pruned_parameters;
  o["nonzero_parameters"] = r.nonzero_parameters;
  o["merged_layers"] = boost::json::array(r.merged_layers.begin(), r.merged_layers.end());
  o["weight_bits"] = r.weight_bits;
  o["float_weight_bits"] = r.float_weight_bits;
  o["float_bytes"] = r.float_size_bytes;
  o["integer_bytes"] = r.integer_size_bytes;
  o["coded_bytes"] = r.coded_size_bytes;
  o["bops"] = r.bit_operations;
  o["float_bops"] = r.float_bit_operations;
  o["file_ratio"] = ratio(r.float_size_bytes, r.integer_size_bytes);
  o["coded_file_ratio"] = ratio(r.float_size_bytes, r.coded_size_bytes);
  o["parameter_ratio"] = ratio(r.parameters, r.nonzero_parameters);
  o["weight_bit_ratio"] = ratio(r.float_weight_bits, r.weight_bits);
  o["bops_ratio"] = ratio(r.float_bit_operations, r.bit_operations);
  o["latency"] = json_latency(r);
  o["latency_error"] = r.latency_error;
  o["plan"] = json_plan(r);
  o["layers"] = json_layers(r);
  return o;
}

object seeds_of(const compress::Recipe& recipe) {
  object seeds;
  if (recipe.prune && recipe.prune->retrain.epochs > 0) {
    seeds["prune.retrain"] = recipe.prune->retrain.seed;
  }
  if (recipe.allocate && recipe.allocate->sensitivity == compress::Sensitivity::kHessian) {
    seeds["allocate"] = recipe.allocate->seed;
  }
  if (recipe.joint) seeds["joint"] = recipe.joint->training.seed;
  if (recipe.finetune.epochs > 0) seeds["finetune"] = recipe.finetune.seed;
  return seeds;
}

}  // namespace tessera::platform
