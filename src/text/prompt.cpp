// SPDX-License-Identifier: MIT
// A prompt under construction.
#include "text/prompt.h"

#include <algorithm>

namespace hadal {

Prompt& Prompt::control(std::string_view token) {
  pieces.push_back({std::string(token), true});
  return *this;
}

Prompt& Prompt::text(std::string_view plain) {
  if (plain.empty()) return *this;
  if (pieces.empty() || pieces.back().is_control) pieces.push_back({});
  pieces.back().text += plain;
  return *this;
}

Prompt& Prompt::literal(std::string_view template_text) {
  while (!template_text.empty()) {
    size_t first = template_text.size();
    std::string_view token;
    for (std::string_view candidate : {kDsml, kThink, kThinkEnd}) {
      size_t at = template_text.find(candidate);
      if (at < first) {
        first = at;
        token = candidate;
      }
    }
    text(template_text.substr(0, first));
    if (!token.empty()) control(token);
    template_text.remove_prefix(first + token.size());
  }
  return *this;
}

std::string Prompt::render() const {
  std::string all;
  for (const PromptPiece& piece : pieces) all += piece.text;
  return all;
}

Result<std::vector<int32_t>> encode_prompt(const Tokenizer& tokenizer, const Prompt& prompt) {
  std::vector<int32_t> ids;
  for (const PromptPiece& piece : prompt.pieces) {
    if (!piece.is_control) {
      std::vector<int32_t> run = tokenizer.encode(piece.text);
      ids.insert(ids.end(), run.begin(), run.end());
      continue;
    }
    std::optional<int32_t> id = tokenizer.id_of(piece.text);
    if (!id)
      return fail("chat: the tokenizer has no control token \"", piece.text,
                  "\", which this prompt needs");
    ids.push_back(*id);
  }
  return ids;
}

Result<ExpandedPrompt> expand_images(const std::vector<int64_t>& ids, int64_t image_id,
                                     const std::vector<int64_t>& spans) {
  const int64_t places = std::count(ids.begin(), ids.end(), image_id);
  if (places != static_cast<int64_t>(spans.size()))
    return fail("the prompt has ", places, " places for images, expected ", spans.size());
  ExpandedPrompt expanded;
  for (int64_t id : ids) {
    int64_t copies = 1;
    if (id == image_id) {
      copies = spans[expanded.starts.size()];
      expanded.starts.push_back(static_cast<int64_t>(expanded.ids.size()));
    }
    expanded.ids.insert(expanded.ids.end(), static_cast<size_t>(copies), id);
  }
  return expanded;
}

}  // namespace hadal
