#include "core/elf.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace tessera::core {
namespace {

constexpr const char* kNeed = "need a 32-bit RISC-V executable (rv32imac, ilp32)";
constexpr uint16_t kTypeExecutable = 2;
constexpr uint16_t kMachineRiscv = 243;
constexpr uint32_t kFlagFloatAbi = 0x6;
constexpr uint32_t kFlagEmbedded = 0x8;
constexpr uint32_t kProgramLoad = 1;
constexpr uint32_t kSectionSymbols = 2;
constexpr uint32_t kHeaderBytes = 52;
constexpr uint32_t kProgramHeaderBytes = 32;
constexpr uint32_t kSectionHeaderBytes = 40;
constexpr uint32_t kSymbolBytes = 16;

std::string hex(uint32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", value);
  return text.data();
}

}  // namespace

/// Walks the bytes of a file; every access is checked.
class ElfReader {
 public:
  ElfReader(const std::vector<unsigned char>& bytes, const std::string& name) : bytes_(bytes) {
    elf_.name_ = name;
  }

  Elf read() {
    check_identity();
    elf_.entry_ = word(24);
    read_segments();
    read_symbols();
    return std::move(elf_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw ElfError(elf_.name_ + ": " + message);
  }

  void need(uint64_t offset, uint64_t size_bytes, const char* what) const {
    if (offset + size_bytes > bytes_.size()) {
      fail(std::string("truncated: ") + what + " ends at byte " +
           std::to_string(offset + size_bytes) + ", the file has " + std::to_string(bytes_.size()));
    }
  }
  uint16_t half(uint64_t offset) const {
    return static_cast<uint16_t>(bytes_[offset] | (bytes_[offset + 1] << 8));
  }
  uint32_t word(uint64_t offset) const {
    return half(offset) | (static_cast<uint32_t>(half(offset + 2)) << 16);
  }

  void check_identity() const {
    constexpr std::array<unsigned char, 4> kMagic = {0x7F, 'E', 'L', 'F'};
    if (bytes_.size() < 4 || !std::equal(kMagic.begin(), kMagic.end(), bytes_.begin())) {
      fail(std::string("not an ELF file, ") + kNeed);
    }
    need(0, 16, "the ELF identification");
    if (bytes_[4] != 1) {
      fail("ELF class " + std::string(bytes_[4] == 2 ? "64" : std::to_string(bytes_[4])) + ", " +
           kNeed);
    }
    if (bytes_[5] != 1) fail(std::string("not little endian, ") + kNeed);
    need(0, kHeaderBytes, "the ELF header");
    if (half(18) != kMachineRiscv) {
      fail("ELF machine " + std::to_string(half(18)) + ", " + kNeed);
    }
    if (half(16) != kTypeExecutable) {
      fail("ELF type " + std::to_string(half(16)) + " is not a linked executable, " + kNeed);
    }
    if ((word(36) & kFlagFloatAbi) != 0) fail(std::string("hard-float ABI, ") + kNeed);
    if ((word(36) & kFlagEmbedded) != 0) fail(std::string("RV32E ABI, ") + kNeed);
  }

  void read_segments() {
    const uint64_t table = word(28);
    const uint32_t count = half(44);
    if (count != 0 && half(42) != kProgramHeaderBytes) {
      fail("program headers of " + std::to_string(half(42)) + " bytes, expected 32");
    }
    need(table, static_cast<uint64_t>(count) * kProgramHeaderBytes, "the program header table");
    for (uint32_t n = 0; n < count; ++n) {
      const uint64_t header = table + static_cast<uint64_t>(n) * kProgramHeaderBytes;
      if (word(header) == kProgramLoad && word(header + 20) != 0) read_segment(header);
    }
    if (elf_.segments_.empty()) fail("no loadable segment");
  }

  void read_segment(uint64_t header) {
    Elf::Segment segment;
    segment.address = word(header + 12);
    segment.memory_size_bytes = word(header + 20);
    const uint64_t offset = word(header + 4);
    const uint64_t size = word(header + 16);
    need(offset, size, "a segment");
    if (size > segment.memory_size_bytes) fail("a segment is larger in the file than in memory");
    if (static_cast<uint64_t>(segment.address) + segment.memory_size_bytes > (1ULL << 32)) {
      fail("the segment at " + hex(segment.address) + " leaves the 32-bit address space");
    }
    const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
    segment.data.assign(first, first + static_cast<std::ptrdiff_t>(size));
    elf_.segments_.push_back(std::move(segment));
  }

  uint64_t section_header(uint64_t index) const { return word(32) + index * kSectionHeaderBytes; }

  void read_symbols() {
    const uint32_t count = half(48);
    if (count == 0) return;
    if (half(46) != kSectionHeaderBytes) {
      fail("section headers of " + std::to_string(half(46)) + " bytes, expected 40");
    }
    need(word(32), static_cast<uint64_t>(count) * kSectionHeaderBytes, "the section header table");
    for (uint32_t n = 0; n < count; ++n) {
      if (word(section_header(n) + 4) == kSectionSymbols)
        read_symbol_table(section_header(n), count);
    }
  }

  void read_symbol_table(uint64_t header, uint32_t section_count) {
    const uint64_t offset = word(header + 16);
    const uint64_t size = word(header + 20);
    need(offset, size, "the symbol table");
    const uint32_t link = word(header + 24);
    if (link >= section_count) fail("the symbol table names a section that does not exist");
    const uint64_t strings = word(section_header(link) + 16);
    const uint64_t strings_size = word(section_header(link) + 20);
    need(strings, strings_size, "the symbol string table");
    for (uint64_t at = offset; at + kSymbolBytes <= offset + size; at += kSymbolBytes) {
      read_symbol(at, strings, strings_size);
    }
  }

  void read_symbol(uint64_t at, uint64_t strings, uint64_t strings_size) {
    constexpr unsigned kTypeFunction = 2;
    const uint64_t name_offset = word(at);
    const unsigned type = bytes_[at + 12] & 0xFU;
    const uint16_t section = half(at + 14);
    if (section == 0 || type > kTypeFunction || name_offset == 0) return;
    if (name_offset >= strings_size) fail("a symbol's name is outside the string table");
    const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(strings + name_offset);
    const auto limit = bytes_.begin() + static_cast<std::ptrdiff_t>(strings + strings_size);
    const std::string name(first, std::find(first, limit, 0));
    // Mapping symbols ($x, $d) and local labels of the compiler help nobody.
    if (name.empty() || name[0] == '$' || name.rfind(".L", 0) == 0) return;
    const Elf::Symbol symbol{name, word(at + 4), word(at + 8)};
    const bool global = (bytes_[at + 12] >> 4) != 0;
    if (global) {
      elf_.address_by_name_[name] = symbol.address;
    } else {
      elf_.address_by_name_.emplace(name, symbol.address);
    }
    constexpr uint16_t kAbsolute = 0xFFF1;
    if (section != kAbsolute) elf_.symbols_.emplace(symbol.address, symbol);
  }

  const std::vector<unsigned char>& bytes_;
  Elf elf_;
};

Elf Elf::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ElfError(path + ": cannot open the file");
  const std::vector<unsigned char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) throw ElfError(path + ": cannot read the file");
  return parse(bytes, path);
}

