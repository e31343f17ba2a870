#include "rtl/array_vectors.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "npu/model_array.hpp"
#include "pe/mode.hpp"
#include "pe/operand_word.hpp"
#include "rtl/array_coverage.hpp"
#include "rtl/array_stimulus.hpp"
#include "rtl/rtl_files.hpp"
#include "rtl/width_code.hpp"

namespace tessera::rtl {
namespace {

/// An entry of a $readmemh file: fields from the lowest bits on, written as one number.
class Entry {
 public:
  Entry& put(uint64_t value, unsigned bits) {
    for (unsigned bit = 0; bit < bits; ++bit) bits_.push_back((value >> bit & 1U) != 0);
    return *this;
  }

  std::string hex() const {
    std::string digits;
    for (std::size_t at = 0; at < bits_.size(); at += 4) {
      unsigned digit = 0;
      for (std::size_t bit = at; bit < std::min(at + 4, bits_.size()); ++bit) {
        digit |= static_cast<unsigned>(bits_[bit]) << (bit - at);
      }
      digits.push_back("0123456789abcdef"[digit]);
    }
    std::reverse(digits.begin(), digits.end());
    return digits;
  }

 private:
  std::vector<bool> bits_;
};

class TextFile {
 public:
  TextFile(const std::filesystem::path& folder, const std::string& name)
      : path_(folder / name), stream_(path_, std::ios::binary) {}
  void line(const std::string& text) { stream_ << text << '\n'; }
  void text(const std::string& text) { stream_ << text; }
  void close() {
    stream_.close();
    if (!stream_) throw VectorError(path_.string() + ": cannot be written");
  }

 private:
  std::filesystem::path path_;
  std::ofstream stream_;
};

class Exporter {
 public:
  Exporter(const VectorOptions& options, const std::filesystem::path& folder)
      : options_(options),
        modes_(options.modes.empty() ? pe::all_modes() : options.modes),
        stimulus_(options.rows, options.columns, modes_, options.seed),
        runs_(folder, "runs.hex"),
        bank_(folder, "bank.hex"),
        weights_(folder, "weights.hex"),
        activations_(folder, "activations.hex"),
        parameters_(folder, "parameters.hex"),
        golden_(folder, "golden.hex") {}

  VectorSummary run() {
    while (summary_.tiles < options_.tiles) {
      RunWish wish;
      wish.mode = modes_[summary_.runs % modes_.size()];
      add(stimulus_.draw(wish).run);
    }
    for (TextFile* file : {&runs_, &bank_, &weights_, &activations_, &parameters_, &golden_}) {
      file->close();
    }
    return summary_;
  }

 private:
  void add(const StoredRun& run) {
    const npu::ArrayRun view = run.view();
    npu::MatrixClient client = run.client();
    const ExpectedRun expected = expected_of(model_, view, client);
    add_run(run, expected);
    for (uint64_t block = 0; block < run.shape.blocks(); ++block) {
      for (uint64_t group = 0; group < run.shape.groups(); ++group) add_tile(run, block, group);
    }
    add_results(run, expected);
    ++summary_.runs;
    summary_.tiles += run.shape.tiles();
    summary_.steps += run.shape.tiles() * run.shape.steps;
    summary_.columns += run.shape.blocks() * run.shape.pixels;
  }

  void add_run(const StoredRun& run, const ExpectedRun& expected) {
    const unsigned flags = width_code(run.mode.activation_bits) |
                           static_cast<unsigned>(weight_width_code(run.mode)) << 2U |
                           (run.mode.activation_signed ? 1U << 4U : 0U) |
                           (run.mode.p4 ? 1U << 5U : 0U) |
                           (run.rescaling.stochastic ? 1U << 6U : 0U);
    const uint64_t pause = stimulus_.below(2) * (1 + stimulus_.below(4));
    Entry entry;
    entry.put(run.shape.channels, 32).put(run.shape.pixels, 32).put(run.shape.steps, 32);
    entry.put(run.rescaling.seed, 32);
    entry.put(static_cast<uint32_t>(run.rescaling.low), 32);
    entry.put(static_cast<uint32_t>(run.rescaling.high), 32);
    entry.put(run.rescaling.channel_first, 32).put(expected.result.cycles.total, 32);
    entry.put(flags, 8).put(run.stalls.operands, 8);
    entry.put(run.stalls.parameters, 8).put(run.stalls.results, 8);
    entry.put(run.stalls.seed, 32).put(pause, 32).put(0, 32);
    runs_.line(entry.hex());
  }

