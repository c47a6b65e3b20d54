// SPDX-License-Identifier: MIT
// All experts of a layer as one autograd node: rows of x sorted by expert, three products an
// expert into slices of shared buffers, and loops over all rows at once between them.
//
// Backward computes the hidden rows once more instead of keeping them.
#include "backends/torch/fused.h"
#include "backends/torch/product.h"
#include "ops/row_rounding.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// out[i] = Σ x[ids[i][n]], n < count.
at::Tensor gathered(const at::Tensor& x, const at::Tensor& ids, int64_t count) {
  const at::Tensor out = at::empty({ids.numel() / count, x.size(1)}, x.options());
  const GatherArgs args{floats(x), ids.data_ptr<int64_t>(), floats(out), count, x.size(1)};
  over_rows(out.size(0), (count + 1) * args.width,
            [&](int64_t first, int64_t last) { kernels().gather_rows(args, first, last); });
  return out;
}

void round_rows(const at::Tensor& rows, RowFormat format) {
  if (format == RowFormat::f32) return;
  const int64_t width = rows.size(1);
  over_rows(rows.size(0), 8 * width, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      round_row(floats(rows) + row * width, width, format, 0);
  });
}

// The pieces of a call, in the order in which autograd keeps them.
struct Layer {
  at::Tensor x, gate, up, share;  // of the sorted pairs
  at::Tensor tokens, pairs, places;
  std::vector<at::Tensor> weights;
  std::vector<int64_t> rows;
  double limit;
  RowFormat format;

  size_t experts() const { return rows.size(); }
  const at::Tensor& gate_weight(size_t e) const { return weights[e]; }
  const at::Tensor& up_weight(size_t e) const { return weights[experts() + e]; }
  const at::Tensor& down_weight(size_t e) const { return weights[2 * experts() + e]; }

  // visit(e, first row, rows) for each expert that has any.
  template <typename Visit>
  void for_experts(Visit visit) const {
    int64_t first = 0;
    for (size_t e = 0; e < experts(); ++e) {
      if (rows[e] > 0) visit(e, first, rows[e]);
      first += rows[e];
    }
  }

  HiddenArgs arguments() const {
    HiddenArgs args{};
    args.swiglu = swiglu_args(gate, up, limit);
    args.share = floats(share);
    args.width = gate.size(1);
    return args;
  }

  at::Tensor hidden() const {
    const at::Tensor out = at::empty_like(gate);
    HiddenArgs args = arguments();
    args.swiglu.out = floats(out);
    over_rows(out.size(0), 4 * args.width,
              [&](int64_t first, int64_t last) { kernels().hidden(args, first, last); });
    round_rows(out, format);
    return out;
  }
};

void multiply_into(const at::Tensor& out, int64_t first, const at::Tensor& a, const at::Tensor& b) {
  product_into(out.narrow(0, first, a.size(0)), a, b);
}

