#include "dispatch.hpp"

#include <iostream>

namespace tessera::platform {
namespace {

void print_usage(const std::vector<Command>& commands, std::ostream& out) {
  out << "Usage: tessera COMMAND [options]\n\nCommands:\n";
  for (const Command& c : commands) {
    out << "  " << c.name << std::string(12 - std::string(c.name).size(), ' ') << c.summary << "\n";
  }
  out << "\n'tessera COMMAND --help' prints the options of a command.\n";
}

}  // namespace

int dispatch(const std::vector<Command>& commands, const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    print_usage(commands, std::cerr);
    return kExitBadInput;
  }
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(commands, std::cout);
    return kExitGood;
  }
  for (const Command& c : commands) {
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

}  // namespace tessera::platform
