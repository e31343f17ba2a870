#pragma once

/// What the sub-commands of `tessera` share.

#include <boost/program_options.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::platform {

/// Exit status: good, the run failed or a check did not hold, bad usage or bad input.
enum ExitCode { kExitGood = 0, kExitFailed = 1, kExitBadInput = 2 };

/// Bad usage: one line that says what is wrong; the command's name and how to get help are added.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A run that went wrong for a reason that is not the user's input.
class RunFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& arguments);
};

int chip_command(const std::vector<std::string>& arguments);
int compress_command(const std::vector<std::string>& arguments);
int cosim_command(const std::vector<std::string>& arguments);
int deploy_command(const std::vector<std::string>& arguments);
int estimate_command(const std::vector<std::string>& arguments);
int explore_command(const std::vector<std::string>& arguments);
int inspect_command(const std::vector<std::string>& arguments);
int net_command(const std::vector<std::string>& arguments);
int report_command(const std::vector<std::string>& arguments);
int run_command(const std::vector<std::string>& arguments);
int train_command(const std::vector<std::string>& arguments);

/// The options of one command, its one optional positional argument among them.
class Arguments {
 public:
  using Map = boost::program_options::variables_map;

  /// `usage` is the line after "Usage: tessera "; `positional` names the option that arguments
  /// without a dash go to ("" for none).
  Arguments(std::string usage, std::string positional);

  boost::program_options::options_description& options() { return options_; }

  /// False if --help was asked for and printed. Throws UsageError.
  bool parse(const std::vector<std::string>& arguments);

  bool has(const std::string& name) const { return values_.count(name) != 0; }
  template <typename T>
  const T& get(const std::string& name) const {
    return values_[name].as<T>();
  }
  std::string text(const std::string& name) const {
    return has(name) ? get<std::string>(name) : std::string();
  }
  /// The value of an option that must be given.
  std::string require(const std::string& name, const std::string& what) const;

 private:
  std::string usage_;
  std::string positional_;
  boost::program_options::options_description options_;
  Map values_;
};

}  // namespace tessera::platform
