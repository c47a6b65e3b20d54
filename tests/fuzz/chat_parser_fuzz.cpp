// SPDX-License-Identifier: MIT
// What models answer, and what requests say, as hostile input.  The first byte chooses the
// dialect and mode, the second where the answer is cut; the rest is the text.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/chat.h"
#include "text/completion.h"

namespace {

using hadal::CompletionEvent;

std::string fold(const std::vector<CompletionEvent>& events) {
  std::string all;
  int last = -1;
  for (const CompletionEvent& event : events) {
    int kind = static_cast<int>(event.kind);
    if (kind != last || event.kind == CompletionEvent::Kind::call_begin)
      all += "[" + std::to_string(kind) + "]";
    all += event.text;
    last = kind;
  }
  return all;
}

std::string read(const hadal::CompletionOptions& options, std::string_view text, size_t cut) {
  hadal::CompletionReader reader(options);
  std::vector<CompletionEvent> events = reader.add(text.substr(0, cut));
  for (CompletionEvent& event : reader.add(text.substr(cut))) events.push_back(event);
  for (CompletionEvent& event : reader.finish()) events.push_back(event);
  return fold(events);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  hadal::Dialect dialect = bytes[0] & 1 ? hadal::Dialect::v41 : hadal::Dialect::v4_april;
  bool thinking = bytes[0] & 2;
  std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);

  hadal::CompletionOptions options = {.dialect = dialect, .thinking = thinking};
  std::string whole = read(options, text, text.size());
  CHECK(whole == read(options, text, text.empty() ? 0 : bytes[1] % text.size()), "cut");
  auto strict = hadal::read_completion(text, options, hadal::Reading::strict);
  auto lenient = hadal::read_completion(text, options, hadal::Reading::lenient);
  CHECK(lenient, "lenient reading never fails");
  if (strict) CHECK(strict->content == lenient->content, "strict and lenient agree");

  auto messages = hadal::messages_from_json(text);
  if (!messages) return 0;
  auto prompt = hadal::write_chat(*messages, {.dialect = dialect, .thinking = thinking});
  if (!prompt) return 0;
  for (const hadal::PromptPiece& piece : prompt->pieces)
    CHECK(!piece.is_control || piece.text.size() < 40, "control tokens are ours");
  return 0;
}
