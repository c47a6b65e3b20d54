// SPDX-License-Identifier: MIT
// Tool calls that models write, as hostile input, in streams.  The first byte chooses the dialect,
// whether the model thinks and whether control tokens are told apart from text that spells them;
// the second how the text is cut.  Whatever comes, calls begin and end in order, nothing is left
// open, and the events do not depend on the cuts.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/completion.h"
#include "text/prompt.h"

namespace {

using namespace hadal;
using Kind = CompletionEvent::Kind;

// Pieces of text between control tokens, as a tokenizer gives them.
struct Piece {
  std::string_view text;
  bool control = false;
};

std::vector<Piece> pieces_of(std::string_view text, bool knows_control) {
  std::vector<Piece> pieces;
  while (!text.empty()) {
    std::string_view found;
    size_t at = text.size();
    if (knows_control)
      for (const std::string_view marker : {std::string_view(kDsml), std::string_view(kThinkEnd)})
        if (const size_t here = text.find(marker); here < at) {
          at = here;
          found = marker;
        }
    if (at > 0) pieces.push_back({text.substr(0, at), false});
    if (!found.empty()) pieces.push_back({text.substr(at, found.size()), true});
    text.remove_prefix(at + found.size());
  }
  return pieces;
}

// Checks the order of events, and folds them so that cuts do not show.
class Fold {
 public:
  void add(const std::vector<CompletionEvent>& events) {
    for (const CompletionEvent& event : events) add(event);
  }
  std::string done() const {
    CHECK(!open_, "a call is left open");
    return text_;
  }

 private:
  void add(const CompletionEvent& event) {
    switch (event.kind) {
      case Kind::call_begin:
        CHECK(!open_, "a call within a call");
        open_ = true;
        break;
      case Kind::call_arguments:
        CHECK(open_, "arguments of no call");
        break;
      case Kind::call_end:
      case Kind::call_cancelled:
        CHECK(open_, "the end of no call");
        open_ = false;
        break;
      case Kind::reasoning:
      case Kind::content:
        CHECK(!open_ && !event.text.empty(), "text within a call, or none");
        break;
      case Kind::end_of_turn:
        CHECK(!open_, "the end within a call");
        break;
    }
    const bool goes_on =
        event.kind == last_ && (event.kind == Kind::reasoning || event.kind == Kind::content ||
                                event.kind == Kind::call_arguments);
    if (!goes_on) text_ += "[" + std::to_string(static_cast<int>(event.kind)) + "]";
    text_ += event.text;
    last_ = event.kind;
  }

  std::string text_;
  Kind last_ = Kind::end_of_turn;
  bool open_ = false;
};

std::string read(const CompletionOptions& options, std::string_view text, size_t step) {
  CompletionReader reader(options);
  Fold fold;
  for (const Piece& piece : pieces_of(text, options.knows_control)) {
    if (piece.control) {
      fold.add(reader.add_control(piece.text));
      continue;
    }
    for (size_t at = 0; at < piece.text.size(); at += step)
      fold.add(reader.add(piece.text.substr(at, step)));
  }
  fold.add(reader.finish());
  return fold.done();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  const CompletionOptions options{.dialect = bytes[0] & 1 ? Dialect::v41 : Dialect::v4_april,
                                  .thinking = (bytes[0] & 2) != 0,
                                  .knows_control = (bytes[0] & 4) != 0};
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const std::string whole = read(options, text, text.size() + 1);
  CHECK(whole == read(options, text, 1), "byte by byte");
  CHECK(whole == read(options, text, 2U + bytes[1]), "in pieces");
  return 0;
}
