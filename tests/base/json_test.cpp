// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace hadal {
namespace {

std::string json_error(const std::string& text, const JsonLimits& limits = {}) {
  const Result<nlohmann::json> document = parse_json(text, "j", limits);
  return document ? "" : document.error().message;
}

TEST(Json, BuildsWhatTheLibraryBuilds) {
  const std::string text =
      R"({"a":[1,-2,3.5,1e-20,"x",null,true,[[]],{"b":{}}],"deep":{"er":[{"c":[0]}]}})";
  const Result<nlohmann::json> document = parse_json(text, "j", {});
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(*document, nlohmann::json::parse(text));
}

TEST(Json, RefusesWhatIsTooLargeTooDeepOrTwice) {
  EXPECT_EQ(json_error(R"({"a":1,"b":{"a":2,"a":3}})"), "j: a: key given twice");
  EXPECT_EQ(json_error("[[[[]]]]", {.bytes = 100, .depth = 3, .values = 100}),
            "j: nested deeper than 3 levels");
  EXPECT_EQ(json_error("[1,2,3]", {.bytes = 100, .depth = 3, .values = 3}),
            "j: more than 3 values");
  EXPECT_EQ(json_error("[1,2,3]", {.bytes = 6, .depth = 3, .values = 9}),
            "j: 7 bytes, at most 6 are read");
  EXPECT_EQ(json_error(std::string(100'000, '[')), "j: nested deeper than 32 levels");
}

TEST(Json, RefusesWhatIsNotJson) {
  EXPECT_EQ(json_error(""), "j: not valid JSON at byte 1");
  EXPECT_EQ(json_error("{} x"), "j: not valid JSON at byte 4");
  EXPECT_EQ(json_error(std::string("{}\0 x", 5)), "j: not valid JSON at byte 3");
  EXPECT_EQ(json_error("[1e999]"), "j: not valid JSON at byte 6");
  EXPECT_EQ(json_error("\"\xff\""), "j: not valid JSON at byte 2");
  EXPECT_EQ(json_error("[NaN]"), "j: not valid JSON at byte 2");
}

TEST(Json, PrintableTextIsShortAndHasNoControlCharacters) {
  EXPECT_EQ(printable("a\nb\x1b[0m\x7f"), "a?b?[0m?");
  EXPECT_EQ(printable(std::string(500, 'x')), std::string(120, 'x') + "…");
}

}  // namespace
}  // namespace hadal
