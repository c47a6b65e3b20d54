// SPDX-License-Identifier: MIT
// The contract: every verb that the model is written in.  What a verb means is reference.cpp;
// a back end derives from Ops and only makes verbs fast (or differentiable).
//
// Names carry shapes:
//   T rows (tokens of a ragged batch)   D model width      S residual streams
//   H heads                             K head width       R rows of a pool
//   E experts   N picks or entries      O, I output, input width   G groups
//   F frames    Y, X height and width in pixels                    C channels of a pixel
//
// What always holds
//   Activations are f32.  Row-major.  Indices are i64 and live in host memory or on the device;
//   -1 means "nothing".  A verb never changes its arguments, except write_rows.
//   Each output row depends on its own input rows only, and is summed in an order that does not
//   depend on how many other rows are in the call: that is what makes prefill = decode and
//   batch = alone hold bit for bit on the CPU.
//   Shapes were proven when the weights were loaded and the batch was planned: a wrong one is a
//   bug and meets a CHECK.
//
// Sources: model-spec sections are quoted as §; [M4] [M41] are DeepSeek's inference/model.py of
// V4 and V4.1, [K4] [K41] their kernel.py.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace hadal {

// ---- what verbs are given -----------------------------------------------------------------

// How a row is rounded when it is stored or multiplied (§3.6, §8.3).  Scales are powers of two
// except for fp4_e4m3_16.
enum class RowFormat {
  f32,          // no rounding
  fp8_64_tail,  // E4M3 in blocks of 64, except the last `tail` channels, which stay as they are
  fp8_32,       // E4M3 in blocks of 32
  fp8_128,      // E4M3 in blocks of 128
  fp4_32,       // E2M1 in blocks of 32
  fp4_e4m3_16,  // E2M1 in blocks of 16, the scale itself rounded to E4M3
  fp8_64_bf16,  // as fp8_64_tail, and the tail in BF16
};

// A matrix [O, I] (or a table of rows) as it lies in the checkpoint.
//   f32, bf16, f16   values alone
//   f8_e4m3          value · scale[o / block_rows][i / block_columns], scale E8M0 (or f32)
//   i8               two E2M1 codes a byte, element 2k in the low nibble: values is [O, I/2];
//                    value · scale[o][i / 32]
struct Weight {
  Tensor values;
  Tensor scales;  // empty for plain formats
  int64_t block_rows = 1;
  int64_t block_columns = 1;
  // What is multiplied with it was rounded when it was trained (§8.3): true for a weight that is
  // quantised in its checkpoint, also after a back end has dequantised it.
  bool rounds_inputs = false;

  bool defined() const { return values.defined(); }
  bool quantised() const { return scales.defined(); }
  bool packed_fp4() const { return values.dtype() == DType::i8; }
  int64_t outputs() const { return values.size(0); }
  int64_t inputs() const { return values.size(-1) * (packed_fp4() ? 2 : 1); }
};

// Rotary frequencies (§3.2): the last `width` channels of a head turn, in pairs, by the f32
// product position · frequency.
struct RopeTable {
  Tensor frequencies;  // f32 [width/2]
  int64_t width = 0;
  // Which of a token's positions turns pair i (positions are then [T, A]); empty: the only one.
  std::vector<int64_t> axes = {};
  // Pair i is channels (2i, 2i+1) of the tail, or (i, i + width/2) when halves are paired (§7.3).
  bool paired_halves = false;
};
enum class Turn { forward, back };

// What the rows of a pool are.
struct RowLayout {
  int64_t width = 0;
  RowFormat format = RowFormat::f32;
  int64_t tail = 0;  // of the formats that have one

  bool operator==(const RowLayout&) const = default;
};

// Rows of a cache.  A row is rounded to the layout's format when it is kept; a back end holds it
// packed in that format (u8, ops/packed_rows.h) or as floats of the same values.
struct Pool {
  Tensor rows;  // u8 [R, packed bytes] or f32 [R, K]
  RowLayout layout;

  Pool() = default;
  Pool(const Tensor& plain)  // NOLINT(google-explicit-constructor): any matrix is a pool
      : rows(plain), layout{plain.defined() ? plain.size(-1) : 0} {}
  Pool(Tensor rows_, const RowLayout& layout_) : rows(std::move(rows_)), layout(layout_) {}

