// SPDX-License-Identifier: MIT
// What the dialects' encoders share.  Sections are those of DeepSeek's prompt format as written
// down in its encoding_dsv4.py: merging of tool results, tools block, calls block, turn ends.
#include "text/chat_parts.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "text/bounded_json.h"

namespace hadal {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// {calls}, {invoke} and {parameter} stand for the dialect's names.
constexpr std::string_view kToolsHead =
    R"(## Tools

You have access to a set of tools to help answer the user's question. You can invoke tools by writing a "<｜DSML｜{calls}>" block like the following:

<｜DSML｜{calls}>
<｜DSML｜{invoke} name="$TOOL_NAME">
<｜DSML｜{parameter} name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜{parameter}>
...
</｜DSML｜{invoke}>
<｜DSML｜{invoke} name="$TOOL_NAME2">
...
</｜DSML｜{invoke}>
</｜DSML｜{calls}>

String parameters should be specified as is and set `string="true"`. For all other types (numbers, booleans, arrays, objects), pass the value in JSON format and set `string="false"`.

If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside <think>...</think> BEFORE any tool calls or final response.

Otherwise, output directly after </think> with tool calls or final response.

### Available Tool Schemas

)";

constexpr std::string_view kToolsTail =
    "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool "
    "calls.\n";

constexpr std::string_view kFormatHead =
    "\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n";

constexpr std::string_view kEffortAbsolute =
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to "
    "resolve the root cause, rigorously stress-testing your logic against all potential paths, "
    "edge cases, and adversarial scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate step, "
    "considered alternative, and rejected hypothesis to ensure absolutely no assumption is left "
    "unchecked.\n\n";

constexpr std::string_view kEffortBeyond =
    "Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.\n"
    "You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: "
    "exhaustively decompose the problem into its most fundamental components, trace every causal "
    "chain to its root, and resolve the underlying cause rather than any surface symptom.\n"
    "Do not stop reasoning until you have independently verified the solution from multiple "
    "angles and are certain that no assumption remains unchecked and no error remains "
    "undiscovered.\n\n";

Result<std::string> numbered_effort(const std::string& effort) {
  static const std::map<std::string, int, std::less<>> names = {
      {"", 75}, {"low", 50}, {"high", 75}, {"max", 100}};
  int number = 0;
  if (auto found = names.find(effort); found != names.end()) {
    number = found->second;
  } else {
    const char* end = effort.data() + effort.size();
    auto read = std::from_chars(effort.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end || number < 1 || number > 100)
      return fail("chat: effort \"", effort.substr(0, 40),
                  "\", expected low, high, max or 1 to 100");
  }
  return detail::join_text("Reasoning Effort: ", number,
                           " (range 1-100, the higher the value, the more thorough the "
                           "reasoning)\n\n");
}

Block result_block(const Message& message) {
  return {.kind = Block::Kind::tool_result,
          .type = "tool_result",
          .text = {},
          .call_id = message.call_id,
          .parts = message.content};
}

// Results change places among themselves; other blocks stay where they are.
void sort_results(std::vector<Block>& blocks, const std::map<std::string, size_t>& order) {
  std::vector<Block> results;
  for (const Block& block : blocks)
    if (block.kind == Block::Kind::tool_result) results.push_back(block);
  if (results.size() < 2 || order.empty()) return;
  auto place = [&](const Block& block) {
    auto found = order.find(block.call_id);
    return found == order.end() ? 0 : found->second;
  };
  std::stable_sort(results.begin(), results.end(),
                   [&](const Block& a, const Block& b) { return place(a) < place(b); });
  auto next = results.begin();
  for (Block& block : blocks)
    if (block.kind == Block::Kind::tool_result) block = std::move(*next++);
}

// The parameters of a call.  Arguments that are no JSON object, also not one written as a JSON
// string, become one string parameter named "arguments".
OrderedJson call_parameters(const ToolCall& call) {
  constexpr BoundedJsonLimits limits = {
      .max_bytes = size_t{32} << 20, .max_depth = 64, .max_width = 4096};
  auto parsed = parse_ordered_json(call.arguments, "arguments", limits);
  if (parsed && parsed->is_string())
    parsed = parse_ordered_json(parsed->get<std::string>(), "arguments", limits);
  if (parsed && parsed->is_object()) return parsed.take();
  return OrderedJson{{"arguments", call.arguments}};
}

