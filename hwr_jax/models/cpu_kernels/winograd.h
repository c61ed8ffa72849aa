// A 3 x 3 convolution by Winograd's F(2 x 2, 3 x 3) (Lavin and Gray 2015, arXiv 1509.09308): of 4 x 4 pixels, 2 x 2 of the result by 16
// products a channel and feature instead of 36. These 2 x 2 pixels are a window of the pool.
//
// Of 4 x 4 pixels, and of 3 x 3 taps, 16 sums are made. For each of the 16 the products, added up over channels, are a product of matrices
// [windows, C] x [C, F]. Sums of these are the pixels of the result. Rounding errors are about those of a plain convolution.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "pooled.h"
#include "tasks.h"

namespace winograd {

constexpr int SUMS = 16;
// That are computed together, if columns are that short: what is made of them stays in a core's second cache.
constexpr int64_t WINDOWS = 32, FEATURES = 64;

// [3, 3, C, F] to [16, C, F]: G k G', with the rows (1, 0, 0), (1, 1, 1) / 2, (1, -1, 1) / 2, (0, 0, 1) of G.
inline Scratch transform_kernel(const float* kernel, int64_t channels, int64_t features) {
  const int64_t size = channels * features;
  Scratch result(SUMS * size);
  const __m512 half = _mm512_set1_ps(0.5f);
  const auto transform = [half](__m512 a, __m512 b, __m512 c, __m512 (&sums)[4]) {
    const __m512 ends = _mm512_mul_ps(half, _mm512_add_ps(a, c)), middle = _mm512_mul_ps(half, b);
    sums[0] = a, sums[1] = _mm512_add_ps(ends, middle), sums[2] = _mm512_sub_ps(ends, middle), sums[3] = c;
  };
  for (int64_t at = 0; at < size; at += LANES) {
    __m512 rows[3][4];
    for (int j = 0; j < 3; ++j) {
      const auto tap = [&](int i) { return _mm512_loadu_ps(kernel + (3 * i + j) * size + at); };
      transform(tap(0), tap(1), tap(2), rows[j]);
    }
    for (int i = 0; i < 4; ++i) {
      __m512 sums[4];
      transform(rows[0][i], rows[1][i], rows[2][i], sums);
      for (int j = 0; j < 4; ++j) _mm512_storeu_ps(result.data() + (4 * i + j) * size + at, sums[j]);
    }
  }
  return result;
}

// Of 4 values: a - c, b + c, c - b, b - d.
inline __attribute__((always_inline)) void transform_four(__m512 a, __m512 b, __m512 c, __m512 d, __m512 (&sums)[4]) {
  sums[0] = _mm512_sub_ps(a, c), sums[1] = _mm512_add_ps(b, c), sums[2] = _mm512_sub_ps(c, b), sums[3] = _mm512_sub_ps(b, d);
}

// Between two of the 16 matrices: not a multiple of 4096 bytes, which would have them all in the same few places of the first cache.
inline int64_t stride_of(int64_t windows, int64_t width) { return windows * width + LANES; }

// Transforms the pixels that a strip's windows see, to `seen` [16, windows, C]. `column(w)` is the column of pixels [H, C] at w, -1 to W.
template <typename Column>
void transform_windows(const Shape& shape, const Strip& strip, Column column, float* seen) {
  const int64_t channels = shape.channels, stride = stride_of(strip.columns() * shape.windows(), channels);
  for (int64_t w = strip.first; w < strip.last; ++w) {
    const float* columns[4] = {column(2 * w - 1), column(2 * w), column(2 * w + 1), column(2 * w + 2)};
    for (int64_t channel = 0; channel < channels; channel += LANES) {
      float* output = seen + (w - strip.first) * shape.windows() * channels + channel;
      // Of a window's four rows, along W. The next window begins with the last two.
      __m512 rows[4][4];
      const auto transform_row = [&](int64_t h, __m512(&row)[4]) {
        const auto pixel = [&](int place) { return _mm512_loadu_ps(columns[place] + h * channels + channel); };
        if (0 <= h && h < shape.height)
          transform_four(pixel(0), pixel(1), pixel(2), pixel(3), row);
        else
          for (auto& sum : row) sum = _mm512_setzero_ps();
      };
      transform_row(-1, rows[0]);
      transform_row(0, rows[1]);
      for (int64_t h = 0; h < shape.height; h += 2, output += channels) {
        transform_row(h + 1, rows[2]);
        transform_row(h + 2, rows[3]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          __m512 sums[4];
          transform_four(rows[0][i], rows[1][i], rows[2][i], rows[3][i], sums);
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) _mm512_storeu_ps(output + (4 * i + j) * stride, sums[j]);
          rows[0][i] = rows[2][i], rows[1][i] = rows[3][i];
        }
      }
    }
  }
}

