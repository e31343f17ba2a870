#include "platform/json_text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tessera::platform {
namespace {

namespace json = boost::json;

TEST(JsonText, members_keep_their_order_a_line_each_indented_by_depth) {
  const json::value value = {{"z", 1}, {"a", {{"inner", true}}}, {"list", {1, "two"}}};
  EXPECT_EQ(json_text(value),
            "{\n"
            "  \"z\": 1,\n"
            "  \"a\": {\n"
            "    \"inner\": true\n"
            "  },\n"
            "  \"list\": [\n"
            "    1,\n"
            "    \"two\"\n"
            "  ]\n"
            "}\n");
}

TEST(JsonText, empty_containers_stay_on_their_line) {
  EXPECT_EQ(json_text(json::object{}), "{}\n");
  EXPECT_EQ(json_text(json::value{{"a", json::array{}}}), "{\n  \"a\": []\n}\n");
}

TEST(JsonText, numbers_have_their_shortest_exact_form) {
  EXPECT_EQ(json_text(0.1), "0.1\n");
  EXPECT_EQ(json_text(2.5e10), "2.5e+10\n");
  EXPECT_EQ(json_text(1.0 / 3), "0.3333333333333333\n");
  EXPECT_EQ(json_text(uint64_t{18446744073709551615U}), "18446744073709551615\n");
  EXPECT_EQ(json_text(int64_t{-9223372036854775807}), "-9223372036854775807\n");
}

TEST(JsonText, numbers_that_json_lacks_become_null) {
  EXPECT_EQ(json_text(std::numeric_limits<double>::infinity()), "null\n");
  EXPECT_EQ(json_text(std::nan("")), "null\n");
}

TEST(JsonText, text_parses_back_to_the_same_value) {
  const json::value value = {{"quote \" and \n", "tab\t \\ \x01"},
                             {"numbers", {1e-300, 123456.789, -0.5, 7}},
                             {"nothing", nullptr},
                             {"nested", {{"a", json::array{json::object{}, false}}}}};
  const std::string text = json_text(value);
  EXPECT_EQ(json::parse(text), value);
  EXPECT_EQ(json_text(json::parse(text)), text);
}

}  // namespace
}  // namespace tessera::platform
