// SPDX-License-Identifier: MIT
#include "scenes/markup.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/json.h"

namespace hadal {

namespace {

constexpr size_t kLengthLimit = 64 << 10;  // bytes; pages of the grammar have 300
constexpr size_t kDepthLimit = 64;
constexpr std::string_view kVoid[] = {"area", "br", "col", "hr", "img", "input", "link", "meta"};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class Normaliser {
 public:
  explicit Normaliser(std::string_view html) : html_(html) {}

  Result<std::string> run() {
    if (html_.size() > kLengthLimit)
      return fail("markup: ", html_.size(), " bytes, expected at most ", kLengthLimit);
    while (at_ < html_.size()) {
      if (html_[at_] != '<') {
        text();
      } else if (starts("<!--")) {
        const size_t end = html_.find("-->", at_);
        if (end == std::string_view::npos) return wrong("a comment that ends");
        at_ = end + 3;
      } else if (starts("</")) {
        TRY_STATUS(closing_tag());
      } else {
        TRY_STATUS(opening_tag());
      }
    }
    if (!open_.empty()) return fail("markup: <", open_.back(), "> is left open");
    return out_;
  }

 private:
  bool starts(std::string_view piece) const { return html_.substr(at_).starts_with(piece); }
  bool take(char c) {
    if (at_ >= html_.size() || html_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (at_ < html_.size() && is_blank(html_[at_])) ++at_;
  }
  Error wrong(std::string_view expected) const {
    return fail("markup: at byte ", at_, " stands '", printable(html_.substr(at_).substr(0, 20)),
                "', expected ", expected);
  }

  // Words joined by single blanks; those beside tags do not count.
  void text() {
    std::string words;
    for (; at_ < html_.size() && html_[at_] != '<'; ++at_) {
      if (!is_blank(html_[at_])) {
        words.push_back(html_[at_]);
      } else if (!words.empty() && words.back() != ' ') {
        words.push_back(' ');
      }
    }
    if (!words.empty() && words.back() == ' ') words.pop_back();
    out_ += words;
  }

  std::string name() {
    std::string result;
    for (; at_ < html_.size() && is_name(html_[at_]); ++at_) {
      const char c = html_[at_];
      result.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
    return result;
  }

  Result<std::string> value() {
    skip_blanks();
    std::string result;
    for (char quote : {'"', '\''})
      if (take(quote)) {
        while (at_ < html_.size() && html_[at_] != quote) result.push_back(html_[at_++]);
        if (!take(quote)) return wrong("a closing quote");
        return result;
      }
    while (at_ < html_.size() && !is_blank(html_[at_]) && html_[at_] != '>')
      result.push_back(html_[at_++]);
    return result;
  }

  Status opening_tag() {
    ++at_;
    const std::string tag = name();
    if (tag.empty()) return wrong("the name of an element");
    std::map<std::string, std::string> attributes;
    for (skip_blanks(); !take('>'); skip_blanks()) {
      if (take('/')) continue;  // <br/> is <br>
      const std::string key = name();
      if (key.empty()) return wrong("an attribute or '>'");
      skip_blanks();
      std::string content;
      if (take('=')) {
        TRY(content, value());
      }
      if (!attributes.emplace(key, content).second)
        return fail("markup: <", tag, "> has '", key, "' twice");
    }
    out_ += "<" + tag;
    for (const auto& [key, content] : attributes) out_ += " " + key + "=\"" + content + "\"";
    out_ += ">";
    if (std::find(std::begin(kVoid), std::end(kVoid), tag) != std::end(kVoid)) return Ok{};
    open_.push_back(tag);
    if (open_.size() > kDepthLimit) return fail("markup: deeper than ", kDepthLimit, " elements");
    return Ok{};
  }

  Status closing_tag() {
    at_ += 2;
    const std::string tag = name();
    skip_blanks();
    if (!take('>')) return wrong("'>'");
    if (open_.empty() || open_.back() != tag)
      return fail("markup: </", printable(tag), "> closes nothing");
    open_.pop_back();
    out_ += "</" + tag + ">";
    return Ok{};
  }

  std::string_view html_;
  size_t at_ = 0;
  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace

Result<std::string> normalised_markup(std::string_view html) {
  return Normaliser(html).run();
}

}  // namespace hadal
