/// `tessera run --elf`: bare-metal programs on the platform, without an image.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "system/run/command.hpp"

namespace tessera::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string program(const std::string& name) {
  return std::string(TESSERA_PROGRAMS) + "/system_elf_" + name + ".elf";
}

CommandResult run_elf(const std::string& name, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"run", "--elf", program(name)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return tessera(arguments);
}

TEST(run_elf, stdout_is_what_the_program_writes_to_the_uart_and_nothing_else) {
  const CommandResult result = run_elf("uart_pass");
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_EQ(result.out, "first line\nsecond line\n");
  EXPECT_EQ(result.err, "");
}

TEST(run_elf, a_failing_finisher_code_is_exit_status_1_and_named) {
  const CommandResult result = run_elf("uart_fail");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.out, HasSubstr("first line\nsecond line\n"));
  EXPECT_THAT(result.err, HasSubstr("ended with code 7"));
}

TEST(run_elf, the_signature_is_the_words_between_its_symbols) {
  const TemporaryFolder folder;
  for (const char* timing : {"at", "lt"}) {
    const CommandResult result =
        run_elf("signature", {"--signature", folder / "words", "--timing", timing});
    EXPECT_EQ(result.status, 0) << result;
    EXPECT_EQ(read_file(folder / "words"),
              "00000001\n00000001\n00000002\n00000003\n00000005\n00000008\n43322110\n");
    std::filesystem::remove(folder / "words");
  }
}

TEST(run_elf, a_program_without_a_signature_is_bad_input_and_no_file_is_written) {
  const TemporaryFolder folder;
  const CommandResult result = run_elf("uart_pass", {"--signature", folder / "words"});
  EXPECT_EQ(result.status, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("begin_signature"));
  EXPECT_TRUE(folder.list().empty());
}

TEST(run_elf, a_store_of_1_to_tohost_ends_the_run_well) {
  const CommandResult result = run_elf("tohost_pass", {"--max-cycles", "100000"});
  EXPECT_EQ(result.status, 0) << result;
}

TEST(run_elf, another_odd_value_in_tohost_names_the_failed_case) {
  const CommandResult result = run_elf("tohost_fail", {"--max-cycles", "100000"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, HasSubstr("ended with code 5"));
}

TEST(run_elf, the_report_tells_exit_code_cycles_and_instructions) {
  const TemporaryFolder folder;
  run_elf("uart_fail", {"--json", folder / "report.json"});
  const auto report = boost::json::parse(read_file(folder / "report.json")).as_object();
  EXPECT_EQ(report.at("finished"), true);
  EXPECT_EQ(report.at("exit_code"), 7);
  EXPECT_GT(report.at("host_instructions").to_number<int64_t>(), 60);
  EXPECT_GE(report.at("total_cycles").to_number<int64_t>(),
            report.at("host_instructions").to_number<int64_t>());
}

TEST(run_elf, a_store_to_nowhere_names_pc_symbol_and_address) {
  const CommandResult result = run_elf("store_unmapped");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("store access fault at pc 0x800000"),
                                HasSubstr("touch_address"), HasSubstr("address 0x18000000")));
  EXPECT_LE(result.err_lines(), 2);
}

TEST(run_elf, a_load_from_nowhere_names_pc_symbol_and_address) {
  const CommandResult result = run_elf("load_unmapped");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("load access fault at pc 0x800000"),
                                HasSubstr("touch_address"), HasSubstr("address 0x18000004")));
}

TEST(run_elf, a_fault_without_a_trap_handler_is_named_all_the_same) {
  const CommandResult result = run_elf("unhandled", {"--max-cycles", "100000"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("touch_address"), HasSubstr("0x18000000")));
}

TEST(run_elf, a_write_to_a_read_only_npu_register_names_the_register) {
  const CommandResult result = run_elf("npu_read_only");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("touch_address"), HasSubstr("address 0x40000004"),
                                HasSubstr("write of 4 bytes"), HasSubstr("ROWS")));
  EXPECT_LE(result.err_lines(), 2);
}

TEST(run_elf, a_write_beyond_the_npu_registers_names_the_offset) {
  const CommandResult result = run_elf("npu_beyond");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("touch_address"), HasSubstr("address 0x40000ffc"),
                                HasSubstr("no npu register"), HasSubstr("0xffc")));
}

TEST(run_elf, a_program_that_waits_for_ever_ends_at_max_cycles_with_what_it_waits_for) {
  const CommandResult result = run_elf("hang_waiting", {"--max-cycles", "100000"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("no end after 100000 cycles"), HasSubstr("waits for an interrupt"),
                    HasSubstr("hang_here"), HasSubstr("load: idle")));
}

TEST(run_elf, a_program_that_spins_ends_at_max_cycles_with_where_it_is) {
  const CommandResult result = run_elf("hang_spinning", {"--max-cycles", "100000"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("no end after 100000 cycles"),
                                HasSubstr("the core is running"), HasSubstr("hang_here")));
}

}  // namespace
}  // namespace tessera::test