  bool defined() const { return rows.defined(); }
  bool packed() const { return rows.defined() && rows.dtype() == DType::u8; }
};

// Rows of a pool that each of T queries looks at.
struct Sight {
  Pool pool;
  Tensor ids_TN;  // i64 rows of it, -1 = nothing; empty when there is nothing to see
};

// What an indexer asks (§3.4, §3.5).  At most one of `keep` and `kept_TB` is set.
struct IndexQuery {
  Tensor q_THK, w_TH;
  Tensor first_T, count_T;  // entries that each query may see: pool rows first[t] + j, j < count[t]
  float scale = 1;
  int64_t limit = 0;  // entries to choose
  int64_t block = 1;  // entries of a candidate block
  int64_t keep = 0;   // above 0: the best so many blocks are asked for, too
  Tensor kept_TB;     // only entries of these blocks may be chosen
};
struct IndexChoice {
  Tensor ids_TN;   // as pick() gives them
  Tensor kept_TB;  // as candidates() gives them, where they were asked for
};

// One router (§4.1).
enum class Scoring { sqrt_softplus, softmax, sigmoid };
struct RouterOptions {
  int64_t experts_per_token = 0;
  Scoring scoring = Scoring::sqrt_softplus;
  bool normalise = true;     // divide by the sum of the chosen
  float weight_epsilon = 0;  // added to that sum: 0 in V4, 1e-20 in V4.1
  float scale = 1;           // multiplies the weights
  float temperature = 1;     // divides the logits
};
struct Routes {
  Tensor ids_TN;      // i64 chosen experts, in descending order of selection score
  Tensor weights_TN;  // f32
};

struct ExpertWeights {
  std::vector<Weight> gate;  // w1 [inter, D], one an expert
  std::vector<Weight> up;    // w3 [inter, D]
  std::vector<Weight> down;  // w2 [D, inter]
};

// Mapping from the streams to their coefficients (§2.1).
struct MixWeights {
  Tensor fn;     // f32 [(2+S)·S, S·D]; for mix_head [S, S·D]
  Tensor base;   // f32 [(2+S)·S]; [S]
  Tensor scale;  // f32 [3]; [1]
};
struct MixOptions {
  int64_t rounds = 20;  // Sinkhorn iterations
  float norm_epsilon = 1e-6f;
  float epsilon = 1e-6f;  // hc_eps
};
struct Mix {
  Tensor pre_TS;    // weights that collapse the streams into the sublayer's input
  Tensor post_TS;   // how much of the output each stream gets
  Tensor comb_TSS;  // [t][j][k]: how much of stream j goes into stream k
};

// ---- the verbs ------------------------------------------------------------------------------

class Ops {
 public:
  virtual ~Ops() = default;
  virtual std::string_view name() const = 0;

  // ---- weights
  // Called once for each weight when a model is loaded: a back end may copy, repack or upload.
  virtual Weight prepare(const Weight& weight) { return weight; }
  virtual Tensor prepare(const Tensor& tensor) { return tensor; }
  // Copies to host memory (a device's results, for the sampler and for tests).
  virtual Tensor to_host(const Tensor& tensor) { return tensor; }
  // Rows for a cache: zero, f32, in the place where the verbs work.
  virtual Tensor make_pool(int64_t rows, int64_t width) {
    return Tensor::zeros(DType::f32, {rows, width});
  }
  // Whether pools of a format are held packed here, instead of as floats.
  virtual bool packs(RowFormat format) const {
    (void)format;
    return false;
  }
  // The same for rows of a format.  Memory is taken where rows are written, not before.
  Pool make_row_pool(int64_t rows, const RowLayout& layout);

