// A 3 x 3 convolution with bias, 2 x 2 max pooling and rectifier in one pass, and its two gradients, for CPUs with AVX-512.
//
// Arrays are float32 and dense: images [B, W, H, C], kernels [3, 3, C, F], pooled outputs [B, W / 2, H / 2, F]; W and H
// are even, C is 1 or a multiple of 16, F a multiple of 16. Beside the output stands the corner [B, W / 2, H / 2, F], int8:
// which of a window's four pixels was the first maximum (0 to 3, H runs faster), or NOWHERE where the rectifier cut it off.
//
// Samples are computed one after the other, so that what is made of one stays in the cache of its core. The kernel's gradient is summed
// over a fixed number of groups of samples, in order, whatever the number of threads: results do not depend on it.

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "threads.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int LANES = 16;
constexpr int8_t NOWHERE = 4;
constexpr int64_t GROUPS = 16;
// Of the kernel's gradient, summed together.
constexpr int ROWS = 4;

struct Shape {
  int64_t samples, width, height, channels, features;
  int64_t padded() const { return (width + 2) * (height + 2) * channels; }
  // Of the kernel's gradient: a tap and channel each, with some empty ones for a single channel.
  int64_t rows() const { return (9 * channels + ROWS - 1) / ROWS * ROWS; }
  int64_t pooled() const { return (width / 2) * (height / 2); }
};

// Copies one sample [W, H, C] into the middle of a zero frame [W + 2, H + 2, C].
void pad(const float* image, int64_t width, int64_t height, int64_t channels, float* padded) {
  const int64_t column = (height + 2) * channels;
  std::memset(padded, 0, (width + 2) * column * sizeof(float));
  for (int64_t w = 0; w < width; ++w)
    std::memcpy(padded + (w + 1) * column + channels, image + w * height * channels, height * channels * sizeof(float));
}

// The sums of a tile of P x Q pixels (along W and H) and VECTORS * 16 features.
template <int P, int Q, int VECTORS>
struct Tile {
  __m512 sums[P][Q][VECTORS];

  // `corner` is the tile's first pixel in the padded image, `kernel` the tile's first feature.
  inline __attribute__((always_inline)) void convolve(const float* corner, int64_t column, int64_t channels, const float* kernel,
                                                      int64_t features) {
    for (auto& row : sums)
      for (auto& pixel : row)
        for (auto& sum : pixel) sum = _mm512_setzero_ps();
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const float* pixels = corner + i * column + j * channels;
        for (int64_t c = 0; c < channels; ++c, kernel += features) {
          __m512 weights[VECTORS];
#pragma GCC unroll 4
          for (int v = 0; v < VECTORS; ++v) weights[v] = _mm512_loadu_ps(kernel + v * LANES);
#pragma GCC unroll 4
          for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) {
              const __m512 value = _mm512_set1_ps(pixels[p * column + q * channels + c]);
#pragma GCC unroll 4
              for (int v = 0; v < VECTORS; ++v) sums[p][q][v] = _mm512_fmadd_ps(value, weights[v], sums[p][q][v]);
            }
        }
      }
  }
};

// Where `candidate` is greater, or not a number, it becomes the maximum.
inline void take_greater(__m512 candidate, int which, __m512& maximum, __m512i& corner) {
  const __mmask16 greater = _mm512_cmp_ps_mask(candidate, maximum, _CMP_NLE_UQ);
  maximum = _mm512_mask_mov_ps(maximum, greater, candidate);
  corner = _mm512_mask_mov_epi32(corner, greater, _mm512_set1_epi32(which));
}

