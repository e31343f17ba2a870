#include "core/instruction.hpp"

namespace tessera::core {
namespace {

constexpr uint32_t field(uint32_t bits, int high, int low) {
  return (bits >> low) & ((1U << (high - low + 1)) - 1U);
}
constexpr uint32_t bit(uint32_t bits, int n) { return (bits >> n) & 1U; }
constexpr uint32_t sign_extend(uint32_t value, int width) {
  const uint32_t sign = 1U << (width - 1);
  return (value ^ sign) - sign;
}

constexpr uint32_t imm_i(uint32_t b) { return sign_extend(field(b, 31, 20), 12); }
constexpr uint32_t imm_s(uint32_t b) {
  return sign_extend((field(b, 31, 25) << 5) | field(b, 11, 7), 12);
}
constexpr uint32_t imm_b(uint32_t b) {
  return sign_extend(
      (bit(b, 31) << 12) | (bit(b, 7) << 11) | (field(b, 30, 25) << 5) | (field(b, 11, 8) << 1),
      13);
}
constexpr uint32_t imm_j(uint32_t b) {
  return sign_extend(
      (bit(b, 31) << 20) | (field(b, 19, 12) << 12) | (bit(b, 20) << 11) | (field(b, 30, 21) << 1),
      21);
}

/// Builds the decoded form; writes to x0 go to the sink.
struct Builder {
  uint32_t pc;
  uint8_t length;

