// SPDX-License-Identifier: MIT
// Norms, turns, activations, the Engram gate.  Part of each kernels_*.cpp, behind
// kernel_vectors.h.

void norm(const NormArgs& a, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const float* x = a.x + row * a.width;
    float* out = a.out + row * a.width;
    Floats squares = {};
    across(a.width, [&](int64_t i, int64_t n) {
      const Floats v = load(x + i, n);
      squares += v * v;
    });
    const float mean = sum(squares) / static_cast<float>(a.width);
    const float inverse = 1.0f / __builtin_sqrtf(mean + a.epsilon);
    a.inverse[row] = inverse;
    across(a.width, [&](int64_t i, int64_t n) {
      const Floats v = load(x + i, n) * inverse;
      store(out + i, a.weight ? v * load(a.weight + i, n) : v, n);
    });
  }
}

// With g = gradient·weight:  dx = inverse · (g - x · inverse² · mean(g·x)).
void norm_back(const NormArgs& a, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const float* x = a.x + row * a.width;
    const float* gradient = a.gradient + row * a.width;
    float* out = a.out + row * a.width;
    const float inverse = a.inverse[row];
    const auto weighted = [&](int64_t i, int64_t n) {
      const Floats g = load(gradient + i, n);
      return a.weight ? g * load(a.weight + i, n) : g;
    };
    Floats products = {};
    across(a.width, [&](int64_t i, int64_t n) { products += weighted(i, n) * load(x + i, n); });
    const float share = sum(products) / static_cast<float>(a.width) * inverse * inverse;
    across(a.width, [&](int64_t i, int64_t n) {
      const Floats v = load(x + i, n);
      store(out + i, inverse * (weighted(i, n) - v * share), n);
      if (a.weight_gradient)
        store(a.weight_gradient + i,
              load(a.weight_gradient + i, n) + load(gradient + i, n) * (v * inverse), n);
    });
  }
}

void turn(const TurnArgs& a, int64_t first, int64_t last) {
  const int64_t still = a.width - a.tail;
  for (int64_t token = first; token < last; ++token) {
    const float* cosine = a.cosine + token * a.tail;
    const float* sine = a.sine + token * a.tail;
    for (int64_t head = 0; head < a.heads; ++head) {
      const int64_t start = (token * a.heads + head) * a.width;
      const float* x = a.x + start;
      float* out = a.out + start;
      across(still, [&](int64_t i, int64_t n) { store(out + i, load(x + i, n), n); });
      across(a.tail, [&](int64_t i, int64_t n) {
        const Floats v = load(x + still + i, n);
        store(out + still + i, v * load(cosine + i, n) + swap_pairs(v) * load(sine + i, n), n);
      });
    }
  }
}

// What swiglu makes of one vector, and how its result moves with gate and up.
struct Gated {
  Floats value, by_gate, by_up;
};
HADAL_INLINE Gated gated(Floats raw_gate, Floats raw_up, float limit) {
  const Floats gate = smaller(raw_gate, all(limit));
  const Floats up = larger(smaller(raw_up, all(limit)), all(-limit));
  const Floats open = sigmoid(gate), activated = gate * open, none = {};
  const Floats slope = up * (open + activated * (1.0f - open));
  return {activated * up, raw_gate > limit ? none : slope,
          raw_up > limit ? none : (raw_up < -limit ? none : activated)};
}

void swiglu(const SwigluArgs& a, int64_t first, int64_t last) {
  across(last - first, [&](int64_t i, int64_t n) {
    const Gated g = gated(load(a.gate + first + i, n), load(a.up + first + i, n), a.limit);
    store(a.out + first + i, g.value, n);
  });
}

void swiglu_back(const SwigluArgs& a, int64_t first, int64_t last) {
  across(last - first, [&](int64_t i, int64_t n) {
    const Gated g = gated(load(a.gate + first + i, n), load(a.up + first + i, n), a.limit);
    const Floats gradient = load(a.gradient + first + i, n);
    store(a.gate_gradient + first + i, gradient * g.by_gate, n);
    store(a.up_gradient + first + i, gradient * g.by_up, n);
  });
}

void hidden(const HiddenArgs& a, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const int64_t start = row * a.width;
    across(a.width, [&](int64_t i, int64_t n) {
      const Gated g = gated(load(a.swiglu.gate + start + i, n), load(a.swiglu.up + start + i, n),
                            a.swiglu.limit);
      store(a.swiglu.out + start + i, a.share[row] * g.value, n);
    });
  }
}

void hidden_back(const HiddenArgs& a, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const int64_t start = row * a.width;
    Floats by_share = {};
    across(a.width, [&](int64_t i, int64_t n) {
      const Gated g = gated(load(a.swiglu.gate + start + i, n), load(a.swiglu.up + start + i, n),
                            a.swiglu.limit);
      const Floats gradient = load(a.swiglu.gradient + start + i, n);
      by_share += gradient * g.value;
      store(a.swiglu.gate_gradient + start + i, a.share[row] * gradient * g.by_gate, n);
      store(a.swiglu.up_gradient + start + i, a.share[row] * gradient * g.by_up, n);
    });
    a.share_gradient[row] = sum(by_share);
  }
}