  /// Rows without a channel and columns without a pixel get noise: they must not matter.
  void add_tile(const StoredRun& run, uint64_t block, uint64_t group) {
    const chip::RunShape& shape = run.shape;
    const uint64_t tile = block * shape.groups() + group;
    const uint64_t slice = shape.sliced ? block : 0;
    bank_.line(Entry().put(run.bank_cycles[tile % run.bank_cycles.size()], 32).hex());
    for (uint64_t step = 0; step < shape.steps; ++step) {
      Entry weights, activations;
      for (uint64_t k = block * shape.rows; k < (block + 1) * shape.rows; ++k) {
        put_word(weights, run, run.weights, k, shape.channels, 0, step, run.mode.weight_bits,
                 run.mode.p4);
      }
      for (uint64_t p = group * shape.columns; p < (group + 1) * shape.columns; ++p) {
        put_word(activations, run, run.activations, p, shape.pixels, slice * shape.pixels, step,
                 run.mode.activation_bits, false);
      }
      weights_.line(weights.hex());
      activations_.line(activations.hex());
    }
  }

  void put_word(Entry& entry, const StoredRun& run, const std::vector<int16_t>& elements,
                uint64_t row, uint64_t row_count, uint64_t first_row, uint64_t step, int bits,
                bool p4) {
    const int lanes = abi::lanes(run.mode);
    pe::OperandWord word;
    if (row < row_count) {
      const int16_t* lane =
          &elements[(first_row + row) * run.stride + step * static_cast<uint64_t>(lanes)];
      for (int i = 0; i < lanes; ++i) {
        pe::set_lane(word, i, bits, p4 ? abi::p4_encode(lane[i]) : lane[i]);
      }
    } else {
      word = {stimulus_.below(UINT64_MAX), stimulus_.below(UINT64_MAX)};
    }
    entry.put(word.low, 64).put(word.high, 64);
  }

  void add_results(const StoredRun& run, const ExpectedRun& expected) {
    const chip::RunShape& shape = run.shape;
    const std::vector<Outcome> outcomes = outcomes_of(run, expected);
    for (uint64_t block = 0; block < shape.blocks(); ++block) {
      for (uint64_t pixel = 0; pixel < shape.pixels; ++pixel) {
        Entry parameters, golden;
        for (uint64_t k = block * shape.rows; k < (block + 1) * shape.rows; ++k) {
          if (k >= shape.channels) {
            parameters.put(stimulus_.below(UINT64_MAX), 64);
            golden.put(0, 64).put(0, 8);
            continue;
          }
          const uint64_t at = k * shape.pixels + pixel;
          const abi::ChannelParameters& p = run.parameters[k];
          parameters.put(static_cast<uint32_t>(p.bias), 32).put(p.multiplier, 16).put(p.shift, 16);
          golden.put(static_cast<uint64_t>(expected.accumulators[at]), abi::kAccumulatorBits);
          golden.put(static_cast<uint32_t>(expected.values[at]), 17);
          const bool saturated = outcomes[at] == Outcome::kAbove ||
                                 (outcomes[at] == Outcome::kBelow && run.rescaling.low != 0);
          golden.put(saturated, 1).put(1, 1).put(0, 5);
        }
        parameters_.line(parameters.put(run.positions[pixel], 32).hex());
        golden_.line(golden.hex());
      }
    }
  }

  const VectorOptions& options_;
  std::vector<abi::PeMode> modes_;
  ArrayStimulus stimulus_;
  npu::ModelArray model_;
  TextFile runs_, bank_, weights_, activations_, parameters_, golden_;
  VectorSummary summary_;
};

void write_header(const VectorOptions& options, const VectorSummary& summary,
                  const std::filesystem::path& folder) {
  TextFile file(folder, "vectors.vh");
  const auto constant = [&](const char* name, uint64_t value) {
    file.line(std::string("localparam ") + name + " = " + std::to_string(value) + ";");
  };
  constant("ROWS", options.rows);
  constant("COLUMNS", options.columns);
  constant("RUNS", summary.runs);
  constant("TILES", summary.tiles);
  constant("STEPS", summary.steps);
  constant("RESULTS", summary.columns);
  file.close();
}

void write_sources(const std::filesystem::path& folder) {
  for (const RtlFile& source : rtl_files()) {
    const std::string name = source.name;
    const bool bench = name.find(".sv") == std::string::npos;
    TextFile file(bench ? folder : folder / "rtl", name);
    file.text(source.text);
    file.close();
  }
  namespace fs = std::filesystem;
  fs::permissions(folder / "run.sh", fs::perms::owner_exec, fs::perm_options::add);
}

}  // namespace

VectorSummary export_vectors(const VectorOptions& options, const std::string& folder) {
  if (options.tiles == 0) throw VectorError("vectors are of at least 1 tile");
  if (options.rows < 2 || options.columns < 3) {
    throw VectorError("vectors are for arrays of at least 2 rows and 3 columns");
  }
  for (const abi::PeMode& mode : options.modes) pe::check_mode(mode);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder) / "rtl", error);
  if (error) throw VectorError(folder + ": cannot be made: " + error.message());
  const VectorSummary summary = Exporter(options, folder).run();
  write_header(options, summary, folder);
  write_sources(folder);
  return summary;
}

}  // namespace tessera::rtl
