/// Programs that the core cannot run.

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

class ElfFile : public BadInput {
 protected:
  ElfFile() : good_(read_file(TESSERA_FIRMWARE_ELF)) {}

  void expect_elf_refused(const std::string& bytes, const std::vector<std::string>& clues) {
    expect_refused({"run", "--elf", given("program.elf", bytes), "--max-cycles", "100000", "--json",
                    output("report.json")},
                   clues);
  }

  std::string good_;
};

constexpr size_t kClass = 4;     // EI_CLASS: 1 for 32 bit, 2 for 64 (System V ABI, chapter 4)
constexpr size_t kMachine = 18;  // e_machine

TEST_F(ElfFile, of_the_64_bit_class_is_refused) {
  std::string bytes = good_;
  bytes.at(kClass) = 2;
  expect_elf_refused(bytes, {"program.elf", "ELF class 64", "32-bit RISC-V"});
}

TEST_F(ElfFile, of_the_64_bit_class_is_refused_as_firmware) {
  const std::string image = folder_ / "net.timg";
  must_succeed({"deploy", shipped_network("lenet5-int8"), "-o", image});
  std::string bytes = good_;
  bytes.at(kClass) = 2;
  expect_refused(
      {"run", image, "--firmware", given("program.elf", bytes), "--json", output("report.json")},
      {"program.elf", "ELF class 64"});
}

TEST_F(ElfFile, of_another_machine_is_refused) {
  std::string bytes = good_;
  bytes.at(kMachine) = 40;  // EM_ARM
  expect_elf_refused(bytes, {"program.elf", "RISC-V"});
}

TEST_F(ElfFile, that_is_truncated_is_refused) {
  expect_elf_refused(good_.substr(0, 3000), {"program.elf", "truncated"});
}

TEST_F(ElfFile, that_is_none_is_refused) {
  expect_elf_refused("#!/bin/sh\n", {"program.elf", "not an ELF file"});
}

TEST_F(ElfFile, that_does_not_exist_is_named) {
  expect_refused({"run", "--elf", folder_ / "none.elf"}, {"none.elf", "cannot open"});
}

}  // namespace
}  // namespace tessera::test
