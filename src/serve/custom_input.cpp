// SPDX-License-Identifier: MIT
// Free text out of arguments.
#include "serve/custom_input.h"

#include <algorithm>

#include "text/bounded_json.h"

namespace hadal {
namespace {

constexpr std::string_view kBegin = "{\"input\": \"";

// Where the text ends: at a quote, or at an escape that is not whole yet.  Half of a surrogate pair
// waits for the other.
size_t whole_until(std::string_view text) {
  constexpr size_t kUnicode = 6;  // \uXXXX
  size_t at = 0;
  while (at < text.size() && text[at] != '"') {
    size_t length = 1;
    if (text[at] == '\\') {
      length = text.substr(at).starts_with("\\u") ? kUnicode : 2;
      const std::string_view digits = text.substr(std::min(at + 2, text.size()), 2);
      const bool surrogate = length == kUnicode && digits.size() == 2 &&
                             (digits[0] | 0x20) == 'd' &&
                             std::string_view("89abAB").find(digits[1]) != digits.npos;
      if (surrogate) length = 2 * kUnicode;
    }
    if (at + length > text.size()) break;
    at += length;
  }
  return at;
}

std::string decoded(std::string_view text) {
  const OrderedJson value = OrderedJson::parse("\"" + std::string(text) + "\"", nullptr, false);
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

std::string CustomInput::arguments(const std::string& text) {
  return OrderedJson{{"input", text}}.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string CustomInput::add(std::string_view piece) {
  all_ += piece;
  if (ended_ || all_.size() < kBegin.size() || !all_.starts_with(kBegin)) return {};
  read_ = std::max(read_, kBegin.size());
  const std::string_view unread = std::string_view(all_).substr(read_);
  const size_t whole = whole_until(unread);
  ended_ = whole < unread.size() && unread[whole] == '"';
  std::string more = decoded(unread.substr(0, whole));
  read_ += whole;
  told_ += more;
  return more;
}

std::string CustomInput::finish() {
  auto whole = parse_ordered_json(all_, "arguments", {});
  const bool plain =
      whole && whole->is_object() && whole->size() == 1 && whole->begin().value().is_string();
  const std::string text = plain ? whole->begin().value().get<std::string>() : all_;
  // What was told cannot be taken back.
  if (!text.starts_with(told_)) return {};
  std::string more = text.substr(told_.size());
  told_ = text;
  return more;
}

}  // namespace hadal
