// SPDX-License-Identifier: MIT
// From a folder to something that answers: config, tokenizer, memory, back end, weights, cache.
//
//   TRY(OpenModel open, open_model(choice, {}));
//   open.session->extend(ids, nullptr);
//
// The caches are reserved before the weights are read, so what does not fit is said at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/session.h"
#include "model/model.h"
#include "text/chat.h"
#include "text/tokenizer.h"
#include "tools/options.h"
#include "tools/weight_mover.h"

namespace hadal {

struct OpenOptions {
  int64_t slots = 1;
  int64_t max_chunk = 512;      // tokens of a prompt that are read at once
  bool needs_tokenizer = true;  // false: opened if it is there or if Engram needs it
  bool drafts = false;          // bind the draft head (draft_option.h)
  // The model answers for long: its weights are moved into memory (weight_mover.h) if that has room
  // for twice as much, unless the choice says otherwise.
  bool stays = false;
  // Hears how much of the weights is read.
  std::function<void(int64_t done, int64_t all)> progress = {};
  // What the model is to run on instead of the back end that was opened; it hands on to that.
  std::function<Ops&(Ops& ops)> stand_before = {};
};

// Later members point into earlier ones.
struct OpenModel {
  std::string folder;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<Model> model;
  std::unique_ptr<Cache> cache;
  std::unique_ptr<Session> session;    // on slot 0
  std::unique_ptr<WeightMover> mover;  // null: the weights stay in their files' pages

  const ModelConfig& config() const { return model->config(); }
  Dialect dialect() const;
  // Tokens that end an answer.
  std::vector<int64_t> end_ids() const;
};

// The text of a tokenizer.json; refuses more than 64 MiB (V4.1's has 8 MB).
Result<std::string> read_tokenizer_json(const std::string& path);

// The back end that was named, or the best.
Result<std::unique_ptr<Ops>> open_ops(const ModelChoice& choice);

Result<OpenModel> open_model(const ModelChoice& choice, const OpenOptions& options);

// Until the weights lie where they will stay: for those who measure.
Status wait_for_weights(const OpenModel& open, bool quiet);

}  // namespace hadal
