#pragma once

#include <boost/json.hpp>
#include <string>

namespace tessera::platform {

/// JSON as indented text, members in insertion order, numbers in the shortest form that reads back
/// to the same value: the same object is the same text.
std::string json_text(const boost::json::value& value);

}  // namespace tessera::platform
