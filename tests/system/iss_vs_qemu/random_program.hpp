#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace tessera::test {

/// A program of random instructions of RV32IMAC + Zicsr for the frame programs/random_harness.S.
///
/// It is a sequence of units, each some instructions that belong together; branches go to the
/// start of units. Control flow is forward jumps and counted loops, so that every program ends.
/// Operands keep to what the specification and QEMU define alike: data accesses stay in the data
/// region (misaligned ones included), CSR writes to implemented bits.
class RandomProgram {
 public:
  /// About `units` units; the same seed gives the same program.
  RandomProgram(uint64_t seed, unsigned units);

  /// The program as it lies at random_code, given the addresses of that and of two labels.
  std::vector<uint8_t> code(uint32_t base, uint32_t checkpoint, uint32_t random_end) const;
  /// Random words for data_region and initial_registers; corner values are frequent.
  std::vector<uint32_t> words(unsigned count);

 private:
  enum class Fixup { kNone, kBranch, kJump, kCompressedJump, kCompressedBranch, kCall };
  struct Unit {
    std::vector<uint16_t> halves;
    Fixup fixup = Fixup::kNone;
    std::size_t fixup_at = 0;  ///< index in halves of the instruction to fix
    std::size_t target = 0;    ///< unit
  };

  static uint32_t fixup_bits(Fixup fixup, uint32_t offset);
  uint32_t below(uint32_t limit);
  bool chance(uint32_t percent) { return below(100) < percent; }
  uint32_t any_register() { return below(32); }
  uint32_t free_register();        ///< may be written
  uint32_t free_short_register();  ///< x9..x15
  uint32_t corner_word();
  uint32_t data_offset(uint32_t size_bytes);

  void emit(uint32_t instruction);
  void emit_half(uint32_t instruction);
  void load_constant(uint32_t rd, uint32_t value);
  void end_unit();

  void add_unit();
  void arithmetic();
  uint32_t arithmetic_word(uint32_t rd);
  void compressed();
  void compressed_arithmetic();
  void memory();
  void compressed_memory();
  void atomic();
  void reservation();
  void control_flow();
  void loop();
  void csr();
  void masked_csr(uint32_t number, uint32_t mask);
  void exception();
  void illegal();
  void memory_fault();
  void return_from_trap();
  void self_modifying();

  std::mt19937_64 random_;
  std::vector<Unit> units_;
  Unit unit_;
};

}  // namespace tessera::test