template <int Q, int VECTORS>
void convolve_and_pool(const float* padded, const float* kernel, const float* bias, const Shape& shape, int64_t feature,
                       float* pooled, int8_t* corners) {
  const int64_t column = (shape.height + 2) * shape.channels;
  for (int64_t w = 0; w < shape.width; w += 2)
    for (int64_t h = 0; h < shape.height; h += Q) {
      Tile<2, Q, VECTORS> tile;
      tile.convolve(padded + w * column + h * shape.channels, column, shape.channels, kernel + feature, shape.features);
#pragma GCC unroll 4
      for (int q = 0; q < Q; q += 2) {
        const int64_t place = ((w / 2) * (shape.height / 2) + (h + q) / 2) * shape.features + feature;
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) {
          __m512 maximum = tile.sums[0][q][v];
          __m512i corner = _mm512_setzero_si512();
          take_greater(tile.sums[0][q + 1][v], 1, maximum, corner);
          take_greater(tile.sums[1][q][v], 2, maximum, corner);
          take_greater(tile.sums[1][q + 1][v], 3, maximum, corner);
          maximum = _mm512_add_ps(maximum, _mm512_loadu_ps(bias + feature + v * LANES));
          const __mmask16 cut = _mm512_cmp_ps_mask(maximum, _mm512_setzero_ps(), _CMP_LE_OQ);
          maximum = _mm512_mask_mov_ps(maximum, cut, _mm512_setzero_ps());
          corner = _mm512_mask_mov_epi32(corner, cut, _mm512_set1_epi32(NOWHERE));
          _mm512_storeu_ps(pooled + place + v * LANES, maximum);
          _mm_storeu_si128(reinterpret_cast<__m128i*>(corners + place + v * LANES), _mm512_cvtepi32_epi8(corner));
        }
      }
    }
}

// A plain convolution of tiles of 2 x Q pixels.
template <int Q, int VECTORS>
void convolve(const float* padded, const float* kernel, const Shape& shape, int64_t feature, float* output) {
  const int64_t column = (shape.height + 2) * shape.channels;
  for (int64_t w = 0; w < shape.width; w += 2)
    for (int64_t h = 0; h < shape.height; h += Q) {
      Tile<2, Q, VECTORS> tile;
      tile.convolve(padded + w * column + h * shape.channels, column, shape.channels, kernel + feature, shape.features);
      for (int p = 0; p < 2; ++p)
        for (int q = 0; q < Q; ++q)
          for (int v = 0; v < VECTORS; ++v)
            _mm512_storeu_ps(output + ((w + p) * shape.height + h + q) * shape.features + feature + v * LANES, tile.sums[p][q][v]);
    }
}

// Calls `body` with the number of vectors, known to the compiler, of every stretch of features.
template <int MOST, typename Body>
void for_features(int64_t features, Body body) {
  int64_t feature = 0;
  for (; feature + MOST * LANES <= features; feature += MOST * LANES) body(std::integral_constant<int, MOST>(), feature);
  for (; feature < features; feature += LANES) body(std::integral_constant<int, 1>(), feature);
}

