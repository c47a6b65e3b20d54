// SPDX-License-Identifier: MIT
// Convolution as an autograd node: gathered neighbours times a matrix.  Neighbours are gathered
// again on the way back: k·k times the memory of the pixels would not stay in any cache.
#include <cstring>

#include "backends/torch/fused.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Grid {
  int64_t height, width, channels, side;

  explicit Grid(const at::Tensor& x, int64_t side_)
      : height(x.size(1)), width(x.size(2)), channels(x.size(3)), side(side_) {}
  int64_t pixels() const { return height * width; }

  // visit(place in the patch, pixel of the frame) for the neighbours of pixel (y, x), row by row.
  template <typename Visit>
  void neighbours(int64_t y, int64_t x, const Visit& visit) const {
    for (int64_t j = 0; j < side * side; ++j) {
      const int64_t row = std::clamp(y + j / side - side / 2, int64_t{0}, height - 1);
      const int64_t column = std::clamp(x + j % side - side / 2, int64_t{0}, width - 1);
      visit(j * channels, (row * width + column) * channels);
    }
  }
};

// [F·Y·X, side·side·C]
at::Tensor gathered(const at::Tensor& x, const Grid& grid) {
  const int64_t inputs = grid.side * grid.side * grid.channels;
  const at::Tensor patches = at::empty({x.size(0) * grid.pixels(), inputs}, x.options());
  over_rows(patches.size(0), inputs, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t frame = i / grid.pixels(), pixel = i % grid.pixels();
      const float* from = floats(x) + frame * grid.pixels() * grid.channels;
      float* patch = floats(patches) + i * inputs;
      grid.neighbours(pixel / grid.width, pixel % grid.width, [&](int64_t to, int64_t at) {
        std::memcpy(patch + to, from + at, static_cast<size_t>(grid.channels) * sizeof(float));
      });
    }
  });
  return patches;
}

// The way back of `gathered`: a frame a thread, so that sums have one order.
void add_scattered(const at::Tensor& patches, const Grid& grid, const at::Tensor& out) {
  const int64_t inputs = patches.size(1);
  at::parallel_for(0, out.size(0), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first * grid.pixels(); i < last * grid.pixels(); ++i) {
      const int64_t frame = i / grid.pixels(), pixel = i % grid.pixels();
      float* to = floats(out) + frame * grid.pixels() * grid.channels;
      const float* patch = floats(patches) + i * inputs;
      grid.neighbours(pixel / grid.width, pixel % grid.width, [&](int64_t from, int64_t at) {
        for (int64_t c = 0; c < grid.channels; ++c) to[at + c] += patch[from + c];
      });
    }
  });
}

struct Convolve : Function<Convolve> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& w,
                            int64_t side) {
    context->save_for_backward({x, w});
    context->saved_data["side"] = side;
    return at::mm(gathered(x, Grid(x, side)), w.t())
        .view({x.size(0), x.size(1), x.size(2), w.size(0)});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1];
    const Grid grid(x, context->saved_data["side"].toInt());
    const at::Tensor gradient = gradients[0].reshape({-1, w.size(0)});
    const at::Tensor of_w = at::mm(gradient.t(), gathered(x, grid));
    if (!context->needs_input_grad(0)) return {at::Tensor(), of_w, at::Tensor()};
    const at::Tensor of_x = at::zeros_like(x);
    add_scattered(at::mm(gradient, w), grid, of_x);
    return {of_x, of_w, at::Tensor()};
  }
};

}  // namespace

at::Tensor fused_convolve(const at::Tensor& x_FYXC, const at::Tensor& w, int64_t side) {
  return Convolve::apply(x_FYXC.contiguous(), w.contiguous(), side);
}

}  // namespace hadal