  // ---- dense
  // table [V, D], ids [T] -> [T, D];  ids [T, N] -> [T, N·D].  Dequantised, not otherwise rounded.
  virtual Tensor embed(const Weight& table_VD, const Tensor& ids) = 0;
  // x [..., I] · wᵀ -> [..., O].  The format is read from the weight.
  virtual Tensor linear(const Tensor& x, const Weight& w_OI) = 0;
  // x [T, groups·I], w [groups·O, I]: group g of x meets rows g·O.. of w -> [T, groups·O]
  // (§3.1 step 9: consecutive heads form a group).
  virtual Tensor linear_grouped(const Tensor& x, const Weight& w, int64_t groups) = 0;
  // x · rsqrt(mean(x²) + epsilon) · weight over the last axis; an empty weight is all ones.
  virtual Tensor rms_norm(const Tensor& x, const Tensor& weight, float epsilon) = 0;
  // Turns the last `width` channels of [T, K] or [T, H, K] by ±position · frequency: each pair of
  // that tail is one complex number (§3.2).  Positions are [T], or [T, A] where the table has axes.
  virtual Tensor rope(const Tensor& x, const Tensor& positions, const RopeTable& table,
                      Turn turn) = 0;
  // silu(min(gate, limit)) · clamp(up, ±limit); no clamp when limit is 0 (§4.3).
  virtual Tensor swiglu(const Tensor& gate, const Tensor& up, float limit) = 0;
  // Walsh–Hadamard over the last axis (a power of two), natural order, times size^-1/2.
  virtual Tensor hadamard(const Tensor& x) = 0;
  // Quantise and dequantise the last axis (§8.3).  Straight through for gradients.
  virtual Tensor round_to(const Tensor& x, RowFormat format, int64_t tail) = 0;
  virtual Tensor add(const Tensor& a, const Tensor& b) = 0;        // same shape
  virtual Tensor add_row(const Tensor& x, const Tensor& row) = 0;  // row [I] to every row of x
  virtual Tensor silu(const Tensor& x) = 0;                        // x · σ(x)
  virtual Tensor gelu(const Tensor& x) = 0;                        // x · Φ(x), the exact form
  // Rows of the leading axis, of any element type.
  virtual Tensor take_rows(const Tensor& x, const Tensor& ids_N) = 0;
  // The same numbers, through which no gradient flows.
  virtual Tensor detach(const Tensor& x) { return x; }

  // ---- rows: the caches
  // pool[ids[t]] = rows[t]; id -1 writes nothing.  The one verb that changes an argument.
  // Rows of any element type; pools of a format are written by keep_rows.
  virtual void write_rows(Tensor& pool_RK, const Tensor& ids_T, const Tensor& rows_TK) = 0;
  // The same, the rows rounded to the pool's format first, as round_to does.
  virtual void keep_rows(Pool& pool_RK, const Tensor& ids_T, const Tensor& rows_TK);
  // Compressor pooling (§3.3, §3.5): for each group the channel-wise softmax of the scores over
  // its N member rows, times the values -> [G, width].  Pools are [R, k·width] with k = 1, or
  // k = 2 (overlap): then the first N/2 members give their first half, the others their second.
  // id -1: no such member.
  virtual Tensor blend(const Tensor& values_R, const Tensor& scores_R, const Tensor& ids_GN,
                       int64_t width) = 0;
  // Indexer scores (§3.4, §3.5): out[t][j] = scale · Σ_h w[t][h] · relu(q[t][h] · keys[first[t]+j])
  // for j < count[t], else -inf; N = the largest count (at least 1).
  virtual Tensor score(const Tensor& q_THK, const Tensor& w_TH, const Pool& keys_RK,
                       const Tensor& first_T, const Tensor& count_T, float scale) = 0;
  // Candidate pool (§3.5): max over blocks of scores, the block of the last visible entry
  // forced in, the best `keep` blocks above -inf -> u8 [T, ceil(N/block)].
  virtual Tensor candidates(const Tensor& scores_TN, const Tensor& count_T, int64_t block,
                            int64_t keep) = 0;
  // Scores outside the kept blocks become -inf.
  virtual Tensor mask_scores(const Tensor& scores_TN, const Tensor& kept_TB, int64_t block) = 0;
  // The best `limit` entries of each row above -inf, as pool rows first[t]+j, ascending, then -1
  // -> i64 [T, min(limit, N)].  Ties: the lower j.
  virtual Tensor pick(const Tensor& scores_TN, const Tensor& first_T, int64_t limit) = 0;
  // score, then candidates or mask_scores, then pick, as far as the query asks for them.  A back
  // end may go without the scores of all entries in memory; the choice is the same.
  virtual IndexChoice choose_entries(const IndexQuery& query, const Pool& keys_RK);
  // Attention over rows by index (§3.1 steps 7): keys are values; one softmax over both sights;
  // sink[h] joins the denominator alone, unscaled.  A query that sees nothing gives 0.
  virtual Tensor attend(const Tensor& q_THK, const Sight& window, const Sight& compressed,
                        const Tensor& sink_H, float scale) = 0;

