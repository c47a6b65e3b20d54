// SPDX-License-Identifier: MIT
// Tokenizer files as hostile input.  A file that is accepted must round-trip any text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/result.h"
#include "text/engram_keys.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(bytes), size);
  // The file, and after a zero byte the text.
  size_t zero = input.find('\0');
  std::string_view file = input.substr(0, zero);
  std::string_view text = zero == input.npos ? input : input.substr(zero + 1);
  text = text.substr(0, 256);  // patterns of the file's own choosing may be slow

  auto tokenizer = hadal::Tokenizer::parse(file, "fuzz");
  if (!tokenizer) {
    CHECK(tokenizer.error().message.find('\n') == std::string::npos, "one line");
    return 0;
  }
  std::vector<int32_t> ids = tokenizer->encode(text);
  for (int32_t id : ids) CHECK(!tokenizer->is_added(id), "text forged a control token");
  CHECK(tokenizer->decode(ids) == text, "round trip");
  CHECK(tokenizer->decode(tokenizer->encode_with_control(text)) == text, "round trip");

  hadal::StreamDecoder decoder(*tokenizer);
  std::string shown;
  for (int32_t id : ids) shown += decoder.add(id);
  CHECK(shown + decoder.flush() == hadal::utf8_for_display(text), "stream");
  CHECK(hadal::compressed_token_map(*tokenizer, tokenizer->vocab_size() + 1), "token map");
  return 0;
}
