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
    if (chains()) keep_last_rows(batch, cache);
    Pass pass = begin(batch, cache);
    Tensor x_TSD = ops_.spread(embedding(batch), config_.streams);
    std::vector<Tensor> features;
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      x_TSD = block(layer, weights_.layers[static_cast<size_t>(layer)], x_TSD, pass);
      if (!is_draft_target(layer)) continue;
      features.push_back(stream_mean(x_TSD));
      keep_features(features, pass);
    }
    last_streams_TSD_ = x_TSD;
    last_spans_ = batch.spans;
    if (chains()) keep_followed_rows(batch, cache);
    return head(x_TSD, weights_.head_mix, weights_.norm, pass);
  }

  // The streams at a position and the id that followed it predict the id after that (§6.1).
  Tensor draft_logits(const Batch& batch, const Tensor& next_T, Cache& cache) override {
    if (weights_.drafts.empty()) return {};
    const DraftWeights& w = weights_.drafts.front();
    Pass pass = begin(batch, cache);
    pass.wanted.clear();
    for (int64_t row = 0; row < batch.rows(); ++row) pass.wanted.push_back(row);
    const Tensor x_TSD = block(config_.layers, w.block, joined(last_streams_TSD_, next_T), pass);
    return logits(head(x_TSD, w.head_mix, w.norm, pass));
  }

  int64_t draft_limit() const override {
    return chains() ? kLongestChain : Transformer::draft_limit();
  }

  bool begin_draft(const DraftStart& start, Cache& cache) override {
    if (!chains()) return Transformer::begin_draft(start, cache);
    const int64_t row = last_row_of(start.slot, start.position);
    if (row < 0) return false;
    chain_ = {ops_.take_rows(last_streams_TSD_, Tensor::of_ints({1}, {row})), start.slot,
              start.position, cache.token_at(start.slot, start.position)};
    return true;
  }

  // The block, and then the same block over what it made of the token before (§6.1).
  DraftGuess next_guess(int64_t id, Cache& cache) override {
    if (!chains()) return Transformer::next_guess(id, cache);
    const DraftWeights& w = weights_.drafts.front();
    Batch batch;
    batch.append(chain_.slot, chain_.position, {chain_.id});
    batch.wanted = {0};
    Pass pass = begin(batch, cache);
    const Tensor x_TSD = block(config_.layers, w.block,
                               joined(chain_.streams_TSD, Tensor::of_ints({1}, {id})), pass);
    chain_ = {x_TSD, chain_.slot, chain_.position + 1, id};
    const Tensor logits_WV = logits(head(x_TSD, w.head_mix, w.norm, pass));
    return {logits_WV.reshaped({logits_WV.count()})};
  }

 protected:
  Tensor run_stages(Pass& pass) override {
    const DsparkWeights& w = weights_.dspark;
    Tensor x_TSD = ops_.spread(embedding(pass.batch), config_.streams);
    int64_t layer = config_.layers;
    for (const LayerWeights& stage : w.blocks) x_TSD = block(layer++, stage, x_TSD, pass);
    return ops_.narrow(x_TSD, ops_.mix_head(x_TSD, w.head_mix, mix_options()));
  }

 private:
  // The block was trained for one guess; a further one rests on all before it.  How many pay is
  // measured by who asks (engine/draft_length.h); this only ends the search.
  static constexpr int64_t kLongestChain = 4;

  // Where a chain of guesses stands: the streams at a position, and the token there.
  struct Chain {
    Tensor streams_TSD;
    int64_t slot = 0, position = 0, id = 0;
  };

  bool chains() const { return options_.drafts && weights_.drafts.size() == 1; }

  // What the extra-token block reads: the streams at a position and the id that followed.
  Tensor joined(const Tensor& streams_TSD, const Tensor& next_T) const {
    const DraftWeights& w = weights_.drafts.front();
    const Tensor next_TD = norm(ops_.embed(weights_.embedding, next_T), w.embedding_norm);
    const Tensor e_TSD = ops_.spread(linear(next_TD, w.embedding_projection), config_.streams);
    return ops_.add(e_TSD, linear(norm(streams_TSD, w.stream_norm), w.stream_projection));
  }

  // The row of the last forward that held a position; -1: none did.
  int64_t last_row_of(int64_t slot, int64_t position) const {
    for (const Span& span : last_spans_)
      if (span.slot == slot && position >= span.start && position < span.start + span.count)
        return span.first_row + position - span.start;
    return -1;
  }

  // Rows of the extra-token block's window, of positions whose next token is known: here of those
  // that the last forward ended with, and that this batch goes on from …
  void keep_last_rows(const Batch& batch, Cache& cache) {
    Batch before;
    std::vector<int64_t> rows, next;
    for (const Span& span : batch.spans) {
      const int64_t row = last_row_of(span.slot, span.start - 1);
      if (row < 0) continue;
      before.append(span.slot, span.start - 1, {cache.token_at(span.slot, span.start - 1)});
      rows.push_back(row);
      next.push_back(batch.ids[static_cast<size_t>(span.first_row)]);
    }
    keep_chain_rows(before, rows, next, cache);
  }
  // … and here of those within this batch.
  void keep_followed_rows(const Batch& batch, Cache& cache) {
    Batch followed;
    std::vector<int64_t> rows, next;
    for (const Span& span : batch.spans) {
      const auto first = batch.ids.begin() + span.first_row;
      if (span.count == 1) continue;
      followed.append(span.slot, span.start, {first, first + span.count - 1});
      next.insert(next.end(), first + 1, first + span.count);
      for (int64_t i = 0; i < span.count - 1; ++i) rows.push_back(span.first_row + i);
    }
    keep_chain_rows(followed, rows, next, cache);
  }
  void keep_chain_rows(const Batch& batch, const std::vector<int64_t>& rows,
                       const std::vector<int64_t>& next, Cache& cache) {
    if (rows.empty()) return;
    const LayerWeights& w = weights_.drafts.front().block;
    const int64_t count = batch.rows();
    Pass pass{batch, cache.plan(batch), batch.ids_T(), {}, cache};
    const Tensor x_TSD = joined(ops_.take_rows(last_streams_TSD_, Tensor::of_ints({count}, rows)),
                                Tensor::of_ints({count}, next));
    const Mix mix = ops_.mix(x_TSD, w.attention_mix, mix_options());
    keep_window_rows(config_.layers, w, norm(ops_.narrow(x_TSD, mix.pre_TS), w.attention_norm),
                     pass);
  }

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

  Tensor last_streams_TSD_;  // of the last forward, whose rows were
  std::vector<Span> last_spans_;
  Chain chain_;
};

}  // namespace

std::unique_ptr<Model> make_v4(const ModelConfig& config, ModelWeights weights, Ops& ops,
                               const ModelOptions& options) {
  return std::make_unique<V4>(config, std::move(weights), ops, options);
}

}  // namespace hadal
