// SPDX-License-Identifier: MIT
// Residual streams (§2), four of them.  Part of each kernels_*.cpp, behind kernel_vectors.h.
//
// mix works on kLanes tokens at once: dot products with one token after the other, then sigmoid
// and Sinkhorn with a token in each lane, all of a 4x4 matrix in registers.

constexpr int kS = static_cast<int>(kFusedStreams);
constexpr int kM = static_cast<int>(kMixOutputs);

void narrow(const NarrowArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const float* x = a.x + token * kS * a.width;
    const float* pre = a.pre + token * kS;
    across(a.width, [&](int64_t i, int64_t n) {
      Floats total = {};
      for (int s = 0; s < kS; ++s) total += pre[s] * load(x + s * a.width + i, n);
      store(a.out + token * a.width + i, total, n);
    });
  }
}

void narrow_back(const NarrowArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const float* x = a.x + token * kS * a.width;
    const float* pre = a.pre + token * kS;
    Floats products[kS] = {};
    across(a.width, [&](int64_t i, int64_t n) {
      const Floats gradient = load(a.gradient + token * a.width + i, n);
      for (int s = 0; s < kS; ++s) {
        products[s] += gradient * load(x + s * a.width + i, n);
        store(a.out + (token * kS + s) * a.width + i, pre[s] * gradient, n);
      }
    });
    for (int s = 0; s < kS; ++s) a.pre_gradient[token * kS + s] = sum(products[s]);
  }
}

void widen(const WidenArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const float* x = a.x + token * kS * a.width;
    const float* post = a.post + token * kS;
    const float* comb = a.comb + token * kS * kS;
    across(a.width, [&](int64_t i, int64_t n) {
      const Floats y = load(a.y + token * a.width + i, n);
      Floats streams[kS];
      for (int j = 0; j < kS; ++j) streams[j] = load(x + j * a.width + i, n);
      for (int k = 0; k < kS; ++k) {
        Floats total = post[k] * y;
        for (int j = 0; j < kS; ++j) total += comb[j * kS + k] * streams[j];
        store(a.out + (token * kS + k) * a.width + i, total, n);
      }
    });
  }
}

void widen_back(const WidenArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token) {
    const float* x = a.x + token * kS * a.width;
    const float* gradient = a.gradient + token * kS * a.width;
    const float* post = a.post + token * kS;
    const float* comb = a.comb + token * kS * kS;
    Floats by_post[kS] = {}, by_comb[kS * kS] = {};
    across(a.width, [&](int64_t i, int64_t n) {
      const Floats y = load(a.y + token * a.width + i, n);
      Floats out[kS], y_total = {};
      for (int k = 0; k < kS; ++k) {
        out[k] = load(gradient + k * a.width + i, n);
        y_total += post[k] * out[k];
        by_post[k] += out[k] * y;
      }
      store(a.y_gradient + token * a.width + i, y_total, n);
      for (int j = 0; j < kS; ++j) {
        const Floats stream = load(x + j * a.width + i, n);
        Floats total = {};
        for (int k = 0; k < kS; ++k) {
          total += comb[j * kS + k] * out[k];
          by_comb[j * kS + k] += stream * out[k];
        }
        store(a.out + (token * kS + j) * a.width + i, total, n);
      }
    });
    for (int k = 0; k < kS; ++k) a.post_gradient[token * kS + k] = sum(by_post[k]);
    for (int i = 0; i < kS * kS; ++i) a.comb_gradient[token * kS * kS + i] = sum(by_comb[i]);
  }
}

// Products of one token with all rows of fn, eight rows at a time, and its 1 / rms.
HADAL_INLINE void mix_products(const MixArgs& a, int64_t token) {
  constexpr int kBlock = 8;
  static_assert(kM % kBlock == 0);
  const float* x = a.x + token * a.inputs;
  Floats squares = {};
  for (int first = 0; first < kM; first += kBlock) {
    Floats totals[kBlock] = {};
    across(a.inputs, [&](int64_t i, int64_t n) {
      const Floats v = load(x + i, n);
      if (first == 0) squares += v * v;
      for (int o = 0; o < kBlock; ++o) totals[o] += v * load(a.fn + (first + o) * a.inputs + i, n);
    });
    for (int o = 0; o < kBlock; ++o) a.products[token * kM + first + o] = sum(totals[o]);
  }
  const float mean = sum(squares) / static_cast<float>(a.inputs);
  a.inverse[token] = 1.0f / __builtin_sqrtf(mean + a.norm_epsilon);
}

