// The gradients of kernel and bias of a 3 x 3 convolution, of which only each window's maximum has a gradient.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "pooled.h"

namespace kernel_gradient {

// Of the kernel's gradient [9 C, F], summed together.
constexpr int ROWS = 4;

// Rows of the kernel's gradient, a tap and channel each, with some empty ones for a single channel.
inline int64_t rows_of(const Shape& shape) { return (9 * shape.channels + ROWS - 1) / ROWS * ROWS; }

// Of a padded sample, rounded up to whole vectors.
inline int64_t padded_size(const Shape& shape) {
  const int64_t size = (shape.width + 2) * (shape.height + 2) * shape.channels;
  return (size + LANES - 1) / LANES * LANES;
}

// Of what is made of a column of windows.
inline int64_t column_size(const Shape& shape) { return shape.windows() * (rows_of(shape) * 4 + 2 * shape.features); }

// Copies one sample [W, H, C] into the middle of a frame [W + 2, H + 2, C] of zeros.
inline void pad(const float* image, const Shape& shape, float* padded) {
  const int64_t own = shape.height * shape.channels, column = own + 2 * shape.channels;
  for (int64_t w = 0; w < shape.width; ++w)
    std::memcpy(padded + (w + 1) * column + shape.channels, image + w * own, own * sizeof(float));
}

// Interleaves four vectors a, b, c, d into a0 b0 c0 d0 a1 b1 ... d3, and so on for every four, `stride` apart.
inline void interleave(const float* a, const float* b, const float* c, const float* d, int64_t stride, float* output) {
  const __m512 ab_low = _mm512_unpacklo_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b));
  const __m512 ab_high = _mm512_unpackhi_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b));
  const __m512 cd_low = _mm512_unpacklo_ps(_mm512_loadu_ps(c), _mm512_loadu_ps(d));
  const __m512 cd_high = _mm512_unpackhi_ps(_mm512_loadu_ps(c), _mm512_loadu_ps(d));
  const auto pairs = [](__m512 first, __m512 second, bool high) {
    const __m512d x = _mm512_castps_pd(first), y = _mm512_castps_pd(second);
    return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(x, y) : _mm512_unpacklo_pd(x, y));
  };
  // In every lane of 128 bits: the four values of channels 0, 1, 2, 3 of that lane.
  const __m512 first = pairs(ab_low, cd_low, false), second = pairs(ab_low, cd_low, true);
  const __m512 third = pairs(ab_high, cd_high, false), fourth = pairs(ab_high, cd_high, true);
#define STORE_LANE(lane)                                                             \
  _mm_storeu_ps(output + (lane) * stride, _mm512_extractf32x4_ps(first, lane));      \
  _mm_storeu_ps(output + (lane) * stride + 4, _mm512_extractf32x4_ps(second, lane)); \
  _mm_storeu_ps(output + (lane) * stride + 8, _mm512_extractf32x4_ps(third, lane));  \
  _mm_storeu_ps(output + (lane) * stride + 12, _mm512_extractf32x4_ps(fourth, lane));
  STORE_LANE(0) STORE_LANE(1) STORE_LANE(2) STORE_LANE(3)
#undef STORE_LANE
}

// For a column of windows, every tap and every channel: the four pixels that the window's corners see there, as [9 C / 4, windows, 4, 4].
inline void see_corners(const float* first_column, int64_t column, const Shape& shape, float* seen) {
  const int64_t windows = shape.windows();
  for (int64_t window = 0; window < windows; ++window)
    for (int64_t tap = 0; tap < 9; ++tap) {
      const float* a = first_column + tap / 3 * column + (2 * window + tap % 3) * shape.channels;
      const float *b = a + shape.channels, *c = a + column, *d = c + shape.channels;
      if (shape.channels == 1) {
        float* output = seen + (tap / ROWS * windows + window) * 4 * ROWS + tap % ROWS * 4;
        output[0] = *a, output[1] = *b, output[2] = *c, output[3] = *d;
      }
      for (int64_t channel = 0; channel + LANES <= shape.channels; channel += LANES) {
        const int64_t block = (tap * shape.channels + channel) / ROWS;
        interleave(a + channel, b + channel, c + channel, d + channel, windows * 4 * ROWS, seen + (block * windows + window) * 4 * ROWS);
      }
    }
}

// Adds to ROWS rows (a tap and channel each) of the kernel's gradient. Of the four pixels seen by a window's corners, every feature picks
// that of its own maximum: a quarter of the products of the gradient of a convolution that knows nothing of the pool.
template <int VECTORS>
void add_rows(const float* seen, int64_t windows, const float* gradient, const int32_t* corners, int64_t features, float* sums) {
  __m512 total[ROWS][VECTORS];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) total[r][v] = _mm512_loadu_ps(sums + r * features + v * LANES);
  for (int64_t window = 0; window < windows; ++window) {
    __m512 four[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) four[r] = _mm512_broadcast_f32x4(_mm_loadu_ps(seen + (window * ROWS + r) * 4));
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      __m512 g = _mm512_loadu_ps(gradient + window * features + v * LANES);
      __m512i corner = _mm512_loadu_si512(corners + window * features + v * LANES);
      // Keeps them in registers: else the compiler loads them again in every row.
      asm("" : "+v"(g), "+v"(corner));
#pragma GCC unroll 4
      for (int r = 0; r < ROWS; ++r) total[r][v] = _mm512_fmadd_ps(_mm512_permutevar_ps(four[r], corner), g, total[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) _mm512_storeu_ps(sums + r * features + v * LANES, total[r][v]);
}

// Gradients of kernel [9 C, F] and bias [F] of one sample are added to `sums`.
inline void add_sample(const float* padded, const float* gradient, const int8_t* corners, const Shape& shape, float* scratch, float* sums) {
  const int64_t windows = shape.windows(), rows = rows_of(shape), features = shape.features;
  const int64_t column = (shape.height + 2) * shape.channels;
  float* seen = scratch;
  float* kept = seen + windows * rows * 4;
  int32_t* places = reinterpret_cast<int32_t*>(kept + windows * features);
  for (int64_t w = 0; w < shape.width / 2; ++w) {
    see_corners(padded + 2 * w * column, column, shape, seen);
    for (int64_t at = 0; at < windows * features; at += LANES) {
      const int64_t place = w * windows * features + at;
      const __m512i corner = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(corners + place)));
      const __mmask16 passed = _mm512_cmpneq_epi32_mask(corner, _mm512_set1_epi32(NOWHERE));
      const __m512 g = _mm512_maskz_loadu_ps(passed, gradient + place);
      _mm512_storeu_ps(kept + at, g);
      _mm512_storeu_si512(places + at, corner);
      float* bias = sums + rows * features + at % features;
      _mm512_storeu_ps(bias, _mm512_add_ps(_mm512_loadu_ps(bias), g));
    }
    for_features<4>(features, [&](auto vectors, int64_t feature) {
      for (int64_t row = 0; row < rows; row += ROWS)
        add_rows<vectors()>(seen + row * windows * 4, windows, kept + feature, places + feature, features, sums + row * features + feature);
    });
  }
}

}  // namespace kernel_gradient
