#include "rtl/pe_fault.hpp"

#include <charconv>

#include "abi/number_formats.hpp"

namespace tessera::rtl {
namespace {

template <typename Number>
bool read_number(const char* begin, const char* end, Number& number) {
  const auto [stop, error] = std::from_chars(begin, end, number);
  return begin != end && error == std::errc() && stop == end;
}

bool read_target(const std::string& name, PeFault::Target& target) {
  if (name == "a") {
    target = PeFault::Target::kActivation;
  } else if (name == "w") {
    target = PeFault::Target::kWeight;
  } else if (name == "acc") {
    target = PeFault::Target::kAccumulator;
  } else {
    return false;
  }
  return true;
}

}  // namespace

PeFault parse_pe_fault(const std::string& text) {
  PeFault fault;
  const std::size_t colon = text.find(':');
  const std::size_t at = text.find('@');
  const char* const end = text.data() + text.size();
  const bool parsed = colon != std::string::npos && at != std::string::npos && colon < at &&
                      read_target(text.substr(0, colon), fault.target) &&
                      read_number(text.data() + colon + 1, text.data() + at, fault.bit) &&
                      read_number(text.data() + at + 1, end, fault.vector);
  if (!parsed) {
    throw CosimOptionError("fault '" + text +
                           "' is not understood; write a:BIT@VECTOR, w:BIT@VECTOR or "
                           "acc:BIT@VECTOR, for example acc:5@1000");
  }
  const int bits = fault.target == PeFault::Target::kAccumulator ? abi::kAccumulatorBits
                                                                 : abi::kMaxOperandWordBits;
  if (fault.bit < 0 || fault.bit >= bits) {
    throw CosimOptionError("fault '" + text + "': the bit must be 0 to " +
                           std::to_string(bits - 1));
  }
  return fault;
}

}  // namespace tessera::rtl
