#pragma once

#include <cstdint>

#include "core/timing.hpp"

namespace tessera::core {

/// Operations after decoding. Compressed forms are expanded; lui and auipc become kLi.
enum class Op : uint8_t {
  kLi,
  kAddi,
  kSlti,
  kSltiu,
  kXori,
  kOri,
  kAndi,
  kSlli,
  kSrli,
  kSrai,
  kAdd,
  kSub,
  kSll,
  kSlt,
  kSltu,
  kXor,
  kSrl,
  kSra,
  kOr,
  kAnd,
  kMul,
  kMulh,
  kMulhsu,
  kMulhu,
  kDiv,
  kDivu,
  kRem,
  kRemu,
  kLb,
  kLh,
  kLw,
  kLbu,
  kLhu,
  kSb,
  kSh,
  kSw,
  kLr,
  kSc,
  kAmoswap,
  kAmoadd,
  kAmoxor,
  kAmoand,
  kAmoor,
  kAmomin,
  kAmomax,
  kAmominu,
  kAmomaxu,
  kFence,
  kJal,
  kJalr,
  kBeq,
  kBne,
  kBlt,
  kBge,
  kBltu,
  kBgeu,
  kFenceI,
  kEcall,
  kEbreak,
  kMret,
  kWfi,
  kCsrrw,
  kCsrrs,
  kCsrrc,
  kCsrrwi,
  kCsrrsi,
  kCsrrci,
  kIllegal,
  kBreakpoint,  ///< set by a debugger
  kEnd,         ///< the block goes on in another one
};

/// Register number that swallows writes to x0.
constexpr uint8_t kSink = 32;

/// One predecoded instruction. `imm` is the immediate; the absolute target of jal and branches; the
/// value of kLi; the CSR number; the instruction bits of kIllegal. For kCsrr*i,
/// rs1 is the 5-bit immediate.
struct Instruction {
  Op op = Op::kEnd;
  uint8_t rd = kSink;
  uint8_t rs1 = 0;
  uint8_t rs2 = 0;
  uint32_t imm = 0;
  uint32_t pc = 0;
  uint16_t cycles_before = 0;  ///< cost of the instructions in front of it in its block
  uint8_t index = 0;           ///< instructions in front of it in its block
  uint8_t length = 4;          ///< bytes: 2 or 4
};
static_assert(sizeof(Instruction) == 16);

/// Decodes the instruction of RV32IMAC + Zicsr + fence.i at `pc`. `bits` holds it in its low 16 or
/// 32 bits. Encodings that QEMU's RV32IMAC refuses give kIllegal. The timing fields are left alone.
Instruction decode(uint32_t bits, uint32_t pc);

/// Whether `bits` starts an instruction of 4 bytes.
constexpr bool is_long(uint32_t bits) { return (bits & 3U) == 3U; }

/// True for operations after which a block cannot go on.
constexpr bool ends_block(Op op) { return op >= Op::kJal; }

/// Cycles of `op`, taken branches and memory not counted.
uint32_t cost_cycles(Op op, const CoreTiming& timing);

}  // namespace tessera::core
