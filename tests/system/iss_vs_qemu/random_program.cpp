#include "system/iss_vs_qemu/random_program.hpp"

#include <algorithm>
#include <array>

#include "core/instruction.hpp"

namespace tessera::test {
namespace {

constexpr uint32_t kDataPointer = 8;
constexpr uint32_t kLoopCounter = 28;
constexpr uint32_t kScratch2 = 29;
constexpr uint32_t kScratch = 30;
constexpr uint32_t kUnmapped = 0x1800'0000;

constexpr uint32_t r_type(uint32_t opcode, uint32_t rd, uint32_t funct3, uint32_t rs1, uint32_t rs2,
                          uint32_t funct7) {
  return opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | (funct7 << 25);
}
constexpr uint32_t i_type(uint32_t opcode, uint32_t rd, uint32_t funct3, uint32_t rs1,
                          uint32_t imm) {
  return opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | ((imm & 0xFFFU) << 20);
}
constexpr uint32_t s_type(uint32_t funct3, uint32_t rs1, uint32_t rs2, uint32_t imm) {
  return 0x23U | ((imm & 31U) << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) |
         (((imm >> 5) & 127U) << 25);
}
constexpr uint32_t b_immediate(uint32_t imm) {
  return (((imm >> 11) & 1U) << 7) | (((imm >> 1) & 15U) << 8) | (((imm >> 5) & 63U) << 25) |
         (((imm >> 12) & 1U) << 31);
}
constexpr uint32_t j_immediate(uint32_t imm) {
  return (imm & 0xF'F000U) | (((imm >> 11) & 1U) << 20) | (((imm >> 1) & 1023U) << 21) |
         (((imm >> 20) & 1U) << 31);
}
constexpr uint32_t cj_immediate(uint32_t imm) {
  return (((imm >> 5) & 1U) << 2) | (((imm >> 1) & 7U) << 3) | (((imm >> 7) & 1U) << 6) |
         (((imm >> 6) & 1U) << 7) | (((imm >> 10) & 1U) << 8) | (((imm >> 8) & 3U) << 9) |
         (((imm >> 4) & 1U) << 11) | (((imm >> 11) & 1U) << 12);
}
constexpr uint32_t cb_immediate(uint32_t imm) {
  return (((imm >> 5) & 1U) << 2) | (((imm >> 1) & 3U) << 3) | (((imm >> 6) & 3U) << 5) |
         (((imm >> 3) & 3U) << 10) | (((imm >> 8) & 1U) << 12);
}
constexpr uint32_t addi(uint32_t rd, uint32_t rs1, uint32_t imm) {
  return i_type(0x13, rd, 0, rs1, imm);
}
constexpr uint32_t and_(uint32_t rd, uint32_t rs1, uint32_t rs2) {
  return r_type(0x33, rd, 7, rs1, rs2, 0);
}
constexpr uint32_t csr_instruction(uint32_t funct3, uint32_t rd, uint32_t number, uint32_t rs1) {
  return i_type(0x73, rd, funct3, rs1, number);
}

}  // namespace

RandomProgram::RandomProgram(uint64_t seed, unsigned units) : random_(seed) {
  constexpr unsigned kUnitsPerCheckpoint = 40;
  while (units_.size() < units) {
    add_unit();
    if (units_.size() % kUnitsPerCheckpoint == 0) {
      unit_.fixup = Fixup::kCall;
      emit(0x6FU | (kScratch2 << 7));
      end_unit();
    }
  }
}

uint32_t RandomProgram::below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

uint32_t RandomProgram::free_register() {
  for (;;) {
    const uint32_t r = below(28);
    if (r != 2 && r != kDataPointer) return r;
  }
}

uint32_t RandomProgram::free_short_register() { return 9 + below(7); }

uint32_t RandomProgram::corner_word() {
  constexpr std::array<uint32_t, 8> kCorners = {0,           1,           0xFFFF'FFFF, 0x7FFF'FFFF,
                                                0x8000'0000, 0x8000'0001, 0x0000'FFFF, 0xFFFF'8000};
  const auto any = static_cast<uint32_t>(random_());
  return chance(40) ? kCorners[any % kCorners.size()] : chance(30) ? any >> (any % 32) : any;
}

std::vector<uint32_t> RandomProgram::words(unsigned count) {
  std::vector<uint32_t> out(count);
  for (uint32_t& word : out) word = corner_word();
  return out;
}

/// An offset from the data pointer at which `size_bytes` are in the region; mostly aligned.
uint32_t RandomProgram::data_offset(uint32_t size_bytes) {
  const uint32_t offset = below(4096 - 64) - 2048 + 32;
  return chance(70) ? offset & ~(size_bytes - 1) : offset;
}

void RandomProgram::emit(uint32_t instruction) {
  unit_.halves.push_back(static_cast<uint16_t>(instruction));
  unit_.halves.push_back(static_cast<uint16_t>(instruction >> 16));
}
void RandomProgram::emit_half(uint32_t instruction) {
  unit_.halves.push_back(static_cast<uint16_t>(instruction));
}
void RandomProgram::load_constant(uint32_t rd, uint32_t value) {
  emit(0x37U | (rd << 7) | ((value + 0x800U) & 0xFFFF'F000U));
  emit(addi(rd, rd, value));
}
void RandomProgram::end_unit() {
  units_.push_back(unit_);
  unit_ = Unit{};
}

void RandomProgram::add_unit() {
  const uint32_t choice = below(100);
  if (choice < 34) {
    arithmetic();
  } else if (choice < 56) {
    compressed();
  } else if (choice < 68) {
    memory();
  } else if (choice < 73) {
    compressed_memory();
  } else if (choice < 77) {
    atomic();
  } else if (choice < 79) {
    reservation();
  } else if (choice < 88) {
    control_flow();
  } else if (choice < 89) {
    return loop();
  } else if (choice < 94) {
    csr();
  } else if (choice < 99) {
    exception();
  } else {
    self_modifying();
  }
  end_unit();
}

uint32_t RandomProgram::arithmetic_word(uint32_t rd) {
  const uint32_t rs1 = any_register();
  const uint32_t funct3 = below(8);
  switch (below(5)) {
    case 0:
      return r_type(0x33, rd, funct3, rs1, any_register(), 1);
    case 1: {
      const bool alternative = (funct3 == 0 || funct3 == 5) && chance(50);
      return r_type(0x33, rd, funct3, rs1, any_register(), alternative ? 0x20 : 0);
    }
    case 2:
      return (chance(50) ? 0x37U : 0x17U) | (rd << 7) | (corner_word() & 0xFFFF'F000U);
    default: {
      if ((funct3 & 3U) != 1) return i_type(0x13, rd, funct3, rs1, corner_word());
      return r_type(0x13, rd, funct3, rs1, below(32), funct3 == 5 && chance(50) ? 0x20 : 0);
    }
  }
}

void RandomProgram::arithmetic() {
  if (chance(3)) return emit(i_type(0x0F, any_register(), 0, any_register(), corner_word()));
  emit(arithmetic_word(free_register()));
}

void RandomProgram::compressed_arithmetic() {
  const uint32_t rd = free_short_register() - 8;
  const uint32_t five = below(32) << 2;
  switch (below(4)) {
    case 0:
      return emit_half(0x8001U | (rd << 7) | five);  // c.srli
    case 1:
      return emit_half(0x8401U | (rd << 7) | five);  // c.srai
    case 2:
      return emit_half(0x8801U | (rd << 7) | five | (below(2) << 12));
    default:
      return emit_half(0x8C01U | (rd << 7) | (below(4) << 5) | (below(8) << 2));
  }
}

void RandomProgram::compressed() {
  const uint32_t rd = free_register();
  const uint32_t six = (below(32) << 2) | (below(2) << 12);
  switch (below(9)) {
    case 0:
      return emit_half(0x0001U | (rd << 7) | six);  // c.addi, c.nop
    case 1:
      return emit_half(0x4001U | (rd << 7) | six);  // c.li
    case 2:
      return emit_half(0x6001U | (rd << 7) | (six == 0 ? 4U : six));  // c.lui
    case 3:
      return emit_half(0x0002U | (rd << 7) | (six & 0x7CU));  // c.slli
    case 4:
      return emit_half(0x8002U | (rd << 7) | ((1 + below(31)) << 2));  // c.mv
    case 5:
      return emit_half(0x9002U | (rd << 7) | ((1 + below(31)) << 2));  // c.add
    case 6:                                                            // c.addi4spn
      return emit_half((free_short_register() - 8) << 2 | ((1 + below(255)) << 5));
    case 7:  // c.addi16sp, there and back
      emit_half(0x6101U | (1U << 6));
      return emit_half(0x6101U | (1U << 12) | (31U << 2));
    default:
      return compressed_arithmetic();
  }
}

void RandomProgram::memory() {
  const uint32_t base = chance(50) ? kDataPointer : 2;
  if (chance(50)) {
    constexpr std::array<uint32_t, 5> kLoads = {0, 1, 2, 4, 5};
    const uint32_t funct3 = kLoads[below(5)];
    emit(i_type(0x03, free_register(), funct3, base, data_offset(1U << (funct3 & 3U))));
  } else {
    const uint32_t funct3 = below(3);
    emit(s_type(funct3, base, any_register(), data_offset(1U << funct3)));
  }
}

void RandomProgram::compressed_memory() {
  const uint32_t base = kDataPointer - 8;
  const uint32_t offset = (below(2) << 5) | (below(8) << 10) | (below(2) << 6);
  switch (below(4)) {
    case 0:
      return emit_half(0x4000U | (base << 7) | offset | ((free_short_register() - 8) << 2));
    case 1:
      return emit_half(0xC000U | (base << 7) | offset | (below(8) << 2));
    case 2: {
      const uint32_t rd = free_register();
      return emit_half(0x4002U | ((rd == 0 ? 1U : rd) << 7) | (below(32) << 2) | (below(2) << 12));
    }
    default:
      return emit_half(0xC002U | (below(64) << 7) | (any_register() << 2));
  }
}

void RandomProgram::atomic() {
  constexpr std::array<uint32_t, 9> kOperations = {0, 1, 4, 8, 12, 16, 20, 24, 28};
  emit(addi(kScratch, kDataPointer, data_offset(4) & (chance(90) ? ~3U : ~0U)));
  emit(r_type(0x2F, free_register(), 2, kScratch, any_register(),
              (kOperations[below(9)] << 2) | below(4)));
}

void RandomProgram::reservation() {
  const uint32_t offset = data_offset(4) & ~3U;
  emit(addi(kScratch, kDataPointer, offset));
  if (chance(80)) emit(r_type(0x2F, free_register(), 2, kScratch, 0, (2U << 2) | below(4)));
  if (chance(30)) emit(s_type(below(3), kDataPointer, any_register(), offset));
  if (chance(20)) emit(addi(kScratch, kDataPointer, data_offset(4)));
  emit(r_type(0x2F, free_register(), 2, kScratch, any_register(), (3U << 2) | below(4)));
}

void RandomProgram::control_flow() {
  constexpr std::array<uint32_t, 6> kBranches = {0, 1, 4, 5, 6, 7};
  unit_.target = units_.size() + 1 + below(6);
  switch (below(5)) {
    case 0:
      unit_.fixup = Fixup::kJump;
      return emit(0x6FU | (free_register() << 7));
    case 1:
      unit_.fixup = Fixup::kCompressedJump;
      return emit_half(chance(50) ? 0xA001U : 0x2001U);  // c.j, c.jal
    case 2:
      unit_.fixup = Fixup::kCompressedBranch;
      return emit_half((chance(50) ? 0xC001U : 0xE001U) | (below(8) << 7));
    case 3: {  // jalr over what lies between, and its compressed forms
      unit_.target = 0;
      const uint32_t form = below(3);
      const uint32_t bytes = form == 0 ? 12 : 10;
      emit(0x17U | (kScratch << 7));
      emit(addi(kScratch, kScratch, bytes + below(2)));
      if (form == 0) return emit(i_type(0x67, free_register(), 0, kScratch, 0));
      return emit_half((form == 1 ? 0x8002U : 0x9002U) | (kScratch << 7));
    }
    default:
      unit_.fixup = Fixup::kBranch;
      return emit(r_type(0x63, 0, kBranches[below(6)], any_register(), any_register(), 0));
  }
}

/// A counted loop; entering it in the middle does no harm, the counter being small or zero.
void RandomProgram::loop() {
  emit(addi(kLoopCounter, 0, 1 + below(12)));
  end_unit();
  const std::size_t start = units_.size();
  const uint32_t body_units = 1 + below(6);
  for (uint32_t k = 0; k < body_units; ++k) {
    switch (below(4)) {
      case 0:
        compressed();
        break;
      case 1:
        memory();
        break;
      default:
        arithmetic();
        break;
    }
    end_unit();
  }
  emit(addi(kLoopCounter, kLoopCounter, ~0U));
  unit_.fixup = Fixup::kBranch;
  unit_.fixup_at = unit_.halves.size();
  unit_.target = start;
  emit(r_type(0x63, 0, 4, 0, kLoopCounter, 0));
  end_unit();
}

void RandomProgram::masked_csr(uint32_t number, uint32_t mask) {
  load_constant(kScratch, mask);
  emit(and_(kScratch, kScratch, any_register()));
  emit(csr_instruction(1 + below(3), kScratch, number, kScratch));
  load_constant(kScratch2, mask);
  emit(and_(kScratch, kScratch, kScratch2));
  emit(and_(free_register(), kScratch, kScratch));
}

void RandomProgram::csr() {
  constexpr uint32_t kMscratch = 0x340, kMepc = 0x341, kMcause = 0x342, kMtval = 0x343,
                     kMstatus = 0x300, kMie = 0x304, kMtvec = 0x305;
  switch (below(7)) {
    case 0:
      return masked_csr(kMstatus, 0x88);
    case 1:
      return masked_csr(kMie, 0x888);
    case 2:
      return masked_csr(kMepc, ~1U);
    case 3: {  // mtvec, put back at once
      masked_csr(kMtvec, ~2U);
      emit(csr_instruction(1, kScratch2, kMtvec, kScratch));
      return emit(and_(free_register(), kScratch2, kScratch2));
    }
    case 4: {
      constexpr std::array<uint32_t, 8> kReadable = {0x301, 0x344, 0xF11, 0xF12,
                                                     0xF13, 0xF14, 0x310, 0xF15};
      return emit(csr_instruction(chance(50) ? 2 : 6, free_register(), kReadable[below(8)], 0));
    }
    default: {
      constexpr std::array<uint32_t, 3> kFree = {kMscratch, kMcause, kMtval};
      constexpr std::array<uint32_t, 6> kForms = {1, 2, 3, 5, 6, 7};
      return emit(csr_instruction(kForms[below(6)], free_register(), kFree[below(3)], below(32)));
    }
  }
}

void RandomProgram::exception() {
  switch (below(6)) {
    case 0:
      return emit(0x0000'0073);  // ecall
    case 1:
      return chance(50) ? emit(0x0010'0073) : emit_half(0x9002);
    case 2:
      return memory_fault();
    case 3:
      return return_from_trap();
    default:
      return illegal();
  }
}

void RandomProgram::illegal() {
  constexpr std::array<uint32_t, 10> kMissingCsrs = {0x001, 0x003, 0x100, 0x140, 0x180,
                                                     0x105, 0x144, 0x5C0, 0x7C0, 0xFFF};
  if (chance(20)) {
    const uint32_t number = kMissingCsrs[below(10)];
    return emit(csr_instruction(1 + below(3), any_register(), number, any_register()));
  }
  if (chance(20)) return emit(csr_instruction(1, any_register(), 0xF11 + below(4), any_register()));
  for (;;) {
    const auto bits = static_cast<uint32_t>(random_());
    const bool is_system = (bits & 0x7FU) == 0x73U;
    if (is_system || core::decode(bits, 0).op != core::Op::kIllegal) continue;
    return core::is_long(bits) ? emit(bits) : emit_half(bits);
  }
}

void RandomProgram::memory_fault() {
  const uint32_t target = kUnmapped + (below(0x1000) & ~3U);
  load_constant(kScratch, target);
  constexpr std::array<uint32_t, 5> kLoads = {0, 1, 2, 4, 5};
  switch (below(5)) {
    case 0:
      return emit(i_type(0x03, any_register(), kLoads[below(5)], kScratch, 0));
    case 1:
      return emit(s_type(below(3), kScratch, any_register(), 0));
    case 2:
      return emit(r_type(0x2F, any_register(), 2, kScratch, 0, 2U << 2));  // lr.w
    case 3:
      return emit(i_type(0x67, 1, 0, kScratch, 0));  // jalr x1
    default:                                         // misaligned LR and AMO
      emit(addi(kScratch, kDataPointer, 1 + below(3)));
      return emit(r_type(0x2F, any_register(), 2, kScratch, 0, (chance(50) ? 2U : 0U) << 2));
  }
}

/// mret to the next unit, whatever mstatus holds.
void RandomProgram::return_from_trap() {
  emit(0x37U | (kScratch << 7) | 0x2000U);
  emit(addi(kScratch, kScratch, ~0x7FFU));
  emit(csr_instruction(2, 0, 0x300, kScratch));
  emit(0x17U | (kScratch << 7));
  emit(addi(kScratch, kScratch, 16));
  emit(csr_instruction(1, 0, 0x341, kScratch));
  emit(0x3020'0073);
}

/// Writes an instruction over a later one of the unit.
void RandomProgram::self_modifying() {
  emit(0x17U | (kScratch2 << 7));
  load_constant(kScratch, arithmetic_word(free_register()));
  emit(s_type(2, kScratch2, kScratch, 20));
  emit(0x0000'100F);  // fence.i
  emit(0x0000'0013);
}

uint32_t RandomProgram::fixup_bits(Fixup fixup, uint32_t offset) {
  switch (fixup) {
    case Fixup::kNone:
      return 0;
    case Fixup::kBranch:
      return b_immediate(offset);
    case Fixup::kCompressedJump:
      return cj_immediate(offset);
    case Fixup::kCompressedBranch:
      return cb_immediate(offset);
    default:
      return j_immediate(offset);
  }
}

std::vector<uint8_t> RandomProgram::code(uint32_t base, uint32_t checkpoint,
                                         uint32_t random_end) const {
  std::vector<uint32_t> address{base};
  for (const Unit& unit : units_) {
    address.push_back(address.back() + 2 * static_cast<uint32_t>(unit.halves.size()));
  }
  std::vector<uint16_t> halves;
  for (std::size_t n = 0; n < units_.size(); ++n) {
    const Unit& unit = units_[n];
    const std::size_t at = halves.size() + unit.fixup_at;
    halves.insert(halves.end(), unit.halves.begin(), unit.halves.end());
    const uint32_t from = base + 2 * static_cast<uint32_t>(at);
    const uint32_t to = address[std::min(unit.target, units_.size())];
    const uint32_t bits =
        fixup_bits(unit.fixup, (unit.fixup == Fixup::kCall ? checkpoint : to) - from);
    if (bits != 0) halves[at] = static_cast<uint16_t>(halves[at] | bits);
    if ((bits >> 16) != 0) halves[at + 1] = static_cast<uint16_t>(halves[at + 1] | (bits >> 16));
  }
  const uint32_t last = 0x6FU | j_immediate(random_end - address.back());
  halves.push_back(static_cast<uint16_t>(last));
  halves.push_back(static_cast<uint16_t>(last >> 16));
  std::vector<uint8_t> bytes;
  for (const uint16_t half : halves) {
    bytes.push_back(static_cast<uint8_t>(half));
    bytes.push_back(static_cast<uint8_t>(half >> 8));
  }
  return bytes;
}

}  // namespace tessera::test
