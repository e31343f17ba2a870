#pragma once

/// A RUN with all its operands: what a replay file holds.

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "npu/array.hpp"
#include "npu/matrix_client.hpp"
#include "rtl/rtl_array.hpp"

namespace tessera::rtl {

/// A replay file that is not one, or that holds a RUN that no array can do.
class ReplayError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct StoredRun {
  abi::PeMode mode;
  chip::RunShape shape;
  std::vector<uint32_t> bank_cycles;  ///< [shape.fetches()]
  std::size_t stride = 0;             ///< elements between rows of weights and activations
  std::vector<int16_t> weights;       ///< [channels][stride]
  std::vector<int16_t> activations;   ///< [slices][pixels][stride]
  std::vector<uint32_t> positions;    ///< [pixels]
  npu::Rescaling rescaling;
  std::vector<abi::ChannelParameters> parameters;  ///< [channels]
  ArrayStalls stalls;
  std::optional<ArrayFault> fault;  ///< in RUN 0

  StoredRun() = default;
  /// A copy of a run and of all that `client` gives it.
  StoredRun(const npu::ArrayRun& run, npu::ArrayClient& client);

  uint64_t slices() const { return shape.sliced ? shape.blocks() : 1; }

  /// Points into this object.
  npu::ArrayRun view() const;
  npu::MatrixClient client() const;

  /// "a8w4s, 20 channels, 33 pixels, 25 steps on 16x16".
  std::string name() const;
};

boost::json::object to_json(const StoredRun& run);

/// Throws ReplayError that names the member which is missing, of the wrong kind or out of range.
StoredRun stored_run_from_json(const boost::json::value& json);

/// Throws ReplayError, naming the file.
StoredRun read_stored_run(const std::string& path);

/// Throws ReplayError if the file cannot be written.
void write_stored_run(const StoredRun& run, const std::string& path);

}  // namespace tessera::rtl
