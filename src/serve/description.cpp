// SPDX-License-Identifier: MIT
// Pictures that are described.
#include "serve/description.h"

#include <algorithm>
#include <set>

namespace hadal {
namespace {

// Its words in small letters, without politeness and without the names of pictures: "Please
// describe the picture for me." is "describe".
std::string plain_question(const std::string& text) {
  static const std::set<std::string, std::less<>> kLeftOut = {
      "please",     "a",    "an",    "the",       "picture", "image", "photo",
      "photograph", "clip", "video", "animation", "drawing", "for",   "me",
      "can",        "you",  "could", "of",        "briefly"};
  constexpr std::string_view kBetween = " \n\r\t.,:;?!\"";
  std::string plain;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(kBetween, at), text.size());
    std::string word = text.substr(at, end - at);
    at = end + 1;
    for (char& c : word)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (word == "what's") word = "what is";
    if (word.empty() || kLeftOut.contains(word)) continue;
    plain += (plain.empty() ? "" : " ") + word;
  }
  return plain;
}

bool is_shown(const Block& block) {
  return block.kind == Block::Kind::image;
}

bool asks_for_description(const std::string& text) {
  // Whole questions: "what is it" must not take in "what is it worth".
  static const std::set<std::string, std::less<>> kAsked = {"",
                                                            "describe",
                                                            "describe it",
                                                            "describe this",
                                                            "caption",
                                                            "caption it",
                                                            "caption this",
                                                            "description",
                                                            "give description",
                                                            "give caption",
                                                            "look",
                                                            "look at",
                                                            "look at it",
                                                            "look at this",
                                                            "what is",
                                                            "what is it",
                                                            "what is this",
                                                            "what is that",
                                                            "what is in",
                                                            "what is in it",
                                                            "what is in this",
                                                            "what is on",
                                                            "what is on it",
                                                            "what is on this",
                                                            "what is shown",
                                                            "what is shown here",
                                                            "what is shown in",
                                                            "what is shown in this",
                                                            "what see",
                                                            "what do see",
                                                            "what do see in",
                                                            "what do see in this",
                                                            "what do see here",
                                                            "what does show",
                                                            "what does it show",
                                                            "what does this show",
                                                            "tell what see",
                                                            "tell what is in",
                                                            "say what see",
                                                            "say what it shows",
                                                            "what happens",
                                                            "what happens here",
                                                            "what happens in",
                                                            "what happens in it",
                                                            "what happens in this",
                                                            "what is happening",
                                                            "what is happening here",
                                                            "what is happening in",
                                                            "what is happening in this"};
  return kAsked.contains(plain_question(text));
}

}  // namespace

bool shows_picture(const ChatCall& call) {
  if (call.messages.empty() || call.messages.back().role != Role::user) return false;
  const std::vector<Block>& content = call.messages.back().content;
  return std::any_of(content.begin(), content.end(), is_shown);
}

ApiResult<ShownPicture> read_described(const ChatCall& call) {
  std::string text;
  std::vector<size_t> numbers;
  for (const Block& block : call.messages.back().content) {
    if (block.kind == Block::Kind::text)
      text += (text.empty() ? "" : "\n") + block.text;
    else if (is_shown(block))
      numbers.push_back(static_cast<size_t>(std::stoull(block.text)));
  }
  const ShownPicture& first = call.pictures.at(numbers.front());
  if (numbers.size() > 1)
    return bad_field(call.pictures.at(numbers[1]).where,
                     "one more picture or clip, expected one: "
                     "the model describes one at a time");
  if (!asks_for_description(text))
    return bad_field(first.where,
                     "the model says what a picture shows, and cannot answer other questions about "
                     "it; send the picture alone, or ask it to describe the picture");
  if (call.tools.required)
    return bad_field("tool_choice", "no tool is called by a model that says what a picture shows");
  return first;
}

std::vector<std::string> not_heeded(const OrderedJson& body, const ChatCall& call) {
  std::vector<std::string> names;
  const auto name = [&](std::initializer_list<const char*> fields) {
    for (const char* field : fields)
      if (body.contains(field) && !body.at(field).is_null()) names.emplace_back(field);
  };
  if (!call.tools.tools.empty()) name({"tools", "tool_choice", "parallel_tool_calls"});
  if (call.thinking.value_or(false))
    name({"thinking", "reasoning_effort", "reasoning", "chat_template_kwargs"});
  name({"system", "instructions"});
  for (const char* field : {"messages", "input"})
    if (body.contains(field) && body.at(field).is_array() && body.at(field).size() > 1)
      names.emplace_back(field);
  return names;
}

ApiStatus leave_out_described(ChatCall& call) {
  for (size_t i = 0; i + 1 < call.messages.size(); ++i) {
    if (call.messages[i].role != Role::user || call.messages[i + 1].role != Role::assistant)
      continue;
    std::vector<Block>& content = call.messages[i].content;
    for (const Block& block : content)
      if (is_shown(block)) call.ignored.push_back(call.pictures.at(std::stoull(block.text)).where);
    if (std::erase_if(content, is_shown) > 0 && content.empty()) content.push_back({});
  }
  for (const Message& message : call.messages)
    for (const Block& block : message.content) {
      const auto shown = std::find_if(block.parts.begin(), block.parts.end(), is_shown);
      const Block* left = is_shown(block) ? &block : shown != block.parts.end() ? &*shown : nullptr;
      if (left)
        return bad_field(call.pictures.at(std::stoull(left->text)).where,
                         "shows a picture, but the model reads text, and describes only what the "
                         "last message shows");
    }
  call.pictures.clear();
  return Ok{};
}

}  // namespace hadal