// Column `column` of up to kLanes rows of [tokens, columns], a row in each lane.
HADAL_INLINE Floats gather(const float* from, int64_t columns, int64_t column, int64_t rows) {
  float lanes[kLanes] = {};
  for (int64_t t = 0; t < rows; ++t) lanes[t] = from[t * columns + column];
  return load(lanes);
}

HADAL_INLINE void scatter(float* to, int64_t columns, int64_t column, int64_t rows, Floats v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int64_t t = 0; t < rows; ++t) to[t * columns + column] = lanes[t];
}

// Entry i of what goes into sigmoid or Sinkhorn; `mu` receives the normalised product.
HADAL_INLINE Floats mix_logit(const MixArgs& a, int64_t token, int64_t rows, int i, Floats* mu) {
  const float scale = a.scale[i < kS ? 0 : i < 2 * kS ? 1 : 2];
  *mu = gather(a.products + token * kM, kM, i, rows) * load(a.inverse + token, rows);
  return *mu * scale + a.base[i];
}

HADAL_INLINE void softmax_of_rows(Floats m[kS * kS]) {
  for (int j = 0; j < kS; ++j) {
    Floats top = m[j * kS], total = {};
    for (int k = 1; k < kS; ++k) top = larger(top, m[j * kS + k]);
    for (int k = 0; k < kS; ++k) total += m[j * kS + k] = exponential(m[j * kS + k] - top);
    for (int k = 0; k < kS; ++k) m[j * kS + k] = m[j * kS + k] / total;
  }
}

// One half round: rows (step = 1) or columns (step = kS) are divided by their sums.
HADAL_INLINE void divide(Floats m[kS * kS], int step, float epsilon, Floats inverse[kS]) {
  const int across_step = step == 1 ? kS : 1;
  for (int line = 0; line < kS; ++line) {
    Floats* at = m + line * across_step;
    const Floats total = ((at[0] + at[step]) + (at[2 * step] + at[3 * step])) + epsilon;
    inverse[line] = 1.0f / total;
    for (int i = 0; i < kS; ++i) at[i * step] *= inverse[line];
  }
}

// m / Σ: the gradient of m is (g - Σ g·result) · inverse.
HADAL_INLINE void divide_back(Floats gradient[kS * kS], const Floats result[kS * kS], int step,
                              const Floats inverse[kS]) {
  const int across_step = step == 1 ? kS : 1;
  for (int line = 0; line < kS; ++line) {
    Floats mean = {};
    for (int i = 0; i < kS; ++i)
      mean += gradient[line * across_step + i * step] * result[line * across_step + i * step];
    for (int i = 0; i < kS; ++i) {
      Floats& g = gradient[line * across_step + i * step];
      g = (g - mean) * inverse[line];
    }
  }
}

void mix(const MixArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; token += kLanes) {
    const int64_t rows = last - token < kLanes ? last - token : kLanes;
    for (int64_t t = 0; t < rows; ++t) mix_products(a, token + t);
    Floats mu, m[kS * kS], inverse[kS];
    for (int s = 0; s < kS; ++s) {
      scatter(a.pre + token * kS, kS, s, rows,
              sigmoid(mix_logit(a, token, rows, s, &mu)) + a.epsilon);
      scatter(a.post + token * kS, kS, s, rows,
              2.0f * sigmoid(mix_logit(a, token, rows, kS + s, &mu)));
    }
    for (int i = 0; i < kS * kS; ++i) m[i] = mix_logit(a, token, rows, 2 * kS + i, &mu);
    softmax_of_rows(m);
    for (Floats& entry : m) entry = entry + a.epsilon;
    divide(m, kS, a.epsilon, inverse);
    for (int64_t round = 1; round < a.rounds; ++round) {
      divide(m, 1, a.epsilon, inverse);
      divide(m, kS, a.epsilon, inverse);
    }
    for (int i = 0; i < kS * kS; ++i) scatter(a.comb + token * kS * kS, kS * kS, i, rows, m[i]);
  }
}

