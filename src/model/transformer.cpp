// SPDX-License-Identifier: MIT
// The steps that V4 and V4.1 have in common.
#include "model/transformer.h"

#include <algorithm>
#include <cmath>

namespace hadal {

FamilyTraits traits_of(Family family) {
  FamilyTraits traits;
  if (family == Family::v4) {
    traits.normalise_query_heads = true;
    traits.rotate_index = true;
  } else {
    traits.weight_epsilon = 1e-20f;
  }
  return traits;
}

Transformer::Transformer(const ModelConfig& config, ModelWeights weights, Ops& ops,
                         const ModelOptions& options)
    : Model(config, ops, options),
      weights_(std::move(weights)),
      traits_(traits_of(config.family)) {}

Pass Transformer::begin(const Batch& batch, Cache& cache) const {
  CHECK(cache.options().rounding == options_.rounding, "a cache of another rounding");
  cache.note(batch);
  return {batch, cache.plan(batch, options_.dense_selection), batch.ids_T(), batch.wanted, cache};
}

Tensor Transformer::embedding(const Batch& batch) const {
  const CellIds cells(config_);
  const bool drawn = std::any_of(batch.ids.begin(), batch.ids.end(),
                                 [&](int64_t id) { return cells.is_cell(id); });
  if (!drawn) return ops_.embed(weights_.embedding, batch.ids_T());
  const int64_t rows = batch.rows(), groups = config_.visual.groups;
  Tensor ids_TG = Tensor::zeros(DType::i64, {rows, groups});
  Tensor present_TG = Tensor::zeros(DType::f32, {rows, groups});
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t id = batch.ids[static_cast<size_t>(row)];
    const int64_t count = cells.is_cell(id) ? groups : 1;
    for (int64_t g = 0; g < count; ++g) {
      ids_TG.data<int64_t>()[row * groups + g] =
          cells.is_cell(id) ? cells.row(g, cells.code(id, g)) : id;
      present_TG.data<float>()[row * groups + g] = 1;
    }
  }
  const Tensor rows_TGD =
      ops_.embed(weights_.embedding, ids_TG).reshaped({rows, groups, config_.width});
  return ops_.narrow(rows_TGD, present_TG);
}

Tensor Transformer::rounded(const Tensor& x, RowFormat format) const {
  if (options_.rounding == Rounding::none) return x;
  return ops_.round_to(x, format, config_.rope_width);
}

Tensor Transformer::linear(const Tensor& x, const Weight& w) const {
  if (!w.rounds_inputs) return ops_.linear(x, w);
  const RowFormat format = config_.weight_block == 128 ? RowFormat::fp8_128 : RowFormat::fp8_32;
  return ops_.linear(rounded(x, format), w);
}

Tensor Transformer::norm(const Tensor& x, const Tensor& gain) const {
  return ops_.rms_norm(x, gain, static_cast<float>(config_.norm_epsilon));
}

MixOptions Transformer::mix_options() const {
  return {config_.sinkhorn_rounds, static_cast<float>(config_.norm_epsilon),
          static_cast<float>(config_.hc_epsilon)};
}

// ---- attention

Tensor Transformer::query_latent(const LayerWeights& w, const Tensor& x_TD) const {
  return norm(linear(x_TD, w.attention.query_down), w.attention.query_norm);
}

void Transformer::keep_window_rows(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                                   Pass& pass) {
  Tensor row_TK = norm(linear(x_TD, w.attention.row), w.attention.row_norm);
  row_TK = ops_.rope(row_TK, pass.plan.positions, w.rope, Turn::forward);
  Pool& window = pass.cache.layers[static_cast<size_t>(layer)].window;
  if (pass.guesses()) pass.block_rows = ops_.make_row_pool(pass.batch.rows(), window.layout);
  keep(layer, "attn.kv", row_TK, pass.plan.write_ids_T, pass.guesses() ? pass.block_rows : window);
}

void Transformer::keep(int64_t layer, std::string_view name, const Tensor& rows, const Tensor& ids,
                       Pool& pool) const {
  const RowLayout& layout = pool.layout;
  if (observer_)
    see(layer, name,
        layout.format == RowFormat::f32 ? rows : ops_.round_to(rows, layout.format, layout.tail));
  ops_.keep_rows(pool, ids, rows);
}

