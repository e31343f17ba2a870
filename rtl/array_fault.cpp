#include "rtl/array_fault.hpp"

#include <charconv>
#include <sstream>
#include <vector>

#include "rtl/pe_fault.hpp"

namespace tessera::rtl {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && stop == end;
}

/// What stands before the '@'.
bool read_place(const std::string& text, ArrayFault& fault) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const auto numbers =
      colon == std::string::npos ? std::vector<std::string>() : split(text.substr(colon + 1), ',');
  if (name == "a" && numbers.size() == 2) {
    fault.target = ArrayFault::Target::kActivation;
    return read_number(numbers[0], fault.column) && read_number(numbers[1], fault.bit);
  }
  if (name == "w" && numbers.size() == 2) {
    fault.target = ArrayFault::Target::kWeight;
    return read_number(numbers[0], fault.row) && read_number(numbers[1], fault.bit);
  }
  if (name == "acc" && numbers.size() == 3) {
    fault.target = ArrayFault::Target::kAccumulator;
    return read_number(numbers[0], fault.row) && read_number(numbers[1], fault.column) &&
           read_number(numbers[2], fault.bit);
  }
  const auto parts = split(text, ',');
  if (parts.size() != 2) return false;
  fault.target = ArrayFault::Target::kControl;
  for (const ControlRegister candidate : VerilatedArray::control_registers()) {
    if (VerilatedArray::control_register_name(candidate) != parts[0]) continue;
    fault.control_register = candidate;
    return read_number(parts[1], fault.bit);
  }
  return false;
}

std::string names_of_control_registers() {
  std::string names;
  for (const ControlRegister each : VerilatedArray::control_registers()) {
    names += (names.empty() ? "" : ", ") + VerilatedArray::control_register_name(each);
  }
  return names;
}

}  // namespace

ArrayFault parse_array_fault(const std::string& text) {
  ArrayFault fault;
  const std::size_t at = text.find('@');
  const auto when =
      at == std::string::npos ? std::vector<std::string>() : split(text.substr(at + 1), ':');
  if (when.size() != 2 || !read_place(text.substr(0, at), fault) ||
      !read_number(when[0], fault.run) || !read_number(when[1], fault.cycle)) {
    throw CosimOptionError(
        "fault '" + text +
        "' is not understood; write a:COLUMN,BIT@RUN:CYCLE, w:ROW,BIT@RUN:CYCLE, "
        "acc:ROW,COLUMN,BIT@RUN:CYCLE or NAME,BIT@RUN:CYCLE\nwith NAME one of " +
        names_of_control_registers());
  }
  return fault;
}

std::string to_string(const ArrayFault& fault) {
  const auto number = [](auto value) { return std::to_string(value); };
  std::string text;
  switch (fault.target) {
    case ArrayFault::Target::kActivation:
      text = "a:" + number(fault.column) + "," + number(fault.bit);
      break;
    case ArrayFault::Target::kWeight:
      text = "w:" + number(fault.row) + "," + number(fault.bit);
      break;
    case ArrayFault::Target::kAccumulator:
      text = "acc:" + number(fault.row) + "," + number(fault.column) + "," + number(fault.bit);
      break;
    case ArrayFault::Target::kControl:
      text =
          VerilatedArray::control_register_name(fault.control_register) + "," + number(fault.bit);
      break;
  }
  return text + "@" + number(fault.run) + ":" + number(fault.cycle);
}

void check_fault(const ArrayFault& fault, uint32_t rows, uint32_t columns) {
  int bits = abi::kMaxOperandWordBits;
  if (fault.target == ArrayFault::Target::kAccumulator) bits = abi::kAccumulatorBits;
  if (fault.target == ArrayFault::Target::kControl) {
    bits = VerilatedArray::control_register_bits(fault.control_register);
  }
  if (fault.row >= rows || fault.column >= columns || fault.bit < 0 || fault.bit >= bits) {
    throw CosimOptionError("fault '" + to_string(fault) + "': the array has " +
                           std::to_string(rows) + " rows and " + std::to_string(columns) +
                           " columns, and there are " + std::to_string(bits) +
                           " bits, counted from 0");
  }
}

}  // namespace tessera::rtl
