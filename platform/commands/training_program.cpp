/// `train` and `compress` of a build with training: hands over to tessera-training.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "command.hpp"

namespace tessera::platform {
namespace {

int become_training_program(const char* command, const std::vector<std::string>& arguments) {
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tessera-training";
  std::vector<std::string> all = {program.string(), command};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // libtorch's threads wait asleep: on a machine that does other work too, spinning takes more CPU
  // than it saves. Read when the program starts.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  // A second pool of threads, which --threads does not reach, for the small products that it gets.
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  execv(program.c_str(), argv.data());
  throw std::runtime_error(program.string() + " is missing: build and install all of Tessera");
}

}  // namespace

int train_command(const std::vector<std::string>& arguments) {
  return become_training_program("train", arguments);
}

int compress_command(const std::vector<std::string>& arguments) {
  return become_training_program("compress", arguments);
}

}  // namespace tessera::platform
