#include "json_text.hpp"

#include <charconv>
#include <cmath>

namespace tessera::platform {
namespace {

void write(std::string& out, const boost::json::value& value, const std::string& indent);

template <typename Range, typename WriteItem>
void write_items(std::string& out, const Range& range, char open, char close,
                 const std::string& indent, WriteItem write_item) {
  out += open;
  const std::string inner = indent + "  ";
  bool first = true;
  for (const auto& item : range) {
    out += first ? "\n" : ",\n";
    first = false;
    out += inner;
    write_item(item, inner);
  }
  if (!first) out += "\n" + indent;
  out += close;
}

void write_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  out.append(buffer, end);
}

void write(std::string& out, const boost::json::value& value, const std::string& indent) {
  switch (value.kind()) {
    case boost::json::kind::object:
      write_items(out, value.get_object(), '{', '}', indent,
                  [&](const auto& member, const std::string& inner) {
                    out += boost::json::serialize(boost::json::string(member.key()));
                    out += ": ";
                    write(out, member.value(), inner);
                  });
      break;
    case boost::json::kind::array:
      write_items(out, value.get_array(), '[', ']', indent,
                  [&](const auto& item, const std::string& inner) { write(out, item, inner); });
      break;
    case boost::json::kind::double_:
      write_double(out, value.get_double());
      break;
    default:
      out += boost::json::serialize(value);
  }
}

}  // namespace

std::string json_text(const boost::json::value& value) {
  std::string out;
  write(out, value, "");
  out += "\n";
  return out;
}

}  // namespace tessera::platform
