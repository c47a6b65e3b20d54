// SPDX-License-Identifier: MIT
// Bounded JSON, Python's spelling of it, and UTF-8.
#include "text/bounded_json.h"

#include "testing.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace hadal {
namespace {

std::string respelled(const char* json) {
  auto value = parse_ordered_json(json, "test", {});
  return value ? python_json(*value) : value.error().message;
}

TEST(PythonJson, SpellsAsJsonDumps) {
  EXPECT_EQ(respelled(R"({"b":1,"a":[true,null,"é\n\u0001\"\\/"],"c":{}})"),
            R"({"b": 1, "a": [true, null, "é\n\u0001\"\\/"], "c": {}})");
  EXPECT_EQ(
      respelled("[1.0, 0.1, 1e15, 1e16, 1.5e300, 0.0001, 0.00001, -0.0, 18446744073709551615]"),
      "[1.0, 0.1, 1000000000000000.0, 1e+16, 1.5e+300, 0.0001, 1e-05, -0.0, "
      "18446744073709551615]");
  EXPECT_EQ(respelled("[]"), "[]");
}

TEST(BoundedJson, RefusesWhatIsTooMuch) {
  EXPECT_EQ(respelled("[[1]"), "test: not JSON at byte 5");
  EXPECT_FALSE(parse_bounded_json("[[[1]]]", "test", {.max_depth = 2}));
  EXPECT_TRUE(parse_bounded_json("[[1]]", "test", {.max_depth = 2}));
  EXPECT_FALSE(parse_bounded_json("[1,2,3]", "test", {.max_width = 2}));
  EXPECT_TRUE(parse_bounded_json("[\"1,2,3[[[\\\"\"]", "test", {.max_depth = 1, .max_width = 2}));
  EXPECT_FALSE(parse_bounded_json("[1, 2]", "test", {.max_bytes = 5}));
  EXPECT_FALSE(parse_bounded_json("[1e999]", "test", {}));
  EXPECT_FALSE(parse_bounded_json("\"", "test", {}));
  EXPECT_FALSE(parse_bounded_json("\"\\", "test", {}));
  EXPECT_FALSE(parse_bounded_json(std::string_view("[1]\0[", 5), "test", {}));
}

TEST(Utf8, KnowsWholeCharacters) {
  for (const char* whole : {"a", "é", "中", "👍", "\uFFFD", "\U0010FFFF"})
    EXPECT_TRUE(is_utf8(whole));
  for (const char* broken : {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5",
                             "\xE4\xB8", "\xE0\x80\x80", "\xF0\x80\x80\x80"})
    EXPECT_FALSE(is_utf8(broken));
  EXPECT_EQ(utf8_for_display("a\xFF\xE4\xB8z\xED\xA0\x80"), "a\uFFFD\uFFFDz\uFFFD\uFFFD\uFFFD");
}

TEST(ByteAlphabet, SpellsEveryByteAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(bytes_of_spelling(spell_bytes(all)), all);
  EXPECT_EQ(spell_bytes(" \n"), "ĠĊ");
  EXPECT_FALSE(bytes_of_spelling("中"));
  EXPECT_FALSE(bytes_of_spelling(" "));
  EXPECT_FALSE(bytes_of_spelling("\xC4"));
}

}  // namespace
}  // namespace hadal
