#pragma once

/// Registers of an NPU cluster, offsets from abi::kNpuBase + n * abi::kNpuStride. One table serves
/// the model, the firmware, error messages and the documentation. All are 32 bits wide and take
/// aligned 32-bit accesses only.

#include <stdint.h>

namespace tessera::abi {

/// X(name, offset, access, what it holds); access: RO, RW, WO, or W1C (write one to clear).
#define TESSERA_NPU_REGISTERS(X)                                                                  \
  X(ID, 0x000, RO, "kNpuId")                                                                      \
  X(ROWS, 0x004, RO, "PE rows R")                                                                 \
  X(COLUMNS, 0x008, RO, "PE columns C")                                                           \
  X(ACTIVATION_BYTES, 0x00C, RO, "size of the activation scratchpad")                             \
  X(WEIGHT_BYTES, 0x010, RO, "size of the weight scratchpad")                                     \
  X(OUTPUT_BYTES, 0x014, RO, "size of the output scratchpad")                                     \
  X(PARAMETER_BYTES, 0x018, RO, "size of the parameter memory")                                   \
  X(FIFO_WORDS, 0x01C, RO, "depth of each command FIFO in words")                                 \
  X(CONTROL, 0x020, WO, "bit 0: reset engines, FIFOs, tokens and errors")                         \
  X(STATUS, 0x024, RO, "bits 3:0 busy (load, compute, store, fetch), bit 8 error")                \
  X(IRQ_ENABLE, 0x028, RW, "kIrqNotify, kIrqSpace, kIrqError")                                    \
  X(IRQ_PENDING, 0x02C, W1C, "the same bits; SPACE is a level and cannot be cleared")             \
  X(ERROR_CAUSE, 0x030, RO, "NpuError, sticky until reset")                                       \
  X(ERROR_ENGINE, 0x034, RO, "Engine that met the error")                                         \
  X(ERROR_TAG, 0x038, RO, "tag of the command that caused it")                                    \
  X(ERROR_INFO, 0x03C, RO, "address, opcode or channel, by cause")                                \
  X(LOAD_FIFO, 0x040, WO, "command words of the load engine; a write to a full FIFO waits")       \
  X(LOAD_SPACE, 0x044, RO, "free words")                                                          \
  X(COMPUTE_FIFO, 0x048, WO, "command words of the compute engine; a write to a full FIFO waits") \
  X(COMPUTE_SPACE, 0x04C, RO, "free words")                                                       \
  X(STORE_FIFO, 0x050, WO, "command words of the store engine; a write to a full FIFO waits")     \
  X(STORE_SPACE, 0x054, RO, "free words")                                                         \
  X(SPACE_THRESHOLD, 0x058, RW, "SPACE is pending while every FIFO has this many free words")     \
  X(NOTIFY_COUNT, 0x05C, RO, "commands with the notify flag completed since reset")               \
  X(TOKEN_TIMEOUT, 0x060, RW,                                                                     \
    "cycles an engine may wait for a token that no busy engine can "                              \
    "bring before TOKEN_UNDERFLOW; 0 waits forever")                                              \
  X(PHASE, 0x064, RW, "inference under way: image number + 1; 0 outside (for statistics)")        \
  X(LIST_ADDRESS, 0x068, RW, "DRAM address of a command list; bits 1:0 read as 0")                \
  X(LIST_WORDS, 0x06C, WO,                                                                        \
    "fetches a list of so many words from LIST_ADDRESS; a write during another list waits")       \
  X(BASE_1, 0x070, RW, "added to the DRAM address of commands with base 1")                       \
  X(BASE_2, 0x074, RW, "added to the DRAM address of commands with base 2")

/// Offsets: npu_reg::ID and so on.
namespace npu_reg {
#define TESSERA_X(name, offset, access, doc) constexpr uint32_t name = offset;
TESSERA_NPU_REGISTERS(TESSERA_X)
#undef TESSERA_X
}  // namespace npu_reg

constexpr uint32_t kNpuRegisterBytes = 0x078;
constexpr uint32_t kNpuId = 0x5453'0001;  ///< "TS", version 1

constexpr uint32_t kIrqNotify = 1U << 0;  ///< a command with the notify flag completed
constexpr uint32_t kIrqSpace = 1U << 1;   ///< every FIFO has SPACE_THRESHOLD free words
constexpr uint32_t kIrqError = 1U << 2;

constexpr uint32_t kControlReset = 1U << 0;
constexpr uint32_t kStatusError = 1U << 8;

/// Those that execute commands, and the fetch engine, which brings lists of commands to them.
enum class Engine : uint32_t { kLoad = 0, kCompute = 1, kStore = 2, kFetch = 3 };
constexpr int kEngineCount = 3;  ///< with a command FIFO

enum class NpuError : uint32_t {
  kNone = 0,
  kBadOpcode,            ///< or base, or payload words; info: header word
  kBadAddress,           ///< scratchpad address out of range; info: address
  kBusError,             ///< DRAM side refused; info: address
  kTokenUnderflow,       ///< waited for a token that cannot come; info: wait mask
  kTokenOverflow,        ///< more than kMaxTokens pending; info: signal mask
  kIllegalMode,          ///< widths or shape the array cannot do; info: offending config word
  kAccumulatorOverflow,  ///< 48 bits exceeded; info: output channel
  kNotConfigured,        ///< RUN before CONFIGURE
  kBadTable,             ///< no prefix code, or another size than its symbols; info: DRAM address
  kBadCode,              ///< coded weights do not decode to their bytes; info: DRAM address
};

constexpr const char* name_of(NpuError error) {
  switch (error) {
    case NpuError::kNone:
      return "none";
    case NpuError::kBadOpcode:
      return "bad opcode";
    case NpuError::kBadAddress:
      return "scratchpad address out of range";
    case NpuError::kBusError:
      return "bus error";
    case NpuError::kTokenUnderflow:
      return "token underflow";
    case NpuError::kTokenOverflow:
      return "token overflow";
    case NpuError::kIllegalMode:
      return "illegal mode";
    case NpuError::kAccumulatorOverflow:
      return "accumulator overflow";
    case NpuError::kNotConfigured:
      return "not configured";
    case NpuError::kBadTable:
      return "bad code table";
    case NpuError::kBadCode:
      return "bad coded weights";
  }
  return "unknown";
}

constexpr const char* name_of(Engine engine) {
  switch (engine) {
    case Engine::kLoad:
      return "load";
    case Engine::kCompute:
      return "compute";
    case Engine::kStore:
      return "store";
    case Engine::kFetch:
      return "fetch";
  }
  return "unknown";
}

}  // namespace tessera::abi
