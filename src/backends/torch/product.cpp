// SPDX-License-Identifier: MIT
// Which way a product takes, and linear layers as autograd nodes.
#include "backends/torch/product.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "backends/torch/kernels.h"
#include "backends/torch/split_product.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t kSmall = 1 << 14;  // products of fewer factors are not worth a tile's setting up

// The system must be asked before the first tile: their registers are large.
bool has_tiles() {
#ifdef HADAL_TORCH_X86_64_LEVELS
  constexpr int64_t kAskPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  const char* asked = std::getenv("HADAL_TORCH_KERNELS");
  return asked && std::string_view(asked) == "amx" && std::string_view(kernels().name) == "v4" &&
         __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("amx-bf16") &&
         syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool lies_in_steps(const at::Tensor& matrix) {
  return matrix.stride(0) == 1 || matrix.stride(1) == 1;
}

bool takes_tiles(const at::Tensor& a, const at::Tensor& b) {
  static const bool has = has_tiles();
  return has && a.is_cpu() && a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat &&
         lies_in_steps(a) && lies_in_steps(b) && a.size(0) * a.size(1) * b.size(1) >= kSmall;
}

SplitFactor factor(const at::Tensor& matrix) {
  return {matrix.data_ptr<float>(), matrix.stride(0), matrix.stride(1)};
}

// Memory for packed factors, of at least `bytes` from a multiple of 64 on.
struct Scratch {
  explicit Scratch(int64_t bytes) : bytes_(at::empty({bytes + 64}, at::kByte)) {}
  uint8_t* begin() const {
    uint8_t* const data = bytes_.data_ptr<uint8_t>();
    return data + (64 - reinterpret_cast<uintptr_t>(data) % 64) % 64;
  }

 private:
  at::Tensor bytes_;
};

void multiply_tiles(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, bool add,
                    bool coarse, const Scratch& scratch) {
  multiply_split({factor(a), factor(b), out.data_ptr<float>(), out.stride(0), a.size(0), b.size(1),
                  a.size(1), add, coarse, scratch.begin()});
}

struct Linear : Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& w) {
    context->save_for_backward({x, w});
    return product(x, w.t());
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& gradient = gradients[0];
    variable_list all(2);
    if (context->needs_input_grad(0)) all[0] = product(gradient, saved[1]);
    if (context->needs_input_grad(1)) all[1] = product(gradient.t(), saved[0]);
    return all;
  }
};

}  // namespace

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (!takes_tiles(a, b)) return at::mm(a, b);
  const at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  product_into(out, a, b);
  return out;
}

void product_into(const at::Tensor& out_MN, const at::Tensor& a, const at::Tensor& b, bool add) {
  at::Tensor out = out_MN;
  if (takes_tiles(a, b))
    multiply_tiles(out, a, b, add, false, Scratch(split_scratch(b.size(1), a.size(1))));
  else if (add)
    out.addmm_(a, b);
  else
    at::mm_out(out, a, b);
}

at::Tensor products(const at::Tensor& a, const at::Tensor& b, bool coarse) {
  if (a.size(0) == 0 || !takes_tiles(a[0], b[0])) return at::bmm(a, b);
  const at::Tensor out = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  const Scratch scratch(split_scratch(b.size(2), a.size(2)));
  for (int64_t i = 0; i < a.size(0); ++i)
    multiply_tiles(out[i], a[i], b[i], false, coarse, scratch);
  return out;
}

at::Tensor fused_linear(const at::Tensor& x, const at::Tensor& w) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = w.size(0);
  return Linear::apply(x.reshape({-1, x.size(-1)}), w).view(shape);
}

}  // namespace hadal
