#include "rtl/stored_run.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

constexpr const char* kSchema = "tessera-replay";
constexpr int kSchemaVersion = 2;

/// Larger ones come from no chip, and would exhaust the memory.
constexpr uint64_t kMostElements = uint64_t{1} << 30;

template <typename T>
boost::json::array to_array(const std::vector<T>& values) {
  return boost::json::array(values.begin(), values.end());
}

/// Reads members by name; errors name them.
class Members {
 public:
  explicit Members(const boost::json::value& json) {
    if (!json.is_object()) throw ReplayError("a replay file holds one JSON object");
    object_ = &json.get_object();
  }

  const boost::json::value& at(const char* name) const {
    const auto* value = object_->if_contains(name);
    if (value == nullptr) throw ReplayError(std::string("member '") + name + "' is missing");
    return *value;
  }

  template <typename T>
  T number(const char* name, T low = std::numeric_limits<T>::min(),
           T high = std::numeric_limits<T>::max()) const {
    return convert<T>(at(name), name, low, high);
  }

  bool flag(const char* name) const {
    if (const auto* value = at(name).if_bool()) return *value;
    throw ReplayError(std::string("member '") + name + "' must be true or false");
  }

  std::string text(const char* name) const {
    if (const auto* value = at(name).if_string()) return std::string(*value);
    throw ReplayError(std::string("member '") + name + "' must be a string");
  }

