/// The `tessera` command.

#include <cstdlib>
#include <iostream>
#include <systemc>

#include "command.hpp"

namespace tessera::platform {
namespace {

constexpr Command kCommands[] = {
    {"train", "train or fine-tune a baseline network", train_command},
    {"compress", "prune and quantise a network", compress_command},
    {"deploy", "map a quantised network onto a chip", deploy_command},
    {"run", "run an image, or any bare-metal ELF, on the platform", run_command},
    {"cosim", "check the RTL against the model", cosim_command},
    {"inspect", "print what an image holds", inspect_command},
    {"report", "print JSON reports as one table", report_command},
    {"chip", "print a chip's resolved configuration", chip_command},
};

void print_usage(std::ostream& out) {
  out << "Usage: tessera COMMAND [options]\n\nCommands:\n";
  for (const Command& c : kCommands) {
    out << "  " << c.name << std::string(12 - std::string(c.name).size(), ' ') << c.summary << "\n";
  }
  out << "\n'tessera COMMAND --help' prints the options of a command.\n";
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    print_usage(std::cerr);
    return kExitBadInput;
  }
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(std::cout);
    return kExitGood;
  }
  for (const Command& c : kCommands) {
    if (name != c.name) continue;
    try {
      return c.run({arguments.begin() + 1, arguments.end()});
    } catch (const UsageError& e) {
      std::cerr << "tessera " << name << ": " << e.what() << "\nsee 'tessera " << name
                << " --help'\n";
      return kExitBadInput;
    } catch (const RunFailed& e) {
      std::cerr << "tessera " << name << ": " << e.what() << "\n";
      return kExitFailed;
    } catch (const std::exception& e) {
      std::cerr << "tessera " << name << ": " << e.what() << "\n";
      return kExitBadInput;
    }
  }
  std::cerr << "tessera: no command '" << name << "'; see 'tessera --help'\n";
  return kExitBadInput;
}

}  // namespace
}  // namespace tessera::platform

// libsystemc brings a main of its own that prints a banner on stdout: this one takes its place.
int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) { return tessera::platform::dispatch({argv + 1, argv + argc}); }
