// A 3 x 3 convolution by Winograd's F(2 x 2, 3 x 3) (Lavin and Gray 2015, arXiv 1509.09308): of 4 x 4 pixels, 2 x 2 of the result by 16
// products a channel and feature instead of 36. These 2 x 2 pixels are a window of the pool.
//
// Of 4 x 4 pixels, and of 3 x 3 taps, 16 sums are made. For each of the 16 the products, added up over channels, are a product of matrices
// [windows, C] x [C, F]. Sums of these are the pixels of the result. Rounding errors are about those of a plain convolution.

#pragma once

#include <algorithm>
#include <cstdint>

#include "pooled.h"
#include "tasks.h"
#include "vectors.h"

namespace winograd {

constexpr int SUMS = 16;
// That are computed together, if columns are that short: what is made of them stays in a core's second cache.
constexpr int64_t WINDOWS = 32, FEATURES = 64;
// Of a product of matrices: windows, and vectors of features, whose sums are in registers.
constexpr int TOGETHER = REGISTERS == 32 ? 4 : 6, ABREAST = REGISTERS == 32 ? 4 : 2;

// [3, 3, C, F] to [16, C, F]: G k G', with the rows (1, 0, 0), (1, 1, 1) / 2, (1, -1, 1) / 2, (0, 0, 1) of G.
inline Scratch transform_kernel(const float* kernel, int64_t channels, int64_t features) {
  const int64_t size = channels * features;
  Scratch result(SUMS * size);
  const auto transform = [](Vector a, Vector b, Vector c, Vector (&sums)[4]) {
    const Vector ends = 0.5f * (a + c), middle = 0.5f * b;
    sums[0] = a, sums[1] = ends + middle, sums[2] = ends - middle, sums[3] = c;
  };
  for (int64_t at = 0; at < size; at += LANES) {
    Vector rows[3][4];
    for (int j = 0; j < 3; ++j) {
      const auto tap = [&](int i) { return load(kernel + (3 * i + j) * size + at); };
      transform(tap(0), tap(1), tap(2), rows[j]);
    }
    for (int i = 0; i < 4; ++i) {
      Vector sums[4];
      transform(rows[0][i], rows[1][i], rows[2][i], sums);
      for (int j = 0; j < 4; ++j) store(result.data() + (4 * i + j) * size + at, sums[j]);
    }
  }
  return result;
}

// Of 4 values: a - c, b + c, c - b, b - d.
inline __attribute__((always_inline)) void transform_four(Vector a, Vector b, Vector c, Vector d, Vector (&sums)[4]) {
  sums[0] = a - c, sums[1] = b + c, sums[2] = c - b, sums[3] = b - d;
}

// Between two of the 16 matrices: not a multiple of 4096 bytes, which would have them all in the same few places of the first cache.
inline int64_t stride_of(int64_t windows, int64_t width) { return windows * width + 16; }

// Transforms the pixels that a strip's windows see, to `seen` [16, windows, C]. `column(w)` is the column of pixels [H, C] at w, -1 to W.
template <typename Column>
void transform_windows(const Shape& shape, const Strip& strip, Column column, float* seen) {
  const int64_t channels = shape.channels, stride = stride_of(strip.columns() * shape.windows(), channels);
  for (int64_t w = strip.first; w < strip.last; ++w) {
    const float* columns[4] = {column(2 * w - 1), column(2 * w), column(2 * w + 1), column(2 * w + 2)};
    for (int64_t channel = 0; channel < channels; channel += LANES) {
      float* output = seen + (w - strip.first) * shape.windows() * channels + channel;
      // Of a window's four rows, along W. The next window begins with the last two.
      Vector rows[4][4];
      const auto transform_row = [&](int64_t h, Vector(&row)[4]) {
        const auto pixel = [&](int place) { return load(columns[place] + h * channels + channel); };
        if (0 <= h && h < shape.height)
          transform_four(pixel(0), pixel(1), pixel(2), pixel(3), row);
        else
          for (auto& sum : row) sum = Vector{};
      };
      transform_row(-1, rows[0]);
      transform_row(0, rows[1]);
      for (int64_t h = 0; h < shape.height; h += 2, output += channels) {
        transform_row(h + 1, rows[2]);
        transform_row(h + 2, rows[3]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          Vector sums[4];
          transform_four(rows[0][i], rows[1][i], rows[2][i], rows[3][i], sums);
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) store(output + (4 * i + j) * stride, sums[j]);
          rows[0][i] = rows[2][i], rows[1][i] = rows[3][i];
        }
      }
    }
  }
}

// Adds up over channels: `seen` [COUNT, C] times VECTORS of features of `kernel` [C, F], to `products` [COUNT, FEATURES].
// A function of its own: inlined, it leaves too few registers, and every weight goes through memory.
template <int COUNT, int VECTORS>
__attribute__((noinline)) void multiply(const float* seen, const float* kernel, int64_t channels, int64_t features, float* products) {
  Vector sums[COUNT][VECTORS];
#pragma GCC unroll 8
  for (int w = 0; w < COUNT; ++w)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) sums[w][v] = Vector{};
  for (int64_t c = 0; c < channels; ++c, kernel += features) {
    Vector weights[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) weights[v] = load(kernel + v * LANES);
#pragma GCC unroll 8
    for (int w = 0; w < COUNT; ++w) {
      const Vector value = repeat(seen[w * channels + c]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) sums[w][v] = multiply_add(value, weights[v], sums[w][v]);
    }
  }
#pragma GCC unroll 8
  for (int w = 0; w < COUNT; ++w)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) store(products + w * FEATURES + v * LANES, sums[w][v]);
}

// The window's four pixels, H runs faster, of its 16 products, `stride` apart.
inline __attribute__((always_inline)) void transform_products(const float* products, int64_t stride, Vector (&pixels)[4]) {
  // a + b + c and b - c - d.
  const auto transform = [](Vector a, Vector b, Vector c, Vector d, Vector& first, Vector& second) {
    first = a + b + c, second = b - c - d;
  };
  Vector upper[4], lower[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const auto product = [&](int j) { return load(products + (4 * i + j) * stride); };
    transform(product(0), product(1), product(2), product(3), upper[i], lower[i]);
  }
  transform(upper[0], upper[1], upper[2], upper[3], pixels[0], pixels[2]);
  transform(lower[0], lower[1], lower[2], lower[3], pixels[1], pixels[3]);
}

// Convolves a strip with a transformed kernel. `finish(window, feature, pixels)` gets every window's four pixels of a vector of features, without
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
      for_parts<ABREAST>(count / LANES, [&](auto vectors, int64_t vector) {
        const float* own = seen + sum * seen_stride;
        const float* weights = kernel + sum * channels * features + first + vector * LANES;
        float* output = products + sum * stride + vector * LANES;
        for_parts<TOGETHER>(windows, [&](auto some, int64_t w) {
          multiply<some(), vectors()>(own + w * channels, weights, channels, features, output + w * FEATURES);
        });
      });
    for (int64_t w = 0; w < windows; ++w)
      for (int64_t feature = 0; feature < count; feature += LANES) {
        Vector pixels[4];
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
