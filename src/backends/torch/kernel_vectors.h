// SPDX-License-Identifier: MIT
// Sixteen floats at a time, by the vector types that gcc and clang share; included by each
// kernels_*.cpp into its own unnamed namespace, so that no machine code compiled for one
// instruction set can be linked into another's place.
//
// Sixteen on every machine: sums then have the same shape everywhere.  No header of the C++
// library may be included here, for the same reason.

#define HADAL_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int kNativeBytes = 64;
#elif defined(__AVX__)
constexpr int kNativeBytes = 32;
#else
constexpr int kNativeBytes = 16;
#endif
constexpr int kNative = kNativeBytes / 4;
constexpr int kParts = static_cast<int>(kLanes) / kNative;

typedef float NativeFloats __attribute__((vector_size(kNativeBytes)));
typedef int32_t NativeInts __attribute__((vector_size(kNativeBytes)));

// Sixteen lanes in the machine's own registers.
struct Floats {
  NativeFloats part[kParts];
};
struct Mask {
  NativeInts part[kParts];
};

constexpr float kMinusInfinity = -__builtin_inff();

template <typename Step>
HADAL_INLINE Floats each_part(Step step) {
  Floats result;
  for (int i = 0; i < kParts; ++i) result.part[i] = step(i);
  return result;
}

template <typename Step>
HADAL_INLINE Mask each_mask(Step step) {
  Mask result;
  for (int i = 0; i < kParts; ++i) result.part[i] = step(i);
  return result;
}

HADAL_INLINE Floats all(float value) {
  return each_part([&](int) { return value - NativeFloats{}; });
}

#define HADAL_ARITHMETIC(op)                                                    \
  HADAL_INLINE Floats operator op(Floats a, Floats b) {                         \
    return each_part([&](int i) { return a.part[i] op b.part[i]; });            \
  }                                                                             \
  HADAL_INLINE Floats operator op(Floats a, float b) {                          \
    return each_part([&](int i) { return a.part[i] op b; });                    \
  }                                                                             \
  HADAL_INLINE Floats operator op(float a, Floats b) {                          \
    return each_part([&](int i) { return a op b.part[i]; });                    \
  }
HADAL_ARITHMETIC(+)
HADAL_ARITHMETIC(-)
HADAL_ARITHMETIC(*)
HADAL_ARITHMETIC(/)
#undef HADAL_ARITHMETIC

HADAL_INLINE Floats& operator+=(Floats& a, Floats b) { return a = a + b; }
HADAL_INLINE Floats& operator*=(Floats& a, Floats b) { return a = a * b; }
HADAL_INLINE Floats operator-(Floats a) { return 0.0f - a; }

HADAL_INLINE Mask operator>(Floats a, float b) {
  return each_mask([&](int i) { return a.part[i] > b; });
}
HADAL_INLINE Mask operator<(Floats a, float b) {
  return each_mask([&](int i) { return a.part[i] < b; });
}
HADAL_INLINE Floats choose(Mask mask, Floats yes, Floats no) {
  return each_part([&](int i) { return mask.part[i] ? yes.part[i] : no.part[i]; });
}

HADAL_INLINE Floats load(const float* from) {
  Floats v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

HADAL_INLINE void store(float* to, Floats v) {
  __builtin_memcpy(to, &v, sizeof v);
}

HADAL_INLINE float first_of(Floats v) {
  return v.part[0][0];
}

// The first `count` floats; zeros behind them.
HADAL_INLINE Floats load(const float* from, int64_t count) {
  if (count >= kLanes) return load(from);
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}

HADAL_INLINE void store(float* to, Floats v, int64_t count) {
  if (count >= kLanes) return store(to, v);
  float lanes[kLanes];
  store(lanes, v);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

HADAL_INLINE Floats larger(Floats a, Floats b) {
  return each_part([&](int i) { return a.part[i] > b.part[i] ? a.part[i] : b.part[i]; });
}

HADAL_INLINE Floats smaller(Floats a, Floats b) {
  return each_part([&](int i) { return a.part[i] < b.part[i] ? a.part[i] : b.part[i]; });
}

typedef float EightFloats __attribute__((vector_size(32)));
typedef float FourFloats __attribute__((vector_size(16)));

// Halves are folded onto each other: 16, 8, 4, 2, 1.
HADAL_INLINE float sum(Floats v) {
#if defined(__AVX512F__)
  const EightFloats eight = __builtin_shufflevector(v.part[0], v.part[0], 0, 1, 2, 3, 4, 5, 6, 7) +
                            __builtin_shufflevector(v.part[0], v.part[0], 8, 9, 10, 11, 12, 13, 14, 15);
  FourFloats four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                    __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#elif defined(__AVX__)
  const EightFloats eight = v.part[0] + v.part[1];
  FourFloats four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                    __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#else
  FourFloats four = (v.part[0] + v.part[2]) + (v.part[1] + v.part[3]);
#endif
  four += __builtin_shufflevector(four, four, 2, 3, 0, 1);
  return four[0] + four[1];
}

HADAL_INLINE float largest(Floats v) {
  float lanes[kLanes];
  store(lanes, v);
  float top = lanes[0];
  for (int i = 1; i < kLanes; ++i) top = lanes[i] > top ? lanes[i] : top;
  return top;
}

// Pairs (2i, 2i+1) change places.
HADAL_INLINE Floats swap_pairs(Floats v) {
  return each_part([&](int i) {
    const NativeFloats p = v.part[i];
#if defined(__AVX512F__)
    return __builtin_shufflevector(p, p, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif defined(__AVX__)
    return __builtin_shufflevector(p, p, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    return __builtin_shufflevector(p, p, 1, 0, 3, 2);
#endif
  });
}

// 2^n for integers n as floats, within the normal range.
HADAL_INLINE Floats power_of_two(Floats n) {
  return each_part([&](int i) {
    const NativeInts bits = (__builtin_convertvector(n.part[i], NativeInts) + 127) << 23;
    NativeFloats power;
    __builtin_memcpy(&power, &bits, sizeof power);
    return power;
  });
}

// e^x within two units in the last place; 0 below -87, as there f32 runs out of normal numbers.
// x = n·ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial (the one of Cephes' expf).
HADAL_INLINE Floats exponential(Floats x) {
  const Floats inside = smaller(larger(x, all(-87.0f)), all(88.0f));
  const Floats magic = all(12582912.0f);  // 1.5·2^23: adding it rounds to an integer
  const Floats n = (inside * 1.44269504f + magic) - magic;
  const Floats r = (inside - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return choose(x < -87.0f, Floats{}, p * power_of_two(n));
}

HADAL_INLINE Floats sigmoid(Floats x) {
  return 1.0f / (1.0f + exponential(-x));
}

// Calls step(i, count) for i = 0, 16, … of a row; a width known to the compiler has no short end.
template <typename Step>
HADAL_INLINE void across(int64_t width, Step step) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) step(i, kLanes);
  if (i < width) step(i, width - i);
}