struct Experts : Function<Experts> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weights_TN, at::TensorList weights,
                            const at::Tensor& tokens, const at::Tensor& pairs,
                            const at::Tensor& places, const std::vector<int64_t>& rows,
                            double limit, int64_t format) {
    const int64_t count = tokens.numel(), inner = weights[0].size(0);
    Layer layer{gathered(x, tokens, 1),
                at::empty({count, inner}, x.options()),
                at::empty({count, inner}, x.options()),
                weights_TN.view(-1).index_select(0, pairs),
                tokens,
                pairs,
                places,
                weights.vec(),
                rows,
                limit,
                static_cast<RowFormat>(format)};
    layer.for_experts([&](size_t e, int64_t first, int64_t n) {
      const at::Tensor x_e = layer.x.narrow(0, first, n);
      multiply_into(layer.gate, first, x_e, layer.gate_weight(e).t());
      multiply_into(layer.up, first, x_e, layer.up_weight(e).t());
    });
    const at::Tensor hidden = layer.hidden(), out = at::empty_like(layer.x);
    layer.for_experts([&](size_t e, int64_t first, int64_t n) {
      multiply_into(out, first, hidden.narrow(0, first, n), layer.down_weight(e).t());
    });
    keep(context, layer);
    return gathered(out, places, weights_TN.size(1));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Layer layer = kept(context);
    const at::Tensor gradient = gathered(gradients[0].contiguous(), layer.tokens, 1);
    const at::Tensor hidden = layer.hidden(), of_hidden = at::empty_like(hidden);
    variable_list of_weights(layer.weights.size());
    layer.for_experts([&](size_t e, int64_t first, int64_t n) {
      const at::Tensor gradient_e = gradient.narrow(0, first, n);
      multiply_into(of_hidden, first, gradient_e, layer.down_weight(e));
      of_weights[2 * layer.experts() + e] = product(gradient_e.t(), hidden.narrow(0, first, n));
    });
    const at::Tensor of_gate = at::empty_like(hidden), of_up = at::empty_like(hidden);
    const at::Tensor of_share = at::empty_like(layer.share);
    HiddenArgs args = layer.arguments();
    args.swiglu.gradient = floats(of_hidden);
    args.swiglu.gate_gradient = floats(of_gate);
    args.swiglu.up_gradient = floats(of_up);
    args.share_gradient = floats(of_share);
    over_rows(hidden.size(0), 6 * args.width,
              [&](int64_t first, int64_t last) { kernels().hidden_back(args, first, last); });
    const at::Tensor of_x = at::empty_like(layer.x);
    layer.for_experts([&](size_t e, int64_t first, int64_t n) {
      const at::Tensor x_e = layer.x.narrow(0, first, n);
      const at::Tensor gate_e = of_gate.narrow(0, first, n), up_e = of_up.narrow(0, first, n);
      multiply_into(of_x, first, gate_e, layer.gate_weight(e));
      product_into(of_x.narrow(0, first, n), up_e, layer.up_weight(e), /*add=*/true);
      of_weights[e] = product(gate_e.t(), x_e);
      of_weights[layer.experts() + e] = product(up_e.t(), x_e);
    });
    return all_gradients(layer, of_x, of_share, of_weights);
  }

  // In the order of forward's arguments.
  static variable_list all_gradients(const Layer& layer, const at::Tensor& of_x,
                                     const at::Tensor& of_share, const variable_list& of_weights) {
    const int64_t chosen = layer.places.size(1);
    const at::Tensor of_shares =
        at::empty_like(of_share).index_copy_(0, layer.pairs, of_share).view({-1, chosen});
    variable_list all = {gathered(of_x, layer.places, chosen), of_shares};
    all.insert(all.end(), of_weights.begin(), of_weights.end());
    all.resize(all.size() + 6);
    return all;
  }

  static void keep(AutogradContext* context, const Layer& layer) {
    variable_list saved = {layer.x,      layer.gate,  layer.up,    layer.share,
                           layer.tokens, layer.pairs, layer.places};
    saved.insert(saved.end(), layer.weights.begin(), layer.weights.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["rows"] = layer.rows;
    context->saved_data["limit"] = layer.limit;
    context->saved_data["format"] = static_cast<int64_t>(layer.format);
  }

  static Layer kept(AutogradContext* context) {
    const variable_list saved = context->get_saved_variables();
    return {saved[0],
            saved[1],
            saved[2],
            saved[3],
            saved[4],
            saved[5],
            saved[6],
            {saved.begin() + 7, saved.end()},
            context->saved_data["rows"].toIntVector(),
            context->saved_data["limit"].toDouble(),
            static_cast<RowFormat>(context->saved_data["format"].toInt())};
  }
};

}  // namespace

at::Tensor fused_experts(const at::Tensor& x_TD, const at::Tensor& weights_TN,
                         const ExpertPlan& plan, const FusedExperts& experts) {
  return Experts::apply(x_TD.contiguous(), weights_TN.contiguous(), at::TensorList(experts.weights),
                        plan.tokens, plan.pairs, plan.places.view(weights_TN.sizes()), plan.rows,
                        experts.limit, static_cast<int64_t>(experts.hidden_format));
}

}  // namespace hadal
