// SPDX-License-Identifier: MIT
#include "scenes/page.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/random.h"

namespace hadal {

namespace {

constexpr std::array<std::string_view, 4> kPageGrounds = {"white", "pink", "khaki", "lightblue"};
constexpr std::array<std::string_view, 4> kInks = {"black", "red", "blue", "green"};
constexpr std::array<std::string_view, 12> kWords = {
    "sun", "moon", "tree", "fish", "bird", "cake", "ship", "star", "rain", "milk", "rose", "gold"};
constexpr std::string_view kCount = "n.textContent++";
constexpr std::string_view kFirstTab = "a.hidden=false;b.hidden=true";
constexpr std::string_view kSecondTab = "a.hidden=true;b.hidden=false";

std::string button(std::string_view action, std::string_view label) {
  return detail::join_text("<button onclick=\"", action, "\">", label, "</button>");
}

std::string part_html(const Page& page) {
  const std::vector<std::string>& w = page.words;
  switch (page.part) {
    case PagePart::paragraph:
      return "<p>" + w[0] + " " + w[1] + "</p>";
    case PagePart::counter:
      return detail::join_text(button(kCount, w[0]), "<b id=\"n\">", page.start, "</b>");
    case PagePart::tabs:
      return button(kFirstTab, w[0]) + button(kSecondTab, w[1]) + "<p id=\"a\">" + w[2] +
             "</p><p hidden=\"\" id=\"b\">" + w[3] + "</p>";
    case PagePart::disclosure:
      return "<details><summary>" + w[0] + "</summary>" + w[1] + "</details>";
  }
  CHECK(false, "part ", static_cast<int>(page.part));
  return "";
}

size_t word_count(PagePart part) {
  constexpr std::array<size_t, kPageParts> kCounts = {2, 1, 4, 2};
  return kCounts[static_cast<size_t>(part)];
}

// Steps through a text that must read as the grammar says.
class Steps {
 public:
  explicit Steps(std::string_view text) : text_(text) {}

  bool take(std::string_view piece) {
    if (!text_.substr(at_).starts_with(piece)) return false;
    at_ += piece.size();
    return true;
  }
  Status need(std::string_view piece) {
    if (!take(piece)) return wrong("'" + std::string(piece) + "'");
    return Ok{};
  }
  template <size_t n>
  Result<std::string> one_of(const std::array<std::string_view, n>& words, const char* what) {
    size_t length = 0;
    const std::string_view rest = text_.substr(at_);
    while (length < rest.size() && rest[length] >= 'a' && rest[length] <= 'z') ++length;
    const std::string_view word = rest.substr(0, length);
    if (std::find(words.begin(), words.end(), word) == words.end()) return wrong(what);
    at_ += length;
    return std::string(word);
  }
  Result<std::string> word() { return one_of(kWords, "a word of ours"); }
  Result<int64_t> digit() {
    if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') return wrong("a digit");
    return int64_t{text_[at_++] - '0'};
  }
  Error wrong(std::string_view expected) const {
    return fail("page: at letter ", at_, " stands '", printable(text_.substr(at_).substr(0, 20)),
                "', expected ", expected);
  }
  bool at_end() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

Status read_words(Steps& steps, Page& page, std::initializer_list<std::string_view> between) {
  for (std::string_view piece : between) {
    if (piece.empty()) {
      TRY(std::string word, steps.word());
      page.words.push_back(word);
    } else {
      TRY_STATUS(steps.need(piece));
    }
  }
  return Ok{};
}

Status read_part(Steps& steps, Page& page) {
  const std::string count = "<button onclick=\"" + std::string(kCount) + "\">";
  const std::string first = "<button onclick=\"" + std::string(kFirstTab) + "\">";
  const std::string second = "</button><button onclick=\"" + std::string(kSecondTab) + "\">";
  if (steps.take("<p>")) {
    page.part = PagePart::paragraph;
    return read_words(steps, page, {"", " ", "", "</p>"});
  }
  if (steps.take("<details><summary>")) {
    page.part = PagePart::disclosure;
    return read_words(steps, page, {"", "</summary>", "", "</details>"});
  }
  if (steps.take(first)) {
    page.part = PagePart::tabs;
    return read_words(
        steps, page,
        {"", second, "", "</button><p id=\"a\">", "", "</p><p hidden=\"\" id=\"b\">", "", "</p>"});
  }
  if (!steps.take(count)) return steps.wrong("a paragraph, counter, tabs or disclosure");
  page.part = PagePart::counter;
  TRY_STATUS(read_words(steps, page, {"", "</button><b id=\"n\">"}));
  TRY(page.start, steps.digit());
  return steps.need("</b>");
}

template <size_t n>
std::string any(const std::array<std::string_view, n>& words, Random& random) {
  return std::string(words[static_cast<size_t>(random.below(static_cast<int64_t>(n)))]);
}

Page any_page(Random& random) {
  Page page;
  page.ground = any(kPageGrounds, random);
  page.ink = any(kInks, random);
  page.part = static_cast<PagePart>(random.below(kPageParts));
  std::vector<std::string> words;  // all different: who reads one cannot guess the next
  while (words.size() < 1 + word_count(page.part)) {
    const std::string word = any(kWords, random);
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  page.heading = words[0];
  page.words.assign(words.begin() + 1, words.end());
  if (page.part == PagePart::counter) page.start = random.below(10);
  return page;
}

}  // namespace

std::string html(const Page& page) {
  CHECK(page.words.size() == word_count(page.part), page.words.size(), " words");
  return detail::join_text("<body style=\"background:", page.ground,
                           "\"><h1 style=\"color:", page.ink, "\">", page.heading, "</h1>",
                           part_html(page), "</body>");
}

Result<Page> parse_page(std::string_view html) {
  Steps steps(html);
  Page page;
  TRY_STATUS(steps.need("<body style=\"background:"));
  TRY(page.ground, steps.one_of(kPageGrounds, "white, pink, khaki or lightblue"));
  TRY_STATUS(steps.need("\"><h1 style=\"color:"));
  TRY(page.ink, steps.one_of(kInks, "black, red, blue or green"));
  TRY_STATUS(steps.need("\">"));
  TRY(page.heading, steps.word());
  TRY_STATUS(steps.need("</h1>"));
  TRY_STATUS(read_part(steps, page));
  TRY_STATUS(steps.need("</body>"));
  if (!steps.at_end()) return steps.wrong("the end");
  return page;
}

Split split_of(const Page& page) {
  return seed_for(0, html(page)) % 8 == 0 ? Split::unseen : Split::seen;
}

Page random_page(uint64_t seed, Split split) {
  Random random(seed_for(seed, "page"));
  Page page = any_page(random);
  while (split_of(page) != split) page = any_page(random);
  return page;
}

// The pointer needs three frames to arrive, and the last click two to show what it did.
std::vector<Click> script(const Page& page, uint64_t seed) {
  Random random(seed_for(seed, "script"));
  switch (page.part) {
    case PagePart::paragraph:
      return {};
    case PagePart::disclosure:
      return {{4, 0}};
    case PagePart::tabs:
      if (random.below(2) == 0) return {{4, 1}};
      return {{3, 1}, {6, 0}};
    case PagePart::counter: {
      std::vector<Click> clicks = {{3, 0}, {5, 0}, {7, 0}};
      clicks.resize(static_cast<size_t>(1 + random.below(3)));
      return clicks;
    }
  }
  return {};
}

}  // namespace hadal
