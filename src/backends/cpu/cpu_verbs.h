// SPDX-License-Identifier: MIT
// CpuOps: what the families of verbs share.  A verb's function checks shapes and splits the work;
// the kernels compute.
//
//   dense.cpp  rotation.cpp  rows.cpp  index.cpp  experts.cpp  streams.cpp  pictures.cpp
//                                                                     the verbs, by family
//   products.cpp  bf16_products.cpp  int8_products.cpp  tile_products.cpp     products on the pool
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "backends/cpu/bf16.h"
#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/int8.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/row_kernels.h"
#include "backends/cpu/stream_kernels.h"
#include "backends/cpu/tiles.h"
#include "base/thread_pool.h"
#include "ops/ops.h"

namespace hadal::cpu {

// Scratch of one thread, kept between calls so that the step path does not allocate.
class Workspace {
 public:
  // kernel: lent to kernels; dense: rows of rare formats; first, second: the verb's own.
  enum Slot { kernel, dense, first, second, kSlots };

  float* floats(Slot slot, int64_t count);
  // The same memory as bytes that begin at a line of the cache (64 bytes).
  uint8_t* lines(Slot slot, int64_t bytes);
  std::vector<const float*> pointers;
  std::vector<const uint8_t*> rows;  // of a pool
  std::vector<int64_t> ids;
  std::vector<float> values;

 private:
  Tensor slots_[kSlots];
};
Workspace& workspace();

// i64 or i32.
inline int64_t index_at(const Tensor& ids, int64_t i) {
  return ids.dtype() == DType::i32 ? ids.data<int32_t>()[i] : ids.data<int64_t>()[i];
}

// The weight as kernels read it.  Nothing for a layout that they do not know (scales of other
// types, blocks that are not whole registers): such rows are decoded by ops/weight_rows.h.
std::optional<Matrix> matrix_of(const Weight& weight);

// Rows of x that meet a matrix together: row t is first_row + t·row_step, or index[t].
struct RowGroup {
  int64_t rows = 0;
  int64_t first_row = 0, row_step = 1;
  const int64_t* index = nullptr;
};

// Rows of x as products with a weight want them: copied for packed FP4, for BF16, for eight bits
// and for tiles.
struct ProductRows {
  Rows rows;
  std::optional<Int8Rows> whole = {};   // in eight bits, instead of `rows`
  std::optional<Bf16Rows> halves = {};  // in BF16, instead of `rows`
  std::vector<TileRows> tiles = {};     // of each group, instead of `rows`
  std::vector<RowGroup> groups = {{}};  // the first begins at row 0 where nothing else was said
  std::vector<Tensor> held = {};        // the copies
};

// A part of a product: outputs [first, last) of some of the rows of a group.
struct Piece {
  int64_t first = 0, last = 0;
  int64_t rows = 0;
  size_t group = 0;
  int64_t first_row = 0;  // of the group
  Rows out;               // at output `first`
  bool add = false;
  // What this thread multiplies with next, from output `next_first` on, where it is known.
  const Weight* next = nullptr;
  int64_t next_first = 0;
};

// What is read after a piece; nulls where that is not known.
NextWeights next_of_piece(const Piece& piece);
// The rows of a piece, whose group begins elsewhere.
RowGroup rows_of_piece(const ProductRows& x, const Piece& piece);

class CpuOps final : public Ops {
 public:
  CpuOps(const CpuOptions& options, InstructionSet set);
  std::string_view name() const override { return name_; }
  using Ops::prepare;
  // In the fast mode: a weight whose tiles do not fill E4M3's range stays exact.
  Weight prepare(const Weight& weight) override;

  Tensor embed(const Weight& table, const Tensor& ids) override;
  Tensor linear(const Tensor& x, const Weight& w) override;
  Tensor linear_grouped(const Tensor& x, const Weight& w, int64_t groups) override;
  Tensor rms_norm(const Tensor& x, const Tensor& weight, float epsilon) override;
  Tensor rope(const Tensor& x, const Tensor& positions, const RopeTable& table, Turn turn) override;
  Tensor swiglu(const Tensor& gate, const Tensor& up, float limit) override;
  Tensor hadamard(const Tensor& x) override;
  Tensor round_to(const Tensor& x, RowFormat format, int64_t tail) override;
  Tensor add(const Tensor& a, const Tensor& b) override;
  Tensor add_row(const Tensor& x, const Tensor& row) override;
  Tensor silu(const Tensor& x) override;
  Tensor gelu(const Tensor& x) override;
  Tensor take_rows(const Tensor& x, const Tensor& ids) override;

