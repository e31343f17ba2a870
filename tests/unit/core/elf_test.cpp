#include "core/elf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/signature.hpp"

namespace tessera::core {
namespace {

using testing::HasSubstr;

class ElfBuilder {
 public:
  std::vector<unsigned char> bytes = std::vector<unsigned char>(52);

  ElfBuilder() {
    const std::vector<unsigned char> ident = {0x7F, 'E', 'L', 'F', 1, 1, 1};
    std::copy(ident.begin(), ident.end(), bytes.begin());
    half(16, 2);
    half(18, 243);
    word(24, 0x8000'0000);
    half(42, 32);
    half(46, 40);
    add_segment();
    add_symbols();
  }
  void half(std::size_t at, uint32_t value) {
    bytes.at(at) = static_cast<unsigned char>(value);
    bytes.at(at + 1) = static_cast<unsigned char>(value >> 8);
  }
  void word(std::size_t at, uint32_t value) {
    half(at, value & 0xFFFF);
    half(at + 2, value >> 16);
  }
  std::string error() const {
    try {
      Elf::parse(bytes, "x.elf");
    } catch (const ElfError& e) {
      return e.what();
    }
    return "accepted";
  }

  std::size_t program_header = 0;
  std::size_t symbol_header = 0;

 private:
  std::size_t append(std::size_t size) {
    const std::size_t at = bytes.size();
    bytes.resize(at + size);
    return at;
  }
  void add_segment() {
    program_header = append(32);
    word(28, static_cast<uint32_t>(program_header));
    half(44, 1);
    const std::size_t data = append(8);
    word(data, 0x1122'3344);
    word(data + 4, 0xAABB'CCDD);
    word(program_header, 1);
    word(program_header + 4, static_cast<uint32_t>(data));
    word(program_header + 8, 0x9000'0000);
    word(program_header + 12, 0x8000'0000);
    word(program_header + 16, 8);
    word(program_header + 20, 0x40);
  }
  void add_symbols() {
    const std::string names = std::string("\0begin_signature\0end_signature\0main\0", 36);
    const std::size_t strings = append(names.size());
    std::copy(names.begin(), names.end(), bytes.begin() + static_cast<std::ptrdiff_t>(strings));
    const std::size_t symbols = append(4 * 16);
    add_symbol(symbols + 16, 1, 0x8000'0000);
    add_symbol(symbols + 32, 17, 0x8000'0008);
    add_symbol(symbols + 48, 31, 0x8000'0010);
    symbol_header = append(80);
    word(32, static_cast<uint32_t>(symbol_header));
    half(48, 2);
    word(symbol_header + 4, 2);
    word(symbol_header + 16, static_cast<uint32_t>(symbols));
    word(symbol_header + 20, 64);
    word(symbol_header + 24, 1);
    word(symbol_header + 40 + 4, 3);
    word(symbol_header + 40 + 16, static_cast<uint32_t>(strings));
    word(symbol_header + 40 + 20, static_cast<uint32_t>(names.size()));
  }
  void add_symbol(std::size_t at, uint32_t name, uint32_t address) {
    word(at, name);
    word(at + 4, address);
    bytes.at(at + 12) = 0x12;
    half(at + 14, 1);
  }
};

TEST(Elf, a_segment_is_loaded_at_its_physical_address_with_its_zeros_counted) {
  const Elf elf = Elf::parse(ElfBuilder().bytes, "x.elf");
  ASSERT_EQ(elf.segments().size(), 1U);
  EXPECT_EQ(elf.segments()[0].address, 0x8000'0000U);
  EXPECT_EQ(elf.segments()[0].memory_size_bytes, 0x40U);
  EXPECT_EQ(elf.segments()[0].data,
            (std::vector<unsigned char>{0x44, 0x33, 0x22, 0x11, 0xDD, 0xCC, 0xBB, 0xAA}));
  EXPECT_EQ(elf.entry(), 0x8000'0000U);
}

TEST(Elf, addresses_are_named_by_the_symbol_in_front_of_them) {
  const Elf elf = Elf::parse(ElfBuilder().bytes, "x.elf");
  EXPECT_EQ(elf.describe(0x8000'0010), "main");
  EXPECT_EQ(elf.describe(0x8000'0022), "main+0x12");
  EXPECT_EQ(elf.describe(0x8000'0040), "0x80000040");
  EXPECT_EQ(elf.describe(0x10), "0x10");
  EXPECT_EQ(elf.find("main"), 0x8000'0010U);
  EXPECT_FALSE(elf.find("mai").has_value());
  EXPECT_THROW(elf.require("tohost"), ElfError);
}

TEST(Elf, a_file_of_the_wrong_kind_is_refused_by_name) {
  ElfBuilder wide;
  wide.bytes[4] = 2;
  EXPECT_EQ(wide.error(), "x.elf: ELF class 64, need a 32-bit RISC-V executable (rv32imac, ilp32)");
  ElfBuilder machine;
  machine.half(18, 62);
  EXPECT_THAT(machine.error(), HasSubstr("ELF machine 62"));
  ElfBuilder object;
  object.half(16, 1);
  EXPECT_THAT(object.error(), HasSubstr("not a linked executable"));
  ElfBuilder big_endian;
  big_endian.bytes[5] = 2;
  EXPECT_THAT(big_endian.error(), HasSubstr("little endian"));
  ElfBuilder hard_float;
  hard_float.word(36, 4);
  EXPECT_THAT(hard_float.error(), HasSubstr("hard-float"));
  ElfBuilder text;
  text.bytes[0] = '#';
  EXPECT_THAT(text.error(), HasSubstr("not an ELF file"));
  EXPECT_THROW(Elf::read("/nonexistent/x.elf"), ElfError);
}

TEST(Elf, a_file_cut_anywhere_is_refused_as_truncated) {
  const ElfBuilder whole;
  ASSERT_EQ(whole.error(), "accepted");
  for (std::size_t size = 4; size < whole.bytes.size(); ++size) {
    ElfBuilder cut;
    cut.bytes.resize(size);
    EXPECT_THAT(cut.error(), HasSubstr("truncated")) << size;
  }
}

TEST(Elf, offsets_and_sizes_out_of_range_are_refused) {
  for (const uint32_t wild : {0xFFFF'FFFFU, 0x8000'0000U, 0x1000U}) {
    ElfBuilder segment;
    segment.word(segment.program_header + 4, wild);
    EXPECT_THAT(segment.error(), HasSubstr("truncated"));
    ElfBuilder file_size;
    file_size.word(file_size.program_header + 16, wild);
    EXPECT_THAT(file_size.error(), HasSubstr("truncated"));
    ElfBuilder symbols;
    symbols.word(symbols.symbol_header + 20, wild);
    EXPECT_THAT(symbols.error(), HasSubstr("truncated"));
    ElfBuilder link;
    link.word(link.symbol_header + 24, wild);
    EXPECT_THAT(link.error(), HasSubstr("does not exist"));
  }
  ElfBuilder beyond;
  beyond.word(beyond.program_header + 20, 0xF000'0000);
  EXPECT_THAT(beyond.error(), HasSubstr("leaves the 32-bit address space"));
}

TEST(Signature, its_words_are_printed_one_a_line_in_lower_case) {
  const Elf elf = Elf::parse(ElfBuilder().bytes, "x.elf");
  const auto& segment = elf.segments()[0];
  const MemoryReader read = [&](uint32_t address, void* data, uint32_t size) {
    std::copy_n(segment.data.begin() + (address - segment.address), size,
                static_cast<unsigned char*>(data));
    return true;
  };
  EXPECT_EQ(signature_text(elf, read), "11223344\naabbccdd\n");
  EXPECT_THROW(signature_text(elf, [](uint32_t, void*, uint32_t) { return false; }), ElfError);
}

TEST(Signature, only_odd_values_in_tohost_end_a_test) {
  EXPECT_FALSE(tohost_exit_code(0).has_value());
  EXPECT_FALSE(tohost_exit_code(0x8000'1000).has_value());
  EXPECT_EQ(tohost_exit_code(1), 0U);
  EXPECT_EQ(tohost_exit_code(7), 3U);
}

}  // namespace
}  // namespace tessera::core
