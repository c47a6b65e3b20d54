// SPDX-License-Identifier: MIT
// DeepSeek-V4.1, and Hadal's own models: the forward pass of arXiv 2609.19969.
//
//   T tokens of the batch   S residual streams   D model width   H heads   K head width
//   R query rank            G groups completed   N entries in sight        I index width
//
// Different from V4: the blend of the streams that a sublayer reads was computed one sublayer
// earlier (single-pass mHC, §2.3); compressed rows belong to a few layers and are read by those
// after them, as is the indexer's choice (CSA2, §3.5); a candidate pool narrows later choices;
// Engram adds memory at two layers (§5); the second half of the layers keeps nothing of old
// tokens but its windows, so a prompt's early rows need not run through it (§1.3).
// Held to tests/goldens/v41-tiny and v41-tiny-fp8.
#include <algorithm>

#include "model/transformer.h"

namespace hadal {
namespace {

// What the layers hand to each other besides the cache.
struct Flow {
  Tensor x_TSD;                  // residual streams
  Tensor pre_TS;                 // the blend that the next sublayer reads
  Tensor scores_TN;              // of the indexer run at this layer, if any
  Tensor choice_TN;              // rows chosen by the last indexer
  Tensor kept_TB;                // candidate blocks
  std::vector<Tensor> features;  // what the draft stages read, of the target layers passed
};

// (1, 0, 0, 0): the first sublayer reads the first stream.
Tensor first_stream(int64_t tokens, int64_t streams) {
  Tensor pre_TS = Tensor::zeros(DType::f32, {tokens, streams});
  for (int64_t t = 0; t < tokens; ++t) pre_TS.data<float>()[t * streams] = 1;
  return pre_TS;
}

Tensor ids_of(const std::vector<int64_t>& rows) {
  return Tensor::of_ints({static_cast<int64_t>(rows.size())}, rows);
}

class V41 final : public Transformer {
 public:
  V41(const ModelConfig& config, ModelWeights weights, Ops& ops, const ModelOptions& options,
      const std::vector<int32_t>& compressed_ids)
      : Transformer(config, std::move(weights), ops, options), compressed_ids_(compressed_ids) {}

  Tensor states(const Batch& batch, Cache& cache) override {
    Pass pass = begin(batch, cache);
    Tensor x_TD = embedding(batch);
    if (!batch.given.empty())
      ops_.write_rows(x_TD, ids_of(batch.given.rows), batch.given.values_ND);
    see(-1, "embed", x_TD);
    Flow flow;
    flow.x_TSD = ops_.spread(x_TD, config_.streams);
    flow.pre_TS = first_stream(batch.rows(), config_.streams);
    for (int64_t layer = 0; layer < config_.layers && pass.batch.rows() > 0; ++layer)
      run_layer(layer, weights_.layers[static_cast<size_t>(layer)], flow, pass);
    if (pass.batch.rows() == 0) return Tensor::zeros(DType::f32, {0, config_.width});
    return finish(ops_.narrow(flow.x_TSD, flow.pre_TS), weights_.norm, pass);
  }

 protected:
  Tensor run_stages(Pass& pass) override {
    Flow flow;
    flow.x_TSD = ops_.spread(embedding(pass.batch), config_.streams);
    flow.pre_TS = first_stream(pass.batch.rows(), config_.streams);
    int64_t layer = config_.layers;
    for (const LayerWeights& w : weights_.dspark.blocks) run_layer(layer++, w, flow, pass);
    return ops_.narrow(flow.x_TSD, flow.pre_TS);
  }

 private:
  void run_layer(int64_t layer, const LayerWeights& w, Flow& flow, Pass& pass) {
    if (w.engram.defined()) flow.x_TSD = recall(layer, w.engram, flow.x_TSD, pass);
    if (is_draft_target(layer)) {
      flow.features.push_back(stream_mean(flow.x_TSD));
      keep_features(flow.features, pass);
    }
    Tensor y_TD = norm(ops_.narrow(flow.x_TSD, flow.pre_TS), w.attention_norm);
    see(layer, "attn.in", y_TD);
    remember(layer, w, y_TD, pass);
    drop_unneeded_rows(layer, flow, y_TD, pass);
    if (pass.batch.rows() == 0) return;

    const Mix attention_mix = ops_.mix(flow.x_TSD, w.attention_mix, mix_options());
    flow.x_TSD = ops_.widen(attention(layer, w, y_TD, flow, pass), flow.x_TSD,
                            attention_mix.post_TS, attention_mix.comb_TSS);
    see(layer, "after_attn", flow.x_TSD);

    const Mix mix = ops_.mix(flow.x_TSD, w.feed_forward_mix, mix_options());
    y_TD = norm(ops_.narrow(flow.x_TSD, attention_mix.pre_TS), w.feed_forward_norm);
    flow.x_TSD =
        ops_.widen(feed_forward(layer, w, y_TD, pass), flow.x_TSD, mix.post_TS, mix.comb_TSS);
    flow.pre_TS = mix.pre_TS;
    see(layer, "pre_mix_out", flow.pre_TS);
    see(layer, "out", flow.x_TSD);
  }