  bool packs(RowFormat format) const override { return format != RowFormat::f32; }
  void write_rows(Tensor& pool, const Tensor& ids, const Tensor& rows) override;
  void keep_rows(Pool& pool, const Tensor& ids, const Tensor& rows) override;
  Tensor blend(const Tensor& values, const Tensor& scores, const Tensor& ids,
               int64_t width) override;
  Tensor score(const Tensor& q, const Tensor& w, const Pool& keys, const Tensor& first,
               const Tensor& count, float scale) override;
  Tensor candidates(const Tensor& scores, const Tensor& count, int64_t block,
                    int64_t keep) override;
  Tensor mask_scores(const Tensor& scores, const Tensor& kept, int64_t block) override;
  Tensor pick(const Tensor& scores, const Tensor& first, int64_t limit) override;
  IndexChoice choose_entries(const IndexQuery& query, const Pool& keys) override;
  Tensor attend(const Tensor& q, const Sight& window, const Sight& compressed, const Tensor& sink,
                float scale) override;

  Routes route(const Tensor& logits, const Tensor& bias, const RouterOptions& options) override;
  Routes route_by_table(const Tensor& logits, const Tensor& table, const Tensor& ids,
                        const RouterOptions& options) override;
  Tensor experts(const Tensor& x, const Routes& routes, const ExpertWeights& weights, float limit,
                 RowFormat hidden) override;

  Tensor spread(const Tensor& x, int64_t streams) override;
  Mix mix(const Tensor& x, const MixWeights& weights, const MixOptions& options) override;
  Tensor mix_head(const Tensor& x, const MixWeights& weights, const MixOptions& options) override;
  Tensor narrow(const Tensor& x, const Tensor& pre) override;
  Tensor widen(const Tensor& y, const Tensor& x, const Tensor& post, const Tensor& comb) override;
  Tensor engram(const Tensor& x, const Tensor& kv, const Tensor& q_weight, const Tensor& k_weight,
                const Tensor& dead, float epsilon) override;

  Tensor convolve(const Tensor& x, const Weight& w, const Tensor& bias) override;
  Tensor space_to_depth(const Tensor& x, int64_t block) override;
  Tensor depth_to_space(const Tensor& x, int64_t block) override;
  Tensor squash(const Tensor& x, int64_t levels) override;
  Tensor attend_all(const Tensor& q, const Tensor& keys, const Tensor& values, const Tensor& first,
                    const Tensor& count, float scale) override;

 private:
  // ---- splitting

  // work(begin, end) over rows; on the caller when rows · cost is not worth waking threads.  Cost
  // is in simple operations on floats.
  template <typename Work>
  void split_rows(int64_t rows, int64_t cost, const Work& work) {
    if (rows == 0) return;
    if (rows * cost < kCostWorthThreads) return work(0, rows);
    pool_.split(rows, 1, work);
  }
  // work(unit), one by one to who is free: units that grow along a sequence stay balanced.
  template <typename Work>
  void deal(int64_t units, int64_t cost, const Work& work) {
    if (units * cost >= kCostWorthThreads) return pool_.run(units, work);
    for (int64_t unit = 0; unit < units; ++unit) work(unit);
  }
  // A wake-up costs five to ten microseconds; so many operations take about as long (sweep in
  // bench/README.md, On Zen 5).
  static constexpr int64_t kCostWorthThreads = 1 << 18;

  // out[i] = function(x[i]), for functions that are worth an exponential.
  template <typename Function>
  Tensor map(const Tensor& x, Function function) {
    const Tensor out = Tensor::empty(DType::f32, x.shape());
    const float* in = x.data<float>();
    float* to = out.data<float>();
    split_rows(x.count(), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = function(in[i]);
    });
    return out;
  }