  // ---- experts
  // scores = scoring(logits / temperature); the best k of scores + bias (empty: 0; [E], or [T, E]
  // where tokens differ), weighted by the unbiased scores (§4.1).  Ties: the lower expert.
  virtual Routes route(const Tensor& logits_TE, const Tensor& bias,
                       const RouterOptions& options) = 0;
  // The same weights for experts given by a table [V, k] (i64 or i32) and the token's id.
  virtual Routes route_by_table(const Tensor& logits_TE, const Tensor& table_Vk,
                                const Tensor& ids_T, const RouterOptions& options) = 0;
  // Σ over the chosen, in ascending expert order, of down·round(weight · swiglu(gate·x, up·x))
  // (§4.2, §4.3).  x comes rounded; `hidden` is the format of the rounding before `down`.
  virtual Tensor experts(const Tensor& x_TD, const Routes& routes, const ExpertWeights& weights,
                         float limit, RowFormat hidden) = 0;

  // ---- residual streams (mHC, §2)
  virtual Tensor spread(const Tensor& x_TD, int64_t streams) = 0;  // copies -> [T, S, D]
  // μ = fn·v · rsqrt(mean(v²)+norm_epsilon), v = all streams;  pre = σ(μ·scale0+base)+epsilon;
  // post = 2σ(μ·scale1+base);  comb = Sinkhorn(μ·scale2+base) (§2.1, §2.2).
  virtual Mix mix(const Tensor& x_TSD, const MixWeights& weights, const MixOptions& options) = 0;
  // V4's head collapse: σ(μ·scale+base)+epsilon -> [T, S].
  virtual Tensor mix_head(const Tensor& x_TSD, const MixWeights& weights,
                          const MixOptions& options) = 0;
  virtual Tensor narrow(const Tensor& x_TSD, const Tensor& pre_TS) = 0;  // Σ_s pre[s]·x[s]
  // out[k] = post[k]·y + Σ_j comb[j][k]·x[j]
  virtual Tensor widen(const Tensor& y_TD, const Tensor& x_TSD, const Tensor& post_TS,
                       const Tensor& comb_TSS) = 0;

  // ---- memory (Engram, §5.3)
  // kv [T, (S+1)·D] = a key a stream, then the value.  Returns x + gate_s · value, and where
  // dead[t] is 1 (image spans) x alone.  `dead` may be empty.
  virtual Tensor engram(const Tensor& x_TSD, const Tensor& kv, const Tensor& q_weight_SD,
                        const Tensor& k_weight_SD, const Tensor& dead_T, float epsilon) = 0;

  // ---- pictures: pixels (or cells of a grid) in rows, channels last
  // out[f][y][x] = bias + w · (the k×k neighbours of in[f][y][x], row by row, C channels each);
  // w is [O, k·k·C] with odd k; outside a frame lies its nearest pixel; the bias may be empty.
  virtual Tensor convolve(const Tensor& x_FYXC, const Weight& w, const Tensor& bias_O) = 0;
  // Every block×block square of pixels becomes one, its channels in row order: [F, Y/block,
  // X/block, block·block·C]; and the way back.
  virtual Tensor space_to_depth(const Tensor& x_FYXC, int64_t block) = 0;
  virtual Tensor depth_to_space(const Tensor& x_FYXC, int64_t block) = 0;
  // Finite scalar quantisation (arXiv 2309.15505) with the squashing of iFSQ (arXiv 2601.17124):
  // u = σ(1.6·x) is cut into `levels` steps of equal width and stands for its middle, 2·(step +
  // ½)/levels - 1; with levels 0, 2u - 1 itself.  Gradients are those of 2u - 1.
  virtual Tensor squash(const Tensor& x, int64_t levels) = 0;
  // Both ways: query t sees keys and values first[t] … first[t] + count[t] - 1; softmax of
  // scale · q·k.  A query that sees nothing gives 0.
  virtual Tensor attend_all(const Tensor& q_THK, const Tensor& keys_RHK, const Tensor& values_RHK,
                            const Tensor& first_T, const Tensor& count_T, float scale) = 0;
};

// The meaning of every verb: plain loops on the host, sums in f64 where a sum is long.
std::unique_ptr<Ops> make_reference_ops();

}  // namespace hadal
