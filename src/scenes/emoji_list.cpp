// SPDX-License-Identifier: MIT
#include "scenes/emoji_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/json.h"

namespace hadal {

namespace {

constexpr std::array<std::string_view, 6> kGroups = {"Smileys & Emotion", "Animals & Nature",
                                                     "Food & Drink",      "Travel & Places",
                                                     "Objects",           "Symbols"};
// Parts of names whose pictures differ in small signs only.
constexpr std::string_view kLeftOut[] = {"button", "keycap", "clock",  "thirty",
                                         "flag",   "zodiac", "gender", "sign"};

// Cuts off and returns what stands before the separator; all of it when there is none.
std::string_view cut(std::string_view& text, std::string_view separator) {
  const size_t at = std::min(text.find(separator), text.size());
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(std::min(at + separator.size(), text.size()));
  return head;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// "1F435" or "2764 FE0F"; nothing when it is a sequence of several.
std::optional<char32_t> single_code(std::string_view codes) {
  const std::string_view first = cut(codes, " ");
  uint32_t code = 0;
  const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), code, 16);
  if (error != std::errc() || end != first.data() + first.size() || code > 0x10ffff)
    return std::nullopt;
  if (!codes.empty() && codes != "FE0F") return std::nullopt;
  return static_cast<char32_t>(code);
}

// Lower case, or nothing when a letter is not plain English or the name is to be left out.
std::optional<std::string> plain_name(std::string_view name) {
  std::string plain;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c < 'a' || c > 'z') && c != ' ' && c != '-') return std::nullopt;
    plain.push_back(c);
  }
  for (std::string_view part : kLeftOut)
    if (plain.find(part) != std::string::npos) return std::nullopt;
  return plain.empty() ? std::nullopt : std::optional(plain);
}

struct Line {
  std::string_view codes, status, name;
};

std::optional<Line> split_line(std::string_view text) {
  Line line;
  line.codes = trimmed(cut(text, ";"));
  line.status = trimmed(cut(text, "#"));
  text = trimmed(text);
  cut(text, " ");  // the emoji itself
  const std::string_view version = cut(text, " ");
  line.name = trimmed(text);
  if (line.codes.empty() || line.name.empty() || !version.starts_with('E')) return std::nullopt;
  return line;
}

}  // namespace

Result<std::vector<EmojiName>> parse_emoji_list(std::string_view text, std::string_view file) {
  std::array<std::vector<EmojiName>, kGroups.size()> groups;
  std::vector<EmojiName>* group = nullptr;
  for (int64_t number = 1; !text.empty(); ++number) {
    const std::string_view whole = trimmed(cut(text, "\n"));
    constexpr std::string_view kGroup = "# group: ";
    if (whole.starts_with(kGroup)) {
      const auto at = std::find(kGroups.begin(), kGroups.end(), whole.substr(kGroup.size()));
      group = at == kGroups.end() ? nullptr : &groups[static_cast<size_t>(at - kGroups.begin())];
    }
    if (whole.empty() || whole.front() == '#') continue;
    const std::optional<Line> line = split_line(whole);
    if (!line)
      return fail(file, ":", number, ": '", printable(whole), "', expected CODES ; STATUS # NAME");
    const std::optional<char32_t> code = single_code(line->codes);
    const std::optional<std::string> name = plain_name(line->name);
    if (group != nullptr && line->status == "fully-qualified" && code && name)
      group->push_back({*code, *name});
  }
  std::vector<EmojiName> names;
  for (size_t turn = 0; true; ++turn) {
    const size_t before = names.size();
    for (const std::vector<EmojiName>& list : groups)
      if (turn < list.size()) names.push_back(list[turn]);
    if (names.size() == before) break;
  }
  if (names.empty()) return fail(file, ": no emoji in it");
  return names;
}

}  // namespace hadal
