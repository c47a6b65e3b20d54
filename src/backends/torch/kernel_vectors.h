// SPDX-License-Identifier: MIT
// A register of floats, by the vector types that gcc and clang share: 16, 8 or 4 of them, as the
// instruction set has.  Included by each kernels_*.cpp into its own unnamed namespace, so that no
// machine code compiled for one instruction set can be linked into another's place; for the same
// reason no header of the C++ library may be included here.

#define HADAL_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif
static_assert(kGroup % kLanes == 0);

typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));

constexpr float kMinusInfinity = -__builtin_inff();

HADAL_INLINE Floats all(float value) {
  return value - Floats{};
}

HADAL_INLINE Floats load(const float* from) {
  Floats v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

HADAL_INLINE void store(float* to, Floats v) {
  __builtin_memcpy(to, &v, sizeof v);
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
  return a > b ? a : b;
}

HADAL_INLINE Floats smaller(Floats a, Floats b) {
  return a < b ? a : b;
}

typedef float FourFloats __attribute__((vector_size(16)));

// Halves are folded onto each other.
HADAL_INLINE float sum(Floats v) {
#if defined(__AVX512F__)
  const auto eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  const auto eight = v;
#endif
#if defined(__AVX__)
  FourFloats four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                    __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#else
  FourFloats four = eight;
#endif
  four += __builtin_shufflevector(four, four, 2, 3, 0, 1);
  return four[0] + four[1];
}

HADAL_INLINE float largest(Floats v) {
  float lanes[kLanes];
  store(lanes, v);
  float top = lanes[0];
  for (int64_t i = 1; i < kLanes; ++i) top = lanes[i] > top ? lanes[i] : top;
  return top;
}

// Pairs (2i, 2i+1) change places.
HADAL_INLINE Floats swap_pairs(Floats v) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif defined(__AVX__)
  return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
  return __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
}

// 2^n for integers n as floats, within the normal range.
HADAL_INLINE Floats power_of_two(Floats n) {
  const Ints bits = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return power;
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
  return x < -87.0f ? Floats{} : p * power_of_two(n);
}

HADAL_INLINE Floats sigmoid(Floats x) {
  return 1.0f / (1.0f + exponential(-x));
}

// Calls step(i, count) for i = 0, kLanes, … of a row; a width known to the compiler has no short
// end.
template <typename Step>
HADAL_INLINE void across(int64_t width, Step step) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) step(i, kLanes);
  if (i < width) step(i, width - i);
}
