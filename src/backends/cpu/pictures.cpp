// SPDX-License-Identifier: MIT
// Verbs over pixels: convolution as products over gathered neighbours, attention both ways as two
// products around a softmax.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {
namespace {

// Pixels that are gathered and multiplied together: enough to use a decoded panel of weights
// often, few enough to stay in the second-level cache.
constexpr int64_t kPixelsPerPass = 128;
// Queries of one head that are multiplied together.
constexpr int64_t kQueriesPerPass = 64;

int64_t kernel_side(int64_t inputs, int64_t channels) {
  const int64_t side =
      std::lround(std::sqrt(static_cast<double>(inputs / std::max<int64_t>(channels, 1))));
  CHECK(side % 2 == 1 && side * side * channels == inputs, inputs, " inputs over ", channels,
        " channels");
  return side;
}

void softmax(float* scores, int64_t count, float scale) {
  float top = scores[0];
  for (int64_t i = 1; i < count; ++i) top = std::max(top, scores[i]);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    scores[i] = std::exp(scale * (scores[i] - top));
    sum += scores[i];
  }
  const float inverse = static_cast<float>(1.0 / sum);
  for (int64_t i = 0; i < count; ++i) scores[i] *= inverse;
}

// The pixels of `wide` [F, Y, X, C] in the order of `deep`, whose cells are block·block of them:
// runs of `block` pixels are whole in both.
template <typename Copy>
void over_runs(const Shape& wide, int64_t block, const Copy& copy) {
  const int64_t cells = wide[2] / block, run = block * wide[3];
  for (int64_t row = 0; row < wide[0] * wide[1]; ++row) {
    const int64_t deep_row = row / block, inner = row % block;
    for (int64_t cell = 0; cell < cells; ++cell)
      copy((row * cells + cell) * run, ((deep_row * cells + cell) * block + inner) * run, run);
  }
}

}  // namespace

struct CpuOps::Convolution {
  const Tensor& x;
  const Weight& w;
  const float* bias;
  int64_t side;
  float* out;
};

void CpuOps::convolve_rows(const Convolution& c, int64_t begin, int64_t end) {
  const int64_t height = c.x.size(1), width = c.x.size(2), channels = c.x.size(3);
  const int64_t inputs = c.w.inputs(), outputs = c.w.outputs();
  const size_t pixel_bytes = static_cast<size_t>(channels) * sizeof(float);
  float* patches = workspace().floats(Workspace::first, kPixelsPerPass * inputs);
  for (int64_t pixel = begin; pixel < end; pixel += kPixelsPerPass) {
    const int64_t count = std::min(kPixelsPerPass, end - pixel);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t x = (pixel + i) % width, row = (pixel + i) / width;
      const int64_t y = row % height, frame = row - y;  // rows before this frame
      float* patch = patches + i * inputs;
      for (int64_t j = 0; j < c.side * c.side; ++j) {
        const int64_t from_y = std::clamp(y + j / c.side - c.side / 2, int64_t{0}, height - 1);
        const int64_t from_x = std::clamp(x + j % c.side - c.side / 2, int64_t{0}, width - 1);
        std::memcpy(patch + j * channels,
                    c.x.data<float>() + ((frame + from_y) * width + from_x) * channels,
                    pixel_bytes);
      }
    }
    float* out = c.out + pixel * outputs;
    multiply_here(c.w, {.rows = {patches, inputs, nullptr}, .whole = {}},
                  {.last = outputs, .rows = count, .out = {out, outputs, nullptr}});
    if (c.bias != nullptr)
      for (int64_t i = 0; i < count; ++i)
        kernels_.add(out + i * outputs, c.bias, outputs, out + i * outputs);
  }
}

Tensor CpuOps::convolve(const Tensor& x, const Weight& w, const Tensor& bias) {
  CHECK(!w.packed_fp4(), "convolution with FP4 weights");
  const int64_t side = kernel_side(w.inputs(), x.size(3)), outputs = w.outputs();
  const Tensor out = Tensor::empty(DType::f32, {x.size(0), x.size(1), x.size(2), outputs});
  const Convolution convolution{x, w, bias.defined() ? bias.data<float>() : nullptr, side,
                                out.data<float>()};
  split_rows(x.size(0) * x.size(1) * x.size(2), w.inputs() * outputs,
             [&](int64_t begin, int64_t end) { convolve_rows(convolution, begin, end); });
  return out;
}

