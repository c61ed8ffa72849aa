// A 3 x 3 convolution with bias, 2 x 2 max pooling and rectifier in one pass, and its two gradients; and one without them. For AVX-512.
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

#include "kernel_gradient.h"
#include "pooled.h"
#include "scratch.h"
#include "single_channel.h"
#include "threads.h"
#include "winograd.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t GROUPS = 16;

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
