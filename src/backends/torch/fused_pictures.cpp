// SPDX-License-Identifier: MIT
// Convolution as an autograd node: gathered neighbours times a matrix, some pixels at a time, so
// that the neighbours, k·k times the memory of the pixels, are written and read in the core's own
// cache. They are gathered again on the way back.
#include <cstring>

#include "backends/torch/fused.h"
#include "backends/torch/product.h"

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
  int64_t inputs() const { return side * side * channels; }

  // visit(place in the patch, place in the frame, floats) for the neighbours of pixel (y, x), row
  // by row; inside a frame the pixels of a row lie together.
  template <typename Visit>
  void neighbours(int64_t y, int64_t x, const Visit& visit) const {
    const int64_t half = side / 2;
    const bool inside = x >= half && x + half < width;
    for (int64_t j = 0; j < side; ++j) {
      const int64_t row = std::clamp(y + j - half, int64_t{0}, height - 1) * width;
      if (inside) {
        visit(j * side * channels, (row + x - half) * channels, side * channels);
        continue;
      }
      for (int64_t i = 0; i < side; ++i) {
        const int64_t column = std::clamp(x + i - half, int64_t{0}, width - 1);
        visit((j * side + i) * channels, (row + column) * channels, channels);
      }
    }
  }
};

// Pixels that are gathered and multiplied together: half a megabyte of neighbours at 100 channels.
constexpr int64_t kPixelsTogether = 128;

// Neighbours of pixels first … last-1 of all frames into the rows of `patches`.
void gather(const at::Tensor& x, const Grid& grid, int64_t first, int64_t last,
            const at::Tensor& patches) {
  for (int64_t i = first; i < last; ++i) {
    const int64_t frame = i / grid.pixels(), pixel = i % grid.pixels();
    const float* from = floats(x) + frame * grid.pixels() * grid.channels;
    float* patch = floats(patches) + (i - first) * grid.inputs();
    grid.neighbours(
        pixel / grid.width, pixel % grid.width, [&](int64_t to, int64_t at, int64_t count) {
          std::memcpy(patch + to, from + at, static_cast<size_t>(count) * sizeof(float));
        });
  }
}

// The way back: rows of `patches` added to the pixels that they came from.
void scatter(const at::Tensor& patches, const Grid& grid, int64_t first, int64_t last,
             const at::Tensor& out) {
  for (int64_t i = first; i < last; ++i) {
    const int64_t frame = i / grid.pixels(), pixel = i % grid.pixels();
    float* to = floats(out) + frame * grid.pixels() * grid.channels;
    const float* patch = floats(patches) + (i - first) * grid.inputs();
    grid.neighbours(pixel / grid.width, pixel % grid.width,
                    [&](int64_t from, int64_t at, int64_t count) {
                      float* __restrict sum = to + at;
                      const float* __restrict part = patch + from;
                      for (int64_t c = 0; c < count; ++c) sum[c] += part[c];
                    });
  }
}

// step(first pixel, last pixel, scratch for their neighbours), in order.
template <typename Step>
void over_pixels(const at::Tensor& x, const Grid& grid, int64_t begin, int64_t end,
                 const Step& step) {
  at::Tensor patches = at::empty({kPixelsTogether, grid.inputs()}, x.options());
  for (int64_t first = begin; first < end; first += kPixelsTogether) {
    const int64_t last = std::min(first + kPixelsTogether, end);
    step(first, last, patches.narrow(0, 0, last - first));
  }
}

struct Convolve : Function<Convolve> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& w,
                            int64_t side) {
    context->save_for_backward({x, w});
    context->saved_data["side"] = side;
    const Grid grid(x, side);
    at::Tensor out = at::empty({x.size(0) * grid.pixels(), w.size(0)}, x.options());
    const at::Tensor turned = w.t();
    // Runs of pixels are the same for any number of threads, and so are the bits.
    const int64_t runs = (out.size(0) + kPixelsTogether - 1) / kPixelsTogether;
    at::parallel_for(0, runs, 1, [&](int64_t begin, int64_t end) {
      at::NoGradGuard no_gradients;
      over_pixels(x, grid, begin * kPixelsTogether, std::min(end * kPixelsTogether, out.size(0)),
                  [&](int64_t first, int64_t last, const at::Tensor& patches) {
                    gather(x, grid, first, last, patches);
                    product_into(out.narrow(0, first, last - first), patches, turned);
                  });
    });
    return out.view({x.size(0), x.size(1), x.size(2), w.size(0)});
  }

  // The matrix's gradient is summed pixels after pixels, so that it has the same bits for any
  // number of threads; the pixels' is a frame a thread, for the same reason.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1];
    const Grid grid(x, context->saved_data["side"].toInt());
    const at::Tensor gradient = gradients[0].reshape({-1, w.size(0)});
    at::Tensor of_w = at::zeros_like(w);
    over_pixels(x, grid, 0, gradient.size(0),
                [&](int64_t first, int64_t last, const at::Tensor& patches) {
                  gather(x, grid, first, last, patches);
                  product_into(of_w, gradient.narrow(0, first, last - first).t(), patches,
                               /*add=*/true);
                });
    if (!context->needs_input_grad(0)) return {at::Tensor(), of_w, at::Tensor()};
    const at::Tensor of_x = at::zeros_like(x);
    at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
      at::NoGradGuard no_gradients;
      for (int64_t frame = begin; frame < end; ++frame)
        over_pixels(x, grid, frame * grid.pixels(), (frame + 1) * grid.pixels(),
                    [&](int64_t first, int64_t last, const at::Tensor& patches) {
                      product_into(patches, gradient.narrow(0, first, last - first), w);
                      scatter(patches, grid, first, last, of_x);
                    });
    });
    return {of_x, of_w, at::Tensor()};
  }
};

}  // namespace

at::Tensor fused_convolve(const at::Tensor& x_FYXC, const at::Tensor& w, int64_t side) {
  return Convolve::apply(x_FYXC.contiguous(), w.contiguous(), side);
}

}  // namespace hadal
