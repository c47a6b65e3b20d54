// SPDX-License-Identifier: MIT
// Text from ids that come one by one, never cutting a character in two.
//
//   StreamDecoder decoder(tokenizer);
//   std::string shown = decoder.add(id);      // whole characters only; may be empty
//   std::string rest = decoder.flush();       // at the end
//
// The pieces in order equal utf8_for_display(tokenizer.decode(ids)): bytes that can no longer
// become a character show as U+FFFD.  add_bytes() and flush_bytes() give the raw bytes instead,
// held back in the same way; use one kind throughout.  One decoder serves one thread, and the
// tokenizer must outlive it.
#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace hadal {

class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::string add(int32_t id);
  std::string add_bytes(int32_t id);
  std::string flush();
  std::string flush_bytes();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;  // the start of a character that is not complete yet: at most 3 bytes
};

}  // namespace hadal
