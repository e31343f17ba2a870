#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::core {

/// An ELF file that cannot be used; what() is one line with the file's name.
class ElfError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A bare-metal program: a statically linked ELF32 little-endian RISC-V executable for the ilp32
/// ABI. Everything is checked when it is read: no later access can leave the file.
class Elf {
 public:
  /// What one PT_LOAD header puts in memory: `data`, then zeros up to `memory_size_bytes`.
  struct Segment {
    uint32_t address = 0;  ///< physical
    std::vector<unsigned char> data;
    uint32_t memory_size_bytes = 0;
  };
  struct Symbol {
    std::string name;
    uint32_t address = 0;
    uint32_t size_bytes = 0;  ///< 0 if unknown
  };

  /// Reads a file. Throws ElfError if it cannot be read, or is not such an executable.
  static Elf read(const std::string& path);
  /// The same from memory; `name` stands in error messages.
  static Elf parse(const std::vector<unsigned char>& bytes, const std::string& name);

  const std::string& name() const { return name_; }
  uint32_t entry() const { return entry_; }
  const std::vector<Segment>& segments() const { return segments_; }

  /// Address of a symbol by its exact name.
  std::optional<uint32_t> find(const std::string& symbol) const;
  /// Like find(), but throws an ElfError that names file and symbol.
  uint32_t require(const std::string& symbol) const;
  /// The symbol at or in front of `address` in the same segment, or null.
  const Symbol* symbol_at(uint32_t address) const;
  /// "main+0x12", "main", or "0x80000012" where there is no symbol.
  std::string describe(uint32_t address) const;

 private:
  friend class ElfReader;

  std::string name_;
  uint32_t entry_ = 0;
  std::vector<Segment> segments_;
  std::map<std::string, uint32_t> address_by_name_;
  std::multimap<uint32_t, Symbol> symbols_;  ///< by address; code and data labels
};

}  // namespace tessera::core
