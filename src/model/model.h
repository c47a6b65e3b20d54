// SPDX-License-Identifier: MIT
// A model: token ids in, logits out, over the verbs of ops.h.
//
//   TRY(std::unique_ptr<Model> model, Model::open("models/nano", ops, {}, token_map));
//   Cache cache(model->config(), ops, {.max_positions = 4096});
//   Batch batch;  batch.append(0, 0, ids);  batch.wanted = {batch.rows() - 1};
//   Tensor logits_WV = model->forward(batch, cache);
//
// v4.cpp and v41.cpp are the two papers; both are written once and run on every back end.
// forward() is deterministic and touches only the cache; one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "model/cache.h"
#include "model/config.h"
#include "model/vision.h"
#include "model/weights.h"
#include "ops/ops.h"

namespace hadal {

struct ModelOptions {
  Rounding rounding = Rounding::published;
  // Attend to every visible compressed row instead of the indexer's choice: the dense warm-up of
  // training (§10.4).
  bool dense_selection = false;
  // Bind the draft head, and keep what it sees of every token that is read (see begin_draft).
  bool drafts = false;
  // Called as tensors load, with bytes done and in all.
  std::function<void(int64_t, int64_t)> progress;
};

// What one attention call was given: enough to recompute its probabilities (indexer training).
struct AttentionSite {
  int64_t layer = 0;
  const Tensor& q_THK;
  const Sight& window;
  const Sight& compressed;
  const Tensor& sink_H;
  float scale = 1;
  const Tensor& index_scores_TN;  // of the indexer run at this layer; empty if none
  const Tensor& first_T;          // first compressed row of each token's sequence
};

// Looks on while a model runs.  Names are those of the goldens: "attn.q", "ffn.gate.weights".
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void tensor(int64_t layer, std::string_view name, const Tensor& value) {
    (void)layer, (void)name, (void)value;
  }
  virtual void routed(int64_t layer, const Tensor& logits_TE, const Routes& routes) {
    (void)layer, (void)logits_TE, (void)routes;
  }
  virtual void attended(const AttentionSite& site) { (void)site; }
};

// Where a round of guesses begins.
struct DraftStart {
  int64_t slot = 0;
  int64_t position = 0;  // of the last token that was read
  int64_t id = 0;        // the token that was chosen to follow it
  int64_t count = 1;     // guesses that will be asked for
};

struct DraftGuess {
  Tensor logits_V;       // f32 [V], where the verbs work
  float confidence = 1;  // the head's own estimate of being right; 1: it makes none
};

// Blocks of guesses, row after row.
struct DraftBlocks {
  Tensor logits_NV;      // f32, of each guess
  Tensor confidence_N1;  // the head's own estimate, before its sigmoid
};

// Where weights come from: a checkpoint, or a trainer's parameters.
using WeightSource = std::function<Result<Weight>(const TensorSpec& spec)>;
// The tensors of a folder, each checked against what `config` calls for.
Result<WeightSource> open_weights(const std::string& folder, const ModelConfig& config);

class Model {
 public:
  // Reads config.json and the safetensors of a folder; every tensor is checked against the list.
  // `compressed_ids` is the Engram token map (text/engram_keys.h), one entry an id; it may be
  // empty when the configuration has no Engram.
  static Result<std::unique_ptr<Model>> open(const std::string& folder, Ops& ops,
                                             const ModelOptions& options,
                                             const std::vector<int32_t>& compressed_ids);
  static Result<std::unique_ptr<Model>> create(const ModelConfig& config,
                                               const WeightSource& source, Ops& ops,
                                               const ModelOptions& options,
                                               const std::vector<int32_t>& compressed_ids);
  virtual ~Model() = default;

  // Reads the batch into the cache and gives what the heads read of batch.wanted: f32 [wanted, D].
  // Requires: spans continue what the cache holds, known ids (visual_sequence.h), at most
  // max_chunk rows a span.
  virtual Tensor states(const Batch& batch, Cache& cache) = 0;
  // Logits of the next token of the text vocabulary: f32 [wanted, config().text_vocab()].
  virtual Tensor logits(const Tensor& state_WD) = 0;
  Tensor forward(const Batch& batch, Cache& cache) { return logits(states(batch, cache)); }

  // The next cell, code by code: logits of code `group` [wanted, codes], and the state that the
  // code after it is read from.  For models with a visual vocabulary.
  virtual Tensor code_logits(const Tensor& state_WD, int64_t group) = 0;
  virtual Tensor next_code_state(const Tensor& state_WD, const Tensor& codes_W, int64_t group) = 0;

  // V4's extra-token block (§6.1): for every row of the last forward's batch the logits of the
  // token after next, given next_T, the ids that followed each row.  Undefined tensor when the
  // model has no such block.
  virtual Tensor draft_logits(const Batch& batch, const Tensor& next_T, Cache& cache) {
    (void)batch, (void)next_T, (void)cache;
    return {};
  }

  // ---- guesses at what follows (§6), cheaper than reading.  Nothing is taken on trust from them:
  // who asks reads the guessed tokens in one forward and keeps those that it would have chosen.
  // Most guesses of a round; 0: no draft head is bound.
  virtual int64_t draft_limit() const { return 0; }
  // Why a head that the configuration speaks of is not bound; empty: it is, or there is none.
  const std::string& draft_problem() const { return draft_problem_; }
  // Where the weights lie that were opened from a folder.
  const std::vector<std::shared_ptr<MappedFile>>& files() const { return files_; }
  // Begins a round.  False: what the head needs of the last token is not at hand (it was not of
  // the last forward, or it is part of a picture).  Requires: count up to draft_limit();
  // draft_limit() positions more in the cache, and as many in a chunk.
  virtual bool begin_draft(const DraftStart& start, Cache& cache) {
    (void)start, (void)cache;
    return false;
  }
  // The next guess, given the token before it: start.id, then what was made of the last guess.
  virtual DraftGuess next_guess(int64_t id, Cache& cache) {
    (void)id, (void)cache;
    return {};
  }

  // DSpark's blocks at many places of what was read, in one pass, where the token before each guess
  // is known: draft_limit() of them for each start, its own id first.  As training asks; the
  // numbers are those of begin_draft() and next_guess().  Requires: a bound head, no start in a
  // picture.
  virtual DraftBlocks draft_blocks(const std::vector<DraftStart>& starts,
                                   const std::vector<int64_t>& before, Cache& cache) {
    (void)starts, (void)before, (void)cache;
    return {};
  }

  // A model with a vision_config: the embeddings of an image's span, f32 [plan.span(), width] on
  // the host; the `values_ND` of GivenRows.
  Tensor look(const ImagePlan& plan, const Tensor& patches) const;

  const ModelConfig& config() const { return config_; }
  ModelOptions& options() { return options_; }
  const ModelOptions& options() const { return options_; }
  void watch(Observer* observer) { observer_ = observer; }

 protected:
  Model(ModelConfig config, Ops& ops, ModelOptions options);

  ModelConfig config_;
  Ops& ops_;
  ModelOptions options_;
  Observer* observer_ = nullptr;
  std::string draft_problem_;

 private:
  std::unique_ptr<Vision> vision_;
  std::vector<std::shared_ptr<MappedFile>> files_;
};

}  // namespace hadal