// Adds up over channels: `seen` [COUNT, C] times 16 VECTORS features of `kernel` [C, F], to `products` [COUNT, FEATURES].
// A function of its own: inlined, it leaves too few registers, and every weight goes through memory.
template <int COUNT, int VECTORS>
__attribute__((noinline)) void multiply(const float* seen, const float* kernel, int64_t channels, int64_t features, float* products) {
  __m512 sums[COUNT][VECTORS];
#pragma GCC unroll 8
  for (int w = 0; w < COUNT; ++w)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) sums[w][v] = _mm512_setzero_ps();
  for (int64_t c = 0; c < channels; ++c, kernel += features) {
    __m512 weights[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      weights[v] = _mm512_loadu_ps(kernel + v * LANES);
      asm("" : "+v"(weights[v]));  // Keeps it in a register: else it is loaded again for every window.
    }
#pragma GCC unroll 8
    for (int w = 0; w < COUNT; ++w) {
      const __m512 value = _mm512_set1_ps(seen[w * channels + c]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) sums[w][v] = _mm512_fmadd_ps(value, weights[v], sums[w][v]);
    }
  }
#pragma GCC unroll 8
  for (int w = 0; w < COUNT; ++w)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) _mm512_storeu_ps(products + w * FEATURES + v * LANES, sums[w][v]);
}

// The window's four pixels, H runs faster, of its 16 products, `stride` apart.
inline __attribute__((always_inline)) void transform_products(const float* products, int64_t stride, __m512 (&pixels)[4]) {
  // a + b + c and b - c - d.
  const auto transform = [](__m512 a, __m512 b, __m512 c, __m512 d, __m512& first, __m512& second) {
    first = _mm512_add_ps(_mm512_add_ps(a, b), c), second = _mm512_sub_ps(_mm512_sub_ps(b, c), d);
  };
  __m512 upper[4], lower[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const auto product = [&](int j) { return _mm512_loadu_ps(products + (4 * i + j) * stride); };
    transform(product(0), product(1), product(2), product(3), upper[i], lower[i]);
  }
  transform(upper[0], upper[1], upper[2], upper[3], pixels[0], pixels[2]);
  transform(lower[0], lower[1], lower[2], lower[3], pixels[1], pixels[3]);
}

// Convolves a strip with a transformed kernel. `finish(window, feature, pixels)` gets every window's four pixels of 16 features, without
// bias; windows are counted from the strip's first.
template <typename Column, typename Finish>
void convolve(const Shape& shape, const Strip& strip, Column column, const float* kernel, Finish finish) {
  static thread_local Scratch seen_scratch, products_scratch;
  const int64_t windows = strip.columns() * shape.windows(), channels = shape.channels, features = shape.features;
  const int64_t seen_stride = stride_of(windows, channels), stride = stride_of(windows, FEATURES);
  float* const seen = seen_scratch.resize(SUMS * seen_stride);
  float* const products = products_scratch.resize(SUMS * stride);
  transform_windows(shape, strip, column, seen);
  for (int64_t first = 0; first < features; first += FEATURES) {
    const int64_t count = std::min(FEATURES, features - first);
    for (int sum = 0; sum < SUMS; ++sum)
      for_features<4>(count, [&](auto vectors, int64_t feature) {
        const float* own = seen + sum * seen_stride;
        const float* weights = kernel + sum * channels * features + first + feature;
        float* output = products + sum * stride + feature;
        int64_t w = 0;
        for (; w + 4 <= windows; w += 4) multiply<4, vectors()>(own + w * channels, weights, channels, features, output + w * FEATURES);
        for (; w < windows; ++w) multiply<1, vectors()>(own + w * channels, weights, channels, features, output + w * FEATURES);
      });
    for (int64_t w = 0; w < windows; ++w)
      for (int64_t feature = 0; feature < count; feature += LANES) {
        __m512 pixels[4];
        transform_products(products + w * FEATURES + feature, stride, pixels);
        finish(w, first + feature, pixels);
      }
  }
}

// Convolves images [B, W, H, C] with a kernel [3, 3, C, F]; `finish_of(strip)` is what `convolve` takes as `finish`.
template <typename FinishOf>
void convolve_images(xla::ffi::ThreadPool& pool, const Shape& shape, const float* images, const float* kernel, FinishOf finish_of) {
  const Scratch transformed = transform_kernel(kernel, shape.channels, shape.features);
  const Scratch outside(shape.height * shape.channels);
  for_strips(pool, shape, WINDOWS, [&](const Strip& strip) {
    const float* sample = images + strip.sample * shape.pixels() * shape.channels;
    const auto column = [&](int64_t w) {
      return 0 <= w && w < shape.width ? sample + w * shape.height * shape.channels : outside.data();
    };
    convolve(shape, strip, column, transformed.data(), finish_of(strip));
  });
}

}  // namespace winograd
