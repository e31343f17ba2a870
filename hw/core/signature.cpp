#include "core/signature.hpp"

#include <array>
#include <cstdio>

namespace tessera::core {

std::string signature_text(const Elf& elf, const MemoryReader& read) {
  const uint32_t begin = elf.require("begin_signature");
  const uint32_t end = elf.require("end_signature");
  if (end < begin || (begin & 3U) != 0 || (end & 3U) != 0) {
    throw ElfError(elf.name() + ": begin_signature and end_signature do not enclose whole words");
  }
  // One word at a time, so that a wild end_signature fails at once and allocates nothing.
  std::string text;
  for (uint32_t address = begin; address != end; address += 4) {
    std::array<unsigned char, 4> b{};
    std::array<char, 16> line{};
    if (!read(address, b.data(), 4)) {
      std::snprintf(line.data(), line.size(), "0x%08x", address);
      throw ElfError(elf.name() + ": the signature leaves the memory at " + line.data());
    }
    std::snprintf(line.data(), line.size(), "%02x%02x%02x%02x\n", b[3], b[2], b[1], b[0]);
    text += line.data();
  }
  return text;
}

std::optional<uint32_t> tohost_address(const Elf& elf) { return elf.find("tohost"); }

std::optional<uint32_t> tohost_exit_code(uint32_t value) {
  if ((value & 1U) == 0) return std::nullopt;
  return value >> 1;
}

}  // namespace tessera::core
