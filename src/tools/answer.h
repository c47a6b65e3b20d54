// SPDX-License-Identifier: MIT
// One answer: a prompt is read, tokens are sampled, and what may be shown comes out in pieces.
//
//   TRY(Answer answer, give_answer(open, request, [&](std::optional<Sample> token,
//                                                     const AnswerPiece& piece) { … }));
//
// Special tokens are not shown, and spans of cells as files that a piece names.  The pieces of text
// joined are the answer up to a stop string; no piece cuts a character.  Stop strings look at the
// answer, not at the reasoning.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/generator.h"
#include "engine/stop_strings.h"
#include "text/completion.h"
#include "text/stream_decoder.h"
#include "tools/answer_pictures.h"
#include "tools/open_model.h"

namespace hadal {

struct AnswerPiece {
  std::string reasoning;
  std::string text;
  std::string picture;  // path of a picture or clip that was finished; stands behind the text
};

// How ids become pieces.
struct AnswerForm {
  std::optional<CompletionOptions> chat;  // absent: plain continuation of a text
  std::vector<std::string> stops;
  bool raw_bytes = true;  // false: what is no UTF-8 shows as U+FFFD
};

class AnswerStream {
 public:
  AnswerStream(const Tokenizer& tokenizer, const AnswerForm& form);
  AnswerPiece add(int64_t id);
  // Something else follows (a picture): what was held back stands before it.
  AnswerPiece pause();
  AnswerPiece finish();
  bool stopped() const { return stops_.found(); }

 private:
  AnswerPiece read(const std::string& decoded, bool last);

  const Tokenizer& tokenizer_;
  bool raw_bytes_;
  StreamDecoder decoder_;
  std::optional<CompletionReader> reader_;
  StopStrings stops_;
};

struct AnswerRequest {
  std::vector<int64_t> prompt;
  GivenRows given;  // of its images
  SamplerOptions sampler;
  int64_t max_tokens = 0;
  AnswerForm form;
  std::shared_ptr<TokenConstraint> constraint =
      nullptr;                         // what the answer is held to; null: nothing
  DraftLength* drafts = nullptr;       // lent; null: tokens are not guessed ahead
  SpanOptions spans = {};              // pictures that the answer may hold
  AnswerPictures* pictures = nullptr;  // lent; writes them.  Null: there are none
};

struct Answer {
  Prefill prefill;
  Generated generated;
};

// A piece, and the token that brought it; none for what was held back to the end.
using AnswerSink = std::function<void(std::optional<Sample> token, const AnswerPiece& piece)>;

// SIGINT ends it early (interrupt.h): `generated.finish` is then Finish::cancelled, and a picture
// that was not finished is not among its ids, though what is whole of it became a file.
Result<Answer> give_answer(OpenModel& open, const AnswerRequest& request, const AnswerSink& sink);

// "prompt 12 tokens (8 cached), 340.1/s · answer 48 tokens, 51.2/s · seed 7 · end"
std::string speed_line(const Answer& answer, uint64_t seed);

}  // namespace hadal
