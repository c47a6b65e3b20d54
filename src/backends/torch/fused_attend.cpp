// SPDX-License-Identifier: MIT
// Attention over rows by id as one autograd node.
//
// Forward keeps the shares (T·H·N floats).  Backward walks the tokens, then the rows of each
// pool: the second walk needs to know who saw a row, and in which place; that list is made by
// counting, so it is in the order of the tokens (see kernel_attend.h).
#include "backends/torch/fused.h"

#include <vector>

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Everything of one call, in the order in which autograd keeps it.
struct Call {
  at::Tensor q, sink, rows[2], ids[2];

  int64_t padded() const {
    const int64_t places = ids[0].size(1) + ids[1].size(1);
    return (places + kGroup - 1) / kGroup * kGroup;
  }
  // What a token costs, in floats.
  int64_t work() const { return q.size(1) * padded() * q.size(2) / 8; }

  AttendArgs arguments(double scale) const {
    AttendArgs args{};
    args.q = floats(q);
    args.sink = floats(sink);
    for (int i = 0; i < 2; ++i) {
      args.rows[i] = floats(rows[i]);
      args.ids[i] = ids[i].data_ptr<int64_t>();
      args.counts[i] = ids[i].size(1);
    }
    args.heads = q.size(1);
    args.width = q.size(2);
    args.padded = padded();
    args.scale = static_cast<float>(scale);
    return args;
  }
};

// Who saw the rows of a pool.
struct Seen {
  std::vector<int64_t> starts;
  std::vector<int32_t> tokens, places;
};

// Counted, then placed: pairs of a row stand in the order of the tokens.
Seen seen_of(const Call& call, int sight) {
  const int64_t tokens = call.q.size(0), count = call.ids[sight].size(1);
  const int64_t before = call.ids[0].size(1);
  const int64_t* ids = call.ids[sight].data_ptr<int64_t>();
  const int64_t* window = call.ids[0].data_ptr<int64_t>();
  Seen seen;
  seen.starts.assign(static_cast<size_t>(call.rows[sight].size(0) + 1), 0);
  for (int64_t i = 0; i < tokens * count; ++i)
    if (ids[i] >= 0) ++seen.starts[static_cast<size_t>(ids[i] + 1)];
  for (size_t r = 1; r < seen.starts.size(); ++r) seen.starts[r] += seen.starts[r - 1];
  seen.tokens.resize(static_cast<size_t>(seen.starts.back()));
  seen.places.resize(seen.tokens.size());
  std::vector<int64_t> next(seen.starts.begin(), seen.starts.end() - 1);
  for (int64_t t = 0; t < tokens; ++t) {
    int32_t place = 0;
    if (sight == 1)
      for (int64_t n = 0; n < before; ++n) place += window[t * before + n] >= 0;
    for (int64_t n = 0; n < count; ++n) {
      const int64_t id = ids[t * count + n];
      if (id < 0) continue;
      const size_t pair = static_cast<size_t>(next[static_cast<size_t>(id)]++);
      seen.tokens[pair] = static_cast<int32_t>(t);
      seen.places[pair] = place++;
    }
  }
  return seen;
}

struct Attend : Function<Attend> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& rows_0,
                            const at::Tensor& rows_1, const at::Tensor& sink,
                            const at::Tensor& ids_0, const at::Tensor& ids_1, double scale,
                            bool keep) {
    const Call call{q, sink, {rows_0, rows_1}, {ids_0, ids_1}};
    const int64_t tokens = q.size(0), heads = q.size(1), padded = call.padded();
    const at::Tensor out = at::empty_like(q);
    const at::Tensor sink_shares = at::empty({tokens, heads}, q.options());
    const at::Tensor shares = at::empty({keep ? tokens : 0, heads, padded}, q.options());
    AttendArgs args = call.arguments(scale);
    args.out = floats(out);
    args.sink_shares = floats(sink_shares);
    over_rows(tokens, call.work(), [&](int64_t first, int64_t last) {
      std::vector<const float*> visible(static_cast<size_t>(padded));
      std::vector<float> scratch(static_cast<size_t>(keep ? 0 : heads * padded));
      AttendArgs part = args;
      part.visible = visible.data();
      part.shares = keep ? floats(shares) : scratch.data();
      part.shares_per_token = keep ? heads * padded : 0;
      kernels().attend(part, first, last);
    });
    context->save_for_backward({q, rows_0, rows_1, sink, ids_0, ids_1, shares, sink_shares});
    context->saved_data["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Call call{saved[0], saved[3], {saved[1], saved[2]}, {saved[4], saved[5]}};
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor of_q = at::empty_like(call.q), of_logits = at::empty_like(saved[6]);
    AttendArgs args = call.arguments(context->saved_data["scale"].toDouble());
    args.out = floats(of_q);
    args.shares = floats(saved[6]);
    args.sink_shares = floats(saved[7]);
    args.gradient = floats(gradient);
    args.logit_gradients = floats(of_logits);
    const at::Tensor of_sink =
        sum_over_rows(call.q.size(0), args.heads, [&](int64_t first, int64_t last, float* sum) {
          std::vector<const float*> visible(static_cast<size_t>(args.padded));
          AttendArgs part = args;
          part.visible = visible.data();
          part.sink_gradient = sum;
          kernels().attend_back(part, first, last);
        });
    at::Tensor of_rows[2];
    for (int sight = 0; sight < 2; ++sight) of_rows[sight] = rows_gradient(call, args, sight);
    const at::Tensor none;
    return {of_q, of_rows[0], of_rows[1], of_sink, none, none, none, none};
  }

  static at::Tensor rows_gradient(const Call& call, const AttendArgs& args, int sight) {
    const at::Tensor out = at::empty_like(call.rows[sight]);
    const Seen seen = seen_of(call, sight);
    SeenArgs back{};
    back.starts = seen.starts.data();
    back.tokens = seen.tokens.data();
    back.places = seen.places.data();
    back.q = args.q;
    back.gradient = args.gradient;
    back.shares = args.shares;
    back.logit_gradients = args.logit_gradients;
    back.out = floats(out);
    back.heads = args.heads;
    back.width = args.width;
    back.padded = args.padded;
    over_rows(out.size(0), call.work(),
              [&](int64_t first, int64_t last) { kernels().seen_back(back, first, last); });
    return out;
  }
};

FusedSight present(const FusedSight& sight, const at::Tensor& q_THK) {
  if (sight.rows_RK.defined() && sight.ids_TN.defined())
    return {sight.rows_RK.contiguous(), sight.ids_TN.contiguous()};
  return {at::empty({0, q_THK.size(2)}, q_THK.options()),
          at::empty({q_THK.size(0), 0}, q_THK.options().dtype(at::kLong))};
}

}  // namespace

at::Tensor fused_attend(const at::Tensor& q_THK, const FusedSight& window,
                        const FusedSight& compressed, const at::Tensor& sink_H, double scale) {
  const FusedSight near = present(window, q_THK), far = present(compressed, q_THK);
  const bool keep =
      at::GradMode::is_enabled() && (q_THK.requires_grad() || near.rows_RK.requires_grad() ||
                                     far.rows_RK.requires_grad() || sink_H.requires_grad());
  return Attend::apply(q_THK.contiguous(), near.rows_RK, far.rows_RK, sink_H.contiguous(),
                       near.ids_TN, far.ids_TN, scale, keep);
}

}  // namespace hadal
