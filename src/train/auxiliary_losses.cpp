// SPDX-License-Identifier: MIT
// What the router and the indexers are told beside the language loss.
#include "train/auxiliary_losses.h"

#include <limits>

#include "backends/torch/torch_tensor.h"

namespace hadal {

namespace {

at::Tensor scores_of(const at::Tensor& logits, Scoring scoring, double temperature) {
  at::Tensor scaled = logits / temperature;
  switch (scoring) {
    case Scoring::softmax:
      return at::softmax(scaled, -1);
    case Scoring::sigmoid:
      return at::sigmoid(scaled);
    default:
      return at::softplus(scaled).clamp_min(1e-30).sqrt();
  }
}

// Logits of a layer's attention on some rows; -inf where there is no row.  [T, H, N]
at::Tensor attention_logits(const at::Tensor& q_THK, const Sight& sight, float scale) {
  at::Tensor ids_TN = unwrap(sight.ids_TN);
  at::Tensor rows_TNK = unwrap(sight.pool.rows)
                            .detach()
                            .index_select(0, ids_TN.clamp_min(0).view(-1))
                            .view({ids_TN.size(0), ids_TN.size(1), -1});
  at::Tensor logits_THN = at::bmm(q_THK, rows_TNK.transpose(1, 2)) * scale;
  return logits_THN.masked_fill(ids_TN.lt(0).unsqueeze(1), -std::numeric_limits<float>::infinity());
}

// Attention probabilities on the compressed rows, summed over heads.  The window and the sink
// take part in each head's softmax, so a head that looks elsewhere has little to say here.
at::Tensor mass_on_compressed(const AttentionSite& site) {
  at::NoGradGuard no_gradients;
  at::Tensor q_THK = unwrap(site.q_THK).detach();
  at::Tensor compressed = attention_logits(q_THK, site.compressed, site.scale);
  at::Tensor window = attention_logits(q_THK, site.window, site.scale);
  at::Tensor sink = unwrap(site.sink_H).detach().view({1, -1, 1}).expand({q_THK.size(0), -1, 1});
  at::Tensor all = at::softmax(at::cat({compressed, window, sink}, 2), 2);
  return all.narrow(2, 0, compressed.size(2)).sum(1);
}

}  // namespace

AuxiliaryLosses::AuxiliaryLosses(const ModelConfig& config, const AuxiliaryOptions& options)
    : config_(config), options_(options) {}

void AuxiliaryLosses::begin(const Batch& batch) {
  std::vector<int64_t> sequence, length;
  for (size_t s = 0; s < batch.spans.size(); ++s) {
    length.push_back(batch.spans[s].count);
    sequence.insert(sequence.end(), static_cast<size_t>(batch.spans[s].count),
                    static_cast<int64_t>(s));
  }
  visual_.clear();
  for (int64_t id : batch.ids) visual_.push_back(is_visual(config_, id));
  sequence_T_ = at::tensor(sequence, at::kLong);
  length_S_ = at::tensor(length, at::kLong).to(at::kFloat).unsqueeze(1);
  total_ = at::Tensor();
  balance_ = indexer_ = 0;
  indexers_ = routers_ = 0;
}

void AuxiliaryLosses::add(const at::Tensor& loss) {
  total_ = total_.defined() ? total_ + loss : loss;
}

void AuxiliaryLosses::routed(int64_t layer, const Tensor& logits_, const Routes& routes) {
  at::Tensor logits_TE = unwrap(logits_);
  at::Tensor ids_TN = unwrap(routes.ids_TN);
  int64_t experts = logits_TE.size(1);
  for (Loads* loads : {&loads_, &visual_loads_})
    (*loads)[layer].resize(static_cast<size_t>(experts));
  const at::Tensor flat = ids_TN.contiguous().view(-1);
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const bool visual = visual_[static_cast<size_t>(i / ids_TN.size(1))];
    ++(visual ? visual_loads_ : loads_)[layer][static_cast<size_t>(flat.data_ptr<int64_t>()[i])];
  }
  if (options_.balance_weight == 0 || layer < config_.hash_layers) return;

  at::Tensor scores = scores_of(logits_TE, config_.scoring, config_.gate_temperature);
  at::Tensor shares = scores / scores.sum(1, true);
  at::Tensor chosen = torch::zeros(logits_TE.sizes(), at::kFloat).scatter_(1, ids_TN, 1.0);
  at::Tensor zero = torch::zeros({length_S_.size(0), experts}, at::kFloat);
  at::Tensor share_SE = zero.index_add(0, sequence_T_, shares) / length_S_;
  at::Tensor count_SE = zero.index_add(0, sequence_T_, chosen) / length_S_;
  double factor = static_cast<double>(experts) / static_cast<double>(ids_TN.size(1));
  // Weighted by length: a mean over tokens, whatever the lengths of the sequences are.
  at::Tensor loss = (share_SE * count_SE * factor * length_S_).sum();
  ++routers_;
  const double mean = loss.item<double>() / static_cast<double>(logits_TE.size(0));
  balance_ += (mean - balance_) / static_cast<double>(routers_);
  add(loss * options_.balance_weight);
}

void AuxiliaryLosses::attended(const AttentionSite& site) {
  if (!site.index_scores_TN.defined() || !site.compressed.ids_TN.defined()) return;
  if (options_.indexer_weight == 0 || site.compressed.ids_TN.size(1) == 0) return;
  at::Tensor ids_TN = unwrap(site.compressed.ids_TN);
  at::Tensor seen = ids_TN.ge(0);
  at::Tensor mass = mass_on_compressed(site).masked_fill(seen.logical_not(), 0);
  at::Tensor target = mass / mass.sum(1, true).clamp_min(1e-20);

  at::Tensor scores = unwrap(site.index_scores_TN);  // entry j of a sequence stands in column j
  at::Tensor column = (ids_TN - unwrap(site.first_T).unsqueeze(1)).clamp_min(0);
  at::Tensor picked = scores.gather(1, column).masked_fill(seen.logical_not(), -1e30);
  at::Tensor log_guess = at::log_softmax(picked, 1);
  at::Tensor divergence = at::xlogy(target, target) - target * log_guess;
  at::Tensor loss = divergence.masked_fill(seen.logical_not(), 0).sum();
  ++indexers_;
  double mean = loss.item<double>() / static_cast<double>(ids_TN.size(0));
  indexer_ += (mean - indexer_) / static_cast<double>(indexers_);
  add(loss * options_.indexer_weight);
}

}  // namespace hadal
