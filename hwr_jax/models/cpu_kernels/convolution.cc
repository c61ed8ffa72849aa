// A 3 x 3 convolution with bias, 2 x 2 max pooling and rectifier in one pass, and its two gradients; and one without them.
//
// Arrays are float32 and dense: images [B, W, H, C], kernels [3, 3, C, F], pooled outputs [B, W / 2, H / 2, F]; W and H
// are even, C is 1 or a multiple of 16, F a multiple of 16. Beside the output stands the corner [B, W / 2, H / 2, F], int8:
// which of a window's four pixels was the first maximum (0 to 3, H runs faster), or NOWHERE where the rectifier cut it off.
//
// A task is a strip of a sample, so that what is made of it stays in the cache of its core. The kernel's gradient is summed
// over a fixed number of groups of samples, in order. Results depend neither on the number of threads nor on the other samples.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "pooled.h"
#include "tasks.h"
#include "vectors.h"
#include "winograd.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t GROUPS = 16;

// A 3 x 3 convolution of one channel, as the first one's is: its nine taps stay in registers.
namespace single_channel {

// Windows of a task.
constexpr int64_t WINDOWS = 256;
// Vectors of features whose taps are in registers.
constexpr int ABREAST = REGISTERS == 32 ? 2 : 1;

// A column of windows, whose four columns of pixels begin at `pixels`, `column` apart, with a zero before the first row.
// `finish(window, feature, pixels)` gets every window's four pixels of a vector of features, without bias.
template <int VECTORS, typename Finish>
void convolve_column(const float* pixels, int64_t column, int64_t windows, const float* kernel, int64_t features, int64_t feature,
                     Finish finish) {
  Vector taps[3][3][VECTORS];
#pragma GCC unroll 9
  for (int tap = 0; tap < 9; ++tap)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v) taps[tap / 3][tap % 3][v] = load(kernel + tap * features + feature + v * LANES);
  for (int64_t window = 0; window < windows; ++window) {
    Vector sums[VECTORS][4];
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; ++v)
#pragma GCC unroll 4
      for (int which = 0; which < 4; ++which) sums[v][which] = Vector{};
    // A pixel at (i, j) is seen by the window's pixel at (p, q) through the tap (i - p, j - q).
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Vector value = repeat(pixels[i * column + 2 * window + j]);
#pragma GCC unroll 4
        for (int which = 0; which < 4; ++which) {
          const int p = i - which / 2, q = j - which % 2;
          if (0 <= p && p < 3 && 0 <= q && q < 3)
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; ++v) sums[v][which] = multiply_add(value, taps[p][q][v], sums[v][which]);
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
  for_parts<ABREAST>(shape.features / LANES, [&](auto vectors, int64_t vector) {
    for (int64_t w = 0; w < strip.columns(); ++w)
      convolve_column<vectors()>(padded + 2 * w * column, column, shape.windows(), kernel, shape.features, vector * LANES,
                                 [&](int64_t window, int64_t feature, const Vector(&pixels)[4]) {
                                   finish(w * shape.windows() + window, feature, pixels);
                                 });
  });
}

}  // namespace single_channel