  // Everything of these tokens that later tokens will look at in this layer.
  void remember(int64_t layer, const LayerWeights& w, const Tensor& x_TD, Pass& pass) {
    keep_window_rows(layer, w, x_TD, pass);
    if (!config_.is_kv_source(layer)) return;
    const GroupPlan& plan = groups_of(layer, pass);
    LayerCache& cache = pass.cache.layers[static_cast<size_t>(layer)];
    const Tensor latent_GK = compress(w.compressor, x_TD, plan, cache.state_values,
                                      cache.state_scores, config_.head_width);
    see(layer, "attn.latent", latent_GK);
    if (w.indexer.key.defined()) {  // before the latent is rotated
      const Tensor key_GI = norm(linear(ops_.detach(latent_GK), w.indexer.key), w.indexer.key_norm);
      keep_index_keys(layer, w, key_GI, plan, pass);
    }
    keep_compressed_rows(layer, w, latent_GK, plan, pass);
  }

  Tensor attention(int64_t layer, const LayerWeights& w, const Tensor& x_TD, Flow& flow,
                   Pass& pass) {
    const Tensor latent_TR = query_latent(w, x_TD);
    see(layer, "attn.qr", latent_TR);
    if (config_.ratio(layer) == 0) return attend(layer, w, latent_TR, {}, {}, pass);
    flow.scores_TN = {};
    if (config_.is_index_source(layer)) choose(layer, w, x_TD, latent_TR, flow, pass);
    const int64_t source = config_.kv_source_of(layer);
    const Sight compressed{pass.cache.layers[static_cast<size_t>(source)].compressed,
                           flow.choice_TN};
    return attend(layer, w, latent_TR, compressed, flow.scores_TN, pass);
  }

  // The indexer: scores, the candidate pool, and the rows that this layer and those after it see.
  void choose(int64_t layer, const LayerWeights& w, const Tensor& x_TD, const Tensor& latent_TR,
              Flow& flow, Pass& pass) {
    const GroupPlan& plan = groups_of(layer, pass);
    const int64_t source = config_.kv_source_of(layer);
    const Pool& keys = pass.cache.layers[static_cast<size_t>(source)].index_keys;
    if (!wants_scores()) {
      IndexQuery query = index_query(layer, w, x_TD, latent_TR, plan, pass);
      query.block = std::max<int64_t>(1, config_.candidate_block_size);
      if (layer == config_.candidate_source)
        query.keep = config_.candidate_blocks;
      else
        query.kept_TB = flow.kept_TB;
      const IndexChoice choice = ops_.choose_entries(query, keys);
      flow.choice_TN = choice.ids_TN;
      if (choice.kept_TB.defined()) flow.kept_TB = choice.kept_TB;
      return;
    }
    Tensor scores_TN = index_scores(layer, w, x_TD, latent_TR, keys, plan, pass);
    if (layer == config_.candidate_source) {
      flow.kept_TB = ops_.candidates(scores_TN, plan.count_T, config_.candidate_block_size,
                                     config_.candidate_blocks);
      see(layer, "attn.indexer.candidates", flow.kept_TB);
    } else if (flow.kept_TB.defined() && !options_.dense_selection) {  // dense: all scores count
      scores_TN = ops_.mask_scores(scores_TN, flow.kept_TB, config_.candidate_block_size);
    }
    see(layer, "attn.indexer.score", scores_TN);
    flow.scores_TN = scores_TN;
    flow.choice_TN = options_.dense_selection
                         ? plan.all_ids_TN
                         : ops_.pick(scores_TN, plan.first_T, config_.index_topk);
    see(layer, "attn.topk_idxs", flow.choice_TN);
  }

