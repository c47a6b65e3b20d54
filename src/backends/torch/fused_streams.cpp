// SPDX-License-Identifier: MIT
// Residual streams as autograd nodes.
#include "backends/torch/fused.h"
#include "backends/torch/product.h"

#include <vector>

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Tokens in groups of kGroup: sinkhorn has one in each lane.
template <typename Loop>
void over_groups(int64_t tokens, int64_t floats_per_token, Loop loop) {
  over_rows(
      (tokens + kGroup - 1) / kGroup, kGroup * floats_per_token,
      [&](int64_t first, int64_t last) { loop(first * kGroup, std::min(last * kGroup, tokens)); });
}

struct MixNode : Function<MixNode> {
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& fn,
                               const at::Tensor& base, const at::Tensor& scale, int64_t rounds,
                               double norm_epsilon, double epsilon) {
    const int64_t tokens = x.size(0);
    const at::Tensor pre = at::empty({tokens, kFusedStreams}, x.options());
    const at::Tensor post = at::empty_like(pre);
    const at::Tensor comb = at::empty({tokens, kFusedStreams, kFusedStreams}, x.options());
    const at::Tensor products = at::empty({tokens, kMixOutputs}, x.options());
    const at::Tensor inverse = at::empty({tokens}, x.options());
    context->saved_data["rounds"] = rounds;
    context->saved_data["norm_epsilon"] = norm_epsilon;
    context->saved_data["epsilon"] = epsilon;
    context->save_for_backward({x, fn, base, scale, products, inverse});
    MixArgs args = arguments(context, {x, fn, base, scale, products, inverse});
    args.pre = floats(pre);
    args.post = floats(post);
    args.comb = floats(comb);
    over_groups(tokens, args.inputs,
                [&](int64_t first, int64_t last) { kernels().mix(args, first, last); });
    return {pre, post, comb};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &products = saved[4], &inverse = saved[5];
    const at::Tensor of_pre = gradients[0].contiguous(), of_post = gradients[1].contiguous();
    const at::Tensor of_comb = gradients[2].contiguous();
    const at::Tensor of_x = at::empty_like(x), of_logits = at::empty_like(products);
    const at::Tensor of_products = at::empty_like(products), of_squares = at::empty_like(inverse);
    MixBackArgs args{};
    args.forward = arguments(context, saved);
    args.pre_gradient = floats(of_pre);
    args.post_gradient = floats(of_post);
    args.comb_gradient = floats(of_comb);
    args.logit_gradients = floats(of_logits);
    args.product_gradients = floats(of_products);
    args.square_gradients = floats(of_squares);
    args.out = floats(of_x);
    over_groups(x.size(0), args.forward.inputs, [&](int64_t first, int64_t last) {
      std::vector<float> scratch(static_cast<size_t>(2 * args.forward.rounds * kSinkhornFloats));
      MixBackArgs part = args;
      part.scratch = scratch.data();
      kernels().mix_back(part, first, last);
    });
    const at::Tensor of_fn = product(of_products.t(), x.flatten(1));
    const at::Tensor by_scale = (of_logits * products * inverse.unsqueeze(1)).sum(0);
    const at::Tensor of_scale = at::stack({by_scale.narrow(0, 0, kFusedStreams).sum(),
                                           by_scale.narrow(0, kFusedStreams, kFusedStreams).sum(),
                                           by_scale.narrow(0, 2 * kFusedStreams, 16).sum()});
    const at::Tensor none;
    return {of_x, of_fn, of_logits.sum(0), of_scale, none, none, none};
  }

  static MixArgs arguments(AutogradContext* context, const variable_list& saved) {
    MixArgs args{};
    args.x = floats(saved[0]);
    args.fn = floats(saved[1]);
    args.base = floats(saved[2]);
    args.scale = floats(saved[3]);
    args.products = floats(saved[4]);
    args.inverse = floats(saved[5]);
    args.inputs = saved[0].size(1) * saved[0].size(2);
    args.rounds = context->saved_data["rounds"].toInt();
    args.norm_epsilon = static_cast<float>(context->saved_data["norm_epsilon"].toDouble());
    args.epsilon = static_cast<float>(context->saved_data["epsilon"].toDouble());
    return args;
  }
};

struct Narrow : Function<Narrow> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& pre) {
    const at::Tensor out = at::empty({x.size(0), x.size(2)}, x.options());
    NarrowArgs args{};
    args.x = floats(x);
    args.pre = floats(pre);
    args.out = floats(out);
    args.width = x.size(2);
    over_rows(x.size(0), 4 * args.width,
              [&](int64_t first, int64_t last) { kernels().narrow(args, first, last); });
    context->save_for_backward({x, pre});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor of_x = at::empty_like(saved[0]), of_pre = at::empty_like(saved[1]);
    NarrowArgs args{};
    args.x = floats(saved[0]);
    args.pre = floats(saved[1]);
    args.out = floats(of_x);
    args.gradient = floats(gradient);
    args.pre_gradient = floats(of_pre);
    args.width = saved[0].size(2);
    over_rows(gradient.size(0), 8 * args.width,
              [&](int64_t first, int64_t last) { kernels().narrow_back(args, first, last); });
    return {of_x, of_pre};
  }
};

struct Widen : Function<Widen> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& y, const at::Tensor& x,
                            const at::Tensor& post, const at::Tensor& comb) {
    const at::Tensor out = at::empty_like(x);
    WidenArgs args = arguments({y, x, post, comb});
    args.out = floats(out);
    over_rows(x.size(0), 8 * args.width,
              [&](int64_t first, int64_t last) { kernels().widen(args, first, last); });
    context->save_for_backward({y, x, post, comb});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    variable_list of_saved;
    for (const at::Tensor& input : saved) of_saved.push_back(at::empty_like(input));
    WidenArgs args = arguments(saved);
    args.gradient = floats(gradient);
    args.y_gradient = floats(of_saved[0]);
    args.out = floats(of_saved[1]);
    args.post_gradient = floats(of_saved[2]);
    args.comb_gradient = floats(of_saved[3]);
    over_rows(gradient.size(0), 16 * args.width,
              [&](int64_t first, int64_t last) { kernels().widen_back(args, first, last); });
    return of_saved;
  }

  static WidenArgs arguments(const variable_list& inputs) {
    WidenArgs args{};
    args.y = floats(inputs[0]);
    args.x = floats(inputs[1]);
    args.post = floats(inputs[2]);
    args.comb = floats(inputs[3]);
    args.width = inputs[1].size(2);
    return args;
  }
};

}  // namespace

FusedMix fused_mix(const at::Tensor& x, const at::Tensor& fn, const at::Tensor& base,
                   const at::Tensor& scale, const FusedMixOptions& options) {
  const variable_list parts =
      MixNode::apply(x.contiguous(), fn.contiguous(), base.contiguous(), scale.contiguous(),
                     options.rounds, options.norm_epsilon, options.epsilon);
  return {parts[0], parts[1], parts[2]};
}

at::Tensor fused_narrow(const at::Tensor& x, const at::Tensor& pre) {
  return Narrow::apply(x.contiguous(), pre.contiguous());
}

at::Tensor fused_widen(const at::Tensor& y, const at::Tensor& x, const at::Tensor& post,
                       const at::Tensor& comb) {
  return Widen::apply(y.contiguous(), x.contiguous(), post.contiguous(), comb.contiguous());
}

}  // namespace hadal
