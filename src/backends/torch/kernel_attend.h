// SPDX-License-Identifier: MIT
// Attention over rows by id.  Part of each kernels_*.cpp, behind kernel_vectors.h.
//
// Backward has two passes.  The first walks tokens: gradients of q and of the logits.  The second
// walks rows of the pool, each summing over the tokens that saw it, in their order: so the sum
// does not depend on how the work was divided, and no two threads write to one row.
// kWidth is the head's width where the compiler should know it, else 0.

// Pointers to the rows that token t sees, those of the window first.
HADAL_INLINE int64_t look(const AttendArgs& a, int64_t token) {
  int64_t seen = 0;
  for (int sight = 0; sight < 2; ++sight)
    for (int64_t n = 0; n < a.counts[sight]; ++n) {
      const int64_t id = a.ids[sight][token * a.counts[sight] + n];
      if (id >= 0) a.visible[seen++] = a.rows[sight] + id * a.width;
    }
  return seen;
}

// products[n] = vector · row n, and `fill` up to the next multiple of kLanes.
template <int64_t kWidth>
HADAL_INLINE void match_rows(const AttendArgs& a, const float* vector, int64_t seen, float fill,
                             float* products) {
  const int64_t width = kWidth ? kWidth : a.width;
  for (int64_t n = 0; n < seen; ++n) {
    Floats total = {};
    const float* row = a.visible[n];
    across(width, [&](int64_t i, int64_t c) { total += load(vector + i, c) * load(row + i, c); });
    products[n] = sum(total);
  }
  for (int64_t n = seen; n % kLanes != 0; ++n) products[n] = fill;
}

// out = Σ shares[n] · row n
template <int64_t kWidth>
HADAL_INLINE void blend_rows(const AttendArgs& a, const float* shares, int64_t seen, float* out) {
  const int64_t width = kWidth ? kWidth : a.width;
  if (kWidth) {
    Floats totals[kWidth ? kWidth / kLanes : 1] = {};
    for (int64_t n = 0; n < seen; ++n)
      for (int64_t i = 0; i < kWidth / kLanes; ++i)
        totals[i] += shares[n] * load(a.visible[n] + i * kLanes);
    for (int64_t i = 0; i < kWidth / kLanes; ++i) store(out + i * kLanes, totals[i]);
    return;
  }
  across(width, [&](int64_t i, int64_t c) {
    Floats total = {};
    for (int64_t n = 0; n < seen; ++n) total += shares[n] * load(a.visible[n] + i, c);
    store(out + i, total, c);
  });
}

// In place: logits to shares; returns the share of the sink.
HADAL_INLINE float softmax(float* logits, int64_t seen, float scale, float sink) {
  Floats tops = all(sink);
  for (int64_t n = 0; n < seen; n += kLanes) tops = larger(tops, load(logits + n) * scale);
  const float top = largest(tops);
  Floats sums = {};
  for (int64_t n = 0; n < seen; n += kLanes) {
    const Floats power = exponential(load(logits + n) * scale - top);
    store(logits + n, power);
    sums += power;
  }
  const float sink_power = exponential(all(sink - top))[0];
  const float inverse = 1.0f / (sum(sums) + sink_power);
  for (int64_t n = 0; n < seen; n += kLanes) store(logits + n, load(logits + n) * inverse);
  return sink_power * inverse;
}

template <int64_t kWidth>
void attend_of(const AttendArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const int64_t seen = look(a, token);
    for (int64_t head = 0; head < a.heads; ++head) {
      const int64_t place = token * a.heads + head;
      float* shares = a.shares + token * a.shares_per_token + head * a.padded;
      match_rows<kWidth>(a, a.q + place * a.width, seen, kMinusInfinity, shares);
      a.sink_shares[place] = softmax(shares, seen, a.scale, a.sink[head]);
      blend_rows<kWidth>(a, shares, seen, a.out + place * a.width);
    }
  }
}

// With p the shares and d = gradient · row:  d logit = p · (d - Σ p·d);  the sink has d = 0.
template <int64_t kWidth>
void attend_back_of(const AttendArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const int64_t seen = look(a, token);
    for (int64_t head = 0; head < a.heads; ++head) {
      const int64_t place = token * a.heads + head;
      const float* shares = a.shares + place * a.padded;
      float* logits = a.logit_gradients + place * a.padded;
      match_rows<kWidth>(a, a.gradient + place * a.width, seen, 0, logits);
      Floats means = {};
      for (int64_t n = 0; n < seen; n += kLanes) means += load(shares + n) * load(logits + n);
      const float mean = sum(means);
      for (int64_t n = 0; n < seen; n += kLanes)
        store(logits + n, load(shares + n) * (load(logits + n) - mean) * a.scale);
      a.sink_gradient[head] -= a.sink_shares[place] * mean;
      blend_rows<kWidth>(a, logits, seen, a.out + place * a.width);
    }
  }
}

template <int64_t kWidth>
void seen_back_of(const SeenArgs& a, int64_t first, int64_t last) {
  const int64_t width = kWidth ? kWidth : a.width;
  for (int64_t row = first; row < last; ++row) {
    across(width, [&](int64_t i, int64_t c) {
      Floats total = {};
      for (int64_t pair = a.starts[row]; pair < a.starts[row + 1]; ++pair)
        for (int64_t head = 0; head < a.heads; ++head) {
          const int64_t query = a.tokens[pair] * a.heads + head;
          const int64_t share = query * a.padded + a.places[pair];
          total += a.logit_gradients[share] * load(a.q + query * width + i, c) +
                   a.shares[share] * load(a.gradient + query * width + i, c);
        }
      store(a.out + row * width + i, total, c);
    });
  }
}

// All channels of a row at once, where they fit into registers.
template <>
void seen_back_of<64>(const SeenArgs& a, int64_t first, int64_t last) {
  constexpr int64_t kVectors = 64 / kLanes;
  for (int64_t row = first; row < last; ++row) {
    Floats totals[kVectors] = {};
    for (int64_t pair = a.starts[row]; pair < a.starts[row + 1]; ++pair)
      for (int64_t head = 0; head < a.heads; ++head) {
        const int64_t query = a.tokens[pair] * a.heads + head;
        const int64_t share = query * a.padded + a.places[pair];
        const float by_logit = a.logit_gradients[share], by_share = a.shares[share];
        for (int64_t i = 0; i < kVectors; ++i)
          totals[i] += by_logit * load(a.q + query * 64 + i * kLanes) +
                       by_share * load(a.gradient + query * 64 + i * kLanes);
      }
    for (int64_t i = 0; i < kVectors; ++i) store(a.out + row * 64 + i * kLanes, totals[i]);
  }
}

void attend(const AttendArgs& a, int64_t first, int64_t last) {
  if (a.width == 32) return attend_of<32>(a, first, last);
  if (a.width == 64) return attend_of<64>(a, first, last);
  if (a.width == 128) return attend_of<128>(a, first, last);
  attend_of<0>(a, first, last);
}

void attend_back(const AttendArgs& a, int64_t first, int64_t last) {
  if (a.width == 32) return attend_back_of<32>(a, first, last);
  if (a.width == 64) return attend_back_of<64>(a, first, last);
  if (a.width == 128) return attend_back_of<128>(a, first, last);
  attend_back_of<0>(a, first, last);
}

void seen_back(const SeenArgs& a, int64_t first, int64_t last) {
  if (a.width == 64) return seen_back_of<64>(a, first, last);
  seen_back_of<0>(a, first, last);
}
