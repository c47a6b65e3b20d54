// SPDX-License-Identifier: MIT
// Golden folders: what DeepSeek's own code computed for a small checkpoint, compared part by part.
//
//   config.json, model.safetensors, tokenizer.json (Engram only)
//   tokens.json                 inputs.inN: ids;  decode.decN: {prompt, generated};  sim_inputs
//   expected.safetensors        inN.logits, decN.ids/logits, inN.layers.L.NAME, …
//   expected-sim.safetensors    the same for sim_inputs, with the official roundings
//
// or, of a model that sees, instead of tokens.json
//
//   images.json                 where each image stands in the prompt, and its grid
//   inputs.safetensors          token_ids, imageK.patches, text.token_ids
//   expected.safetensors        imageK.vision.NAME, layers.L.NAME, logits, dec.ids/logits,
//   text.logits
//
// tests/goldens/README.md says what each name means.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops/ops.h"

namespace hadal {

struct GoldenOptions {
  std::string folder;
  std::string expected;                 // another expected.safetensors than the folder's own
  double tolerance = 1e-5;              // relative L2, of each compared tensor
  std::vector<int32_t> token_map = {};  // of the folder's tokenizer, where its model has Engram
};

// The worst deviation of one part ("logits", "attn.q") over all inputs and layers.
struct GoldenPart {
  double worst = 0;      // relative L2
  std::string tensor;    // where
  int64_t index = 0;     // the element that differs most
  int64_t compared = 0;  // tensors looked at
};

struct GoldenReport {
  std::map<std::string, GoldenPart> parts;
  int64_t wrong_ids = 0;  // greedy tokens, chosen experts or rows that differ
  std::string first_wrong_id;
  int64_t compared = 0;
  double worst() const;
};

// Runs every prompt and greedy decode of the folder that has an expectation.
Result<GoldenReport> check_goldens(const GoldenOptions& options, Ops& ops);

// A table of parts and a last line that sums up; true when everything is within tolerance.
bool print_report(const GoldenReport& report, const GoldenOptions& options, std::string_view ops,
                  std::ostream& out);

}  // namespace hadal
