// A 3 x 3 convolution by Winograd's F(2 x 2, 3 x 3) (Lavin and Gray 2015, arXiv 1509.09308): of 4 x 4 pixels, 2 x 2 of the result by 16
// products a channel and feature instead of 36. These 2 x 2 pixels are a window of the pool.
//
// Of 4 x 4 pixels, and of 3 x 3 taps, 16 sums are made. For each of the 16 the products, added up over channels, are a product of matrices
// [windows, C] x [C, F]. Sums of these are the pixels of the result. Rounding errors are about those of a plain convolution.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "pooled.h"
#include "products.h"
#include "tasks.h"
#include "vectors.h"

namespace winograd {

constexpr int SUMS = 16;
// That are computed together, if columns are that short: what is made of them stays in a core's second cache.
constexpr int64_t WINDOWS = 32, FEATURES = 64;

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
      multiply({seen + sum * seen_stride, channels, 1}, windows, channels, kernel + sum * channels * features + first, features, count,
               products + sum * stride, FEATURES);
    for (int64_t w = 0; w < windows; ++w)
      for (int64_t feature = 0; feature < count; feature += LANES) {
        Vector pixels[4];
        transform_products(products + w * FEATURES + feature, stride, pixels);
        finish(w, first + feature, pixels);
      }
  }
}

// What `transform_windows` takes as `column`, of a sample; `outside` is a column of zeros.
inline auto column_of(const Shape& shape, const float* sample, const Scratch& outside) {
  return [&shape, sample, zeros = outside.data()](int64_t w) {
    return 0 <= w && w < shape.width ? sample + w * shape.height * shape.channels : zeros;
  };
}

// Convolves images [B, W, H, C] with a kernel [3, 3, C, F]; `finish_of(strip)` is what `convolve` takes as `finish`.
template <typename FinishOf>
void convolve_images(xla::ffi::ThreadPool& pool, const Shape& shape, const float* images, const float* kernel, FinishOf finish_of) {
  const Scratch transformed = transform_kernel(kernel, shape.channels, shape.features);
  const Scratch outside(shape.height * shape.channels);
  for_strips(pool, shape, WINDOWS, [&](const Strip& strip) {
    const auto column = column_of(shape, images + strip.sample * shape.pixels() * shape.channels, outside);
    convolve(shape, strip, column, transformed.data(), finish_of(strip));
  });
}

// The gradients of a strip's pixels, rows of `features`, to those of its 16 products, `given` [16, windows, count].
inline void transform_gradients(const Shape& shape, const Strip& strip, const float* gradients, int64_t count, float* given) {
  const int64_t stride = stride_of(strip.columns() * shape.windows(), count);
  // a, a + b, a - b, -b.
  const auto transform = [](Vector a, Vector b, Vector(&sums)[4]) { sums[0] = a, sums[1] = a + b, sums[2] = a - b, sums[3] = -b; };
  for (int64_t window = 0; window < strip.columns() * shape.windows(); ++window)
    for (int64_t feature = 0; feature < count; feature += LANES) {
      const float* pixel = gradients + place_of_window(shape, strip, window) + feature;
      const auto gradient = [&](int w, int h) { return load(pixel + (w * shape.height + h) * shape.features); };
      Vector upper[4], lower[4];
      transform(gradient(0, 0), gradient(1, 0), upper);
      transform(gradient(0, 1), gradient(1, 1), lower);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        Vector sums[4];
        transform(upper[i], lower[i], sums);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) store(given + (4 * i + j) * stride + window * count + feature, sums[j]);
      }
    }
}

// [16, C, count] to [3, 3, C, F], of which `result` is the first: G' s G.
inline void transform_sums(const float* sums, const Shape& shape, int64_t count, float* result) {
  const auto transform = [](Vector a, Vector b, Vector c, Vector d, Vector(&taps)[3]) {
    const Vector middle = 0.5f * (b + c);
    taps[0] = a + middle, taps[1] = 0.5f * (b - c), taps[2] = middle + d;
  };
  for (int64_t channel = 0; channel < shape.channels; ++channel)
    for (int64_t feature = 0; feature < count; feature += LANES) {
      const auto sum = [&](int which) { return load(sums + (which * shape.channels + channel) * count + feature); };
      Vector rows[4][3];
      for (int i = 0; i < 4; ++i) transform(sum(4 * i), sum(4 * i + 1), sum(4 * i + 2), sum(4 * i + 3), rows[i]);
      for (int j = 0; j < 3; ++j) {
        Vector taps[3];
        transform(rows[0][j], rows[1][j], rows[2][j], rows[3][j], taps);
        for (int i = 0; i < 3; ++i) store(result + ((3 * i + j) * shape.channels + channel) * shape.features + feature, taps[i]);
      }
    }
}

// The kernel's gradient [3, 3, C, F] of some samples, from their images and the gradients [W, H, F] of their results.
inline void add_up_kernel(const Shape& shape, int64_t samples, const float* images, const float* gradients, float* result) {
  static thread_local Scratch seen_scratch, given_scratch, sums_scratch;
  const int64_t channels = shape.channels, features = shape.features, columns = std::max<int64_t>(1, WINDOWS / shape.windows());
  const Scratch outside(shape.height * channels);
  for (int64_t first = 0; first < features; first += FEATURES) {
    const int64_t count = std::min(FEATURES, features - first);
    float* const sums = sums_scratch.resize(SUMS * channels * count);
    std::memset(sums, 0, SUMS * channels * count * sizeof(float));
    for (int64_t sample = 0; sample < samples; ++sample)
      for (int64_t w = 0; w < shape.width / 2; w += columns) {
        const Strip strip{sample, w, std::min(shape.width / 2, w + columns)};
        const int64_t windows = strip.columns() * shape.windows(), seen_stride = stride_of(windows, channels);
        const int64_t given_stride = stride_of(windows, count);
        float* const seen = seen_scratch.resize(SUMS * seen_stride);
        float* const given = given_scratch.resize(SUMS * given_stride);
        transform_windows(shape, strip, column_of(shape, images + sample * shape.pixels() * channels, outside), seen);
        transform_gradients(shape, strip, gradients + sample * shape.pixels() * features + first, count, given);
        for (int sum = 0; sum < SUMS; ++sum)
          multiply<true>({seen + sum * seen_stride, 1, channels}, channels, windows, given + sum * given_stride, count, count,
                         sums + sum * channels * count, count);
      }
    transform_sums(sums, shape, count, result + first);
  }
}

}  // namespace winograd
