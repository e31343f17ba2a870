/// Usage: help, unknown commands and options, values out of range, outputs that cannot be written.

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

using testing::HasSubstr;

TEST(help, of_the_command_names_every_sub_command) {
  const CommandResult result = tessera({"--help"});
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_EQ(result.err, "");
  for (const char* command :
       {"net", "train", "compress", "deploy", "run", "cosim", "inspect", "chip"}) {
    EXPECT_THAT(result.out, HasSubstr(std::string("\n  ") + command + " "));
  }
}

class Help : public testing::TestWithParam<const char*> {};

TEST_P(Help, is_printed_on_stdout_with_status_0) {
  const std::string command = GetParam();
  const CommandResult result = tessera({command, "--help"});
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, testing::StartsWith("Usage: tessera " + command));
  EXPECT_THAT(result.out, HasSubstr("--help"));
}

std::vector<const char*> commands() {
  std::vector<const char*> names = {"net", "compress", "deploy", "run", "inspect", "chip"};
#ifdef TESSERA_HAS_TRAINING
  names.push_back("train");
#endif
#ifdef TESSERA_HAS_RTL
  names.push_back("cosim");
#endif
  return names;
}

INSTANTIATE_TEST_SUITE_P(every, Help, testing::ValuesIn(commands()),
                         [](const auto& info) { return std::string(info.param); });

TEST(usage, no_command_prints_the_commands_on_stderr) {
  const CommandResult result = tessera({});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("Usage: tessera COMMAND"));
}

TEST(usage, an_unknown_command_is_named) {
  expect_refusal({"deplyo"}, {"no command 'deplyo'", "--help"});
}

TEST(usage, an_unknown_option_is_named) {
  expect_refusal({"run", "x.timg", "--turbo", "1"}, {"tessera run", "--turbo", "--help"});
}

TEST(usage, an_option_without_its_value_is_named) {
  expect_refusal({"run", "--elf"}, {"--elf", "missing"});
}

TEST(usage, a_second_positional_argument_is_refused) {
  expect_refusal({"chip", "reference", "edge"}, {"too many positional"});
}

TEST(usage, a_missing_argument_is_named) {
  expect_refusal({"run"}, {"name an image, or --elf"});
  expect_refusal({"deploy", "-o", "x.timg"}, {"the quantised network", "missing"});
  expect_refusal({"deploy", shipped_network("lenet5-int8")}, {"the image to write (-o)"});
  expect_refusal({"compress", shipped_network("lenet5")}, {"(-o)", "missing"});
  expect_refusal({"inspect"}, {"the image is missing"});
  expect_refusal({"chip"}, {"the chip file or name is missing"});
}

struct BadValue {
  const char* name;
  std::vector<std::string> option;
  std::vector<std::string> clues;
};

std::ostream& operator<<(std::ostream& stream, const BadValue& v) { return stream << v.name; }

class RunOption : public testing::TestWithParam<BadValue> {};

// The image does not exist: options are checked first, and a value that is accepted by mistake
// shows as another message.
TEST_P(RunOption, out_of_range_is_refused_with_the_option_named) {
  std::vector<std::string> arguments = {"run", "/nonexistent/net.timg"};
  for (const std::string& word : GetParam().option) arguments.push_back(word);
  expect_refusal(arguments, GetParam().clues);
}

const BadValue kBadValues[] = {
    {"timing", {"--timing", "exact"}, {"--timing must be at or lt", "exact"}},
    {"core", {"--core", "arm"}, {"--core must be iss or native", "arm"}},
    {"array", {"--array", "abacus"}, {"--array must be", "abacus"}},
    {"negative_count", {"--count=-1"}, {"--count", "-1"}},
    {"count_in_words", {"--count", "ten"}, {"--count", "ten"}},
    {"zero_quantum", {"--quantum", "0"}, {"--quantum must be"}},
    {"negative_quantum", {"--quantum=-5"}, {"--quantum", "-5"}},
    {"zero_max_cycles", {"--max-cycles", "0"}, {"--max-cycles must be"}},
    {"negative_max_cycles", {"--max-cycles=-1"}, {"--max-cycles", "-1"}},
    {"signature_of_an_image", {"--signature", "s"}, {"--signature needs --elf"}},
    {"image_and_elf", {"--elf", "x.elf"}, {"name an image, or --elf"}},
};

INSTANTIATE_TEST_SUITE_P(bad, RunOption, testing::ValuesIn(kBadValues),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(usage, a_count_beyond_the_data_set_is_refused_with_its_size) {
  const TemporaryFolder folder;
  const std::string image = folder / "net.timg";
  must_succeed({"deploy", shipped_network("lenet5-int8"), "-o", image});
  expect_refusal({"run", image, "--count", "0"}, {"--count must be 1..10000", "got 0"});
  expect_refusal({"run", image, "--count", "10001"}, {"--count must be 1..10000", "got 10001"});
}

TEST(usage, the_native_core_takes_no_firmware_elf) {
  const TemporaryFolder folder;
  const std::string image = folder / "net.timg";
  must_succeed({"deploy", shipped_network("lenet5-int8"), "-o", image});
  expect_refusal({"run", image, "--core", "native", "--firmware", TESSERA_FIRMWARE_ELF},
                 {"--firmware needs --core iss"});
}

TEST(usage, the_native_core_cannot_run_an_elf) {
  expect_refusal({"run", "--elf", TESSERA_FIRMWARE_ELF, "--core", "native"},
                 {"--elf needs --core iss"});
}

using Output = BadInput;

TEST_F(Output, an_image_for_a_missing_folder_is_refused) {
  expect_refused({"deploy", shipped_network("lenet5-int8"), "-o", output("none/net.timg")},
                 {"none/net.timg", "cannot be written"});
}

TEST_F(Output, an_image_in_the_place_of_a_folder_is_refused) {
  std::filesystem::create_directory(folder_ / "net.timg");
  expect_refused({"deploy", shipped_network("lenet5-int8"), "-o", folder_ / "net.timg"},
                 {"net.timg", "cannot be written"});
}

TEST_F(Output, an_image_that_is_refused_leaves_the_older_one_alone) {
  const std::string image = given("net.timg", "precious");
  expect_refused({"deploy", shipped_network("lenet5"), "-o", image}, {"quantise"});
  EXPECT_EQ(read_file(image), "precious");
}

TEST_F(Output, a_report_for_a_missing_folder_is_refused) {
  const std::string image = folder_ / "net.timg";
  must_succeed({"deploy", shipped_network("lenet5-int8"), "-o", image});
  const CommandResult result =
      tessera({"run", image, "--count", "1", "--json", output("none/report.json")});
  EXPECT_EQ(result.status, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("none/report.json: cannot be written"));
  EXPECT_EQ(folder_.list(), std::vector<std::string>{"net.timg"});
}

TEST_F(Output, a_compressed_network_for_a_missing_folder_is_refused) {
  expect_refused(
      {"compress", shipped_network("lenet5"), "-o", output("none/q.onnx"), "--test-images", "10"},
      {"none/q.onnx", "cannot be written"});
}

#ifdef TESSERA_HAS_RTL
TEST(cosim, refuses_units_modes_and_faults_that_do_not_exist) {
  expect_refusal({"cosim", "--unit", "sofa"}, {"--unit must be", "sofa"});
  expect_refusal({"cosim", "--modes", "a3w3"}, {"a3w3"});
  expect_refusal({"cosim", "--inject", "everything"}, {"everything", "acc:BIT@VECTOR"});
}
#endif

}  // namespace
}  // namespace tessera::test
