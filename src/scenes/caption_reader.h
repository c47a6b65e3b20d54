// SPDX-License-Identifier: MIT
// Reading a caption word by word; commas are words.
//
//   CaptionReader reader("a large red circle, top left, on white");
//   if (reader.take("a")) …                                 // moves on when the word is there
//   TRY(Colour colour, reader.expect(colour_named, "a colour"));
//   TRY_STATUS(reader.end());
//
// One thread an object.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "scenes/objects.h"

namespace hadal {

class CaptionReader {
 public:
  explicit CaptionReader(std::string_view caption);

  bool take(std::string_view word);  // steps over the word if it is the next one
  bool take_all(std::initializer_list<std::string_view> words);  // all of them, or none
  Status need(std::string_view word);
  Status end() const;

  // The value that the next word names, for instance a colour.
  template <typename Value>
  Result<Value> expect(std::optional<Value> (*named)(std::string_view), std::string_view what) {
    std::optional<Value> value = named(next());
    if (!value) return wrong(what);
    ++at_;
    return *value;
  }

  Result<Object> object();  // "large red circle"
  Result<Place> place();    // "top left"
  Error wrong(std::string_view expected) const;

 private:
  std::string_view next() const { return at_ < words_.size() ? words_[at_] : std::string_view(); }

  std::vector<std::string> words_;
  size_t at_ = 0;
};

}  // namespace hadal
