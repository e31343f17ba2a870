/// Data sets that are missing, damaged or of the wrong shape: the message says how to get one.

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

class DataSet : public BadInput {
 protected:
  DataSet() : image_(folder_ / "net.timg") {
    must_succeed({"deploy", shipped_network("lenet5-int8"), "-o", image_});
    std::filesystem::create_directory(data());
  }

  std::string data() const { return folder_ / "data"; }

  void expect_data_refused(const std::string& name, const std::vector<std::string>& clues,
                           const Environment& environment = {}) {
    expect_refused({"run", image_, "--data", name, "--count", "1", "--json", output("report.json")},
                   clues, environment);
  }

  std::string image_;
};

TEST_F(DataSet, that_is_missing_is_refused_with_how_to_get_one) {
  expect_data_refused(folder_ / "none",
                      {"none", "no such file or folder", "apt-get install dataset-fashion-mnist"});
}

TEST_F(DataSet, in_an_empty_folder_is_refused_with_how_to_get_one) {
  expect_data_refused(data(), {"data: holds no test data", "TESSERA_DATA_DIR",
                               "apt-get install dataset-fashion-mnist"});
}

TEST_F(DataSet, known_by_name_and_not_there_is_refused_with_how_to_get_it) {
  expect_data_refused("cifar10", {"cifar10 not found", "/data", "cifar-10-binary"},
                      {{"TESSERA_DATA_DIR", data()}});
}

TEST_F(DataSet, folder_of_the_environment_that_is_none_is_refused) {
  expect_data_refused("fashion-mnist", {"TESSERA_DATA_DIR", "none", "not a folder"},
                      {{"TESSERA_DATA_DIR", folder_ / "none"}});
}

TEST_F(DataSet, of_another_shape_is_refused_with_both_shapes) {
  write_file(data() + "/shape.txt", "1 8 8");
  write_file(data() + "/test.bin", std::string(1 + 64, '\0'));
  expect_data_refused(data(), {"1x8x8", "1x28x28"});
}

TEST_F(DataSet, that_is_truncated_is_refused) {
  write_file(data() + "/shape.txt", "1 28 28");
  write_file(data() + "/test.bin", std::string(785 + 100, '\0'));
  expect_data_refused(data(), {"test.bin", "truncated"});
}

TEST_F(DataSet, smaller_than_the_count_is_refused) {
  write_file(data() + "/shape.txt", "1 28 28");
  write_file(data() + "/test.bin", std::string(2 * 785, '\0'));
  expect_refused({"run", image_, "--data", data(), "--count", "3"}, {"--count must be 1..2"});
}

TEST_F(DataSet, of_the_users_own_runs) {
  write_file(data() + "/shape.txt", "1 28 28");
  write_file(data() + "/test.bin", std::string(2 * 785, '\1'));
  const CommandResult result = tessera({"run", image_, "--data", data(), "--count", "2"});
  EXPECT_EQ(result.status, 0) << result;
}

TEST_F(DataSet, that_is_missing_stops_the_compressor) {
  expect_refused(
      {"compress", shipped_network("lenet5"), "--data", folder_ / "none", "-o", output("q.onnx")},
      {"none", "apt-get install dataset-fashion-mnist"});
}

#ifdef TESSERA_HAS_TRAINING
TEST_F(DataSet, that_is_missing_stops_the_trainer) {
  expect_refused({"train", "lenet5", "--data", folder_ / "none", "-o", output("net.onnx")},
                 {"none", "apt-get install dataset-fashion-mnist"});
}
#endif

}  // namespace
}  // namespace tessera::test
