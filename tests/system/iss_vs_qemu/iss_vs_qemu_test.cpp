#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "core/elf.hpp"
#include "system/iss_vs_qemu/random_program.hpp"

namespace tessera::test {
namespace {

constexpr std::array<unsigned, 3> kQuanta = {1, 100, 10'000};

struct Result {
  int status = -1;
  std::string output;
};

Result run_command(const std::string& command) {
  Result result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 1 << 16> buffer{};
  std::size_t count = 0;
  while ((count = std::fread(buffer.data(), 1, buffer.size(), pipe)) != 0) {
    result.output.append(buffer.data(), count);
  }
  const int wait_status = pclose(pipe);
  result.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
  return result;
}

/// An rv32 CPU with the ISS's extensions and no others.
Result run_on_qemu(const std::string& elf) {
  return run_command(
      "timeout 60 qemu-system-riscv32 -M virt -bios none -nographic -cpu "
      "rv32,f=off,d=off,s=off,u=off,h=off,pmp=off,mmu=off,sstc=off,zba=off,zbb=off,zbc=off,zbs=off,"
      "marchid=0,mimpid=0 -kernel '" +
      elf + "' </dev/null 2>&1");
}

Result run_on_iss(const std::string& elf, unsigned quantum) {
  return run_command("timeout 60 '" ISS_RUNNER "' '" + elf + "' " + std::to_string(quantum) +
                     " 2>/dev/null </dev/null");
}

class IssVsQemu : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_command("qemu-system-riscv32 --version").status, 0)
        << "qemu-system-riscv32 not found: apt-get install qemu-system-misc";
  }
};

class Program : public IssVsQemu, public testing::WithParamInterface<const char*> {};

TEST_P(Program, computes_the_same_as_on_qemu_with_any_quantum) {
  const std::string elf = std::string(PROGRAM_DIR "/iss_program_") + GetParam() + ".elf";
  const Result oracle = run_on_qemu(elf);
  ASSERT_EQ(oracle.status, 0) << oracle.output;
  ASSERT_GT(oracle.output.size(), 500U);
  for (const unsigned quantum : kQuanta) {
    const Result ours = run_on_iss(elf, quantum);
    EXPECT_EQ(ours.status, 0) << "quantum " << quantum;
    EXPECT_EQ(ours.output, oracle.output) << "quantum " << quantum;
  }
}

INSTANTIATE_TEST_SUITE_P(BareMetal, Program,
                         testing::Values("atomics", "checksum", "interrupts", "matrix", "sort",
                                         "text", "traps"),
                         [](const auto& info) { return std::string(info.param); });

/// What random_print.c prints.
struct Outcome {
  std::vector<uint32_t> instructions;
  std::vector<uint32_t> record;
  std::vector<uint32_t> data;
};

std::vector<uint32_t> read_section(std::istream& in, const std::string& name) {
  std::string found;
  uint32_t count = 0;
  in >> found >> std::hex >> count;
  if (found != name) return {};
  std::vector<uint32_t> words(count);
  for (uint32_t& word : words) in >> word;
  return in ? words : std::vector<uint32_t>{};
}

Outcome parse_outcome(const std::string& text) {
  std::istringstream in(text);
  Outcome outcome;
  outcome.instructions = read_section(in, "instructions");
  outcome.record = read_section(in, "record");
  outcome.data = read_section(in, "data");
  return outcome;
}

constexpr uint32_t kTrapTag = 0x7061'7274;
constexpr uint32_t kRegistersTag = 0x7367'6572;
constexpr std::size_t kTrapWords = 5;
constexpr std::size_t kRegistersWords = 32;

std::size_t record_words(uint32_t tag) { return tag == kTrapTag ? kTrapWords : kRegistersWords; }

std::string field_name(uint32_t tag, std::size_t index) {
  constexpr std::array<const char*, kTrapWords> kTrapFields = {"tag", "mcause", "mepc", "mtval",
                                                               "mstatus"};
  return tag == kTrapTag ? kTrapFields.at(index) : "x" + std::to_string(index);
}

/// The frame of random_harness.S, to be filled with a generated program.
class Frame {
 public:
  Frame() : elf_(core::Elf::read(HARNESS_ELF)) {
    std::ifstream file(HARNESS_ELF, std::ios::binary);
    file_.assign(std::istreambuf_iterator<char>(file), {});
  }

  /// Writes the ELF of the program.
  void write(RandomProgram& program, const std::string& path) {
    const uint32_t base = elf_.require("random_code");
    const auto code = program.code(base, elf_.require("checkpoint"), elf_.require("random_end"));
    EXPECT_LE(base + code.size(), elf_.require("random_code_end"));
    auto file = file_;
    patch(file, base, code.data(), code.size());
    const auto data = program.words(1024 + 32);
    patch(file, elf_.require("data_region"), data.data(), 4 * data.size());
    std::ofstream(path, std::ios::binary)
        .write(file.data(), static_cast<std::streamsize>(file.size()));
  }

  /// Upper bound of the instructions between two labels.
  uint32_t instructions_between(const char* first, const char* last) const {
    return (elf_.require(last) - elf_.require(first)) / 4;
  }

