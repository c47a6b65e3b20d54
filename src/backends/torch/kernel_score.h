// SPDX-License-Identifier: MIT
// Indexer scores.  Part of each kernels_*.cpp, behind kernel_vectors.h.
//
// Keys come packed: kGroup rows of a sequence side by side, channel by channel, so that a vector
// holds one channel of several keys and nothing has to be summed across lanes.

// Products of all heads with the keys of one vector: at most kHeadsAtOnce in registers.
constexpr int64_t kHeadsAtOnce = 4;

template <typename Use>
HADAL_INLINE void for_heads(const ScoreArgs& a, int64_t token, const float* block, Use use) {
  for (int64_t first = 0; first < a.heads; first += kHeadsAtOnce) {
    const int64_t count = a.heads - first < kHeadsAtOnce ? a.heads - first : kHeadsAtOnce;
    const float* q = a.q + (token * a.heads + first) * a.width;
    Floats products[kHeadsAtOnce] = {};
    if (count == kHeadsAtOnce) {
      for (int64_t i = 0; i < a.width; ++i)
        for (int64_t h = 0; h < kHeadsAtOnce; ++h)
          products[h] += q[h * a.width + i] * load(block + i * kGroup);
    } else {
      for (int64_t h = 0; h < count; ++h)
        for (int64_t i = 0; i < a.width; ++i)
          products[h] += q[h * a.width + i] * load(block + i * kGroup);
    }
    for (int64_t h = 0; h < count; ++h) use(first + h, products[h]);
  }
}

void score(const ScoreArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const int64_t seen = a.counts[token];
    const float* keys = a.keys + a.places[token] * a.width;
    const float* weights = a.weights + token * a.heads;
    float* out = a.out + token * a.entries;
    for (int64_t j = 0; j < seen; j += kLanes) {
      Floats total = {};
      for_heads(a, token, keys + j / kGroup * kGroup * a.width + j % kGroup,
                [&](int64_t head, Floats product) {
                  total += weights[head] * larger(product, Floats{});
                });
      store(out + j, total * a.scale, seen - j);
    }
    for (int64_t j = seen; j < a.entries; ++j) out[j] = kMinusInfinity;
  }
}

// Gradients of weights and queries; those of the products are kept for score_keys_back.
void score_back(const ScoreArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const int64_t seen = a.counts[token];
    const float* keys = a.keys + a.places[token] * a.width;
    const float* weights = a.weights + token * a.heads;
    const float* gradient = a.gradient + token * a.entries;
    float* kept = a.product_gradients + token * a.heads * a.padded;
    float* of_weights = a.weight_gradient + token * a.heads;
    for (int64_t h = 0; h < a.heads; ++h) of_weights[h] = 0;
    // To the end of the group, with zeros: score_keys_back reads a few entries at a time.
    for (int64_t j = 0; j < (seen + kGroup - 1) / kGroup * kGroup; j += kLanes) {
      const Floats g = load(gradient + j, seen - j) * a.scale;
      for_heads(a, token, keys + j / kGroup * kGroup * a.width + j % kGroup,
                [&](int64_t head, Floats product) {
                  of_weights[head] += sum(g * larger(product, Floats{}));
                  store(kept + head * a.padded + j, product > 0.0f ? g * weights[head] : Floats{});
                });
    }
    for (int64_t head = 0; head < a.heads; ++head)
      across(a.width, [&](int64_t i, int64_t n) {
        Floats total = {};
        for (int64_t j = 0; j < seen; ++j)
          total +=
              kept[head * a.padded + j] * load(a.rows + (a.firsts[token] + j) * a.width + i, n);
        store(a.q_gradient + (token * a.heads + head) * a.width + i, total, n);
      });
  }
}

// Entries [first, last) of one run of tokens (in blocks of eight) add to the gradients of their
// keys.
void score_keys_back(const ScoreArgs& a, const ScoreRun& run, int64_t first, int64_t last) {
  constexpr int64_t kBlock = 8;
  for (int64_t j = first; j < last; j += kBlock) {
    const int64_t count = last - j < kBlock ? last - j : kBlock;
    across(a.width, [&](int64_t i, int64_t n) {
      Floats totals[kBlock] = {};
      for (int64_t token = run.first_token; token < run.last_token; ++token) {
        if (a.counts[token] <= j) continue;
        for (int64_t head = 0; head < a.heads; ++head) {
          const Floats q = load(a.q + (token * a.heads + head) * a.width + i, n);
          const float* kept = a.product_gradients + (token * a.heads + head) * a.padded + j;
          for (int64_t r = 0; r < kBlock; ++r) totals[r] += kept[r] * q;
        }
      }
      for (int64_t r = 0; r < count; ++r) {
        float* out = a.rows_gradient + (run.first_row + j + r) * a.width + i;
        store(out, load(out, n) + totals[r], n);
      }
    });
  }
}