Tensor CpuOps::space_to_depth(const Tensor& x, int64_t block) {
  CHECK(x.size(1) % block == 0 && x.size(2) % block == 0, shape_text(x.shape()), " by ", block);
  const Tensor out = Tensor::empty(
      DType::f32, {x.size(0), x.size(1) / block, x.size(2) / block, block * block * x.size(3)});
  over_runs(x.shape(), block, [&](int64_t wide, int64_t deep, int64_t run) {
    std::copy_n(x.data<float>() + wide, run, out.data<float>() + deep);
  });
  return out;
}

Tensor CpuOps::depth_to_space(const Tensor& x, int64_t block) {
  CHECK(x.size(3) % (block * block) == 0, shape_text(x.shape()), " by ", block);
  const Tensor out = Tensor::empty(
      DType::f32, {x.size(0), x.size(1) * block, x.size(2) * block, x.size(3) / (block * block)});
  over_runs(out.shape(), block, [&](int64_t wide, int64_t deep, int64_t run) {
    std::copy_n(x.data<float>() + deep, run, out.data<float>() + wide);
  });
  return out;
}

Tensor CpuOps::squash(const Tensor& x, int64_t levels) {
  const float steps = static_cast<float>(levels);
  return map(x, [=](float v) {
    const float u = 1.0f / (1.0f + std::exp(-1.6f * v));
    if (levels == 0) return 2 * u - 1;
    return 2 * (std::min(std::floor(u * steps), steps - 1) + 0.5f) / steps - 1;
  });
}

Tensor CpuOps::attend_all(const Tensor& q, const Tensor& keys, const Tensor& values,
                          const Tensor& first, const Tensor& count, float scale) {
  const int64_t tokens = q.size(0), heads = q.size(1), width = q.size(2),
                out_width = values.size(2);
  const Tensor out = Tensor::zeros(DType::f32, {tokens, heads, out_width});
  // Runs of queries that see the same rows.
  std::vector<int64_t> starts;
  for (int64_t t = 0; t < tokens; ++t)
    if (t == 0 || t - starts.back() == kQueriesPerPass ||
        index_at(first, t) != index_at(first, t - 1) ||
        index_at(count, t) != index_at(count, t - 1))
      starts.push_back(t);
  starts.push_back(tokens);
  const int64_t runs = static_cast<int64_t>(starts.size()) - 1;
  // Values are turned once a head: as a matrix of outputs × rows, products read them in order.
  const int64_t rows = values.size(0);
  const Tensor turned = Tensor::empty(DType::f32, {heads, out_width, rows});
  split_rows(heads * out_width, rows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t r = 0; r < rows; ++r)
        turned.data<float>()[i * rows + r] = values.data<float>()[r * heads * out_width + i];
  });
  deal(heads * runs, kQueriesPerPass * rows * width, [&](int64_t unit) {
    const int64_t h = unit % heads, begin = starts[static_cast<size_t>(unit / heads)];
    const int64_t queries = starts[static_cast<size_t>(unit / heads) + 1] - begin;
    const int64_t from = index_at(first, begin), seen = index_at(count, begin);
    if (seen == 0) return;
    CHECK(from >= 0 && from + seen <= rows, "rows ", from, " + ", seen, " of ", rows);
    const int64_t row_floats = heads * width;
    float* scores = workspace().floats(Workspace::first, queries * seen);
    const auto matrix = [](const float* at, int64_t stride, int64_t inputs) {
      return Matrix{Format::f32, reinterpret_cast<const uint8_t*>(at),
                    stride * static_cast<int64_t>(sizeof(float)), inputs};
    };
    float* scratch =
        workspace().floats(Workspace::kernel, kernels_.product_scratch(std::max(width, seen)));
    float* query = const_cast<float*>(q.data<float>()) + begin * row_floats + h * width;
    kernels_.product(
        {.matrix = matrix(keys.data<float>() + from * row_floats + h * width, row_floats, width),
         .first = 0,
         .last = seen,
         .x = {query, row_floats, nullptr},
         .out = {scores, seen, nullptr},
         .rows = queries},
        scratch);
    for (int64_t t = 0; t < queries; ++t) softmax(scores + t * seen, seen, scale);
    kernels_.product(
        {.matrix = matrix(turned.data<float>() + h * out_width * rows + from, rows, seen),
         .first = 0,
         .last = out_width,
         .x = {scores, seen, nullptr},
         .out = {out.data<float>() + begin * heads * out_width + h * out_width, heads * out_width,
                 nullptr},
         .rows = queries},
        scratch);
  });
  return out;
}

}  // namespace hadal::cpu
