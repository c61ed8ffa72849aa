// Vectors of floats as wide as this CPU has them: the compilers' own vector types, and what those do not offer by intrinsics.

#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef int8_t Bytes __attribute__((vector_size(LANES)));
typedef float Four __attribute__((vector_size(16)));

// Wherever they lie.
template <typename T = Vector>
inline T load(const void* place) {
  T values;
  std::memcpy(&values, place, sizeof(T));
  return values;
}

template <typename T>
inline void store(void* place, T values) {
  std::memcpy(place, &values, sizeof(T));
}

// The same in all lanes.
inline Vector repeat(float value) { return value - Vector{}; }
inline Integers repeat(int32_t value) { return value - Integers{}; }

#if defined(__AVX512F__)
inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector repeat_four(const float* values) { return _mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(values)); }
inline Integers place_of(Integers which) { return which; }
inline Vector look_up(Vector fours, Integers places) { return _mm512_maskz_permutevar_ps(0xffff, fours, reinterpret_cast<__m512i>(places)); }
#elif defined(__AVX2__) && defined(__FMA__)
inline Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector repeat_four(const float* values) { return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(values)); }
inline Integers place_of(Integers which) { return which; }
inline Vector look_up(Vector fours, Integers places) { return _mm256_permutevar_ps(fours, reinterpret_cast<__m256i>(places)); }
#elif defined(__aarch64__)
inline Vector multiply_add(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
inline Vector repeat_four(const float* values) { return load(values); }
// Of each of the four bytes.
inline Integers place_of(Integers which) { return which * 0x04040404 + 0x03020100; }
inline Vector look_up(Vector fours, Integers places) {
  return reinterpret_cast<Vector>(vqtbl1q_u8(reinterpret_cast<uint8x16_t>(fours), reinterpret_cast<uint8x16_t>(places)));
}
#else
inline Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }
inline Vector repeat_four(const float* values) { return load(values); }
inline Integers place_of(Integers which) { return which & 3; }
inline Vector look_up(Vector fours, Integers places) {
  return Vector{fours[places[0]], fours[places[1]], fours[places[2]], fours[places[3]]};
}
#endif