Elf Elf::parse(const std::vector<unsigned char>& bytes, const std::string& name) {
  return ElfReader(bytes, name).read();
}

std::optional<uint32_t> Elf::find(const std::string& symbol) const {
  const auto found = address_by_name_.find(symbol);
  if (found == address_by_name_.end()) return std::nullopt;
  return found->second;
}

uint32_t Elf::require(const std::string& symbol) const {
  if (const auto address = find(symbol)) return *address;
  throw ElfError(name_ + ": symbol '" + symbol + "' not found (stripped?)");
}

const Elf::Symbol* Elf::symbol_at(uint32_t address) const {
  const Segment* home = nullptr;
  for (const Segment& segment : segments_) {
    if (address - segment.address < segment.memory_size_bytes) home = &segment;
  }
  if (home == nullptr) return nullptr;
  auto candidate = symbols_.upper_bound(address);
  const Symbol* nearest = nullptr;
  while (candidate != symbols_.begin()) {
    --candidate;
    const Symbol& symbol = candidate->second;
    if (symbol.address < home->address ||
        (nearest != nullptr && symbol.address != nearest->address)) {
      break;
    }
    // Of several at one address the one with a size is the function or object itself.
    if (nearest == nullptr || (nearest->size_bytes == 0 && symbol.size_bytes != 0))
      nearest = &symbol;
  }
  return nearest;
}

std::string Elf::describe(uint32_t address) const {
  const Symbol* symbol = symbol_at(address);
  if (symbol == nullptr) return hex(address);
  if (symbol->address == address) return symbol->name;
  return symbol->name + "+" + hex(address - symbol->address);
}

}  // namespace tessera::core
