// SPDX-License-Identifier: MIT
// Reads an answer (model-spec 9.6) as a machine over a buffer of undecided text.
//
//   reasoning </think> content \n\n<｜DSML｜tool_calls            V4.1: "<｜DSML｜ calls" and so on
//     >\n<｜DSML｜invoke name="N">\n
//     <｜DSML｜parameter name="K" string="true">VALUE</｜DSML｜parameter
//     >\n<｜DSML｜parameter ...                                   or
//     >\n</｜DSML｜invoke
//     >\n<｜DSML｜invoke ...                                      or
//     >\n</｜DSML｜tool_calls>EOS
//
// Each state looks for its markers from the left; the leftmost place where one stands, or could
// still come to stand, decides.  So the same text gives the same events however it is cut.
// Nothing inside a value is escaped: a value ends at the first closing tag.  If it is known which
// bytes are control tokens, a marker counts only where its control token is one.
// Tested by completion_test.cpp, which cuts every example at every byte.
#include "text/completion.h"

#include <algorithm>
#include <utility>

#include "text/bounded_json.h"
#include "text/chat_parts.h"

namespace hadal {
namespace {

// Names are held back whole; the longest that a schema allows is 64 characters.
constexpr size_t kMaxNameBytes = 4096;

bool could_continue(std::string_view text, std::string_view marker) {
  return text.size() < marker.size() && marker.substr(0, text.size()) == text;
}

// Where in a marker its control token begins; npos if it has none.
size_t control_place(std::string_view marker) {
  for (const std::string_view token : {kDsml, kThinkEnd, kThink, kEos, kBos})
    if (const size_t at = marker.find(token); at != std::string_view::npos) return at;
  return std::string_view::npos;
}

// The inside of a JSON string.
std::string escaped(std::string_view text) {
  std::string quoted = python_json_string(text);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

using Kind = CompletionEvent::Kind;

CompletionReader::CompletionReader(const CompletionOptions& options)
    : options_(options), state_(options.thinking ? State::reasoning : State::content) {
  const DsmlNames& names = dsml_names(options.dialect);
  auto tag = [](std::string_view opener, std::string_view name) {
    return detail::join_text(opener, kDsml, name);
  };
  calls_start_ = tag("\n\n<", names.calls);
  invoke_open_ = tag(">\n<", names.invoke);
  invoke_close_ = tag(">\n</", names.invoke);
  parameter_open_ = tag(">\n<", names.parameter);
  parameter_close_ = tag("</", names.parameter);
  parameter_word_ = tag("/", names.parameter);
  calls_close_ = tag(">\n</", names.calls) + ">";
}

std::vector<CompletionEvent> CompletionReader::add(std::string_view text) {
  buffer_ += text;
  run();
  return std::exchange(events_, {});
}

std::vector<CompletionEvent> CompletionReader::add_control(std::string_view token) {
  controls_.insert(consumed_ + buffer_.size());
  return add(token);
}

std::vector<CompletionEvent> CompletionReader::finish() {
  finished_ = true;
  run();
  if (state_ == State::reasoning)
    note_fault("the text ends without </think>");
  else if (state_ != State::after_eos)
    note_fault("the text ends without EOS");
  return std::exchange(events_, {});
}

void CompletionReader::run() {
  run_steps();
  buffer_.erase(0, read_);
  read_ = 0;
  controls_.erase(controls_.begin(), controls_.lower_bound(consumed_));
}

void CompletionReader::run_steps() {
  while (!rest().empty() && step()) {
  }
  // Inside a call the end of the text is a fault even if nothing is left to read.
  bool in_call = state_ != State::reasoning && state_ != State::content && state_ != State::end &&
                 state_ != State::broken && state_ != State::after_eos;
  if (!finished_ || !in_call) return;
  give_up("the text ends inside a tool call");
  while (!rest().empty() && step()) {
  }
}

bool CompletionReader::step() {
  switch (state_) {
    case State::reasoning:
      return step_reasoning();
    case State::content:
      return step_content();
    case State::first_tag:
    case State::next_call:
      return step_tag(invoke_open_, State::name, calls_close_, State::end);
    case State::name:
      return step_name();
    case State::parameter_head:
      return step_parameter_head();
    case State::value:
      return step_value();
    case State::next_tag:
      return step_tag(parameter_open_, State::parameter_head, invoke_close_, State::next_call);
    case State::end:
      return step_end();
    case State::broken:
      return step_broken();
    case State::after_eos:
      return step_after_eos();
  }
  CHECK(false, "no such state");
}

bool CompletionReader::step_reasoning() {
  const std::vector<std::string_view> markers = {kThinkEnd, kEos,   calls_start_,
                                                 kBos,      kThink, kDsml};
  Hit hit = search(markers);
  take_text(Kind::reasoning, hit.at);
  if (hit.found != Found::yes) return false;
  if (hit.marker == 0) {
    consume(kThinkEnd.size());
    state_ = State::content;
  } else if (hit.marker == 1) {
    note_fault("EOS before </think>");
    consume(kEos.size());
    emit(Kind::end_of_turn);
    state_ = State::after_eos;
  } else {
    note_fault("a control token in the reasoning");
    take_text(Kind::reasoning, markers[hit.marker].size());
  }
  return true;
}

bool CompletionReader::step_content() {
  const std::vector<std::string_view> markers = {calls_start_, kEos,      kBos,
                                                 kThink,       kThinkEnd, kDsml};
  Hit hit = search(markers);
  take_text(Kind::content, hit.at);
  if (hit.found != Found::yes) return false;
  if (hit.marker == 0) {
    call_source_ = consume(calls_start_.size());
    state_ = State::first_tag;
  } else if (hit.marker == 1) {
    consume(kEos.size());
    emit(Kind::end_of_turn);
    state_ = State::after_eos;
  } else {
    note_fault("a control token in the content");
    take_text(Kind::content, markers[hit.marker].size());
  }
  return true;
}

// Expects one of two tags, each with the ">\n" that ends the tag before it.
bool CompletionReader::step_tag(std::string_view open, State opened, std::string_view close,
                                State closed) {
  for (auto [tag, next] : {std::pair{open, opened}, std::pair{close, closed}}) {
    if (stands(tag) != Found::yes) continue;
    call_source_ += consume(tag.size());
    state_ = next;
    if (next == State::next_call) end_call();
    return true;
  }
  bool maybe = stands(open) == Found::maybe || stands(close) == Found::maybe;
  if (maybe && !finished_) return false;
  return give_up("expected \">\", a line feed and the next tag");
}

// White space, name="N">\n and a tag; a call without parameters may have an empty line more.
bool CompletionReader::step_name() {
  size_t start = std::min(rest().find_first_not_of(" \t\r\n\f\v"), rest().size());
  constexpr std::string_view head = "name=\"";
  std::string_view named = rest().substr(start);
  if (could_continue(named, head) && start <= kMaxNameBytes && !finished_) return false;
  if (!named.starts_with(head)) return give_up("expected name=\"...\" after the invoke tag");

  std::string_view close = std::string_view(invoke_close_).substr(2);  // without ">\n"
  std::string_view open = std::string_view(parameter_open_).substr(2);
  Hit hit = search({open, close});
  if (hit.at > kMaxNameBytes) return give_up("the tool's name is too long");
  if (hit.found != Found::yes) {
    if (!finished_) return false;
    return give_up("expected a parameter or the end of the call after the tool's name");
  }
  std::string_view line = rest().substr(0, hit.at);
  line.remove_prefix(std::min(line.size(), start + head.size()));
  bool empty_line = line.ends_with("\">\n\n");
  if (!empty_line && !line.ends_with("\">\n")) return give_up("expected \"> and a line feed");
  line.remove_suffix(empty_line ? 4 : 3);
  begin_call(std::string(line));
  call_source_ += consume(hit.at + (hit.marker == 0 ? open : close).size());
  state_ = State::parameter_head;
  if (hit.marker == 1) end_call();
  return true;
}

void CompletionReader::begin_call(std::string name) {
  emit(Kind::call_begin, std::move(name));
  call_open_ = true;
  parameter_names_.clear();
}

void CompletionReader::end_call() {
  emit(Kind::call_arguments, parameter_names_.empty() ? "{}" : "}");
  emit(Kind::call_end);
  call_open_ = false;
  call_source_.clear();
  state_ = State::next_call;
}

bool CompletionReader::step_parameter_head() {
  constexpr std::string_view head = " name=\"";
  if (could_continue(rest(), head) && !finished_) return false;
  if (!rest().starts_with(head)) return give_up("expected name=\"...\" after the parameter tag");
  constexpr std::string_view as_string = "\" string=\"true\">";
  constexpr std::string_view as_json = "\" string=\"false\">";
  Hit hit = search({as_string, as_json, parameter_word_});
  if (hit.at > kMaxNameBytes) return give_up("the parameter's name is too long");
  if (hit.found != Found::yes) {
    if (!finished_) return false;
    return give_up("expected string=\"true\" or \"false\" after the parameter's name");
  }
  if (hit.marker == 2 || hit.at < head.size())
    return give_up("expected a name and string=\"true\" or \"false\" in the parameter tag");
  std::string name(rest().substr(head.size(), hit.at - head.size()));
  if (parameter_names_.contains(name)) return give_up("the parameter stands there already");
  value_is_string_ = hit.marker == 0;
  call_source_ += consume(hit.at + (value_is_string_ ? as_string : as_json).size());
  emit(Kind::call_arguments, (parameter_names_.empty() ? "{" : ", ") + python_json_string(name) +
                                 (value_is_string_ ? ": \"" : ": "));
  parameter_names_.insert(std::move(name));
  state_ = State::value;
  return true;
}

bool CompletionReader::step_value() {
  Hit hit = search({parameter_close_, parameter_word_});
  take_value(hit.at);
  if (hit.found != Found::yes) {
    if (finished_) return give_up("the text ends inside a parameter");
    return false;
  }
  if (hit.marker == 1) return give_up("expected \"<\" before the end of the parameter");
  call_source_ += consume(parameter_close_.size());
  if (value_is_string_) emit(Kind::call_arguments, "\"");
  state_ = State::next_tag;
  return true;
}

bool CompletionReader::step_end() {
  const Found end = stands(kEos);
  if (end == Found::yes) {
    consume(kEos.size());
    emit(Kind::end_of_turn);
    state_ = State::after_eos;
    return true;
  }
  if (end == Found::maybe && !finished_) return false;
  call_source_.clear();
  return give_up("text after the tool calls");
}

bool CompletionReader::step_broken() {
  Hit hit = search({kEos});
  take_text(Kind::content, hit.at);
  if (hit.found != Found::yes) return false;
  consume(kEos.size());
  emit(Kind::end_of_turn);
  state_ = State::after_eos;
  return true;
}

bool CompletionReader::step_after_eos() {
  note_fault("text after EOS");
  consume(rest().size());
  return true;
}

// The leftmost place where a marker stands, or may stand once more text has come.
CompletionReader::Hit CompletionReader::search(const std::vector<std::string_view>& markers) const {
  const size_t size = rest().size();
  for (size_t at = 0; at < size; ++at) {
    for (size_t i = 0; i < markers.size(); ++i) {
      const Found found = stands(markers[i], at);
      if (found == Found::yes || (found == Found::maybe && !finished_)) return {found, at, i};
    }
  }
  return {Found::no, size, 0};
}

CompletionReader::Found CompletionReader::stands(std::string_view marker, size_t at) const {
  const std::string_view here = rest().substr(at);
  const bool whole = here.starts_with(marker);
  if (!whole && !could_continue(here, marker)) return Found::no;
  if (options_.knows_control) {
    const size_t control = control_place(marker);
    const bool is_there = control != std::string_view::npos && here.size() > control;
    if (is_there && !controls_.contains(consumed_ + at + control)) return Found::no;
  }
  return whole ? Found::yes : Found::maybe;
}

void CompletionReader::take_text(Kind kind, size_t count) {
  if (count) emit(kind, consume(count));
}

void CompletionReader::take_value(size_t count) {
  if (!count) return;
  std::string part = consume(count);
  call_source_ += part;
  emit(Kind::call_arguments, value_is_string_ ? escaped(part) : std::move(part));
}

std::string CompletionReader::consume(size_t count) {
  std::string taken(rest().substr(0, count));
  read_ += count;
  consumed_ += count;
  return taken;
}

void CompletionReader::emit(Kind kind, std::string text) {
  events_.push_back({kind, std::move(text)});
}

void CompletionReader::note_fault(std::string_view what) {
  if (!fault_) fault_ = detail::join_text("completion: byte ", consumed_, ": ", what);
}

// Leaves the calls block for good: what was read of the open call becomes content.
bool CompletionReader::give_up(std::string_view what) {
  note_fault(what);
  if (call_open_) emit(Kind::call_cancelled);
  call_open_ = false;
  if (!call_source_.empty()) emit(Kind::content, std::exchange(call_source_, {}));
  state_ = State::broken;
  return true;
}

Result<Completion> read_completion(std::string_view text, const CompletionOptions& options,
                                   Reading reading) {
  CompletionReader reader(options);
  std::vector<CompletionEvent> events = reader.add(text);
  for (CompletionEvent& event : reader.finish()) events.push_back(std::move(event));
  if (reading == Reading::strict && reader.fault()) return fail(*reader.fault());

  Completion completion;
  for (CompletionEvent& event : events) {
    switch (event.kind) {
      case Kind::reasoning:
        completion.reasoning += event.text;
        break;
      case Kind::content:
        completion.content += event.text;
        break;
      case Kind::call_begin:
        completion.tool_calls.push_back({{}, event.text, {}});
        break;
      case Kind::call_arguments:
        completion.tool_calls.back().arguments += event.text;
        break;
      case Kind::call_end:
        break;
      case Kind::call_cancelled:
        completion.tool_calls.pop_back();
        break;
      case Kind::end_of_turn:
        completion.ended = true;
        break;
    }
  }
  return completion;
}

}  // namespace hadal