void write_tag(Prompt& prompt, std::string_view opener, std::string_view name) {
  prompt.text(opener).control(kDsml).text(name);
}

void write_call(Prompt& prompt, const ToolCall& call, const DsmlNames& names) {
  write_tag(prompt, "<", names.invoke);
  prompt.text(" name=\"").text(call.name).text("\">\n");
  bool first = true;
  const OrderedJson parameters = call_parameters(call);
  for (const auto& [name, value] : parameters.items()) {
    if (!first) prompt.text("\n");
    first = false;
    write_tag(prompt, "<", names.parameter);
    prompt.text(" name=\"").text(name);
    prompt.text(value.is_string() ? "\" string=\"true\">" : "\" string=\"false\">");
    prompt.text(value.is_string() ? value.get<std::string>() : python_json(value));
    write_tag(prompt, "</", names.parameter);
    prompt.text(">");
  }
  prompt.text("\n");
  write_tag(prompt, "</", names.invoke);
  prompt.text(">");
}

}  // namespace

const DsmlNames& dsml_names(Dialect dialect) {
  static const DsmlNames v4 = {"tool_calls", "invoke", "parameter"};
  static const DsmlNames v41 = {" calls", " invoke", " parameter"};
  return dialect == Dialect::v41 ? v41 : v4;
}

Result<std::string> effort_text(const ChatOptions& options) {
  const std::string& effort = options.effort;
  if (options.dialect == Dialect::v41) return numbered_effort(effort);
  bool april = options.dialect == Dialect::v4_april;
  if (effort.empty() || effort == (april ? "none" : "low")) return std::string();
  if (effort == "high") return std::string(april ? "" : kEffortAbsolute);
  if (effort == "max") return std::string(april ? kEffortAbsolute : kEffortBeyond);
  return fail("chat: effort \"", effort.substr(0, 40), "\", expected ", april ? "none" : "low",
              ", high or max");
}

std::vector<Message> with_tools_merged(const std::vector<Message>& messages) {
  std::vector<Message> merged;
  for (const Message& message : messages) {
    bool is_tool = message.role == Role::tool;
    bool after_user = !merged.empty() && merged.back().role == Role::user;
    std::vector<Block> blocks = message.content;
    if (is_tool) blocks = {result_block(message)};
    if (message.role == Role::user && blocks.empty()) blocks = {Block{}};
    if (after_user && (is_tool || (message.role == Role::user && merged.back().task.empty()))) {
      auto& into = merged.back().content;
      into.insert(into.end(), blocks.begin(), blocks.end());
      continue;
    }
    merged.push_back(message);
    merged.back().content = std::move(blocks);
    if (is_tool) merged.back().role = Role::user;
  }

  std::map<std::string, size_t> order;
  for (Message& message : merged) {
    if (message.role == Role::user) sort_results(message.content, order);
    if (message.role != Role::assistant || message.tool_calls.empty()) continue;
    order.clear();
    for (size_t i = 0; i < message.tool_calls.size(); ++i)
      if (!message.tool_calls[i].id.empty()) order[message.tool_calls[i].id] = i;
  }
  return merged;
}

std::vector<Message> without_old_thinking(std::vector<Message> messages, ptrdiff_t last_user) {
  std::vector<Message> kept;
  for (size_t i = 0; i < messages.size(); ++i) {
    bool old = static_cast<ptrdiff_t>(i) < last_user;
    if (old && messages[i].role == Role::developer) continue;
    if (old) messages[i].reasoning.clear();
    kept.push_back(std::move(messages[i]));
  }
  return kept;
}

void write_tools(Prompt& prompt, const std::vector<std::string>& tools, const DsmlNames& names) {
  std::string head(kToolsHead);
  replace_all(head, "{calls}", names.calls);
  replace_all(head, "{invoke}", names.invoke);
  replace_all(head, "{parameter}", names.parameter);
  prompt.literal(head);
  for (size_t i = 0; i < tools.size(); ++i) prompt.text(i ? "\n" : "").text(tools[i]);
  prompt.text(kToolsTail);
}

