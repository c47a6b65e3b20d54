// SPDX-License-Identifier: MIT
// A prompt under construction: runs of plain text, and control tokens between them.
//
//   prompt.control("<｜User｜>").text(what_the_user_wrote);
//   TRY(std::vector<int32_t> ids, encode_prompt(tokenizer, prompt));
//
// Plain text is tokenized without control tokens whatever it says, and neighbouring plain runs
// are one run, so that no seam of the template shows in the tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace hadal {

inline constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kSystem = "<｜System｜>";
inline constexpr std::string_view kUser = "<｜User｜>";
inline constexpr std::string_view kAssistant = "<｜Assistant｜>";
inline constexpr std::string_view kLatestReminder = "<｜latest_reminder｜>";
inline constexpr std::string_view kThink = "<think>";
inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kDsml = "｜DSML｜";
// For filling in, around what stands before and after the gap.
inline constexpr std::string_view kFimBegin = "<｜fim▁begin｜>";
inline constexpr std::string_view kFimHole = "<｜fim▁hole｜>";
inline constexpr std::string_view kFimEnd = "<｜fim▁end｜>";
inline constexpr std::string_view kImage = "<｜deepseek_image｜>";

struct PromptPiece {
  std::string text;
  bool is_control = false;
};

struct Prompt {
  std::vector<PromptPiece> pieces;
  // Where the images come from, in the order of their placeholders.
  std::vector<std::string> images;

  Prompt& control(std::string_view token);
  Prompt& text(std::string_view plain);
  // Text of ours, in which ｜DSML｜, <think> and </think> are control tokens.
  Prompt& literal(std::string_view template_text);

  // As one string, for tests and logs: it no longer tells control tokens from their look-alikes.
  std::string render() const;
};

// Fails if the tokenizer lacks one of the control tokens, and names it.
Result<std::vector<int32_t>> encode_prompt(const Tokenizer& tokenizer, const Prompt& prompt);

// Ids with every placeholder of an image repeated for all positions that its image takes.
struct ExpandedPrompt {
  std::vector<int64_t> ids;
  std::vector<int64_t> starts;  // where each image begins
};

// `spans`: how many positions each image takes, in order.  Fails if there are more or fewer
// images than placeholders.
Result<ExpandedPrompt> expand_images(const std::vector<int64_t>& ids, int64_t image_id,
                                     const std::vector<int64_t>& spans);

}  // namespace hadal
