// A 3 x 3 convolution of one channel, as the first one's is: its nine taps of 32 features stay in registers.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "pooled.h"
#include "scratch.h"

namespace single_channel {

// Windows of a task.
constexpr int64_t WINDOWS = 256;

// A column of windows, whose four columns of pixels begin at `pixels`, `column` apart, with a zero before the first row.
// `finish(window, feature, pixels)` gets every window's four pixels of 16 features, without bias.
template <int VECTORS, typename Finish>
void convolve_column(const float* pixels, int64_t column, int64_t windows, const float* kernel, int64_t features, int64_t feature,
                     Finish finish) {
  __m512 taps[3][3][VECTORS];
#pragma GCC unroll 9
  for (int tap = 0; tap < 9; ++tap)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) taps[tap / 3][tap % 3][v] = _mm512_loadu_ps(kernel + tap * features + feature + v * LANES);
  for (int64_t window = 0; window < windows; ++window) {
    __m512 sums[VECTORS][4];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v)
#pragma GCC unroll 4
      for (int which = 0; which < 4; ++which) sums[v][which] = _mm512_setzero_ps();
    // A pixel at (i, j) is seen by the window's pixel at (p, q) through the tap (i - p, j - q).
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m512 value = _mm512_set1_ps(pixels[i * column + 2 * window + j]);
#pragma GCC unroll 4
        for (int which = 0; which < 4; ++which) {
          const int p = i - which / 2, q = j - which % 2;
          if (0 <= p && p < 3 && 0 <= q && q < 3)
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; ++v) sums[v][which] = _mm512_fmadd_ps(value, taps[p][q][v], sums[v][which]);
        }
      }
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) finish(window, feature + v * LANES, sums[v]);
  }
}

// `image` is the sample [W, H], `finish` as in `winograd::convolve`.
template <typename Finish>
void convolve(const Shape& shape, const Strip& strip, const float* image, const float* kernel, Finish finish) {
  static thread_local Scratch scratch;
  const int64_t column = shape.height + 2, size = (2 * strip.columns() + 2) * column;
  float* const padded = scratch.resize(size);
  std::memset(padded, 0, size * sizeof(float));
  const int64_t first = 2 * strip.first - 1;
  for (int64_t w = std::max<int64_t>(0, first); w < std::min(shape.width, 2 * strip.last + 1); ++w)
    std::memcpy(padded + (w - first) * column + 1, image + w * shape.height, shape.height * sizeof(float));
  for_features<2>(shape.features, [&](auto vectors, int64_t feature) {
    for (int64_t w = 0; w < strip.columns(); ++w)
      convolve_column<vectors()>(padded + 2 * w * column, column, shape.windows(), kernel, shape.features, feature,
                                 [&](int64_t window, int64_t feature, const __m512(&pixels)[4]) {
                                   finish(w * shape.windows() + window, feature, pixels);
                                 });
  });
}

}  // namespace single_channel
