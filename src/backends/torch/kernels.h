// SPDX-License-Identifier: MIT
// Inner loops of the fused verbs: f32 in host memory, one thread, a range of rows a call.
//
//   const Kernels& loops = kernels();
//   loops.narrow(arguments, first, last);        // tokens [first, last)
//
// Compiled once per instruction set (kernels_any, _v3, _v4); the best that the machine has is
// chosen at the first call, or the one that HADAL_TORCH_KERNELS names (any, v3, v4; amx: v4, and
// products by tiles, see product.h).  The loops know nothing of libtorch or of threads: whoever
// calls them splits the work, and does it so that every sum over tokens has an order of its own
// (see fused.h).
#pragma once

#include <cstdint>

namespace hadal {

// Streams of the fused verbs: the number of every published model, and of 4x4 Sinkhorn.
constexpr int64_t kFusedStreams = 4;
// What mix computes for a token: pre [4], post [4], comb [4][4].
constexpr int64_t kMixOutputs = (2 + kFusedStreams) * kFusedStreams;
// Rows of shares are padded to a multiple of this, keys are packed in blocks of it, and mix takes
// tokens in groups of it: the floats of the longest vector.
constexpr int64_t kGroup = 16;

struct NormArgs {
  const float* x;       // [rows, width]
  const float* weight;  // [width] or null
  float* inverse;       // [rows] 1 / rms: written forward, read backward
  float* out;           // forward: result; backward: gradient of x
  const float* gradient;
  float* weight_gradient;  // [width], summed into, or null
  int64_t width;
  float epsilon;
};

struct TurnArgs {
  const float* x;  // [tokens, heads, width]
  float* out;
  const float* cosine;  // [tokens, tail], each twice
  const float* sine;    // [tokens, tail], each as -sine, +sine
  int64_t heads, width, tail;
};

struct SwigluArgs {
  const float* gate;
  const float* up;
  float* out;             // forward
  const float* gradient;  // backward
  float* gate_gradient;
  float* up_gradient;
  float limit;  // infinity when there is none
};

// Hidden rows of experts: swiglu times the routing weight of the row.
struct HiddenArgs {
  SwigluArgs swiglu;      // rows of `width`
  const float* share;     // [rows]
  float* share_gradient;  // [rows]
  int64_t width;
};

// out[i] = Σ x[ids[i·count + n]], n < count: rows by id, one or the sum of a few.
struct GatherArgs {
  const float* x;
  const int64_t* ids;
  float* out;
  int64_t count, width;
};

// Shares are stored by visible row: the visible ones of both sights, in order, without holes.
struct AttendArgs {
  const float* q;         // [tokens, heads, width]
  const float* rows[2];   // [R, width]
  const int64_t* ids[2];  // [tokens, counts[i]]
  int64_t counts[2];
  const float* sink;         // [heads]
  float* out;                // forward: [tokens, heads, width]; backward: gradient of q
  float* shares;             // [tokens, heads, padded]
  float* sink_shares;        // [tokens, heads]
  int64_t shares_per_token;  // heads·padded, or 0 when shares are scratch of this thread
  const float* gradient;     // of out
  float* logit_gradients;    // backward: [tokens, heads, padded], times scale
  float* sink_gradient;      // [heads], summed into
  const float** visible;     // scratch of this thread, `padded` pointers
  int64_t heads, width, padded;
  float scale;
};

// Where each row of a pool was seen: pairs [starts[r], starts[r+1]) of (token, place in shares).
struct SeenArgs {
  const int64_t* starts;
  const int32_t* tokens;
  const int32_t* places;
  const float* q;
  const float* gradient;
  const float* shares;
  const float* logit_gradients;
  float* out;  // gradient of the pool [R, width]
  int64_t heads, width, padded;
};

struct ScoreArgs {
  const float* q;            // [tokens, heads, width]
  const float* weights;      // [tokens, heads]
  const float* rows;         // [R, width]
  const float* keys;         // packed: [blocks, width, kGroup]
  const int64_t* firsts;     // [tokens] first row in sight
  const int64_t* counts;     // [tokens] rows in sight
  const int64_t* places;     // [tokens] packed rows before those in sight
  float* out;                // [tokens, entries]
  const float* gradient;     // of out
  float* product_gradients;  // [tokens, heads, padded]
  float* q_gradient;
  float* weight_gradient;
  float* rows_gradient;  // summed into
  int64_t heads, width, entries, padded;
  float scale;
};

// Neighbouring tokens that see the same rows, more or less of them.
struct ScoreRun {
  int64_t first_token, last_token, first_row, rows;
};

struct MixArgs {
  const float* x;      // [tokens, inputs], inputs = 4·D
  const float* fn;     // [24, inputs]
  const float* base;   // [24]
  const float* scale;  // [3]
  float* pre;          // [tokens, 4]
  float* post;         // [tokens, 4]
  float* comb;         // [tokens, 4, 4]
  float* products;     // [tokens, 24] fn·v
  float* inverse;      // [tokens]
  int64_t inputs, rounds;
  float norm_epsilon, epsilon;
};

struct MixBackArgs {
  MixArgs forward;             // x, fn, base, scale, products, inverse and the options
  const float* pre_gradient;   // [tokens, 4]
  const float* post_gradient;  // [tokens, 4]
  const float* comb_gradient;  // [tokens, 4, 4]
  float* logit_gradients;      // [tokens, 24]
  float* product_gradients;    // [tokens, 24]
  float* square_gradients;     // [tokens]: the factor of x from the norm
  float* out;                  // gradient of x
  float* scratch;              // of this thread: rounds·2·kSinkhornFloats
};
// One half round of Sinkhorn for kGroup tokens: 16 quotients and 4 inverse sums.
constexpr int64_t kSinkhornFloats = (16 + 4) * kGroup;

struct NarrowArgs {
  const float* x;    // [tokens, 4, width]
  const float* pre;  // [tokens, 4]
  float* out;        // forward [tokens, width]; backward: gradient of x
  const float* gradient;
  float* pre_gradient;
  int64_t width;
};

struct WidenArgs {
  const float* y;     // [tokens, width]
  const float* x;     // [tokens, 4, width]
  const float* post;  // [tokens, 4]
  const float* comb;  // [tokens, 4, 4]
  float* out;         // forward; backward: gradient of x
  const float* gradient;
  float* y_gradient;
  float* post_gradient;
  float* comb_gradient;
  int64_t width;
};

struct EngramArgs {
  const float* x;       // [tokens, streams, width]
  const float* kv;      // [tokens, streams + 1, width]
  const float* weight;  // [streams, width], query's times key's
  const uint8_t* dead;  // [tokens] or null
  float* gates;         // [tokens, streams, 4]: product, 1/rms of x and of the key, gate
  float* out;           // forward; backward: gradient of x
  const float* gradient;
  float* kv_gradient;
  float* weight_gradient;  // [streams, width], summed into
  int64_t streams, width;
  float epsilon;
};

struct Kernels {
  const char* name;
  void (*norm)(const NormArgs&, int64_t first, int64_t last);
  void (*norm_back)(const NormArgs&, int64_t first, int64_t last);
  void (*turn)(const TurnArgs&, int64_t first, int64_t last);
  void (*swiglu)(const SwigluArgs&, int64_t first, int64_t last);  // elements
  void (*swiglu_back)(const SwigluArgs&, int64_t first, int64_t last);
  void (*hidden)(const HiddenArgs&, int64_t first, int64_t last);
  void (*hidden_back)(const HiddenArgs&, int64_t first, int64_t last);
  void (*gather_rows)(const GatherArgs&, int64_t first, int64_t last);
  void (*attend)(const AttendArgs&, int64_t first, int64_t last);
  void (*attend_back)(const AttendArgs&, int64_t first, int64_t last);
  void (*seen_back)(const SeenArgs&, int64_t first, int64_t last);  // rows of the pool
  void (*score)(const ScoreArgs&, int64_t first, int64_t last);
  void (*score_back)(const ScoreArgs&, int64_t first, int64_t last);
  void (*score_keys_back)(const ScoreArgs&, const ScoreRun&, int64_t first, int64_t last);
  // Tokens in groups of kGroup; the last group may be short.
  void (*mix)(const MixArgs&, int64_t first, int64_t last);
  void (*mix_back)(const MixBackArgs&, int64_t first, int64_t last);
  void (*narrow)(const NarrowArgs&, int64_t first, int64_t last);
  void (*narrow_back)(const NarrowArgs&, int64_t first, int64_t last);
  void (*widen)(const WidenArgs&, int64_t first, int64_t last);
  void (*widen_back)(const WidenArgs&, int64_t first, int64_t last);
  void (*engram)(const EngramArgs&, int64_t first, int64_t last);
  void (*engram_back)(const EngramArgs&, int64_t first, int64_t last);
};

const Kernels& kernels();

}  // namespace hadal
