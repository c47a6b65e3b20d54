// SPDX-License-Identifier: MIT
// What the model answered: reasoning, content and tool calls, from the text of a completion.
//
//   CompletionReader reader({.dialect = Dialect::v41, .thinking = true});
//   for (...) for (CompletionEvent& event : reader.add(decoded_text)) ...
//   for (CompletionEvent& event : reader.finish()) ...
//
// The events do not depend on how the text was cut: text that may be the start of a marker is
// held back until it is decided.  A reader never fails.  Where the text leaves the grammar the
// first fault is noted, a call that was open is cancelled, and from there on all is content.
// read_completion() reads a whole text, strictly (a fault is an error) or leniently.
// One reader serves one answer and one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/chat.h"

namespace hadal {

struct CompletionOptions {
  Dialect dialect = Dialect::v41;
  // The prompt ended with <think>, so the answer begins with reasoning.
  bool thinking = false;
  // Only what add_control() brings is a control token: ordinary tokens that spell one are text.
  // For tokenizers that have all of them as tokens.
  bool knows_control = false;
};

struct CompletionEvent {
  enum class Kind {
    reasoning,       // text: the next part
    content,         // text: the next part
    call_begin,      // text: the tool's name
    call_arguments,  // text: the next part of the arguments' JSON
    call_end,
    call_cancelled,  // the call since call_begin was malformed; its source follows as content
    end_of_turn,     // EOS was read
  };
  Kind kind;
  std::string text = {};
};

class CompletionReader {
 public:
  explicit CompletionReader(const CompletionOptions& options);

  std::vector<CompletionEvent> add(std::string_view text);
  // A control token, spelled out.
  std::vector<CompletionEvent> add_control(std::string_view token);
  // The text is over: gives what was held back.
  std::vector<CompletionEvent> finish();

  // The first departure from the grammar and the byte where it was seen, or nothing.
  const std::optional<std::string>& fault() const { return fault_; }

 private:
  // Named after what is expected next.
  enum class State {
    reasoning,
    content,
    first_tag,       // after "<｜DSML｜tool_calls"
    name,            // after "<｜DSML｜invoke"
    parameter_head,  // after "<｜DSML｜parameter"
    value,
    next_tag,   // after "</｜DSML｜parameter": another parameter or the end of the call
    next_call,  // after "</｜DSML｜invoke": another call or the end of the block
    end,        // after "</｜DSML｜tool_calls>": only EOS
    broken,     // all is content, up to EOS
    after_eos,  // nothing should follow
  };
  enum class Found { yes, no, maybe };
  struct Hit {
    Found found = Found::no;
    size_t at = 0;      // where the marker stands, or the held-back tail begins
    size_t marker = 0;  // index into the markers
  };

  void run();
  void run_steps();
  bool step();  // false: more text is needed
  bool step_reasoning();
  bool step_content();
  bool step_tag(std::string_view open, State opened, std::string_view close, State closed);
  bool step_name();
  bool step_parameter_head();
  bool step_value();
  bool step_end();
  bool step_broken();
  bool step_after_eos();

  void begin_call(std::string name);
  void end_call();
  std::string_view rest() const { return std::string_view(buffer_).substr(read_); }
  // Whether a marker stands at a place of the rest, or may once more text has come.
  Found stands(std::string_view marker, size_t at = 0) const;
  Hit search(const std::vector<std::string_view>& markers) const;
  // Gives out `count` bytes as events of `kind`, or drops them silently inside a call.
  void take_text(CompletionEvent::Kind kind, size_t count);
  void take_value(size_t count);
  std::string consume(size_t count);
  void emit(CompletionEvent::Kind kind, std::string text = {});
  void note_fault(std::string_view what);
  bool give_up(std::string_view what);

  CompletionOptions options_;
  std::string calls_start_, invoke_open_, invoke_close_, parameter_open_, parameter_close_,
      parameter_word_, calls_close_;
  State state_;
  std::string buffer_;
  size_t read_ = 0;            // bytes of the buffer that are decided
  size_t consumed_ = 0;        // bytes of the whole text that are decided
  std::set<size_t> controls_;  // where in the whole text control tokens begin, if that is known
  bool finished_ = false;      // no more text will come
  std::string call_source_;    // since the last finished call: what a cancelled call turns into
  bool call_open_ = false;
  std::set<std::string, std::less<>> parameter_names_;
  bool value_is_string_ = false;
  std::optional<std::string> fault_;
  std::vector<CompletionEvent> events_;
};

struct Completion {
  std::string reasoning = {};
  std::string content = {};
  // The arguments are JSON only as far as the model wrote JSON: values that it marked as not
  // strings stand as written.
  std::vector<ToolCall> tool_calls = {};
  bool ended = false;  // EOS was there
};

enum class Reading { strict, lenient };
Result<Completion> read_completion(std::string_view text, const CompletionOptions& options,
                                   Reading reading);

}  // namespace hadal
