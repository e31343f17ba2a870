#pragma once

/// Compression: a float network, a recipe and data in; a network on integer grids out, with its
/// accuracy measured on the integer engine.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "compress/compress_report.hpp"
#include "compress/fine_tune.hpp"
#include "compress/recipe.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

struct CompressOptions {
  int64_t test_images = 0;                ///< measured on the first so many; 0: all
  FineTuner* fine_tuner = nullptr;        ///< null: recipes that fine-tune are refused
  const LatencyModel* latency = nullptr;  ///< null: recipes with a latency budget are refused
  int threads = 2;                        ///< of the measurements; results do not depend on it
  /// File that keeps finished stages and epochs: a run that was killed goes on behind them, and
  /// ends with the same bits. Empty: none.
  std::string checkpoint;
  std::string settings;  ///< of the fine-tuner, as text: what else the result depends on
  std::function<void(const WidthPlan& plan)> on_plan;  ///< before anything is quantised
  /// Stage ("calibrate", "fine-tune", ..) and how far it is, 0..1.
  std::function<void(const std::string& stage, double fraction)> on_progress;
};

struct CompressResult {
  graph::Graph graph;  ///< weights lie on their grids
  CompressReport report;
};

/// Prunes and retrains if the recipe says so, folds batch norms, merges layers, calibrates on the
/// training split, allocates widths, quantises, fine-tunes if the recipe says so, and measures on
/// the test split, if it is labelled. The float accuracy is that of `net` as given. Throws
/// std::runtime_error: the network is quantised already, images that do not fit it, a recipe that
/// does not fit it, a budget that nothing meets, learning without a tuner or labels, or a
/// checkpoint of another run.
CompressResult compress(const graph::Graph& net, const Recipe& recipe, const data::Dataset& train,
                        const data::Dataset& test, const CompressOptions& options);

/// What the `compress` command does.
struct CompressJob {
  std::string net;                    ///< ONNX file
  std::string data;                   ///< as open_dataset takes it
  std::string recipe;                 ///< as load_recipe takes it
  std::vector<std::string> settings;  ///< likewise
  std::optional<uint64_t> seed;       ///< instead of the recipe's
  double epochs_factor = 1;           ///< of the recipe's epochs (scale_epochs)
  std::string output;                 ///< ONNX file
  /// Of a network whose file does not state it; empty: the file's. One value, or one a channel.
  graph::InputNormalization normalization;
  CompressOptions options;
};

/// The recipe as the job wants it.
Recipe recipe_of(const CompressJob& job);

/// Reads everything before computing anything; writes the file last, complete or not at all. The
/// checkpoint is OUTPUT.checkpoint, unless the options name one, and goes when the file is there.
CompressReport run_compress(const CompressJob& job);

}  // namespace tessera::compress