// The gradient of the matrix that went into Sinkhorn, by computing it once more and remembering
// every half round in `scratch`.
HADAL_INLINE void sinkhorn_back(const MixArgs& a, Floats m[kS * kS], Floats gradient[kS * kS],
                                float* scratch) {
  softmax_of_rows(m);
  Floats soft[kS * kS], inverse[kS];
  for (int i = 0; i < kS * kS; ++i) {
    soft[i] = m[i];
    m[i] = m[i] + a.epsilon;
  }
  const int64_t halves = 2 * a.rounds - 1;
  for (int64_t half = 0; half < halves; ++half) {
    divide(m, half % 2 == 0 ? kS : 1, a.epsilon, inverse);
    float* kept = scratch + half * kSinkhornFloats;
    for (int i = 0; i < kS * kS; ++i) store(kept + i * kLanes, m[i]);
    for (int i = 0; i < kS; ++i) store(kept + (kS * kS + i) * kLanes, inverse[i]);
  }
  for (int64_t half = halves - 1; half >= 0; --half) {
    const float* kept = scratch + half * kSinkhornFloats;
    for (int i = 0; i < kS * kS; ++i) m[i] = load(kept + i * kLanes);
    for (int i = 0; i < kS; ++i) inverse[i] = load(kept + (kS * kS + i) * kLanes);
    divide_back(gradient, m, half % 2 == 0 ? kS : 1, inverse);
  }
  for (int j = 0; j < kS; ++j) {
    Floats mean = {};
    for (int k = 0; k < kS; ++k) mean += gradient[j * kS + k] * soft[j * kS + k];
    for (int k = 0; k < kS; ++k)
      gradient[j * kS + k] = soft[j * kS + k] * (gradient[j * kS + k] - mean);
  }
}

// Gradients of the 24 logits of `rows` tokens, and from them those of fn·v and of the norm.
HADAL_INLINE void mix_logits_back(const MixBackArgs& b, int64_t token, int64_t rows) {
  const MixArgs& a = b.forward;
  Floats mu[kM], gradient[kM], m[kS * kS];
  for (int s = 0; s < kS; ++s) {
    const Floats pre = sigmoid(mix_logit(a, token, rows, s, &mu[s]));
    const Floats post = sigmoid(mix_logit(a, token, rows, kS + s, &mu[kS + s]));
    gradient[s] = gather(b.pre_gradient + token * kS, kS, s, rows) * pre * (1.0f - pre);
    gradient[kS + s] =
        2.0f * gather(b.post_gradient + token * kS, kS, s, rows) * post * (1.0f - post);
  }
  for (int i = 0; i < kS * kS; ++i) {
    m[i] = mix_logit(a, token, rows, 2 * kS + i, &mu[2 * kS + i]);
    gradient[2 * kS + i] = gather(b.comb_gradient + token * kS * kS, kS * kS, i, rows);
  }
  sinkhorn_back(a, m, gradient + 2 * kS, b.scratch);
  const Floats inverse = load(a.inverse + token, rows);
  Floats by_norm = {};
  for (int i = 0; i < kM; ++i) {
    scatter(b.logit_gradients + token * kM, kM, i, rows, gradient[i]);
    const Floats of_mu = gradient[i] * a.scale[i < kS ? 0 : i < 2 * kS ? 1 : 2];
    by_norm += of_mu * mu[i];
    scatter(b.product_gradients + token * kM, kM, i, rows, of_mu * inverse);
  }
  // mu = product · inverse, and inverse falls with x: by -x · inverse² / inputs of itself.
  store(b.square_gradients + token, by_norm * inverse * inverse / -static_cast<float>(a.inputs),
        rows);
}

// dx = Σ product gradient · row of fn + square gradient · x, four tokens to each load of fn.
HADAL_INLINE void mix_inputs_back(const MixBackArgs& b, int64_t token, int64_t rows) {
  const MixArgs& a = b.forward;
  constexpr int64_t kTokens = 4;
  for (int64_t start = 0; start < rows; start += kTokens) {
    const int64_t count = rows - start < kTokens ? rows - start : kTokens;
    const float* products[kTokens];
    for (int64_t t = 0; t < kTokens; ++t)  // a short group repeats its last token
      products[t] = b.product_gradients + (token + start + (t < count ? t : count - 1)) * kM;
    across(a.inputs, [&](int64_t i, int64_t n) {
      Floats totals[kTokens] = {};
      for (int o = 0; o < kM; ++o) {
        const Floats weight = load(a.fn + o * a.inputs + i, n);
        for (int64_t t = 0; t < kTokens; ++t) totals[t] += products[t][o] * weight;
      }
      for (int64_t t = 0; t < count; ++t) {
        const int64_t place = token + start + t;
        store(b.out + place * a.inputs + i,
              totals[t] + b.square_gradients[place] * load(a.x + place * a.inputs + i, n), n);
      }
    });
  }
}

void mix_back(const MixBackArgs& b, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; token += kLanes) {
    const int64_t rows = last - token < kLanes ? last - token : kLanes;
    mix_logits_back(b, token, rows);
    mix_inputs_back(b, token, rows);
  }
}
