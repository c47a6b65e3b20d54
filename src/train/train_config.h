// SPDX-License-Identifier: MIT
// What `hadal train` is asked to do: one JSON file, every key checked by name and range.
//
//   TRY(TrainConfig config, TrainConfig::open("models/nano/train.json", {"steps=100"}));
//
// Paths are relative to the file that names them.  `model_changes` is merged into the model's
// config.json (null removes a key): that is how an ablation changes one thing.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/model.h"
#include "train/schedule.h"

namespace hadal {

// Bytes of a file that is read here; a training configuration has about one kB.
inline constexpr int64_t kTrainConfigLimit = 1 << 20;

struct TrainConfig {
  std::string model;               // config.json of the model
  std::string tokenizer;           // tokenizer.json, copied beside the weights
  std::vector<std::string> train;  // shards
  std::vector<std::string> valid;  // shards; may be empty
  std::string out;                 // folder of checkpoints, log and plot
  std::string start_from;          // what weights a fresh run begins with (read_weights)
  std::string draft_of;            // folder of a model that is done: only its draft head learns

  uint64_t seed = 1;
  int64_t steps = 1000;
  int64_t micro_tokens = 4096;  // tokens of one forward and backward pass
  int64_t accumulation = 2;     // passes a step
  int64_t max_length = 1024;    // longest piece of a document

  double learning_rate = 3e-3;  // peak
  double final_learning_rate = 3e-4;
  int64_t warmup_steps = 50;
  int64_t decay_start = 500;
  double clip = 1;  // of the gradient's norm; 0: no clipping
  double muon_momentum = 0.95;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.95;
  double adam_epsilon = 1e-20;
  double weight_decay = 0.1;
  double engram_rate = 5;  // Engram tables learn this much faster

  double balance_speed = 1e-3;  // router bias a step
  double balance_weight = 1e-4;
  int64_t indexer_dense_steps = 0;
  double indexer_weight = 1;
  double mtp_weight = 0.3;

  // A draft head alone (draft_lesson.h, draft_loss.h).
  double draft_share = 0.3;       // share of tokens that a block of guesses begins at
  double draft_likelihood = 0.1;  // weight of -log of the text's own token
  double draft_match = 0.9;       // … of the distance to what the model says
  double draft_confidence = 1;    // … of the error about its own chances

  // Pictures and clips (lesson.h).
  double visual_weight = 1;   // of a cell, beside a token of text
  double caption_drop = 0.1;  // share of captions taken away, for guidance
  double block_share = 0.3;   // share of drawn documents that end with a masked frame
  double engram_stray = 0;    // share of documents with pictures of which Engram knows only a part
  double said_drop = 0;       // share of documents with pictures that lack a part of what was said
  int64_t code_levels = 0;    // values of a digit of a code, for digit rows (digit_rows.h); 0: none

  int64_t validate_every = 100;
  int64_t validate_tokens = 100000;  // at most, each time
  int64_t save_every = 100;
  int64_t threads = 0;           // 0: as many as the machine has
  bool dense_attention = false;  // every visible entry instead of the indexer's choice
  Rounding rounding = Rounding::published;
  std::string model_json;  // the model's configuration after model_changes

  // `settings` are key=value pairs of the command line; they win over the file.
  static Result<TrainConfig> open(const std::string& path,
                                  const std::vector<std::string>& settings);
  static Result<TrainConfig> parse(std::string_view json, const std::string& path,
                                   const std::vector<std::string>& settings);

  Schedule schedule() const {
    return {steps, warmup_steps, decay_start, learning_rate, final_learning_rate};
  }
  Result<ModelConfig> model_config() const { return ModelConfig::parse(model_json, model); }
};

// Puts key=value pairs of the command line into a configuration; a value that is no JSON is a
// string.
Status apply_settings(nlohmann::json& document, const std::vector<std::string>& settings);

}  // namespace hadal
