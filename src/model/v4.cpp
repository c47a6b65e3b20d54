// SPDX-License-Identifier: MIT
// DeepSeek-V4 (Flash, Pro): the forward pass of the technical report, arXiv 2606.19348.
//
//   T tokens of the batch   S residual streams   D model width   H heads   K head width
//   R query rank            G groups completed   N entries in sight        I index width
//
// Four residual streams; every layer sees its last 128 tokens as they are, and the past through
// compressed rows: groups of 4, overlapping, chosen by an indexer (CSA), or groups of 128, all
// of them (HCA).  Held to tests/goldens/v4-tiny and v4-tiny-fp8.
#include "model/transformer.h"

namespace hadal {
namespace {

class V4 final : public Transformer {
 public:
  using Transformer::Transformer;

  Tensor states(const Batch& batch, Cache& cache) override {
    Pass pass = begin(batch, cache);
    Tensor x_TSD = ops_.spread(embedding(batch), config_.streams);
    for (int64_t layer = 0; layer < config_.layers; ++layer)
      x_TSD = block(layer, weights_.layers[static_cast<size_t>(layer)], x_TSD, pass);
    last_streams_TSD_ = x_TSD;
    return head(x_TSD, weights_.head_mix, weights_.norm, pass);
  }

  // The streams at a position and the id that followed it predict the id after that (§6.1).
  Tensor draft_logits(const Batch& batch, const Tensor& next_T, Cache& cache) override {
    if (weights_.drafts.empty()) return {};
    const DraftWeights& w = weights_.drafts.front();
    Pass pass = begin(batch, cache);
    pass.wanted.clear();
    for (int64_t row = 0; row < batch.rows(); ++row) pass.wanted.push_back(row);
    const Tensor next_TD = norm(ops_.embed(weights_.embedding, next_T), w.embedding_norm);
    const Tensor e_TSD = ops_.spread(linear(next_TD, w.embedding_projection), config_.streams);
    const Tensor h_TSD = linear(norm(last_streams_TSD_, w.stream_norm), w.stream_projection);
    const Tensor x_TSD = block(config_.layers, w.block, ops_.add(e_TSD, h_TSD), pass);
    return logits(head(x_TSD, w.head_mix, w.norm, pass));
  }

 private:
  // One layer: attention, then experts.  Each reads a blend of the streams and is mixed back
  // into all of them (§2.1).
  Tensor block(int64_t layer, const LayerWeights& w, Tensor x_TSD, Pass& pass) {
    Mix mix = ops_.mix(x_TSD, w.attention_mix, mix_options());
    Tensor y_TD = norm(ops_.narrow(x_TSD, mix.pre_TS), w.attention_norm);
    see(layer, "attn.in", y_TD);
    x_TSD = ops_.widen(attention(layer, w, y_TD, pass), x_TSD, mix.post_TS, mix.comb_TSS);
    see(layer, "after_attn", x_TSD);

    mix = ops_.mix(x_TSD, w.feed_forward_mix, mix_options());
    y_TD = norm(ops_.narrow(x_TSD, mix.pre_TS), w.feed_forward_norm);
    x_TSD = ops_.widen(feed_forward(layer, w, y_TD, pass), x_TSD, mix.post_TS, mix.comb_TSS);
    see(layer, "out", x_TSD);
    return x_TSD;
  }

  Tensor attention(int64_t layer, const LayerWeights& w, const Tensor& x_TD, Pass& pass) {
    const Tensor latent_TR = query_latent(w, x_TD);
    see(layer, "attn.qr", latent_TR);
    keep_window_rows(layer, w, x_TD, pass);
    if (!w.compressor.defined()) return attend(layer, w, latent_TR, {}, {}, pass);

    const GroupPlan& plan = groups_of(layer, pass);
    LayerCache& cache = pass.cache.layers[static_cast<size_t>(layer)];
    keep_compressed_rows(layer, w,
                         compress(w.compressor, x_TD, plan, cache.state_values, cache.state_scores,
                                  config_.head_width),
                         plan, pass);
    if (!w.indexer.defined())
      return attend(layer, w, latent_TR, {cache.compressed, plan.all_ids_TN}, {}, pass);

    const Tensor key_GI =
        compress(w.indexer.compressor, ops_.detach(x_TD), plan, cache.index_state_values,
                 cache.index_state_scores, config_.index_width);
    keep_index_keys(layer, w, key_GI, plan, pass);
    if (!wants_scores()) {
      const IndexQuery query = index_query(layer, w, x_TD, latent_TR, plan, pass);
      const Tensor ids_TN = ops_.choose_entries(query, cache.index_keys).ids_TN;
      return attend(layer, w, latent_TR, {cache.compressed, ids_TN}, {}, pass);
    }
    const Tensor scores_TN = index_scores(layer, w, x_TD, latent_TR, cache.index_keys, plan, pass);
    see(layer, "attn.indexer.score", scores_TN);
    const Tensor ids_TN = options_.dense_selection
                              ? plan.all_ids_TN
                              : ops_.pick(scores_TN, plan.first_T, config_.index_topk);
    see(layer, "attn.topk_idxs", ids_TN);
    return attend(layer, w, latent_TR, {cache.compressed, ids_TN}, scores_TN, pass);
  }

  Tensor head(const Tensor& x_TSD, const MixWeights& mix, const Tensor& gain, const Pass& pass) {
    const Tensor pre_TS = ops_.mix_head(x_TSD, mix, mix_options());
    return finish(ops_.narrow(x_TSD, pre_TS), gain, pass);
  }

  Tensor last_streams_TSD_;
};

}  // namespace

std::unique_ptr<Model> make_v4(const ModelConfig& config, ModelWeights weights, Ops& ops,
                               const ModelOptions& options) {
  return std::make_unique<V4>(config, std::move(weights), ops, options);
}

}  // namespace hadal
