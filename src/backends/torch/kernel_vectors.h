// SPDX-License-Identifier: MIT
// Sixteen floats at a time, by the vector types that gcc and clang share; included by each
// kernels_*.cpp into its own unnamed namespace, so that no machine code compiled for one
// instruction set can be linked into another's place.
//
// Sixteen on every machine: sums then have the same shape everywhere.  No header of the C++
// library may be included here, for the same reason.

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));

#define HADAL_INLINE static inline __attribute__((always_inline))

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
  float part[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = from[i];
  return load(part);
}

HADAL_INLINE void store(float* to, Floats v, int64_t count) {
  if (count >= kLanes) return store(to, v);
  float part[kLanes];
  store(part, v);
  for (int64_t i = 0; i < count; ++i) to[i] = part[i];
}

HADAL_INLINE Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}

HADAL_INLINE Floats smaller(Floats a, Floats b) {
  return a < b ? a : b;
}

// Halves are folded onto each other.
HADAL_INLINE float sum(Floats v) {
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return v[0];
}

HADAL_INLINE float largest(Floats v) {
  float top = v[0];
  for (int i = 1; i < kLanes; ++i) top = v[i] > top ? v[i] : top;
  return top;
}

// Pairs (2i, 2i+1) change places.
HADAL_INLINE Floats swap_pairs(Floats v) {
  return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
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
  const Ints bits = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return x < -87.0f ? Floats{} : p * power;
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
