// A 3 x 3 convolution with bias, 2 x 2 max pooling and rectifier in one pass, and its two gradients; and one without them. For AVX-512.
//
// Arrays are float32 and dense: images [B, W, H, C], kernels [3, 3, C, F], pooled outputs [B, W / 2, H / 2, F]; W and H
// are even, C is 1 or a multiple of 16, F a multiple of 16. Beside the output stands the corner [B, W / 2, H / 2, F], int8:
// which of a window's four pixels was the first maximum (0 to 3, H runs faster), or NOWHERE where the rectifier cut it off.
//
// A task is a strip of a sample, so that what is made of it stays in the cache of its core. The kernel's gradient is summed
// over a fixed number of groups of samples, in order. Results depend neither on the number of threads nor on the other samples.

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "pooled.h"
#include "tasks.h"
#include "winograd.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t GROUPS = 16;

// A 3 x 3 convolution of one channel, as the first one's is: its nine taps of 32 features stay in registers.
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

// The gradients of kernel and bias of a 3 x 3 convolution, of which only each window's maximum has a gradient.
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

Shape shape_of(const ffi::Buffer<ffi::F32>& image, int64_t features) {
  const auto d = image.dimensions();
  return {d[0], d[1], d[2], d[3], features};
}

ffi::Error Forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::F32> kernel, ffi::Buffer<ffi::F32> bias,
                   ffi::ResultBuffer<ffi::F32> pooled, ffi::ResultBuffer<ffi::S8> corners) {
  const Shape shape = shape_of(image, bias.dimensions()[0]);
  const auto sample_of = [&](const Strip& strip) { return image.typed_data() + strip.sample * shape.pixels() * shape.channels; };
  const auto finish_of = [&](const Strip& strip) {
    const int64_t start = (strip.sample * shape.pooled() + strip.first * shape.windows()) * shape.features;
    return [&, start](int64_t window, int64_t feature, const __m512(&pixels)[4]) {
      const int64_t place = start + window * shape.features + feature;
      store_window(pixels, bias.typed_data() + feature, pooled->typed_data() + place, corners->typed_data() + place);
    };
  };
  // Of one channel, Winograd's sums cost more than the products that they save.
  if (shape.channels == 1) {
    for_strips(pool, shape, single_channel::WINDOWS, [&](const Strip& strip) {
      single_channel::convolve(shape, strip, sample_of(strip), kernel.typed_data(), finish_of(strip));
    });
    return ffi::Error::Success();
  }
  winograd::convolve_images(pool, shape, image.typed_data(), kernel.typed_data(), finish_of);
  return ffi::Error::Success();
}

ffi::Error KernelGradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::S8> corners,
                          ffi::Buffer<ffi::F32> gradient, ffi::ResultBuffer<ffi::F32> d_kernel, ffi::ResultBuffer<ffi::F32> d_bias) {
  const Shape shape = shape_of(image, d_bias->dimensions()[0]);
  const int64_t input = shape.pixels() * shape.channels, output = shape.pooled() * shape.features;
  const int64_t rows = kernel_gradient::rows_of(shape), size = (rows + 1) * shape.features;
  const int64_t groups = std::clamp<int64_t>(shape.samples, 1, GROUPS), padded = kernel_gradient::padded_size(shape);
  const int64_t room = padded + kernel_gradient::column_size(shape);
  Scratch totals(groups * size);
  float* const sums = totals.data();
  for_each_task(pool, groups, [&](int64_t group) {
    static thread_local Scratch scratch;
    float* const frame = scratch.resize(room);
    std::memset(frame, 0, room * sizeof(float));
    for (int64_t sample = shape.samples * group / groups; sample < shape.samples * (group + 1) / groups; ++sample) {
      kernel_gradient::pad(image.typed_data() + sample * input, shape, frame);
      kernel_gradient::add_sample(frame, gradient.typed_data() + sample * output, corners.typed_data() + sample * output, shape,
                                  frame + padded, sums + group * size);
    }
  });
  for (int64_t group = 1; group < groups; ++group)
    for (int64_t at = 0; at < size; ++at) sums[at] += sums[group * size + at];
  std::memcpy(d_kernel->typed_data(), sums, 9 * shape.channels * shape.features * sizeof(float));
  std::memcpy(d_bias->typed_data(), sums + rows * shape.features, shape.features * sizeof(float));
  return ffi::Error::Success();
}

// Spreads the gradient of a column of windows over its two columns of pixels before the pool.
void spread(const float* gradient, const int8_t* corners, const Shape& shape, float* pixels) {
  const int64_t column = shape.height * shape.channels;
  for (int64_t window = 0; window < shape.windows(); ++window)
    for (int64_t channel = 0; channel < shape.channels; channel += LANES) {
      const int64_t place = window * shape.channels + channel;
      const __m512 g = _mm512_loadu_ps(gradient + place);
      const __m512i corner = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(corners + place)));
      for (int which = 0; which < 4; ++which)
        _mm512_storeu_ps(pixels + which / 2 * column + (2 * window + which % 2) * shape.channels + channel,
                         _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(corner, _mm512_set1_epi32(which)), g));
    }
}

// `turned` is the kernel [3, 3, F, C], turned round: the gradient of the image is a convolution with it.
ffi::Error ImageGradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> turned, ffi::Buffer<ffi::S8> corners, ffi::Buffer<ffi::F32> gradient,
                         ffi::ResultBuffer<ffi::F32> d_image) {
  const auto d = d_image->dimensions();
  const Shape shape{d[0], d[1], d[2], turned.dimensions()[2], d[3]};
  const int64_t column = shape.height * shape.channels, all = shape.width / 2;
  const Scratch transformed = winograd::transform_kernel(turned.typed_data(), shape.channels, shape.features);
  for_strips(pool, shape, winograd::WINDOWS, [&](const Strip& strip) {
    static thread_local Scratch scratch;
    // With a column of windows before and one after; outside of the image they are zeros.
    float* const pixels = scratch.resize(2 * (strip.columns() + 2) * column);
    for (int64_t w = strip.first - 1; w <= strip.last; ++w) {
      float* place = pixels + 2 * (w - strip.first + 1) * column;
      const int64_t from = (strip.sample * all + w) * shape.windows() * shape.channels;
      if (0 <= w && w < all)
        spread(gradient.typed_data() + from, corners.typed_data() + from, shape, place);
      else
        std::memset(place, 0, 2 * column * sizeof(float));
    }
    float* sample = d_image->typed_data() + strip.sample * shape.pixels() * shape.features;
    winograd::convolve(
        shape, strip, [&](int64_t w) { return pixels + (w - 2 * strip.first + 2) * column; }, transformed.data(),
        [&](int64_t window, int64_t feature, const __m512(&values)[4]) { write_window(values, shape, strip, window, sample + feature); });
  });
  return ffi::Error::Success();
}

// The convolution and nothing else; the gradient of its image is one too.
ffi::Error Convolve(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::F32> kernel, ffi::ResultBuffer<ffi::F32> result) {
  const auto d = image.dimensions();
  const Shape shape{d[0], d[1], d[2], d[3], kernel.dimensions()[3]};
  winograd::convolve_images(pool, shape, image.typed_data(), kernel.typed_data(), [&](const Strip& strip) {
    float* sample = result->typed_data() + strip.sample * shape.pixels() * shape.features;
    return [&shape, strip, sample](int64_t window, int64_t feature, const __m512(&pixels)[4]) {
      write_window(pixels, shape, strip, window, sample + feature);
    };
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_convolve_and_pool, Forward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_kernel_gradient, KernelGradient);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_image_gradient, ImageGradient);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_convolve, Convolve);