void gather_rows(const GatherArgs& a, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const int64_t* ids = a.ids + row * a.count;
    across(a.width, [&](int64_t i, int64_t n) {
      Floats total = load(a.x + ids[0] * a.width + i, n);
      for (int64_t k = 1; k < a.count; ++k) total += load(a.x + ids[k] * a.width + i, n);
      store(a.out + row * a.width + i, total, n);
    });
  }
}

// The gate of §5.3: how much the stream's query matches the key.
HADAL_INLINE void engram_gate(const EngramArgs& a, int64_t token, int64_t stream, float* gate) {
  const float* x = a.x + (token * a.streams + stream) * a.width;
  const float* key = a.kv + (token * (a.streams + 1) + stream) * a.width;
  const float* weight = a.weight + stream * a.width;
  Floats products = {}, x_squares = {}, key_squares = {};
  across(a.width, [&](int64_t i, int64_t n) {
    const Floats v = load(x + i, n), k = load(key + i, n);
    products += v * load(weight + i, n) * k;
    x_squares += v * v;
    key_squares += k * k;
  });
  const float width = static_cast<float>(a.width);
  gate[0] = sum(products) / __builtin_sqrtf(width);
  gate[1] = 1.0f / __builtin_sqrtf(sum(x_squares) / width + a.epsilon);
  gate[2] = 1.0f / __builtin_sqrtf(sum(key_squares) / width + a.epsilon);
  const float match = gate[0] * gate[1] * gate[2];
  const float size = __builtin_fabsf(match);
  const float root = __builtin_sqrtf(size > 1e-6f ? size : 1e-6f);
  gate[3] = sigmoid(all(__builtin_copysignf(root, match)))[0];
  if (a.dead && a.dead[token]) gate[3] = 0;
}

void engram(const EngramArgs& a, int64_t first, int64_t last) {
  for (int64_t token = first; token < last; ++token)
    for (int64_t stream = 0; stream < a.streams; ++stream) {
      const int64_t place = token * a.streams + stream;
      float* gate = a.gates + place * 4;
      engram_gate(a, token, stream, gate);
      const float* value = a.kv + (token * (a.streams + 1) + a.streams) * a.width;
      across(a.width, [&](int64_t i, int64_t n) {
        store(a.out + place * a.width + i,
              load(a.x + place * a.width + i, n) + gate[3] * load(value + i, n), n);
      });
    }
}

// Gradient of the match, from that of the gate: no slope below the floor of 1e-6.
HADAL_INLINE float match_gradient(const float* gate, float gate_gradient) {
  const float size = __builtin_fabsf(gate[0] * gate[1] * gate[2]);
  if (gate[3] == 0 || size < 1e-6f) return 0;
  return gate_gradient * gate[3] * (1.0f - gate[3]) * 0.5f / __builtin_sqrtf(size);
}

void engram_back(const EngramArgs& a, int64_t first, int64_t last) {
  const float width = static_cast<float>(a.width);
  for (int64_t token = first; token < last; ++token) {
    const int64_t value_place = (token * (a.streams + 1) + a.streams) * a.width;
    const float* value = a.kv + value_place;
    float* value_gradient = a.kv_gradient + value_place;
    across(a.width, [&](int64_t i, int64_t n) { store(value_gradient + i, Floats{}, n); });
    for (int64_t stream = 0; stream < a.streams; ++stream) {
      const int64_t place = (token * a.streams + stream) * a.width;
      const int64_t key_place = (token * (a.streams + 1) + stream) * a.width;
      const float* x = a.x + place;
      const float* key = a.kv + key_place;
      const float* weight = a.weight + stream * a.width;
      const float* gradient = a.gradient + place;
      const float* gate = a.gates + (token * a.streams + stream) * 4;
      float* weight_gradient = a.weight_gradient + stream * a.width;
      Floats gate_gradients = {};
      across(a.width, [&](int64_t i, int64_t n) {
        const Floats g = load(gradient + i, n);
        gate_gradients += g * load(value + i, n);
        store(value_gradient + i, load(value_gradient + i, n) + gate[3] * g, n);
      });
      const float match = match_gradient(gate, sum(gate_gradients));
      const float product = match * gate[1] * gate[2] / __builtin_sqrtf(width);
      const float x_share = match * gate[0] * gate[1] * gate[2] * gate[1] * gate[1] / width;
      const float key_share = match * gate[0] * gate[1] * gate[2] * gate[2] * gate[2] / width;
      across(a.width, [&](int64_t i, int64_t n) {
        const Floats v = load(x + i, n), k = load(key + i, n), w = load(weight + i, n);
        store(a.out + place + i, load(gradient + i, n) + (product * w * k - x_share * v), n);
        store(a.kv_gradient + key_place + i, product * w * v - key_share * k, n);
        store(weight_gradient + i, load(weight_gradient + i, n) + product * v * k, n);
      });
    }
  }
}
