// SPDX-License-Identifier: MIT
// Options of guessing ahead: --draft auto|off|N, --stats.
//
//   TRY(OpenModel open, open_model(choice.model, {.drafts = choice.draft.wanted()}));
//   TRY(std::unique_ptr<DraftLength> drafts, open_drafts(choice.draft, open, quiet));
//
// auto guesses where the model has a draft head, and as much as pays (engine/draft_length.h).
// The answer is the same either way.
#pragma once

#include <memory>
#include <string>

#include "engine/draft_length.h"
#include "tools/open_model.h"

namespace hadal {

struct DraftChoice {
  std::string length = "auto";
  bool stats = false;

  bool wanted() const { return length != "off"; }
};

void add_draft_options(CLI::App& command, DraftChoice& choice);

// Null where nothing is guessed.  Refuses a number that the model's head cannot guess.
Result<std::unique_ptr<DraftLength>> open_drafts(const DraftChoice& choice, const OpenModel& open,
                                                 bool quiet);

// "2.41 tokens a pass · 312 guessed, 250 read, 141 right · right by place: 71 % 52 % · …"; null:
// that nothing was guessed.
std::string draft_line(const DraftLength* drafts);

}  // namespace hadal
