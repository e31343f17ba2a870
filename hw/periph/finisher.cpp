#include "periph/finisher.hpp"

#include "abi/memory_map.hpp"

namespace tessera::periph {
namespace {

const RegisterTable& finisher_registers() {
  static const RegisterTable table({{"finisher", 0, 4}});
  return table;
}

AccessRules finisher_rules() {
  AccessRules rules;
  rules.size_bytes = abi::kFinisherSize;
  rules.min_access_bytes = 2;
  return rules;
}

}  // namespace

Finisher::Finisher(const sc_core::sc_module_name& name)
    : Peripheral(name, finisher_registers(), finisher_rules()) {}

void Finisher::set_callback(std::function<void(const FinisherRequest&)> callback) {
  callback_ = std::move(callback);
}

uint32_t Finisher::read(uint32_t, uint32_t, const sc_core::sc_time&) { return 0; }

void Finisher::write(uint32_t offset, uint32_t, uint32_t value, const sc_core::sc_time&) {
  if (offset != 0 || !callback_) return;
  const int code = static_cast<int>(value >> 16);
  switch (value & 0xFFFFU) {
    case abi::kFinisherPass:
      return callback_({FinisherRequest::Kind::kPass, 0});
    case abi::kFinisherFail:
      return callback_({FinisherRequest::Kind::kFail, code});
    case abi::kFinisherReset:
      return callback_({FinisherRequest::Kind::kReset, 0});
    default:
      return;
  }
}

uint8_t Finisher::peek(uint32_t) const { return 0; }

}  // namespace tessera::periph