  Instruction make(Op op, uint32_t rd, uint32_t rs1, uint32_t rs2, uint32_t imm) const {
    Instruction out;
    out.op = op;
    out.rd = rd == 0 ? kSink : static_cast<uint8_t>(rd);
    out.rs1 = static_cast<uint8_t>(rs1);
    out.rs2 = static_cast<uint8_t>(rs2);
    out.imm = imm;
    out.pc = pc;
    out.length = length;
    return out;
  }
  Instruction illegal(uint32_t bits) const { return make(Op::kIllegal, 0, 0, 0, bits); }
};

constexpr Op kNone = Op::kIllegal;

Op branch_op(uint32_t funct3) {
  constexpr Op kOps[8] = {Op::kBeq, Op::kBne, kNone,     kNone,
                          Op::kBlt, Op::kBge, Op::kBltu, Op::kBgeu};
  return kOps[funct3];
}
Op load_op(uint32_t funct3) {
  constexpr Op kOps[8] = {Op::kLb, Op::kLh, Op::kLw, kNone, Op::kLbu, Op::kLhu, kNone, kNone};
  return kOps[funct3];
}
Op store_op(uint32_t funct3) {
  constexpr Op kOps[8] = {Op::kSb, Op::kSh, Op::kSw, kNone, kNone, kNone, kNone, kNone};
  return kOps[funct3];
}
Op immediate_op(uint32_t funct3, uint32_t funct7) {
  if (funct3 == 1) return funct7 == 0 ? Op::kSlli : kNone;
  if (funct3 == 5) return funct7 == 0 ? Op::kSrli : funct7 == 0x20 ? Op::kSrai : kNone;
  constexpr Op kOps[8] = {Op::kAddi, kNone, Op::kSlti, Op::kSltiu,
                          Op::kXori, kNone, Op::kOri,  Op::kAndi};
  return kOps[funct3];
}
Op register_op(uint32_t funct3, uint32_t funct7) {
  constexpr Op kBase[8] = {Op::kAdd, Op::kSll, Op::kSlt, Op::kSltu,
                           Op::kXor, Op::kSrl, Op::kOr,  Op::kAnd};
  constexpr Op kMultiply[8] = {Op::kMul, Op::kMulh, Op::kMulhsu, Op::kMulhu,
                               Op::kDiv, Op::kDivu, Op::kRem,    Op::kRemu};
  if (funct7 == 0) return kBase[funct3];
  if (funct7 == 1) return kMultiply[funct3];
  if (funct7 == 0x20) return funct3 == 0 ? Op::kSub : funct3 == 5 ? Op::kSra : kNone;
  return kNone;
}
Op atomic_op(uint32_t funct5, uint32_t rs2) {
  switch (funct5) {
    case 0x00:
      return Op::kAmoadd;
    case 0x01:
      return Op::kAmoswap;
    case 0x02:
      return rs2 == 0 ? Op::kLr : kNone;
    case 0x03:
      return Op::kSc;
    case 0x04:
      return Op::kAmoxor;
    case 0x08:
      return Op::kAmoor;
    case 0x0C:
      return Op::kAmoand;
    case 0x10:
      return Op::kAmomin;
    case 0x14:
      return Op::kAmomax;
    case 0x18:
      return Op::kAmominu;
    case 0x1C:
      return Op::kAmomaxu;
    default:
      return kNone;
  }
}
Op system_op(uint32_t bits) {
  switch (bits) {
    case 0x0000'0073:
      return Op::kEcall;
    case 0x0010'0073:
      return Op::kEbreak;
    case 0x3020'0073:
      return Op::kMret;
    case 0x1050'0073:
      return Op::kWfi;
    default:
      break;
  }
  constexpr Op kOps[8] = {kNone, Op::kCsrrw,  Op::kCsrrs,  Op::kCsrrc,
                          kNone, Op::kCsrrwi, Op::kCsrrsi, Op::kCsrrci};
  return kOps[field(bits, 14, 12)];
}

Instruction decode_long(uint32_t b, const Builder& out) {
  const uint32_t rd = field(b, 11, 7);
  const uint32_t rs1 = field(b, 19, 15);
  const uint32_t rs2 = field(b, 24, 20);
  const uint32_t funct3 = field(b, 14, 12);
  const uint32_t funct7 = field(b, 31, 25);
  Instruction result = out.illegal(b);
  switch (field(b, 6, 0)) {
    case 0x37:
      return out.make(Op::kLi, rd, 0, 0, b & 0xFFFF'F000U);
    case 0x17:
      return out.make(Op::kLi, rd, 0, 0, out.pc + (b & 0xFFFF'F000U));
    case 0x6F:
      return out.make(Op::kJal, rd, 0, 0, out.pc + imm_j(b));
    case 0x67:
      if (funct3 == 0) result = out.make(Op::kJalr, rd, rs1, 0, imm_i(b));
      break;
    case 0x63:
      result = out.make(branch_op(funct3), 0, rs1, rs2, out.pc + imm_b(b));
      break;
    case 0x03:
      result = out.make(load_op(funct3), rd, rs1, 0, imm_i(b));
      break;
    case 0x23:
      result = out.make(store_op(funct3), 0, rs1, rs2, imm_s(b));
      break;
    case 0x13: {
      const bool shift = (funct3 & 3U) == 1;
      result = out.make(immediate_op(funct3, funct7), rd, rs1, 0, shift ? rs2 : imm_i(b));
      break;
    }
    case 0x33:
      result = out.make(register_op(funct3, funct7), rd, rs1, rs2, 0);
      break;
    case 0x2F:
      if (funct3 == 2) result = out.make(atomic_op(funct7 >> 2, rs2), rd, rs1, rs2, 0);
      break;
    case 0x0F:
      if (funct3 <= 1) result = out.make(funct3 == 0 ? Op::kFence : Op::kFenceI, 0, 0, 0, 0);
      break;
    case 0x73:
      result = out.make(system_op(b), rd, rs1, 0, field(b, 31, 20));
      break;
    default:
      break;
  }
  return result.op == kNone ? out.illegal(b) : result;
}

constexpr uint32_t imm_cj(uint32_t b) {
  return sign_extend((bit(b, 12) << 11) | (bit(b, 11) << 4) | (field(b, 10, 9) << 8) |
                         (bit(b, 8) << 10) | (bit(b, 7) << 6) | (bit(b, 6) << 7) |
                         (field(b, 5, 3) << 1) | (bit(b, 2) << 5),
                     12);
}
constexpr uint32_t imm_cb(uint32_t b) {
  return sign_extend((bit(b, 12) << 8) | (field(b, 11, 10) << 3) | (field(b, 6, 5) << 6) |
                         (field(b, 4, 3) << 1) | (bit(b, 2) << 5),
                     9);
}
constexpr uint32_t imm_ci(uint32_t b) { return sign_extend((bit(b, 12) << 5) | field(b, 6, 2), 6); }

/// Quadrant 0: loads and stores on x8..x15, c.addi4spn.
Instruction decode_quadrant0(uint32_t b, const Builder& out) {
  const uint32_t rd = 8 + field(b, 4, 2);
  const uint32_t rs1 = 8 + field(b, 9, 7);
  const uint32_t word_offset = (bit(b, 5) << 6) | (field(b, 12, 10) << 3) | (bit(b, 6) << 2);
  switch (field(b, 15, 13)) {
    case 0: {
      const uint32_t imm =
          (field(b, 10, 7) << 6) | (field(b, 12, 11) << 4) | (bit(b, 5) << 3) | (bit(b, 6) << 2);
      return imm == 0 ? out.illegal(b) : out.make(Op::kAddi, rd, 2, 0, imm);
    }
    case 2:
      return out.make(Op::kLw, rd, rs1, 0, word_offset);
    case 6:
      return out.make(Op::kSw, 0, rs1, rd, word_offset);
    default:
      return out.illegal(b);
  }
}

/// Quadrant 1, funct3 4: arithmetic on x8..x15.
Instruction decode_compressed_arithmetic(uint32_t b, const Builder& out) {
  const uint32_t rd = 8 + field(b, 9, 7);
  const uint32_t rs2 = 8 + field(b, 4, 2);
  const uint32_t shift = (bit(b, 12) << 5) | field(b, 6, 2);
  switch (field(b, 11, 10)) {
    case 0:
      return shift > 31 ? out.illegal(b) : out.make(Op::kSrli, rd, rd, 0, shift);
    case 1:
      return shift > 31 ? out.illegal(b) : out.make(Op::kSrai, rd, rd, 0, shift);
    case 2:
      return out.make(Op::kAndi, rd, rd, 0, imm_ci(b));
    default:
      break;
  }
  if (bit(b, 12) != 0) return out.illegal(b);
  constexpr Op kOps[4] = {Op::kSub, Op::kXor, Op::kOr, Op::kAnd};
  return out.make(kOps[field(b, 6, 5)], rd, rd, rs2, 0);
}

Instruction decode_quadrant1(uint32_t b, const Builder& out) {
  const uint32_t rd = field(b, 11, 7);
  const uint32_t rs1_short = 8 + field(b, 9, 7);
  switch (field(b, 15, 13)) {
    case 0:
      return out.make(Op::kAddi, rd, rd, 0, imm_ci(b));
    case 1:
      return out.make(Op::kJal, 1, 0, 0, out.pc + imm_cj(b));
    case 2:
      return out.make(Op::kLi, rd, 0, 0, imm_ci(b));
    case 3:
      if (imm_ci(b) == 0) return out.illegal(b);
      if (rd == 2) {
        const uint32_t imm = (bit(b, 12) << 9) | (field(b, 4, 3) << 7) | (bit(b, 5) << 6) |
                             (bit(b, 2) << 5) | (bit(b, 6) << 4);
        return out.make(Op::kAddi, 2, 2, 0, sign_extend(imm, 10));
      }
      return out.make(Op::kLi, rd, 0, 0, imm_ci(b) << 12);
    case 4:
      return decode_compressed_arithmetic(b, out);
    case 5:
      return out.make(Op::kJal, 0, 0, 0, out.pc + imm_cj(b));
    case 6:
      return out.make(Op::kBeq, 0, rs1_short, 0, out.pc + imm_cb(b));
    default:
      return out.make(Op::kBne, 0, rs1_short, 0, out.pc + imm_cb(b));
  }
}

/// Quadrant 2, funct3 4: c.jr, c.jalr, c.mv, c.add, c.ebreak.
Instruction decode_compressed_register(uint32_t b, const Builder& out) {
  const uint32_t rd = field(b, 11, 7);
  const uint32_t rs2 = field(b, 6, 2);
  if (bit(b, 12) == 0) {
    if (rs2 != 0) return out.make(Op::kAdd, rd, 0, rs2, 0);
    return rd == 0 ? out.illegal(b) : out.make(Op::kJalr, 0, rd, 0, 0);
  }
  if (rs2 != 0) return out.make(Op::kAdd, rd, rd, rs2, 0);
  return rd == 0 ? out.make(Op::kEbreak, 0, 0, 0, 0) : out.make(Op::kJalr, 1, rd, 0, 0);
}

Instruction decode_quadrant2(uint32_t b, const Builder& out) {
  const uint32_t rd = field(b, 11, 7);
  const uint32_t rs2 = field(b, 6, 2);
  switch (field(b, 15, 13)) {
    case 0:
      return bit(b, 12) != 0 ? out.illegal(b) : out.make(Op::kSlli, rd, rd, 0, rs2);
    case 2: {
      const uint32_t imm = (field(b, 3, 2) << 6) | (bit(b, 12) << 5) | (field(b, 6, 4) << 2);
      return rd == 0 ? out.illegal(b) : out.make(Op::kLw, rd, 2, 0, imm);
    }
    case 4:
      return decode_compressed_register(b, out);
    case 6:
      return out.make(Op::kSw, 0, 2, rs2, (field(b, 8, 7) << 6) | (field(b, 12, 9) << 2));
    default:
      return out.illegal(b);
  }
}

}  // namespace

Instruction decode(uint32_t bits, uint32_t pc) {
  if (is_long(bits)) return decode_long(bits, Builder{pc, 4});
  const Builder out{pc, 2};
  const uint32_t half = bits & 0xFFFFU;
  switch (half & 3U) {
    case 0:
      return decode_quadrant0(half, out);
    case 1:
      return decode_quadrant1(half, out);
    default:
      return decode_quadrant2(half, out);
  }
}

uint32_t cost_cycles(Op op, const CoreTiming& t) {
  const auto in = [op](Op first, Op last) { return first <= op && op <= last; };
  if (op >= Op::kBreakpoint) return 0;
  if (in(Op::kMul, Op::kMulhu)) return t.instruction + t.multiply;
  if (in(Op::kDiv, Op::kRemu)) return t.instruction + t.divide;
  if (in(Op::kLr, Op::kAmomaxu)) return t.instruction + t.atomic;
  if (in(Op::kJal, Op::kJalr)) return t.instruction + t.jump;
  if (in(Op::kCsrrw, Op::kCsrrci)) return t.instruction + t.csr;
  if (op == Op::kFenceI) return t.instruction + t.fence_i;
  if (op == Op::kMret) return t.instruction + t.trap;
  return t.instruction;
}

}  // namespace tessera::core