 private:
  /// Overwrites loaded bytes in the image of the file. Its segments are found by their contents.
  void patch(std::vector<char>& file, uint32_t address, const void* data, std::size_t size) const {
    for (const auto& segment : elf_.segments()) {
      const uint32_t offset = address - segment.address;
      if (offset >= segment.data.size() || offset + size > segment.data.size()) continue;
      const auto at =
          std::search(file_.begin(), file_.end(), segment.data.begin(), segment.data.end(),
                      [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; });
      ASSERT_NE(at, file_.end());
      std::memcpy(&file[static_cast<std::size_t>(at - file_.begin()) + offset], data, size);
      return;
    }
    FAIL() << "no segment holds address 0x" << std::hex << address;
  }

  core::Elf elf_;
  std::vector<char> file_;
};

std::string hex(uint32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", value);
  return text.data();
}

/// Where a record was made: mepc, or the link register of the call of checkpoint.
uint32_t record_pc(const std::vector<uint32_t>& record, std::size_t at) {
  const std::size_t field = at + (record[at] == kTrapTag ? 2 : 29);
  return field < record.size() ? record[field] : 0;
}

/// Compares record by record and names the first field that differs.
testing::AssertionResult same_record(const std::vector<uint32_t>& oracle,
                                     const std::vector<uint32_t>& ours) {
  uint32_t last_pc = 0;
  for (std::size_t at = 0, n = 0; at < oracle.size(); at += record_words(oracle[at]), ++n) {
    const uint32_t tag = oracle[at];
    if (tag != kTrapTag && tag != kRegistersTag) {
      return testing::AssertionFailure() << "the oracle's record " << n << " is broken";
    }
    for (std::size_t k = 0; k < record_words(tag); ++k) {
      const uint32_t mine = at + k < ours.size() ? ours[at + k] : 0;
      if (at + k < ours.size() && mine == oracle[at + k]) continue;
      return testing::AssertionFailure()
             << "record " << n << " (" << (tag == kTrapTag ? "trap" : "registers") << " at "
             << hex(record_pc(oracle, at)) << "), " << field_name(tag, k) << ": qemu "
             << hex(oracle[at + k]) << ", iss " << hex(mine) << "; the record before is of "
             << hex(last_pc);
    }
    last_pc = record_pc(oracle, at);
  }
  if (ours.size() != oracle.size()) {
    return testing::AssertionFailure()
           << "the ISS recorded " << ours.size() << " words, QEMU " << oracle.size();
  }
  return testing::AssertionSuccess();
}

uint64_t first_seed() {
  const char* const text = std::getenv("TESSERA_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : 1;
}

struct Totals {
  uint64_t instructions = 0;
  uint64_t traps = 0;
};

/// What the generated code executed; the frame's own instructions are taken off.
Totals count(const Frame& frame, const Outcome& outcome) {
  uint64_t checkpoints = 0;
  Totals totals;
  for (std::size_t at = 0; at < outcome.record.size(); at += record_words(outcome.record[at])) {
    ++(outcome.record[at] == kTrapTag ? totals.traps : checkpoints);
  }
  const uint64_t frame_instructions =
      checkpoints * frame.instructions_between("checkpoint", "checkpoint_end") +
      totals.traps * frame.instructions_between("trap_handler", "trap_handler_end") + 100;
  totals.instructions = outcome.instructions.at(0) + totals.traps - frame_instructions;
  return totals;
}

TEST_F(IssVsQemu, a_hundred_thousand_random_instructions_leave_the_same_registers_and_memory) {
  constexpr unsigned kPrograms = 6;
  constexpr unsigned kUnits = 20'000;
  Frame frame;
  Totals totals;
  for (uint64_t seed = first_seed(); seed < first_seed() + kPrograms; ++seed) {
    SCOPED_TRACE("replay with TESSERA_SEED=" + std::to_string(seed));
    const std::string elf = PROGRAM_DIR "/random_" + std::to_string(seed) + ".elf";
    RandomProgram program(seed, kUnits);
    frame.write(program, elf);
    const Result oracle_run = run_on_qemu(elf);
    ASSERT_EQ(oracle_run.status, 0) << oracle_run.output.substr(0, 500);
    const Outcome oracle = parse_outcome(oracle_run.output);
    ASSERT_EQ(oracle.data.size(), 1024U);
    for (const unsigned quantum : kQuanta) {
      SCOPED_TRACE("quantum " + std::to_string(quantum));
      const Result our_run = run_on_iss(elf, quantum);
      ASSERT_EQ(our_run.status, 0) << our_run.output.substr(0, 500);
      const Outcome ours = parse_outcome(our_run.output);
      ASSERT_TRUE(same_record(oracle.record, ours.record));
      ASSERT_EQ(ours.data, oracle.data);
      if (quantum != kQuanta[0]) continue;
      const Totals now = count(frame, ours);
      totals.instructions += now.instructions;
      totals.traps += now.traps;
    }
    std::remove(elf.c_str());
  }
  std::printf("executed %llu random instructions, %llu of them trapped; seeds from %llu\n",
              static_cast<unsigned long long>(totals.instructions),
              static_cast<unsigned long long>(totals.traps),
              static_cast<unsigned long long>(first_seed()));
  EXPECT_GE(totals.instructions, 100'000U);
  EXPECT_GE(totals.traps, 2'000U);
}

}  // namespace
}  // namespace tessera::test