void write_tools_and_format(Prompt& prompt, const Message& message, const DsmlNames& names) {
  if (!message.tools.empty()) {
    prompt.text("\n\n");
    write_tools(prompt, message.tools, names);
  }
  if (!message.response_format.empty()) prompt.text(kFormatHead).text(message.response_format);
}

void write_calls(Prompt& prompt, const std::vector<ToolCall>& calls, const DsmlNames& names) {
  write_tag(prompt, "<", names.calls);
  prompt.text(">\n");
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i) prompt.text("\n");
    write_call(prompt, calls[i], names);
  }
  prompt.text("\n");
  write_tag(prompt, "</", names.calls);
  prompt.text(">");
}

void write_blocks(Prompt& prompt, const std::vector<Block>& blocks, Images images) {
  bool first = true;
  for (const Block& block : blocks) {
    if (!first) prompt.text("\n\n");
    first = false;
    if (block.kind == Block::Kind::text) {
      prompt.text(block.text);
    } else if (block.kind == Block::Kind::tool_result) {
      prompt.text("<tool_result>");
      write_blocks(prompt, block.parts, images);
      prompt.text("</tool_result>");
    } else if (block.kind == Block::Kind::image && images == Images::placeholder) {
      prompt.control(kImage);
      prompt.images.push_back(block.text);
    } else {
      prompt.text("[Unsupported ").text(block.type).text("]");
    }
  }
}

std::string_view task_token(std::string_view task) {
  static const std::map<std::string_view, std::string_view> tokens = {
      {"action", "<｜action｜>"}, {"query", "<｜query｜>"}, {"authority", "<｜authority｜>"},
      {"domain", "<｜domain｜>"}, {"title", "<｜title｜>"}, {"read_url", "<｜read_url｜>"},
  };
  auto found = tokens.find(task);
  return found == tokens.end() ? std::string_view() : found->second;
}

bool any_tools(const std::vector<Message>& messages) {
  return std::any_of(messages.begin(), messages.end(),
                     [](const Message& message) { return !message.tools.empty(); });
}

void write_assistant(Prompt& prompt, const ChatFrame& frame, size_t index) {
  const Message& message = frame.messages[index];
  bool answers_task = index > 0 && !frame.messages[index - 1].task.empty();
  bool recent = static_cast<ptrdiff_t>(index) > frame.last_user;
  if (frame.options.thinking && !answers_task && (!frame.drop_thinking || recent))
    prompt.text(message.reasoning).control(kThinkEnd);
  write_blocks(prompt, message.content, Images::unsupported);
  if (!message.tool_calls.empty()) {
    prompt.text("\n\n");
    write_calls(prompt, message.tool_calls, dsml_names(frame.options.dialect));
  }
  if (!message.without_eos) prompt.control(kEos);
}

Status write_turn_end(Prompt& prompt, const ChatFrame& frame, size_t index, bool counts_as_user) {
  const Message& message = frame.messages[index];
  if (index + 1 < frame.messages.size()) {
    Role next = frame.messages[index + 1].role;
    if (next != Role::assistant && next != Role::latest_reminder) return Ok{};
  }
  bool thinking = frame.options.thinking;
  if (!message.task.empty()) {
    std::string_view token = task_token(message.task);
    if (token.empty())
      return fail("chat: messages[", index, "].task: found ",
                  python_json_string(message.task.substr(0, 40)),
                  ", expected action, query, authority, domain, title or read_url");
    if (message.task == "action") prompt.control(kAssistant).control(thinking ? kThink : kThinkEnd);
    prompt.control(token);
  } else if (counts_as_user) {
    bool recent = static_cast<ptrdiff_t>(index) >= frame.last_user;
    bool think = thinking && (!frame.drop_thinking || recent);
    prompt.control(kAssistant).control(think ? kThink : kThinkEnd);
  }
  return Ok{};
}

}  // namespace hadal
