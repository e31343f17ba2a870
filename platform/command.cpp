#include "command.hpp"

#include <iostream>

namespace tessera::platform {

namespace po = boost::program_options;

Arguments::Arguments(std::string usage, std::string positional)
    : usage_(std::move(usage)), positional_(std::move(positional)), options_("Options") {
  options_.add_options()("help,h", "print this text");
}

bool Arguments::parse(const std::vector<std::string>& arguments) {
  po::options_description all;
  all.add(options_);
  po::positional_options_description positions;
  if (!positional_.empty()) {
    all.add_options()(positional_.c_str(), po::value<std::string>());
    positions.add(positional_.c_str(), 1);
  }
  try {
    po::store(po::command_line_parser(arguments).options(all).positional(positions).run(), values_);
    po::notify(values_);
  } catch (const po::error& e) {
    throw UsageError(e.what());
  }
  if (has("help")) {
    std::cout << "Usage: tessera " << usage_ << "\n\n" << options_;
    return false;
  }
  return true;
}

std::string Arguments::require(const std::string& name, const std::string& what) const {
  if (!has(name)) throw UsageError(what + " is missing");
  return get<std::string>(name);
}

}  // namespace tessera::platform
