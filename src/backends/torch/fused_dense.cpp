// SPDX-License-Identifier: MIT
// Norms, turns, activations and the Engram gate as autograd nodes.
#include "backends/torch/fused.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Norm : Function<Norm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double epsilon) {
    const int64_t width = x.size(-1), rows = x.numel() / std::max<int64_t>(width, 1);
    const at::Tensor out = at::empty_like(x), inverse = at::empty({rows}, x.options());
    NormArgs args{};
    args.x = floats(x);
    args.weight = weight.numel() ? floats(weight) : nullptr;
    args.inverse = floats(inverse);
    args.out = floats(out);
    args.width = width;
    args.epsilon = static_cast<float>(epsilon);
    over_rows(rows, width, [&](int64_t first, int64_t last) { kernels().norm(args, first, last); });
    context->save_for_backward({x, weight, inverse});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &inverse = saved[2];
    const at::Tensor gradient = gradients[0].contiguous(), out = at::empty_like(x);
    NormArgs args{};
    args.x = floats(x);
    args.weight = weight.numel() ? floats(weight) : nullptr;
    args.inverse = floats(inverse);
    args.out = floats(out);
    args.gradient = floats(gradient);
    args.width = x.size(-1);
    const at::Tensor of_weight =
        sum_over_rows(inverse.numel(), args.width, [&](int64_t first, int64_t last, float* sum) {
          NormArgs chunk = args;
          chunk.weight_gradient = args.weight ? sum : nullptr;
          kernels().norm_back(chunk, first, last);
        });
    return {out, args.weight ? of_weight : at::Tensor(), at::Tensor()};
  }
};

// The way back of a turn is the turn the other way.
struct TurnNode : Function<TurnNode> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& cosine,
                            const at::Tensor& sine) {
    context->save_for_backward({cosine, sine});
    return turned(x, cosine, sine);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    return {turned(gradients[0].contiguous(), saved[0], saved[1].neg()), at::Tensor(),
            at::Tensor()};
  }

  static at::Tensor turned(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
    const at::Tensor out = at::empty_like(x);
    TurnArgs args{};
    args.x = floats(x);
    args.out = floats(out);
    args.cosine = floats(cosine);
    args.sine = floats(sine);
    args.width = x.size(-1);
    args.heads = x.dim() == 3 ? x.size(1) : 1;
    args.tail = cosine.size(1);
    over_rows(x.size(0), args.heads * args.width,
              [&](int64_t first, int64_t last) { kernels().turn(args, first, last); });
    return out;
  }
};

struct Swiglu : Function<Swiglu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            double limit) {
    const at::Tensor out = at::empty_like(gate);
    SwigluArgs args = swiglu_args(gate, up, limit);
    args.out = floats(out);
    over_rows(gate.numel() / kGroup + 1, kGroup, [&](int64_t first, int64_t last) {
      kernels().swiglu(args, first * kGroup, std::min(last * kGroup, gate.numel()));
    });
    context->save_for_backward({gate, up});
    context->saved_data["limit"] = limit;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor of_gate = at::empty_like(saved[0]), of_up = at::empty_like(saved[1]);
    SwigluArgs args = swiglu_args(saved[0], saved[1], context->saved_data["limit"].toDouble());
    args.gradient = floats(gradient);
    args.gate_gradient = floats(of_gate);
    args.up_gradient = floats(of_up);
    over_rows(gradient.numel() / kGroup + 1, kGroup, [&](int64_t first, int64_t last) {
      kernels().swiglu_back(args, first * kGroup, std::min(last * kGroup, gradient.numel()));
    });
    return {of_gate, of_up, at::Tensor()};
  }
};

struct Engram : Function<Engram> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& kv,
                            const at::Tensor& weight, const at::Tensor& dead, double epsilon) {
    const at::Tensor out = at::empty_like(x);
    const at::Tensor gates = at::empty({x.size(0), x.size(1), 4}, x.options());
    EngramArgs args = arguments(x, kv, weight, gates);
    args.dead = dead.numel() ? dead.data_ptr<uint8_t>() : nullptr;
    args.out = floats(out);
    args.epsilon = static_cast<float>(epsilon);
    over_rows(x.size(0), args.streams * args.width,
              [&](int64_t first, int64_t last) { kernels().engram(args, first, last); });
    context->save_for_backward({x, kv, weight, gates});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor of_x = at::empty_like(saved[0]), of_kv = at::empty_like(saved[1]);
    EngramArgs args = arguments(saved[0], saved[1], saved[2], saved[3]);
    args.gradient = floats(gradient);
    args.out = floats(of_x);
    args.kv_gradient = floats(of_kv);
    const at::Tensor of_weight = sum_over_rows(saved[0].size(0), args.streams * args.width,
                                               [&](int64_t first, int64_t last, float* sum) {
                                                 EngramArgs chunk = args;
                                                 chunk.weight_gradient = sum;
                                                 kernels().engram_back(chunk, first, last);
                                               });
    return {of_x, of_kv, of_weight.view(saved[2].sizes()), at::Tensor(), at::Tensor()};
  }

  static EngramArgs arguments(const at::Tensor& x, const at::Tensor& kv, const at::Tensor& weight,
                              const at::Tensor& gates) {
    EngramArgs args{};
    args.x = floats(x);
    args.kv = floats(kv);
    args.weight = floats(weight);
    args.gates = floats(gates);
    args.streams = x.size(1);
    args.width = x.size(2);
    return args;
  }
};

}  // namespace

at::Tensor fused_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  return Norm::apply(x.contiguous(), or_empty(weight, at::kFloat), epsilon);
}

at::Tensor fused_turn(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  return TurnNode::apply(x.contiguous(), cosine, sine);
}

at::Tensor fused_swiglu(const at::Tensor& gate, const at::Tensor& up, double limit) {
  return Swiglu::apply(gate.contiguous(), up.contiguous(), limit);
}

at::Tensor fused_engram(const at::Tensor& x, const at::Tensor& kv, const at::Tensor& weight,
                        const at::Tensor& dead, double epsilon) {
  return Engram::apply(x.contiguous(), kv.contiguous(), weight.contiguous(),
                       or_empty(dead, at::kByte), epsilon);
}

}  // namespace hadal