// The gradients of kernel and bias of a 3 x 3 convolution, of which only each window's maximum has a gradient.
namespace kernel_gradient {

// Of the kernel's gradient [9 C, F], whose sums are in registers, and vectors of features.
constexpr int ROWS = 4, ABREAST = REGISTERS == 32 ? 4 : 2;

// Rows of the kernel's gradient, a tap and channel each, with some empty ones for a single channel.
inline int64_t rows_of(const Shape& shape) { return (9 * shape.channels + ROWS - 1) / ROWS * ROWS; }

// Of a padded sample [W + 2, H + 2, C].
inline int64_t padded_size(const Shape& shape) { return (shape.width + 2) * (shape.height + 2) * shape.channels; }

// Of a column of fours, see below, up to whole lines of the cache.
inline int64_t fours_size(const Shape& shape) { return ((shape.height + 1) * shape.channels * 4 + 15) / 16 * 16; }

// Three columns of fours, and gradients and places of a column of windows.
inline int64_t column_size(const Shape& shape) { return 3 * fours_size(shape) + 2 * shape.windows() * shape.features; }

// Copies one sample [W, H, C] into the middle of a frame [W + 2, H + 2, C] of zeros.
inline void pad(const float* image, const Shape& shape, float* padded) {
  const int64_t own = shape.height * shape.channels, column = own + 2 * shape.channels;
  for (int64_t w = 0; w < shape.width; ++w)
    std::memcpy(padded + (w + 1) * column + shape.channels, image + w * own, own * sizeof(float));
}

// [H + 1, C, 4]: every pixel of a padded column, the next, and those two of the column after. Through a tap a window's four pixels see such.
inline void see_fours(const float* __restrict column, const Shape& shape, float* __restrict fours) {
  const int64_t next = shape.channels, after = (shape.height + 2) * shape.channels;
  for (int64_t at = 0; at < (shape.height + 1) * shape.channels; ++at) {
    fours[4 * at] = column[at], fours[4 * at + 1] = column[at + next];
    fours[4 * at + 2] = column[at + after], fours[4 * at + 3] = column[at + after + next];
  }
}

// Adds to ROWS rows of the kernel's gradient what a column of windows gives. Of the four that a row's tap and channel see of a window,
// `stride` apart, every feature picks that of its own maximum: a quarter of the products of a gradient that knows nothing of the pool.
template <int VECTORS>
void add_rows(const float* const (&fours)[ROWS], int64_t stride, int64_t windows, const float* gradient, const int32_t* places,
              int64_t features, float* sums) {
  Vector total[ROWS][VECTORS];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) total[r][v] = load(sums + r * features + v * LANES);
  for (int64_t window = 0; window < windows; ++window) {
    Vector seen[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) seen[r] = repeat_four(fours[r] + window * stride);
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      const Vector g = load(gradient + window * features + v * LANES);
      const Integers place = load<Integers>(places + window * features + v * LANES);
#pragma GCC unroll 4
      for (int r = 0; r < ROWS; ++r) total[r][v] = multiply_add(look_up(seen[r], place), g, total[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) store(sums + r * features + v * LANES, total[r][v]);
}

// Gradients of kernel [9 C, F] and bias [F] of one sample are added to `sums`.
inline void add_sample(const float* padded, const float* gradient, const int8_t* corners, const Shape& shape, float* scratch, float* sums) {
  const int64_t windows = shape.windows(), rows = rows_of(shape), features = shape.features, channels = shape.channels;
  float* const kept = scratch + 3 * fours_size(shape);
  int32_t* const places = reinterpret_cast<int32_t*>(kept + windows * features);
  const auto column = [&](int64_t w) { return padded + w * (shape.height + 2) * channels; };
  const auto fours = [&](int64_t w) { return scratch + w % 3 * fours_size(shape); };
  see_fours(column(0), shape, fours(0));
  for (int64_t w = 0; w < shape.width / 2; ++w) {
    for (const int64_t next : {2 * w + 1, 2 * w + 2}) see_fours(column(next), shape, fours(next));
    for (int64_t at = 0; at < windows * features; at += LANES) {
      const int64_t place = w * windows * features + at;
      const Integers corner = __builtin_convertvector(load<Bytes>(corners + place), Integers);
      const Vector g = corner == NOWHERE ? Vector{} : load(gradient + place);
      store(kept + at, g);
      store(places + at, place_of(corner));
      float* bias = sums + rows * features + at % features;
      store(bias, load(bias) + g);
    }
    for_parts<ABREAST>(features / LANES, [&](auto vectors, int64_t vector) {
      for (int64_t row = 0; row < rows; row += ROWS) {
        const float* seen[ROWS];
        for (int64_t r = 0; r < ROWS; ++r) {
          const int64_t tap = std::min<int64_t>(8, (row + r) / channels), channel = (row + r) % channels;
          seen[r] = fours(2 * w + tap / 3) + (tap % 3 * channels + channel) * 4;
        }
        add_rows<vectors()>(seen, 8 * channels, windows, kept + vector * LANES, places + vector * LANES, features,
                            sums + row * features + vector * LANES);
      }
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
    return [&, start](int64_t window, int64_t feature, const Vector(&pixels)[4]) {
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

// Adds all others to the first.
void add_groups(float* sums, int64_t groups, int64_t size) {
  for (int64_t group = 1; group < groups; ++group)
    for (int64_t at = 0; at < size; ++at) sums[at] += sums[group * size + at];
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
  add_groups(sums, groups, size);
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
      const Vector g = load(gradient + place);
      const Integers corner = __builtin_convertvector(load<Bytes>(corners + place), Integers);
      for (int which = 0; which < 4; ++which)
        store(pixels + which / 2 * column + (2 * window + which % 2) * shape.channels + channel, corner == which ? g : Vector{});
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
        [&](int64_t window, int64_t feature, const Vector(&values)[4]) { write_window(values, shape, strip, window, sample + feature); });
  });
  return ffi::Error::Success();
}

// The convolution and nothing else; the gradient of its image is one too.
ffi::Error Convolve(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::F32> kernel, ffi::ResultBuffer<ffi::F32> result) {
  const auto d = image.dimensions();
  const Shape shape{d[0], d[1], d[2], d[3], kernel.dimensions()[3]};
  winograd::convolve_images(pool, shape, image.typed_data(), kernel.typed_data(), [&](const Strip& strip) {
    float* sample = result->typed_data() + strip.sample * shape.pixels() * shape.features;
    return [&shape, strip, sample](int64_t window, int64_t feature, const Vector(&pixels)[4]) {
      write_window(pixels, shape, strip, window, sample + feature);
    };
  });
  return ffi::Error::Success();
}

// The kernel's gradient of the convolution and nothing else.
ffi::Error ConvolutionGradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> image, ffi::Buffer<ffi::F32> gradient,
                               ffi::ResultBuffer<ffi::F32> d_kernel) {
  const Shape shape = shape_of(image, gradient.dimensions()[3]);
  const int64_t groups = std::clamp<int64_t>(shape.samples, 1, GROUPS), size = 9 * shape.channels * shape.features;
  Scratch totals(groups * size);
  float* const sums = totals.data();
  for_each_task(pool, groups, [&](int64_t group) {
    const int64_t first = shape.samples * group / groups, last = shape.samples * (group + 1) / groups;
    winograd::add_up_kernel(shape, last - first, image.typed_data() + first * shape.pixels() * shape.channels,
                            gradient.typed_data() + first * shape.pixels() * shape.features, sums + group * size);
  });
  add_groups(sums, groups, size);
  std::memcpy(d_kernel->typed_data(), sums, size * sizeof(float));
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_convolve_and_pool, Forward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_kernel_gradient, KernelGradient);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_image_gradient, ImageGradient);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_convolve, Convolve);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_convolution_gradient, ConvolutionGradient);