// Calls `body` with the number of pixels along H, known to the compiler, of a tile.
template <typename Body>
void with_tile_height(int64_t height, Body body) {
  if (height % 4 == 0)
    body(std::integral_constant<int, 4>());
  else
    body(std::integral_constant<int, 2>());
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
void see_corners(const float* first_column, int64_t column, const Shape& shape, float* seen) {
  const int64_t windows = shape.height / 2;
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
void add_kernel_gradient(const float* padded, const float* gradient, const int8_t* corners, const Shape& shape, float* scratch, float* sums) {
  const int64_t windows = shape.height / 2, rows = shape.rows(), features = shape.features;
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

Shape shape_of(const ffi::Buffer<ffi::F32>& image, int64_t features) {
  const auto d = image.dimensions();
  return {d[0], d[1], d[2], d[3], features};
}

ffi::Error Forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::F32> kernel, ffi::Buffer<ffi::F32> bias,
                   ffi::ResultBuffer<ffi::F32> pooled, ffi::ResultBuffer<ffi::S8> corners) {
  const Shape shape = shape_of(image, bias.dimensions()[0]);
  const int64_t input = shape.width * shape.height * shape.channels, output = shape.pooled() * shape.features;
  for_each_task(pool, shape.samples, [&](int64_t sample) {
    static thread_local std::vector<float> padded;
    padded.resize(shape.padded());
    pad(image.typed_data() + sample * input, shape.width, shape.height, shape.channels, padded.data());
    with_tile_height(shape.height, [&](auto height) {
      for_features<2>(shape.features, [&](auto vectors, int64_t feature) {
        convolve_and_pool<height(), vectors()>(padded.data(), kernel.typed_data(), bias.typed_data(), shape, feature,
                                               pooled->typed_data() + sample * output, corners->typed_data() + sample * output);
      });
    });
  });
  return ffi::Error::Success();
}

ffi::Error KernelGradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::S8> corners,
                          ffi::Buffer<ffi::F32> gradient, ffi::ResultBuffer<ffi::F32> d_kernel, ffi::ResultBuffer<ffi::F32> d_bias) {
  const Shape shape = shape_of(image, d_bias->dimensions()[0]);
  const int64_t input = shape.width * shape.height * shape.channels, output = shape.pooled() * shape.features;
  const int64_t rows = shape.rows(), size = (rows + 1) * shape.features;
  const int64_t groups = std::min(shape.samples, GROUPS);
  std::vector<float> sums(groups * size, 0.0f);
  for_each_task(pool, groups, [&](int64_t group) {
    static thread_local std::vector<float> scratch;
    scratch.assign(shape.padded() + shape.height / 2 * (rows * 4 + 2 * shape.features), 0.0f);
    for (int64_t sample = shape.samples * group / groups; sample < shape.samples * (group + 1) / groups; ++sample) {
      pad(image.typed_data() + sample * input, shape.width, shape.height, shape.channels, scratch.data());
      add_kernel_gradient(scratch.data(), gradient.typed_data() + sample * output, corners.typed_data() + sample * output, shape,
                          scratch.data() + shape.padded(), sums.data() + group * size);
    }
  });
  for (int64_t group = 1; group < groups; ++group)
    for (int64_t at = 0; at < size; ++at) sums[at] += sums[group * size + at];
  std::memcpy(d_kernel->typed_data(), sums.data(), 9 * shape.channels * shape.features * sizeof(float));
  std::memcpy(d_bias->typed_data(), sums.data() + rows * shape.features, shape.features * sizeof(float));
  return ffi::Error::Success();
}

// `turned` is the kernel [3, 3, F, C], turned round. The gradient of the output is spread over the pixels before the pool.
ffi::Error ImageGradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> turned, ffi::Buffer<ffi::S8> corners, ffi::Buffer<ffi::F32> gradient,
                         ffi::ResultBuffer<ffi::F32> d_image) {
  const auto d = d_image->dimensions();
  const int64_t features = turned.dimensions()[2];
  const Shape shape{d[0], d[1], d[2], features, d[3]};
  const int64_t windows = shape.height / 2, input = shape.pooled() * features, output = shape.width * shape.height * shape.features;
  const int64_t column = (shape.height + 2) * features;
  for_each_task(pool, shape.samples, [&](int64_t sample) {
    static thread_local std::vector<float> padded;
    padded.assign(shape.padded(), 0.0f);
    for (int64_t w = 0; w < shape.width / 2; ++w)
      for (int64_t h = 0; h < windows; ++h) {
        const int64_t place = sample * input + (w * windows + h) * features;
        float* pixel = padded.data() + (2 * w + 1) * column + (2 * h + 1) * features;
        for (int64_t f = 0; f < features; f += LANES) {
          const __m512 g = _mm512_loadu_ps(gradient.typed_data() + place + f);
          const __m512i corner =
              _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(corners.typed_data() + place + f)));
          for (int which = 0; which < 4; ++which)
            _mm512_storeu_ps(pixel + (which / 2) * column + (which % 2) * features + f,
                             _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(corner, _mm512_set1_epi32(which)), g));
        }
      }
    float* out = d_image->typed_data() + sample * output;
    with_tile_height(shape.height, [&](auto height) {
      for_features<2>(shape.features, [&](auto vectors, int64_t feature) {
        convolve<height(), vectors()>(padded.data(), turned.typed_data(), shape, feature, out);
      });
    });
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_convolve_and_pool, Forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::S8>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_kernel_gradient, KernelGradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::S8>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_image_gradient, ImageGradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::S8>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>());
