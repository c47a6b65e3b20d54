// SPDX-License-Identifier: MIT
// Names of pictures, from Unicode's list of emoji.
//
//   TRY(std::vector<EmojiName> names, parse_emoji_list(text, "emoji-test.txt"));
//
// Format (Unicode Technical Standard #51): "# group: NAME" opens a group; a line
// "1F435 ; fully-qualified # 🐵 E1.0 monkey face" is an emoji with its code points and name.
// Taken are those of one code point (a selector FE0F aside) in the groups of things (Smileys,
// Animals, Food, Travel, Objects, Symbols) whose names are plain English words; left out are
// people, flags, clock faces and buttons, which only differ in small signs.  Names become lower
// case.  The groups take turns, so that any first part of the list is mixed.
// The text is hostile: lines that do not follow the format are refused.
// Pure functions; any thread may use them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

struct EmojiName {
  char32_t code = 0;
  std::string name;  // "monkey face"
};

// `file` begins the message of a failure.
Result<std::vector<EmojiName>> parse_emoji_list(std::string_view text, std::string_view file);

}  // namespace hadal