  // Engram: rows by the hash of the last few tokens, gated by each stream (§5.3).
  Tensor recall(int64_t layer, const EngramWeights& w, const Tensor& x_TSD, const Pass& pass) {
    const int64_t columns = config_.engram.columns();
    Tensor ids_TN = Tensor::zeros(DType::i64, {pass.batch.rows(), columns});
    Tensor dead_T = Tensor::zeros(DType::i64, {pass.batch.rows()});
    const int64_t pad = compressed_ids_[static_cast<size_t>(config_.engram.pad_id)];
    for (const Span& span : pass.batch.spans)
      for (int64_t i = 0; i < span.count; ++i) {
        const int64_t row = span.first_row + i;
        const std::vector<int64_t> history = look_back(pass.cache, span.slot, span.start + i);
        const std::vector<uint64_t>& salt_T = pass.batch.engram_salt_T;
        engram_rows(w.hash, history, pad, ids_TN.data<int64_t>() + row * columns,
                    salt_T.empty() ? 0 : salt_T[static_cast<size_t>(row)]);
        dead_T.data<int64_t>()[row] = history.front() < 0;
      }
    see(layer, "engram.hash_ids", ids_TN);
    const Tensor rows = ops_.embed(w.table, ids_TN);
    see(layer, "engram.embed", rows);
    const Tensor memory = linear(rows, w.projection);
    see(layer, "engram.memory", memory);
    const Tensor out_TSD = ops_.engram(x_TSD, memory, w.q_weight_SD, w.k_weight_SD, dead_T,
                                       static_cast<float>(config_.norm_epsilon));
    see(layer, "engram.out", out_TSD);
    return out_TSD;
  }

  // Compressed ids of a position and of those before it; -1 from the first one on that is not
  // there or is visual: Engram is off on spans, given (§5.2) or made.
  std::vector<int64_t> look_back(const Cache& cache, int64_t slot, int64_t position) const {
    std::vector<int64_t> history(static_cast<size_t>(config_.engram.max_ngram), -1);
    for (int64_t s = 0; s < config_.engram.max_ngram && s <= position; ++s) {
      const int64_t id = cache.token_at(slot, position - s);
      if (is_visual(config_, id)) break;
      history[static_cast<size_t>(s)] = compressed_ids_[static_cast<size_t>(id)];
    }
    return history;
  }

  // In the decoder half the outputs of layer l are asked for only from needed_from on, and by
  // the windows of the layers above it: (W-1) positions further back for each.  Rows before
  // that have left their window row here and are done.
  void drop_unneeded_rows(int64_t layer, Flow& flow, Tensor& y_TD, Pass& pass) {
    if (pass.batch.needed_from.empty() || layer < config_.decoder_start()) return;
    const int64_t reach = config_.window_reach() * (config_.layers - 1 - layer);
    Batch kept;
    std::vector<int64_t> rows;
    for (size_t i = 0; i < pass.batch.spans.size(); ++i) {
      const Span& span = pass.batch.spans[i];
      const int64_t first =
          std::clamp(pass.batch.needed_from[i] - reach - span.start, int64_t{0}, span.count);
      if (first == span.count) continue;
      kept.spans.push_back(
          {span.slot, kept.rows(), span.count - first, span.start + first, span.two_way});
      kept.needed_from.push_back(pass.batch.needed_from[i]);
      for (int64_t row = span.first_row + first; row < span.first_row + span.count; ++row) {
        rows.push_back(row);
        kept.ids.push_back(pass.batch.ids[static_cast<size_t>(row)]);
      }
    }
    if (kept.rows() == pass.batch.rows()) return;
    for (int64_t& row : pass.wanted) {
      const auto found = std::lower_bound(rows.begin(), rows.end(), row);
      CHECK(found != rows.end() && *found == row, "logits of a row that is not needed");
      row = found - rows.begin();
    }
    const Tensor ids = ids_of(rows);
    for (Tensor* tensor : {&y_TD, &flow.x_TSD, &flow.pre_TS, &flow.choice_TN, &flow.kept_TB})
      if (tensor->defined()) *tensor = ops_.take_rows(*tensor, ids);
    for (Tensor& feature_TD : flow.features) feature_TD = ops_.take_rows(feature_TD, ids);
    pass.batch = std::move(kept);
    pass.plan = pass.cache.plan(pass.batch, options_.dense_selection);
    pass.ids_T = pass.batch.ids_T();
  }

  std::vector<int32_t> compressed_ids_;
};

}  // namespace

std::unique_ptr<Model> make_v41(const ModelConfig& config, ModelWeights weights, Ops& ops,
                                const ModelOptions& options,
                                const std::vector<int32_t>& compressed_ids) {
  return std::make_unique<V41>(config, std::move(weights), ops, options, compressed_ids);
}

}  // namespace hadal
