// A 3 x 3 convolution and nothing else: images [B, W, H, C], kernels [3, 3, C, F], float32 and dense; W and H are even, C and F multiples of 16.
// The gradient of the image is one too. Tasks are strips of samples, as in convolution.cc.

#include <cstdint>

#include "pooled.h"
#include "threads.h"
#include "winograd.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

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

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    hwr_jax_convolve, Convolve,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<ffi::Buffer<ffi::F32>>().Arg<ffi::Buffer<ffi::F32>>().Ret<ffi::Buffer<ffi::F32>>());
