// SPDX-License-Identifier: MIT
#include "scenes/caption_reader.h"

namespace hadal {

namespace {

constexpr size_t kCaptionLimit = 400;  // bytes; the longest canonical caption has 130

}  // namespace

CaptionReader::CaptionReader(std::string_view caption) {
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words_.push_back(std::move(word));
    word.clear();
  };
  for (char c : caption.substr(0, kCaptionLimit)) {
    if (c == ' ' || c == ',' || c == ':') finish();
    if (c == ',' || c == ':') words_.push_back(std::string(1, c));
    if (c != ' ' && c != ',' && c != ':') word.push_back(c);
  }
  finish();
}

bool CaptionReader::take(std::string_view word) {
  if (next() != word) return false;
  ++at_;
  return true;
}

bool CaptionReader::take_all(std::initializer_list<std::string_view> words) {
  const size_t before = at_;
  for (std::string_view word : words)
    if (!take(word)) {
      at_ = before;
      return false;
    }
  return true;
}

Status CaptionReader::need(std::string_view word) {
  if (!take(word)) return wrong("'" + std::string(word) + "'");
  return Ok{};
}

Status CaptionReader::end() const {
  if (at_ < words_.size()) return wrong("the end");
  return Ok{};
}

Result<Object> CaptionReader::object() {
  Object object;
  TRY(object.size, expect(size_named, "a size"));
  TRY(object.colour, expect(colour_named, "a colour"));
  TRY(object.form, expect(form_named, "a form"));
  return object;
}

Result<Place> CaptionReader::place() {
  Place place;
  TRY(place.row, expect(row_named, "top, middle or bottom"));
  TRY(place.column, expect(column_named, "left, centre or right"));
  return place;
}

Error CaptionReader::wrong(std::string_view expected) const {
  if (at_ >= words_.size())
    return fail("caption: it ends after ", at_, " words, expected ", expected);
  return fail("caption: word ", at_ + 1, " is '", printable(words_[at_]), "', expected ", expected);
}

}  // namespace hadal
