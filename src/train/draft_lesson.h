// SPDX-License-Identifier: MIT
// What a draft head learns from a lesson: blocks of guesses at places drawn at random.
//
//   add_blocks(lesson, model_config, share, seed);      // lesson.blocks; wanted rows are replaced
//
// A block starts at a token of text with `share` as its chance, and guesses the config.draft.block
// tokens after the next one.  The token before each guess is that of the text, and so is what the
// model is asked: the wanted rows become those that say what a guess should have been.  Guesses
// weigh less the further they reach, exp(-k/block) (§6.2); those past the end of a text or into a
// picture weigh nothing.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "train/lesson.h"

namespace hadal {

void add_blocks(Lesson& lesson, const ModelConfig& config, double share, uint64_t seed);

}  // namespace hadal
