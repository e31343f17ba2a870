#pragma once

/// Runs the built `tessera` command (TESSERA_COMMAND) as a user would: what it prints, its exit
/// status, and the files that it leaves in a folder of the test's own.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::test {

/// A new empty folder, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tessera-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  /// Names of everything in it, relative to it, sorted.
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      names.push_back(std::filesystem::relative(entry.path(), path_).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read by the test");
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written by the test");
}

/// `text` with its only occurrence of `from` replaced. Throws if there is none, or another.
inline std::string replaced(const std::string& text, const std::string& from,
                            const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos || text.find(from, at + 1) != std::string::npos) {
    throw std::runtime_error("the text does not hold '" + from + "' exactly once");
  }
  return text.substr(0, at) + to + text.substr(at + from.size());
}

struct CommandResult {
  int status = -1;  ///< exit status; 128 + number if a signal ended it
  std::string out;
  std::string err;

  int err_lines() const { return static_cast<int>(std::count(err.begin(), err.end(), '\n')); }
};

inline std::ostream& operator<<(std::ostream& stream, const CommandResult& r) {
  return stream << "exit status " << r.status << "\nstdout:\n" << r.out << "\nstderr:\n" << r.err;
}

/// Name and value of environment variables added to the test's own; an empty value removes it.
using Environment = std::vector<std::pair<std::string, std::string>>;

namespace detail {

[[noreturn]] inline void become_command(const std::vector<std::string>& arguments,
                                        const Environment& environment, const char* out,
                                        const char* err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const auto& [name, value] : environment) {
    if (value.empty()) {
      unsetenv(name.c_str());
    } else {
      setenv(name.c_str(), value.c_str(), 1);
    }
  }
  constexpr int kNewFile = O_WRONLY | O_CREAT | O_TRUNC;
  const int in_fd = open("/dev/null", O_RDONLY);
  const int out_fd = open(out, kNewFile, 0600);
  const int err_fd = open(err, kNewFile, 0600);
  if (in_fd < 0 || out_fd < 0 || err_fd < 0) _exit(126);
  dup2(in_fd, STDIN_FILENO);
  dup2(out_fd, STDOUT_FILENO);
  dup2(err_fd, STDERR_FILENO);
  std::vector<char*> argv;
  std::string program = TESSERA_COMMAND;
  argv.push_back(program.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  _exit(127);
}

}  // namespace detail

/// Runs `tessera arguments...` to its end.
inline CommandResult tessera(const std::vector<std::string>& arguments,
                             const Environment& environment = {}) {
  const TemporaryFolder folder;
  const std::string out = folder / "out";
  const std::string err = folder / "err";
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) detail::become_command(arguments, environment, out.c_str(), err.c_str());
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  CommandResult result;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = read_file(out);
  result.err = read_file(err);
  return result;
}

/// For the steps before what a test is about: throws unless the command succeeds.
inline void must_succeed(const std::vector<std::string>& arguments) {
  const CommandResult result = tessera(arguments);
  if (result.status == 0) return;
  std::string line = "tessera";
  for (const std::string& argument : arguments) line += " " + argument;
  throw std::runtime_error(line + ": exit status " + std::to_string(result.status) + "\n" +
                           result.err);
}

/// A network shipped in models/nets.
inline std::string shipped_network(const std::string& name) {
  return std::string(TESSERA_SOURCE_DIR) + "/models/nets/" + name + ".onnx";
}

}  // namespace tessera::test
