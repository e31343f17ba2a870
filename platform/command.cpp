#include "command.hpp"

#include <cstdint>
#include <iostream>

namespace tessera::platform {

namespace po = boost::program_options;

namespace {

/// An unsigned option would take "-1" for a huge number.
void refuse_negative_counts(const po::parsed_options& parsed) {
  for (const auto& option : parsed.options) {
    if (option.string_key.empty() || option.value.empty() || option.value[0].empty()) continue;
    const auto* description = parsed.description->find_nothrow(option.string_key, false);
    if (description == nullptr || option.value[0][0] != '-') continue;
    const auto* semantic = description->semantic().get();
    if (dynamic_cast<const po::typed_value<uint64_t>*>(semantic) != nullptr) {
      throw UsageError("--" + option.string_key + " must not be negative, got " + option.value[0]);
    }
  }
}

}  // namespace

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
    const auto parsed = po::command_line_parser(arguments).options(all).positional(positions).run();
    refuse_negative_counts(parsed);
    po::store(parsed, values_);
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
