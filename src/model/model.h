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

// Where weights come from: a checkpoint, or a trainer's parameters.
using WeightSource = std::function<Result<Weight>(const TensorSpec& spec)>;

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

 private:
  std::unique_ptr<Vision> vision_;
};

}  // namespace hadal
