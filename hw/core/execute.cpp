#include <algorithm>
#include <cstring>

#include "core/iss.hpp"

namespace tessera::core {
namespace {

constexpr int32_t as_signed(uint32_t value) { return static_cast<int32_t>(value); }
constexpr uint32_t as_unsigned(int32_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t high_word(int64_t value) {
  return static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32);
}

constexpr int32_t kMostNegative = INT32_MIN;

/// Division as the M extension defines it: by zero gives all ones and the dividend as remainder;
/// the one overflow gives the dividend and remainder zero.
constexpr uint32_t divide(uint32_t a, uint32_t b) {
  if (b == 0) return ~0U;
  if (as_signed(a) == kMostNegative && as_signed(b) == -1) return a;
  return as_unsigned(as_signed(a) / as_signed(b));
}
constexpr uint32_t remainder(uint32_t a, uint32_t b) {
  if (b == 0) return a;
  if (as_signed(a) == kMostNegative && as_signed(b) == -1) return 0;
  return as_unsigned(as_signed(a) % as_signed(b));
}

/// Extends a loaded value to a register, by its sign if T has one.
template <typename T>
constexpr uint32_t extend(uint32_t raw) {
  return static_cast<uint32_t>(static_cast<int32_t>(static_cast<T>(raw)));
}

uint32_t combine(Op op, uint32_t memory, uint32_t operand) {
  switch (op) {
    case Op::kAmoswap:
      return operand;
    case Op::kAmoadd:
      return memory + operand;
    case Op::kAmoxor:
      return memory ^ operand;
    case Op::kAmoand:
      return memory & operand;
    case Op::kAmoor:
      return memory | operand;
    case Op::kAmomin:
      return as_unsigned(std::min(as_signed(memory), as_signed(operand)));
    case Op::kAmomax:
      return as_unsigned(std::max(as_signed(memory), as_signed(operand)));
    case Op::kAmominu:
      return std::min(memory, operand);
    default:
      return std::max(memory, operand);
  }
}

/// The encoding of a CSR instruction, for mtval.
uint32_t csr_instruction_bits(const Instruction& i) {
  const uint32_t variant = static_cast<uint32_t>(i.op) - static_cast<uint32_t>(Op::kCsrrw);
  const uint32_t funct3 = variant < 3 ? variant + 1 : variant + 2;
  const uint32_t rd = i.rd == kSink ? 0 : i.rd;
  return (i.imm << 20) | (static_cast<uint32_t>(i.rs1) << 15) | (funct3 << 12) | (rd << 7) | 0x73U;
}

/// Cost of the block up to and including `i`; a block always ends with kEnd behind its last
/// instruction.
uint32_t cycles_through(const Instruction& i) { return (&i)[1].cycles_before; }

}  // namespace

void Iss::run(uint64_t until_issued) {
  const auto limit = static_cast<uint32_t>(std::min<uint64_t>(config_.quantum_instructions, 64));
  while (issued_ < until_issued && !attention_) {
    if (const Block* block = next_block(limit)) execute(*block);
  }
}

void Iss::run_one() {
  Block& block = uncached_block_;
  block.instructions.clear();
  if (predecode(block, 1) || fetch_over_bus(block)) execute(block);
}

void Iss::retire(const Instruction& i, uint32_t next_pc) {
  issued_ += i.index + 1U;
  cycles_ += cycles_through(i);
  pc_ = next_pc;
}

void Iss::branch(const Instruction& i, bool taken) {
  if (taken) {
    retire(i, i.imm);
    cycles_ += config_.timing.taken_branch;
  } else {
    retire(i, i.pc + i.length);
  }
}

void Iss::trap(const Instruction& i, Cause cause, uint32_t tval) {
  issued_ += i.index;
  cycles_ += cycles_through(i);
  raise(cause, i.pc, tval);
}

bool Iss::go_on(const Instruction& i) {
  if (!attention_) return true;
  retire(i, i.pc + i.length);
  return false;
}

template <typename T>
bool Iss::load(const Instruction& i) {
  const uint32_t address = x_[i.rs1] + i.imm;
  if (load_region_.covers(address, sizeof(T))) {
    T value;
    std::memcpy(&value, load_region_.at(address), sizeof(T));
    cycles_ += load_region_.read_stall_cycles;
    x_[i.rd] = static_cast<uint32_t>(static_cast<int32_t>(value));
    return true;
  }
  uint32_t at = address;
  uint32_t raw = 0;
  if (!read_memory(i.cycles_before, at, sizeof(T), raw)) {
    trap(i, Cause::kLoadAccess, at);
    return false;
  }
  x_[i.rd] = extend<T>(raw);
  return go_on(i);
}

template <typename T>
bool Iss::store(const Instruction& i) {
  const uint32_t address = x_[i.rs1] + i.imm;
  const uint32_t value = x_[i.rs2];
  if (store_region_.covers(address, sizeof(T))) {
    const T narrow = static_cast<T>(value);
    std::memcpy(store_region_.at(address), &narrow, sizeof(T));
    cycles_ += store_region_.write_stall_cycles;
    if ((address & ~3U) != watched_word_) return true;
  } else {
    uint32_t at = address;
    if (!write_memory(i.cycles_before, at, sizeof(T), value)) {
      trap(i, Cause::kStoreAccess, at);
      return false;
    }
  }
  if (address == watched_address_ && store_callback_) store_callback_(static_cast<T>(value));
  return go_on(i);
}

bool Iss::load_reserved(const Instruction& i) {
  uint32_t address = x_[i.rs1];
  uint32_t value = 0;
  if ((address & 3U) != 0) {
    trap(i, Cause::kLoadMisaligned, address);
    return false;
  }
  if (!read_memory(i.cycles_before, address, 4, value)) {
    trap(i, Cause::kLoadAccess, address);
    return false;
  }
  reservation_ = Reservation{address, value};
  x_[i.rd] = value;
  return go_on(i);
}

bool Iss::store_conditional(const Instruction& i) {
  uint32_t address = x_[i.rs1];
  const auto reservation = reservation_;
  reservation_.reset();
  bool stored = false;
  if (reservation && reservation->address == address) {
    uint32_t value = 0;
    bool done = read_memory(i.cycles_before, address, 4, value);
    stored = done && value == reservation->value;
    if (stored) done = write_memory(i.cycles_before, address, 4, x_[i.rs2]);
    if (!done) {
      trap(i, Cause::kStoreAccess, address);
      return false;
    }
  }
  const uint32_t written = x_[i.rs2];
  x_[i.rd] = stored ? 0 : 1;
  if (stored && address == watched_address_ && store_callback_) store_callback_(written);
  return go_on(i);
}

bool Iss::atomic(const Instruction& i) {
  uint32_t address = x_[i.rs1];
  if ((address & 3U) != 0) {
    trap(i, Cause::kStoreMisaligned, address);
    return false;
  }
  uint32_t old = 0;
  bool done = read_memory(i.cycles_before, address, 4, old);
  const uint32_t result = combine(i.op, old, x_[i.rs2]);
  done = done && write_memory(i.cycles_before, address, 4, result);
  if (!done) {
    trap(i, Cause::kStoreAccess, address);
    return false;
  }
  x_[i.rd] = old;
  if (address == watched_address_ && store_callback_) store_callback_(result);
  return go_on(i);
}

void Iss::access_csr(const Instruction& i) {
  if (i.imm == csr::kTime || i.imm == csr::kTimeh) synchronize_to(cycles_ + i.cycles_before);
  const CsrFile::Counters now{cycles_ + i.cycles_before, instructions_retired() + i.index};
  const bool immediate = i.op >= Op::kCsrrwi;
  const bool swap = i.op == Op::kCsrrw || i.op == Op::kCsrrwi;
  const bool clear = i.op == Op::kCsrrc || i.op == Op::kCsrrci;
  const uint32_t operand = immediate ? i.rs1 : x_[i.rs1];
  const std::optional<uint32_t> old = csr_.read(i.imm, now);
  bool exists = old.has_value();
  if (exists && (swap || i.rs1 != 0)) {
    const uint32_t value = swap ? operand : clear ? *old & ~operand : *old | operand;
    exists = csr_.write(i.imm, value, now);
  }
  if (!exists) {
    return trap(i, Cause::kIllegalInstruction, csr_instruction_bits(i));
  }
  x_[i.rd] = *old;
  retire(i, i.pc + i.length);
  update_attention();
}

void Iss::system(const Instruction& i) {
  switch (i.op) {
    case Op::kEcall:
      return trap(i, Cause::kEnvironmentCall, 0);
    case Op::kEbreak:
      return trap(i, Cause::kBreakpoint, 0);
    case Op::kIllegal:
      return trap(i, Cause::kIllegalInstruction, i.imm);
    case Op::kMret:
      retire(i, csr_.leave_trap());
      return update_attention();
    case Op::kWfi:
      retire(i, i.pc + i.length);
      waiting_ = true;
      return update_attention();
    case Op::kFenceI:
      cache_.flush();
      return retire(i, i.pc + i.length);
    case Op::kBreakpoint:
      issued_ += i.index;
      cycles_ += i.cycles_before;
      pc_ = i.pc;
      return request_halt(HaltReason::kBreakpoint);
    case Op::kEnd:
      issued_ += i.index;
      cycles_ += i.cycles_before;
      pc_ = i.pc;
      return;
    default:
      return access_csr(i);
  }
}

void Iss::execute(const Block& block) {
  uint32_t* const x = x_.data();
  for (const Instruction* i = block.instructions.data();; ++i) {
    const uint32_t a = x[i->rs1];
    const uint32_t b = x[i->rs2];
    uint32_t& d = x[i->rd];
    const uint32_t imm = i->imm;
    switch (i->op) {
      case Op::kLi:
        d = imm;
        break;
      case Op::kAddi:
        d = a + imm;
        break;
      case Op::kSlti:
        d = as_signed(a) < as_signed(imm);
        break;
      case Op::kSltiu:
        d = a < imm;
        break;
      case Op::kXori:
        d = a ^ imm;
        break;
      case Op::kOri:
        d = a | imm;
        break;
      case Op::kAndi:
        d = a & imm;
        break;
      case Op::kSlli:
        d = a << imm;
        break;
      case Op::kSrli:
        d = a >> imm;
        break;
      case Op::kSrai:
        d = as_unsigned(as_signed(a) >> imm);
        break;
      case Op::kAdd:
        d = a + b;
        break;
      case Op::kSub:
        d = a - b;
        break;
      case Op::kSll:
        d = a << (b & 31U);
        break;
      case Op::kSlt:
        d = as_signed(a) < as_signed(b);
        break;
      case Op::kSltu:
        d = a < b;
        break;
      case Op::kXor:
        d = a ^ b;
        break;
      case Op::kSrl:
        d = a >> (b & 31U);
        break;
      case Op::kSra:
        d = as_unsigned(as_signed(a) >> (b & 31U));
        break;
      case Op::kOr:
        d = a | b;
        break;
      case Op::kAnd:
        d = a & b;
        break;
      case Op::kMul:
        d = a * b;
        break;
      case Op::kMulh:
        d = high_word(static_cast<int64_t>(as_signed(a)) * as_signed(b));
        break;
      case Op::kMulhsu:
        d = high_word(as_signed(a) * static_cast<int64_t>(b));
        break;
      case Op::kMulhu:
        d = static_cast<uint32_t>((static_cast<uint64_t>(a) * b) >> 32);
        break;
      case Op::kDiv:
        d = divide(a, b);
        break;
      case Op::kDivu:
        d = b == 0 ? ~0U : a / b;
        break;
      case Op::kRem:
        d = remainder(a, b);
        break;
      case Op::kRemu:
        d = b == 0 ? a : a % b;
        break;
      case Op::kLb:
        if (!load<int8_t>(*i)) return;
        break;
      case Op::kLh:
        if (!load<int16_t>(*i)) return;
        break;
      case Op::kLw:
        if (!load<int32_t>(*i)) return;
        break;
      case Op::kLbu:
        if (!load<uint8_t>(*i)) return;
        break;
      case Op::kLhu:
        if (!load<uint16_t>(*i)) return;
        break;
      case Op::kSb:
        if (!store<uint8_t>(*i)) return;
        break;
      case Op::kSh:
        if (!store<uint16_t>(*i)) return;
        break;
      case Op::kSw:
        if (!store<uint32_t>(*i)) return;
        break;
      case Op::kLr:
        if (!load_reserved(*i)) return;
        break;
      case Op::kSc:
        if (!store_conditional(*i)) return;
        break;
      case Op::kAmoswap:
      case Op::kAmoadd:
      case Op::kAmoxor:
      case Op::kAmoand:
      case Op::kAmoor:
      case Op::kAmomin:
      case Op::kAmomax:
      case Op::kAmominu:
      case Op::kAmomaxu:
        if (!atomic(*i)) return;
        break;
      case Op::kFence:
        break;
      case Op::kJal:
        d = i->pc + i->length;
        return retire(*i, imm);
      case Op::kJalr:
        d = i->pc + i->length;
        return retire(*i, (a + imm) & ~1U);
      case Op::kBeq:
        return branch(*i, a == b);
      case Op::kBne:
        return branch(*i, a != b);
      case Op::kBlt:
        return branch(*i, as_signed(a) < as_signed(b));
      case Op::kBge:
        return branch(*i, as_signed(a) >= as_signed(b));
      case Op::kBltu:
        return branch(*i, a < b);
      case Op::kBgeu:
        return branch(*i, a >= b);
      default:
        return system(*i);
    }
  }
}

}  // namespace tessera::core