Tensor Transformer::compress(const CompressorWeights& w, const Tensor& x_TD, const GroupPlan& plan,
                             Tensor& state_values, Tensor& state_scores, int64_t width) {
  const Tensor values_T = ops_.linear(x_TD, w.values);
  if (!w.scores.defined()) {  // ratio 1: every token is an entry, but not those of a two-way block
    const bool all = plan.entry_rows_G.count() == x_TD.size(0);
    return norm(all ? values_T : ops_.take_rows(values_T, plan.entry_rows_G), w.norm);
  }
  Tensor scores_T = ops_.linear(x_TD, w.scores);
  if (w.ape.defined()) scores_T = ops_.add(scores_T, ops_.embed(w.ape, plan.phase_T));
  ops_.write_rows(state_values, plan.state_ids_T, values_T);
  ops_.write_rows(state_scores, plan.state_ids_T, scores_T);
  return norm(ops_.blend(state_values, state_scores, plan.member_ids_GN, width), w.norm);
}

void Transformer::keep_compressed_rows(int64_t layer, const LayerWeights& w,
                                       const Tensor& latent_GK, const GroupPlan& plan, Pass& pass) {
  const Tensor row_GK = ops_.rope(latent_GK, plan.entry_positions, w.rope, Turn::forward);
  keep(layer, "attn.compressed_kv", row_GK, plan.entry_ids_G,
       pass.cache.layers[static_cast<size_t>(layer)].compressed);
}

void Transformer::keep_index_keys(int64_t layer, const LayerWeights& w, Tensor key_GI,
                                  const GroupPlan& plan, Pass& pass) {
  key_GI = ops_.rope(key_GI, plan.entry_positions, w.rope, Turn::forward);
  if (traits_.rotate_index) key_GI = ops_.hadamard(key_GI);
  keep(layer, "attn.indexer.k", key_GI, plan.entry_ids_G,
       pass.cache.layers[static_cast<size_t>(layer)].index_keys);
}

IndexQuery Transformer::index_query(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                                    const Tensor& latent_TR, const GroupPlan& plan,
                                    const Pass& pass) const {
  // The indexer learns from its own loss alone: nothing flows back through its inputs (§10.4).
  const int64_t heads = config_.index_heads, width = config_.index_width;
  Tensor q_THI = linear(ops_.detach(latent_TR), w.indexer.query_up)
                     .reshaped({pass.batch.rows(), heads, width});
  q_THI = ops_.rope(q_THI, pass.plan.positions, w.rope, Turn::forward);
  if (traits_.rotate_index) q_THI = ops_.hadamard(q_THI);
  q_THI = rounded(q_THI, RowFormat::fp4_32);
  see(layer, "attn.indexer.q", q_THI);
  IndexQuery query;
  query.q_THK = q_THI;
  query.w_TH = linear(ops_.detach(x_TD), w.indexer.heads);
  query.first_T = plan.first_T;
  query.count_T = plan.count_T;
  query.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width * heads)));
  query.limit = config_.index_topk;
  return query;
}

Tensor Transformer::index_scores(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                                 const Tensor& latent_TR, const Pool& keys, const GroupPlan& plan,
                                 const Pass& pass) const {
  const IndexQuery query = index_query(layer, w, x_TD, latent_TR, plan, pass);
  return ops_.score(query.q_THK, query.w_TH, keys, query.first_T, query.count_T, query.scale);
}

Tensor Transformer::attend(int64_t layer, const LayerWeights& w, const Tensor& latent_TR,
                           const Sight& past, const Tensor& scores_TN, const Pass& pass) const {
  const AttentionWeights& a = w.attention;
  const int64_t tokens = pass.batch.rows(), heads = config_.heads, width = config_.head_width;
  Tensor q_THK = linear(latent_TR, a.query_up).reshaped({tokens, heads, width});
  if (traits_.normalise_query_heads) q_THK = norm(q_THK, {});
  q_THK = ops_.rope(q_THK, pass.plan.positions, w.rope, Turn::forward);
  see(layer, "attn.q", q_THK);

  const Sight window{pass.cache.layers[static_cast<size_t>(layer)].window, pass.plan.window_ids_TW};
  const Sight compressed = pass.guesses() ? Sight{pass.block_rows, pass.plan.block_ids_TB} : past;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  Tensor o_THK = ops_.attend(q_THK, window, compressed, a.sink_H, scale);
  if (observer_) {
    const Tensor first_T = config_.ratio(layer) > 0 ? groups_of(layer, pass).first_T : Tensor{};
    observer_->attended({layer, q_THK, window, compressed, a.sink_H, scale, scores_TN, first_T});
  }
  o_THK = ops_.rope(o_THK, pass.plan.positions, w.rope, Turn::back);
  see(layer, "attn.o", o_THK);
  const Tensor o_TI = o_THK.reshaped({tokens, heads * width});
  const Tensor out_TD =
      linear(ops_.linear_grouped(o_TI, a.out_down, config_.output_groups), a.out_up);
  see(layer, "attn.out", out_TD);
  return out_TD;
}

