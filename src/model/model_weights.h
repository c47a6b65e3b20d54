// SPDX-License-Identifier: MIT
// The tensors of a model under the names that the forward pass uses, each from its published
// name (model-spec §8.2).
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "model/engram.h"
#include "model/model.h"
#include "model/weights.h"
#include "ops/ops.h"

namespace hadal {

struct AttentionWeights {
  Weight query_down;  // wq_a [query rank, D]
  Tensor query_norm;
  Weight query_up;  // wq_b [H·K, query rank]
  Weight row;       // wkv [K, D]: key and value of all heads
  Tensor row_norm;
  Tensor sink_H;
  Weight out_down;  // wo_a [groups·rank, H·K/groups]
  Weight out_up;    // wo_b [D, groups·rank]
};

struct CompressorWeights {
  Weight values;  // wkv
  Weight scores;  // wgate; undefined where the ratio is 1
  Weight ape;     // V4: [ratio, k·width]
  Tensor norm;
  bool defined() const { return values.defined(); }
};

struct IndexerWeights {
  Weight query_up;               // wq_b [index heads·index width, query rank]
  Weight heads;                  // weights_proj [index heads, D]
  CompressorWeights compressor;  // V4
  Weight key;                    // V4.1: wk [index width, K], on layers with rows of their own
  Tensor key_norm;
  bool defined() const { return query_up.defined(); }
};

struct FeedForwardWeights {
  Weight router;         // gate.weight [E, D]
  Tensor bias_E;         // learned routers
  Tensor visual_bias_E;  // bias_vl: of visual rows
  Tensor table;          // V4 hash layers: tid2eid [V, k]
  ExpertWeights experts;
  Weight shared_gate, shared_up, shared_down;
};

struct EngramWeights {
  Weight table;       // [rows, head width]
  Weight projection;  // wkv [(S+1)·D, columns·head width]
  Tensor q_weight_SD, k_weight_SD;
  EngramHash hash;
  bool defined() const { return table.defined(); }
};

struct LayerWeights {
  MixWeights attention_mix, feed_forward_mix;
  Tensor attention_norm, feed_forward_norm;
  AttentionWeights attention;
  CompressorWeights compressor;
  IndexerWeights indexer;
  FeedForwardWeights feed_forward;
  EngramWeights engram;
  RopeTable rope;
};

// V4's extra-token block (§6.1).
struct DraftWeights {
  Weight embedding_projection, stream_projection;  // e_proj, h_proj
  Tensor embedding_norm, stream_norm, norm;        // enorm, hnorm
  MixWeights head_mix;
  LayerWeights block;
};

// DSpark: stages that guess a block of tokens (§6.2).
struct DsparkWeights {
  Weight fuse;       // main_proj [D, targets·D]
  Tensor fuse_norm;  // main_norm
  std::vector<LayerWeights> blocks;
  MixWeights head_mix;  // V4 alone
  Tensor norm;
  Weight markov_rows, markov_head;            // [V, rank]: what follows a token, by the token alone
  Weight confidence_state, confidence_token;  // [1, D], [1, rank]
  bool defined() const { return !blocks.empty(); }
};

// From one code of a cell to the next (visual_sequence.h).
struct CodeWeights {
  std::vector<Weight> rows, heads;  // a group's rows of the embedding and of the head [codes, D]
  Weight of_state, of_code;         // [hidden, D]
  Weight down;                      // [D, hidden]
};

struct ModelWeights {
  Weight embedding, head;
  Weight text_head;  // the rows of the head that text chooses from
  CodeWeights codes;
  Tensor norm;
  MixWeights head_mix;  // V4 alone
  std::vector<LayerWeights> layers;
  std::vector<DraftWeights> drafts;
  DsparkWeights dspark;
  std::string draft_problem;  // why a draft head of the configuration is not bound
  VisionWeights vision;
};

// Asks `source` for every tensor that runs, checks its logical shape, hands it to the back end.
Result<ModelWeights> bind_weights(const ModelConfig& config, const WeightSource& source, Ops& ops,
                                  const ModelOptions& options);

// The axis of each rotary pair, given how many pairs each axis has: in turns, so that every axis
// spans all frequencies (as Qwen3-VL interleaves them).
std::vector<int64_t> rope_axes(const std::vector<int64_t>& pairs);

// Rotary frequencies of a layer: plain for ratio 0, YaRN otherwise (§3.2).
RopeTable rope_table(const ModelConfig& config, int64_t ratio);

}  // namespace hadal