  // work(first, last) over a matrix's outputs, whose borders are whole tiles of every kernel.
  template <typename Work>
  void split_outputs(int64_t outputs, int64_t cost, const Work& work) {
    if (outputs * cost < kCostWorthThreads) return work(0, outputs);
    pool_.split(outputs, 32, work);
  }

  // ---- products (products.cpp)

  ProductRows product_rows(const Weight& weight, const float* x, int64_t rows);
  // Of groups of the `rows` rows: pieces name one of them.
  ProductRows product_rows(const Weight& weight, const float* x, int64_t rows,
                           std::vector<RowGroup> groups);
  void pack_rows(const float* x, int64_t rows, int64_t width, float* out, int64_t stride);
  // Products in BF16 (bf16_products.cpp).  Nothing where this weight or these rows need f32.
  bool takes_bf16(const Weight& weight) const;
  std::optional<ProductRows> bf16_rows(const Weight& weight, const float* x, int64_t rows);
  void multiply_bf16_here(const Weight& weight, const ProductRows& x, const Piece& piece) const;
  // Exact products in tiles (tile_products.cpp).
  bool takes_tiles(const Weight& weight) const;
  ProductRows tile_rows(const Weight& weight, const float* x, int64_t rows,
                        const std::vector<RowGroup>& groups);
  std::optional<Tensor> split_columns(const float* x, int64_t rows, int64_t width, Format format,
                                      int64_t planes);
  ProductRows joined_columns(const Tensor& columns, const std::vector<RowGroup>& groups);
  void multiply_tiles_here(const Weight& weight, const ProductRows& x, const Piece& piece) const;
  // The fast mode's products (int8_products.cpp).
  bool rounds_to_int8(const Weight& weight) const;
  ProductRows int8_rows(const Weight& weight, const float* x, int64_t rows);
  void multiply_int8_here(const Weight& weight, const ProductRows& x, const Piece& piece) const;
  // A piece on this thread.
  void multiply_here(const Weight& weight, const ProductRows& x, const Piece& piece) const;
  // The same, split over the pool by outputs and rows.
  void multiply(const Weight& weight, const ProductRows& x, const Piece& piece);

  // out[f][y][x] for rows [begin, end) of all frames' rows.
  struct Convolution;
  void convolve_rows(const Convolution& convolution, int64_t begin, int64_t end);

  // ---- families

  void round_rows(float* rows, int64_t count, int64_t width, RowFormat format, int64_t tail) const;
  struct ExpertPass;
  void gate_and_up(const ExpertPass& pass, const ProductRows& x, int64_t first, int64_t last) const;
  void add_down(const ExpertPass& pass, float* out, int64_t first, int64_t last) const;
  void run_experts(ExpertPass& pass, const float* x, float* out);

  // What rope turns by (rotation.cpp): computed, or found.
  struct Turns;
  std::shared_ptr<const Turns> turns_of(const Tensor& positions, const RopeTable& table, Turn turn);

  // μ of §2.1 [T, coefficients].
  Tensor mix_coefficients(const Tensor& x, const Tensor& fn, float epsilon);

  // score() and choose_entries() over packed keys (index.cpp).
  struct KeyScan;
  std::optional<KeyScan> key_scan(const IndexQuery& query, const Pool& keys);
  void scan_tile(KeyScan& scan, int64_t tile, int64_t segment) const;
  void score_floats(const IndexQuery& query, const Pool& keys, int64_t t, int64_t begin,
                    int64_t end, float* out) const;

  const KernelTable& kernels_;
  const AttendKernels& attend_kernels_;
  const ScoreKernels& score_kernels_;
  const StreamKernels& stream_kernels_;
  const Bf16Table* bf16_;   // none where the machine lacks it, or has tiles
  const TileTable* tiles_;  // none where the machine lacks them
  const Int8Table* int8_;   // none in exact mode, and where the machine lacks it
  std::mutex turns_lock_;
  std::vector<std::shared_ptr<const Turns>> kept_turns_;  // the last used first
  std::unordered_set<const uint8_t*> kept_exact_;         // values of weights that stay so
  ThreadPool pool_;
  std::string name_;
};

}  // namespace hadal::cpu
