// SPDX-License-Identifier: MIT
// One answer.
#include "tools/answer.h"

#include <array>
#include <cstdio>

#include "tools/interrupt.h"

namespace hadal {
namespace {

// A call of a tool, as text: nobody runs tools here.
void show_event(const CompletionEvent& event, std::string& reasoning, std::string& content) {
  using Kind = CompletionEvent::Kind;
  switch (event.kind) {
    case Kind::reasoning:
      reasoning += event.text;
      break;
    case Kind::content:
    case Kind::call_arguments:
      content += event.text;
      break;
    case Kind::call_begin:
      content += event.text + "(";
      break;
    case Kind::call_end:
      content += ")";
      break;
    case Kind::call_cancelled:
    case Kind::end_of_turn:
      break;
  }
}

// Control tokens that a conversation's reader looks for, whatever the file flags them as.
bool is_marker(std::string_view token) {
  return token == kThink || token == kThinkEnd || token == kDsml;
}

std::string rate(int64_t tokens, double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f/s",
                seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0);
  return text.data();
}

}  // namespace

AnswerStream::AnswerStream(const Tokenizer& tokenizer, const AnswerForm& form)
    : tokenizer_(tokenizer), raw_bytes_(form.raw_bytes), decoder_(tokenizer), stops_(form.stops) {
  if (!form.chat) return;
  CompletionOptions chat = *form.chat;
  chat.knows_control = tokenizer.id_of(kThinkEnd) && tokenizer.id_of(kDsml) && tokenizer.eos();
  reader_.emplace(chat);
}

AnswerPiece AnswerStream::add(int64_t id) {
  const int32_t token = static_cast<int32_t>(id);
  const std::string_view bytes = tokenizer_.token_bytes(token);
  const bool marker = reader_ && is_marker(bytes) && tokenizer_.is_added(token);
  if (tokenizer_.is_special(token) && !marker) return {};
  const std::string decoded = raw_bytes_ ? decoder_.add_bytes(token) : decoder_.add(token);
  if (!marker) return read(decoded, false);
  // What was held back of an unfinished character stands before the control token.
  AnswerPiece piece = read(decoded.substr(0, decoded.size() - bytes.size()), false);
  std::string content;
  for (const CompletionEvent& event : reader_->add_control(bytes))
    show_event(event, piece.reasoning, content);
  piece.text += stops_.add(content);
  return piece;
}

AnswerPiece AnswerStream::pause() {
  AnswerPiece piece = read(raw_bytes_ ? decoder_.flush_bytes() : decoder_.flush(), false);
  piece.text += stops_.flush();
  return piece;
}

AnswerPiece AnswerStream::finish() {
  AnswerPiece piece = read(raw_bytes_ ? decoder_.flush_bytes() : decoder_.flush(), true);
  piece.text += stops_.flush();
  return piece;
}

AnswerPiece AnswerStream::read(const std::string& decoded, bool last) {
  AnswerPiece piece;
  std::string content = reader_ ? "" : decoded;
  if (reader_) {
    for (const CompletionEvent& event : reader_->add(decoded))
      show_event(event, piece.reasoning, content);
    if (last)
      for (const CompletionEvent& event : reader_->finish())
        show_event(event, piece.reasoning, content);
  }
  piece.text = stops_.add(content);
  return piece;
}

Result<Answer> give_answer(OpenModel& open, const AnswerRequest& request, const AnswerSink& sink) {
  const InterruptGuard guard;
  Answer answer;
  TRY(answer.prefill, open.session->extend(request.prompt, &interrupt_flag(), request.given));
  if (answer.prefill.cancelled) {
    answer.generated.finish = Finish::cancelled;
    return answer;
  }
  AnswerStream stream(*open.tokenizer, request.form);
  const GenerateOptions options{.sampler = request.sampler,
                                .spans = request.spans,
                                .max_tokens = request.max_tokens,
                                .end_ids = open.end_ids(),
                                .cancel = &interrupt_flag(),
                                .constraint = request.constraint.get(),
                                .drafts = request.drafts};
  Status status = Ok{};
  const auto show_pictures = [&] {
    for (const std::string& path : request.pictures->take_paths())
      sink(std::nullopt, {.reasoning = {}, .text = {}, .picture = path});
  };
  // True: an id of a picture, which is shown when it is finished.
  const auto drawn = [&](int64_t id) -> Result<bool> {
    if (!request.pictures) return false;
    TRY(const bool in_span, request.pictures->add(id));
    if (in_span) sink(std::nullopt, stream.pause());
    show_pictures();
    return in_span;
  };
  answer.generated = generate(*open.session, options, [&](const Sample& token) {
    const Result<bool> in_span = drawn(token.id);
    if (!in_span) status = in_span.error();
    if (!in_span) return Flow::stop;
    if (!*in_span) sink(token, stream.add(token.id));
    return stream.stopped() ? Flow::stop : Flow::go_on;
  });
  sink(std::nullopt, stream.finish());
  if (request.pictures && status) {
    status = request.pictures->finish();
    show_pictures();
    if (answer.generated.finish == Finish::cancelled)
      answer.generated.ids.resize(static_cast<size_t>(request.pictures->whole_ids()));
  }
  TRY_STATUS(status);
  return answer;
}

std::string speed_line(const Answer& answer, uint64_t seed) {
  const Prefill& prefill = answer.prefill;
  const Generated& generated = answer.generated;
  const int64_t count = static_cast<int64_t>(generated.ids.size());
  std::string line = "prompt " + std::to_string(prefill.read + prefill.reused) + " tokens";
  if (prefill.reused > 0) line += " (" + std::to_string(prefill.reused) + " cached)";
  line += ", " + rate(prefill.read, prefill.seconds) + " · answer " + std::to_string(count) +
          " tokens, " + rate(count, generated.seconds) + " · seed " + std::to_string(seed) + " · " +
          std::string(finish_name(generated.finish));
  return line;
}

}  // namespace hadal