// ---- the rest of a layer

Tensor Transformer::router_bias(const FeedForwardWeights& w, const Batch& batch) const {
  if (!w.visual_bias_E.defined()) return w.bias_E;
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < batch.rows(); ++row)
    if (is_visual(config_, batch.ids[static_cast<size_t>(row)])) rows.push_back(row);
  if (rows.empty()) return w.bias_E;
  const int64_t count = static_cast<int64_t>(rows.size()), experts = w.bias_E.count();
  Tensor bias_TE = ops_.add_row(ops_.make_pool(batch.rows(), experts), w.bias_E);
  ops_.write_rows(bias_TE, Tensor::of_ints({count}, rows),
                  ops_.add_row(ops_.make_pool(count, experts), w.visual_bias_E));
  return bias_TE;
}

Tensor Transformer::feed_forward(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                                 const Pass& pass) const {
  const FeedForwardWeights& f = w.feed_forward;
  RouterOptions options;
  options.experts_per_token = layer >= config_.layers && config_.draft.experts_per_token > 0
                                  ? config_.draft.experts_per_token
                                  : config_.experts_per_token;
  options.scoring = config_.scoring;
  options.normalise = config_.normalise_weights;
  options.weight_epsilon = traits_.weight_epsilon;
  options.scale = static_cast<float>(config_.route_scale);
  options.temperature = static_cast<float>(config_.gate_temperature);

  see(layer, "ffn.in", x_TD);
  const Tensor logits_TE = ops_.linear(x_TD, f.router);
  const Routes routes = f.table.defined()
                            ? ops_.route_by_table(logits_TE, f.table, pass.ids_T, options)
                            : ops_.route(logits_TE, router_bias(f, pass.batch), options);
  if (observer_) observer_->routed(layer, logits_TE, routes);
  see(layer, "ffn.gate.indices", routes.ids_TN);
  see(layer, "ffn.gate.weights", routes.weights_TN);

  const float limit = static_cast<float>(config_.swiglu_limit);
  const bool round = f.experts.gate.front().rounds_inputs && options_.rounding != Rounding::none;
  const RowFormat format = !round                        ? RowFormat::f32
                           : config_.weight_block == 128 ? RowFormat::fp8_128
                                                         : RowFormat::fp8_32;
  const Tensor routed_TD =
      ops_.experts(round ? ops_.round_to(x_TD, format, 0) : x_TD, routes, f.experts, limit, format);
  const Tensor hidden_TI =
      ops_.swiglu(linear(x_TD, f.shared_gate), linear(x_TD, f.shared_up), limit);
  const Tensor out_TD = ops_.add(routed_TD, linear(hidden_TI, f.shared_down));
  see(layer, "ffn.out", out_TD);
  return out_TD;
}

Tensor Transformer::finish(const Tensor& x_TD, const Tensor& gain, const Pass& pass) const {
  const Tensor wanted = Tensor::of_ints({static_cast<int64_t>(pass.wanted.size())}, pass.wanted);
  const Tensor y_WD = norm(ops_.take_rows(x_TD, wanted), gain);
  see(config_.layers, "final_norm", y_WD);
  return y_WD;
}

Tensor Transformer::logits(const Tensor& state_WD) {
  return ops_.linear(state_WD, weights_.text_head);
}

// h + down·silu(of_state·h + of_code·row): as the extra-token block joins a state and the
// embedding of what followed it, without attention.
Tensor Transformer::next_code_state(const Tensor& state_WD, const Tensor& codes_W, int64_t group) {
  const CodeWeights& w = weights_.codes;
  const Tensor rows_WD = ops_.embed(w.rows[static_cast<size_t>(group)], codes_W);
  const Tensor joined_WI = ops_.add(linear(state_WD, w.of_state), linear(rows_WD, w.of_code));
  return ops_.add(state_WD, linear(ops_.silu(joined_WI), w.down));
}

Tensor Transformer::code_logits(const Tensor& state_WD, int64_t group) {
  return ops_.linear(state_WD, weights_.codes.heads[static_cast<size_t>(group)]);
}

}  // namespace hadal
