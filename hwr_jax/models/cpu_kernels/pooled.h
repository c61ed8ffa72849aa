// What the convolution's parts have in common: sizes, tasks, and what becomes of a window of 2 x 2 pixels.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "tasks.h"

constexpr int LANES = 16;
// The corner of a window that the rectifier cut off.
constexpr int8_t NOWHERE = 4;

struct Shape {
  int64_t samples, width, height, channels, features;
  int64_t pixels() const { return width * height; }
  // Of a column, and of a sample.
  int64_t windows() const { return height / 2; }
  int64_t pooled() const { return width / 2 * windows(); }
};

// Some columns of windows of a sample: what a task computes.
struct Strip {
  int64_t sample, first, last;
  int64_t columns() const { return last - first; }
};

// Calls `body(strip)` for all strips of all samples, as tasks; a strip has about `windows`.
template <typename Body>
void for_strips(xla::ffi::ThreadPool& pool, const Shape& shape, int64_t windows, Body body) {
  const int64_t columns = std::max<int64_t>(1, windows / shape.windows()), all = shape.width / 2;
  const int64_t strips = (all + columns - 1) / columns;
  for_each_task(pool, shape.samples * strips, [&](int64_t task) {
    const int64_t first = task % strips * columns;
    body(Strip{task / strips, first, std::min(all, first + columns)});
  });
}

// Calls `body` with the number of vectors, known to the compiler, of every stretch of features.
template <int MOST, typename Body>
void for_features(int64_t features, Body body) {
  int64_t feature = 0;
  for (; feature + MOST * LANES <= features; feature += MOST * LANES) body(std::integral_constant<int, MOST>(), feature);
  for (; feature < features; feature += LANES) body(std::integral_constant<int, 1>(), feature);
}

// Writes a window's four pixels of 16 features, H runs faster, where they belong: `sample` is [W, H, F] from the first of these features.
inline __attribute__((always_inline)) void write_window(const __m512 (&pixels)[4], const Shape& shape, const Strip& strip, int64_t window,
                                                        float* sample) {
  const int64_t w = 2 * (strip.first + window / shape.windows()), h = 2 * (window % shape.windows());
  for (int which = 0; which < 4; ++which)
    _mm512_storeu_ps(sample + ((w + which / 2) * shape.height + h + which % 2) * shape.features, pixels[which]);
}

// Pools and rectifies a window's four pixels of 16 features, H runs faster; stores the maximum and its corner.
inline __attribute__((always_inline)) void store_window(const __m512 (&pixels)[4], const float* bias, float* pooled, int8_t* corners) {
  __m512 maximum = pixels[0];
  __m512i corner = _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int which = 1; which < 4; ++which) {
    const __mmask16 greater = _mm512_cmp_ps_mask(pixels[which], maximum, _CMP_GT_OQ);
    maximum = _mm512_mask_mov_ps(maximum, greater, pixels[which]);
    corner = _mm512_mask_mov_epi32(corner, greater, _mm512_set1_epi32(which));
  }
  // What is no number is no less than others, and passes the rectifier.
  const __mmask16 wrong =
      _mm512_cmp_ps_mask(pixels[0], pixels[1], _CMP_UNORD_Q) | _mm512_cmp_ps_mask(pixels[2], pixels[3], _CMP_UNORD_Q);
  maximum = _mm512_mask_mov_ps(maximum, wrong, _mm512_set1_ps(NAN));
  maximum = _mm512_add_ps(maximum, _mm512_loadu_ps(bias));
  const __mmask16 cut = _mm512_cmp_ps_mask(maximum, _mm512_setzero_ps(), _CMP_LE_OQ);
  maximum = _mm512_mask_mov_ps(maximum, cut, _mm512_setzero_ps());
  corner = _mm512_mask_mov_epi32(corner, cut, _mm512_set1_epi32(NOWHERE));
  _mm512_storeu_ps(pooled, maximum);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(corners), _mm512_cvtepi32_epi8(corner));
}