  template <typename T>
  std::vector<T> numbers(const char* name, uint64_t count) const {
    const auto* array = at(name).if_array();
    if (array == nullptr || array->size() != count) {
      throw ReplayError(std::string("member '") + name + "' must be an array of " +
                        std::to_string(count) + " numbers");
    }
    std::vector<T> values;
    values.reserve(array->size());
    for (const auto& value : *array) {
      values.push_back(
          convert<T>(value, name, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    }
    return values;
  }

 private:
  template <typename T>
  static T convert(const boost::json::value& value, const char* name, T low, T high) {
    boost::json::error_code error;
    const T number = value.to_number<T>(error);
    if (error || number < low || number > high) {
      throw ReplayError(std::string("member '") + name + "' must be a number from " +
                        std::to_string(low) + " to " + std::to_string(high));
    }
    return number;
  }

  const boost::json::object* object_;
};

abi::PeMode read_mode(const std::string& name) {
  const auto modes = pe::modes_named(name);
  if (modes.size() != 1) throw ReplayError("member 'mode' must name one mode, such as a8w8u");
  return modes.front();
}

/// Operands must fit their lanes, and p4 weights have codes.
void check_operands(const StoredRun& run) {
  const abi::PeMode& m = run.mode;
  const int32_t low = abi::min_value(m.activation_bits, m.activation_signed);
  const int32_t high = abi::max_value(m.activation_bits, m.activation_signed);
  const bool modulo = m.activation_bits == 16 && !m.activation_signed;
  for (const int16_t a : run.activations) {
    if (!modulo && (a < low || a > high)) {
      throw ReplayError("member 'activations': " + std::to_string(a) + " does not fit the mode");
    }
  }
  for (const int16_t w : run.weights) {
    const bool fits =
        m.p4 ? abi::p4_encode(w) >= 0
             : w >= abi::min_value(m.weight_bits, true) && w <= abi::max_value(m.weight_bits, true);
    if (!fits)
      throw ReplayError("member 'weights': " + std::to_string(w) + " does not fit the mode");
  }
}

}  // namespace

StoredRun::StoredRun(const npu::ArrayRun& run, npu::ArrayClient& client)
    : mode(run.mode),
      shape(run.shape),
      bank_cycles(*run.bank_cycles),
      stride(run.weights.stride),
      weights(run.weights.data, run.weights.data + run.shape.channels * run.weights.stride),
      rescaling(run.rescaling),
      parameters(run.parameters, run.parameters + run.shape.channels) {
  activations.reserve(slices() * shape.pixels * stride);
  positions.resize(shape.pixels);
  for (uint64_t slice = 0; slice < slices(); ++slice) {
    for (uint64_t first = 0; first < shape.pixels; first += shape.columns) {
      const uint64_t count = std::min(shape.columns, shape.pixels - first);
      const npu::PixelOperands operands = client.pixels(slice, first, count);
      for (uint64_t p = 0; p < count; ++p) {
        const int16_t* row = operands.activations.data + p * operands.activations.stride;
        activations.insert(activations.end(), row, row + stride);
      }
      std::copy_n(operands.positions, count, positions.data() + first);
    }
  }
}

npu::ArrayRun StoredRun::view() const {
  npu::ArrayRun run{};
  run.mode = mode;
  run.shape = shape;
  run.bank_cycles = &bank_cycles;
  run.weights = {weights.data(), stride};
  run.rescaling = rescaling;
  run.parameters = parameters.data();
  return run;
}

npu::MatrixClient StoredRun::client() const {
  return npu::MatrixClient(shape, {activations.data(), stride}, positions.data());
}

std::string StoredRun::name() const {
  return pe::mode_name(mode) + ", " + std::to_string(shape.channels) + " channels, " +
         std::to_string(shape.pixels) + " pixels, " + std::to_string(shape.steps) + " steps on " +
         std::to_string(shape.rows) + "x" + std::to_string(shape.columns);
}

boost::json::object to_json(const StoredRun& run) {
  boost::json::object o;
  o["schema"] = kSchema;
  o["schema_version"] = kSchemaVersion;
  o["mode"] = pe::mode_name(run.mode);
  o["rows"] = run.shape.rows;
  o["columns"] = run.shape.columns;
  o["channels"] = run.shape.channels;
  o["pixels"] = run.shape.pixels;
  o["steps"] = run.shape.steps;
  o["sliced"] = run.shape.sliced;
  o["stride"] = run.stride;
  o["stochastic"] = run.rescaling.stochastic;
  o["seed"] = run.rescaling.seed;
  o["channel_first"] = run.rescaling.channel_first;
  o["low"] = run.rescaling.low;
  o["high"] = run.rescaling.high;
  o["operand_stall_percent"] = run.stalls.operands;
  o["parameter_stall_percent"] = run.stalls.parameters;
  o["result_stall_percent"] = run.stalls.results;
  o["stall_seed"] = run.stalls.seed;
  if (run.fault) o["fault"] = to_string(*run.fault);
  boost::json::array bias, multiplier, shift;
  for (const abi::ChannelParameters& p : run.parameters) {
    bias.emplace_back(p.bias);
    multiplier.emplace_back(p.multiplier);
    shift.emplace_back(p.shift);
  }
  o["bias"] = std::move(bias);
  o["multiplier"] = std::move(multiplier);
  o["shift"] = std::move(shift);
  o["bank_cycles"] = to_array(run.bank_cycles);
  o["positions"] = to_array(run.positions);
  o["weights"] = to_array(run.weights);
  o["activations"] = to_array(run.activations);
  return o;
}

StoredRun stored_run_from_json(const boost::json::value& json) {
  const Members members(json);
  if (members.text("schema") != kSchema ||
      members.number<int>("schema_version") != kSchemaVersion) {
    throw ReplayError(std::string("schema must be ") + kSchema + ", version " +
                      std::to_string(kSchemaVersion));
  }
  constexpr uint64_t kMost = uint64_t{1} << 26;
  StoredRun run;
  run.mode = read_mode(members.text("mode"));
  run.shape.rows = members.number<uint64_t>("rows", 1, 1024);
  run.shape.columns = members.number<uint64_t>("columns", 1, 1024);
  run.shape.channels = members.number<uint64_t>("channels", 1, kMost);
  run.shape.pixels = members.number<uint64_t>("pixels", 1, kMost);
  run.shape.steps = members.number<uint64_t>("steps", 1, kMost);
  run.shape.sliced = members.flag("sliced");
  const uint64_t reduction = run.shape.steps * static_cast<uint64_t>(abi::lanes(run.mode));
  run.stride = members.number<uint64_t>("stride", reduction, reduction + npu::kOperandAlignment);
  if (run.stride % npu::kOperandAlignment != 0) {
    throw ReplayError("member 'stride' must be a multiple of " +
                      std::to_string(npu::kOperandAlignment));
  }
  if (run.stride * std::max(run.shape.channels, run.slices() * run.shape.pixels) > kMostElements) {
    throw ReplayError("the RUN has more than " + std::to_string(kMostElements) + " operands");
  }
  run.rescaling.stochastic = members.flag("stochastic");
  run.rescaling.seed = members.number<uint32_t>("seed");
  run.rescaling.channel_first = members.number<uint32_t>("channel_first");
  run.rescaling.low = members.number<int32_t>("low", -32768, 65535);
  run.rescaling.high = members.number<int32_t>("high", run.rescaling.low, 65535);
  run.stalls.operands = members.number<unsigned>("operand_stall_percent", 0, 99);
  run.stalls.parameters = members.number<unsigned>("parameter_stall_percent", 0, 99);
  run.stalls.results = members.number<unsigned>("result_stall_percent", 0, 99);
  run.stalls.seed = members.number<uint64_t>("stall_seed");
  const auto bias = members.numbers<int32_t>("bias", run.shape.channels);
  const auto multiplier = members.numbers<uint16_t>("multiplier", run.shape.channels);
  const auto shift = members.numbers<uint8_t>("shift", run.shape.channels);
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    if (shift[k] > 47) throw ReplayError("member 'shift': must be 0 to 47");
    run.parameters.push_back({bias[k], multiplier[k], shift[k], 0});
  }
  run.bank_cycles = members.numbers<uint32_t>("bank_cycles", run.shape.fetches());
  run.positions = members.numbers<uint32_t>("positions", run.shape.pixels);
  run.weights = members.numbers<int16_t>("weights", run.shape.channels * run.stride);
  run.activations =
      members.numbers<int16_t>("activations", run.slices() * run.shape.pixels * run.stride);
  check_operands(run);
  if (json.get_object().contains("fault")) {
    run.fault = parse_array_fault(members.text("fault"));
    check_fault(*run.fault, static_cast<uint32_t>(run.shape.rows),
                static_cast<uint32_t>(run.shape.columns));
  }
  return run;
}

StoredRun read_stored_run(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ReplayError(path + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  boost::json::error_code error;
  const boost::json::value json = boost::json::parse(text.str(), error);
  if (error) throw ReplayError(path + ": not JSON: " + error.message());
  try {
    return stored_run_from_json(json);
  } catch (const std::runtime_error& e) {
    throw ReplayError(path + ": " + e.what());
  }
}

void write_stored_run(const StoredRun& run, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << boost::json::serialize(to_json(run)) << '\n';
  file.close();
  if (!file) throw ReplayError(path + ": cannot be written");
}

}  // namespace tessera::rtl
