// SPDX-License-Identifier: MIT
// `hadal eval tokenizer`: how well pictures and clips come back from their codes.
//
//   hadal eval tokenizer --model models/nano --gallery held-out.gallery
//
// A line for each set (a gallery's "kind"): PSNR and SSIM as means over its items, the bits that
// were spent, and how the codes were used: how many distinct ones and the perplexity, by group.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_tokenizer(CLI::App& eval, Command& chosen);

}  // namespace hadal
