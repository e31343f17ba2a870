#pragma once

#include <boost/json.hpp>
#include <string>

#include "image_run.hpp"

namespace tessera::platform {

/// How a run was set up, as it appears in its report.
struct RunSetup {
  std::string array;
  std::string core;
  std::string timing;
  uint64_t quantum = 0;
  boost::json::value lockstep;  ///< what was compared (ArrayChoice::compared), or null
};

/// The report of `run --json` (docs/json.md). Everything but the members that end in "_seconds" and
/// "_per_second" is the same for the same inputs.
boost::json::object run_report(const ImageRunResult& result, const RunSetup& setup);

/// The same for people.
std::string run_text(const ImageRunResult& result, const RunSetup& setup);

}  // namespace tessera::platform
