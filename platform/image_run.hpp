#pragma once

/// Runs an image on the platform over the images of a data set, checks every output against the
/// integer reference, and gathers the figures.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "chip/chip.hpp"
#include "core/elf.hpp"
#include "data/dataset.hpp"
#include "deploy/image.hpp"
#include "memory/dram_timing.hpp"
#include "noc/interconnect.hpp"
#include "npu/energy.hpp"
#include "npu/statistics.hpp"
#include "session.hpp"

namespace tessera::platform {

struct ImageRunOptions {
  SocOptions soc;
  uint64_t max_cycles = 0;
  bool check = true;  ///< against the reference, if the image holds its network
  std::function<void(char)> uart_sink;
};

struct LayerResult {
  std::string name;
  std::string widths;                ///< "8x8", "8xp4": activation and weight bits
  bool inserted = false;             ///< see abi::LayerProgram
  bool fully_connected = false;      ///< its convolution has one pixel
  uint64_t peak_macs_per_cycle = 0;  ///< R * C * L, of all clusters
  npu::CycleCounts cycles;
  npu::EventCounts events;
  double array_pj = 0;        ///< energy of the PE array
  double fixed_array_pj = 0;  ///< of one that was built for this layer's widths

  double utilization() const;  ///< MACs over what the array could have done in these cycles
};

/// The network, from reset.
struct NocResult {
  std::string topology;  ///< "crossbar" or "mesh"
  uint64_t transactions = 0;
  uint64_t bytes = 0;
  uint64_t contention_cycles = 0;
  std::vector<noc::Interconnect::LinkReport> links;  ///< of a mesh, those that carried something

  /// The link with the most flits; null if there are none.
  const noc::Interconnect::LinkReport* busiest() const;
};

/// Cycles and events are of all images together.
struct ImageRunResult {
  std::string network;
  std::string chip;
  uint64_t images = 0;
  bool labelled = false;  ///< without labels nothing is known to be correct
  uint64_t correct = 0;
  bool checked = false;
  uint64_t mismatches = 0;  ///< images whose logits differ from the reference in any element
  std::string first_mismatch;
  uint64_t image_bytes = 0;                ///< of the .timg that the chip loads
  uint64_t total_cycles = 0;               ///< from reset, boot included
  npu::CycleCounts cycles;                 ///< of the inferences, as the first cluster spends them
  std::vector<npu::CycleCounts> clusters;  ///< as each cluster spends them
  npu::EventCounts events;
  std::vector<LayerResult> layers;
  npu::Energy energy;         ///< from reset
  double fixed_array_pj = 0;  ///< in place of energy.array, with PEs of each layer's widths
  memory::DramStatistics dram;
  NocResult noc;
  uint64_t host_instructions = 0;  ///< 0 with the native core
  double simulation_seconds = 0;
  double kernel_seconds = 0;  ///< in which arrays' values were computed, summed over the clusters
  double clock_hz = 0;

  double top1_percent() const;
  double latency_ms() const;  ///< of one image
  /// Over the layers of the network; what the deployer inserted does not multiply anything.
  double utilization() const;
  double busy_utilization() const;         ///< the same over the cycles with cause compute alone
  double convolution_utilization() const;  ///< that, without fully connected layers
};

/// Throws RunFailed if the firmware does not end well, std::runtime_error if the data do not fit
/// the network or the chip's memory.
ImageRunResult run_image(const chip::Chip& chip, const deploy::Image& image,
                         const data::Dataset& dataset, const core::Elf* firmware,
                         const ImageRunOptions& options);

}  // namespace tessera::platform
