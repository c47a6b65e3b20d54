// SPDX-License-Identifier: MIT
// The free text that a custom tool is called with, out of the arguments as which a model writes it.
//
//   CustomInput input;
//   std::string more = input.add("{\"input\": \"ls -");  // "ls -"
//   more = input.add("la\\n\"}");                         // "la\n"
//   more = input.finish();                                // what could not be told before
//
// A model knows functions alone, so a custom tool is shown to it as one with a single text,
// `input`. Arguments of any other shape are told as they stand.  One call, one thread.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

class CustomInput {
 public:
  // A piece of the arguments, as JSON -> text that is sure by now.
  std::string add(std::string_view piece);
  std::string finish();
  // All that was told.
  const std::string& text() const { return told_; }

  // The arguments of a call with this text.
  static std::string arguments(const std::string& text);

 private:
  std::string all_;     // the arguments up to now
  size_t read_ = 0;     // bytes of them
  bool ended_ = false;  // the text
  std::string told_;
};

}  // namespace hadal
