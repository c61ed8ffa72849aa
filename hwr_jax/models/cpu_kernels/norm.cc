// Mean 0 and variance 1 over the channels of every pixel, then scale and bias, and with RECTIFY the rectifier; and its gradients.
//
// Arrays are float32 and dense: pixels [N, C], scale and bias [C]; C is a multiple of 16. The gradients of scale and bias are summed over a
// fixed number of groups of pixels, in order.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tasks.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// Added to the variance.
constexpr float EPSILON = 1e-5f;
constexpr int64_t PIXELS = 512, GROUPS = 16;
// Sums are over sixteen lanes whatever the vectors, so that they have the same bits.
constexpr int WIDE = 16 / LANES;

// Calls `body(which, channel)` for every vector of channels, the `which`th of sixteen of them.
template <typename Body>
inline __attribute__((always_inline)) void for_vectors(int64_t channels, Body body) {
  for (int64_t channel = 0; channel < channels; channel += 16)
#pragma GCC unroll 4
    for (int which = 0; which < WIDE; ++which) body(which, channel + which * LANES);
}

struct Sums {
  Vector lanes[WIDE]{};
  float total() const {
    const char* all = reinterpret_cast<const char*>(lanes);
    const auto four = [&](int place) { return load<Four>(all + 16 * place); };
    const Four sums = (four(0) + four(2)) + (four(1) + four(3));
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
  }
};

struct Moments {
  float mean, factor;
  Moments(const float* pixel, int64_t channels) {
    Sums sums, squares;
    for_vectors(channels, [&](int which, int64_t c) { sums.lanes[which] += load(pixel + c); });
    mean = sums.total() / channels;
    for_vectors(channels, [&](int which, int64_t c) {
      const Vector centred = load(pixel + c) - mean;
      squares.lanes[which] += centred * centred;
    });
    factor = 1.0f / std::sqrt(squares.total() / channels + EPSILON);
  }
  Vector normal(Vector values) const { return (values - mean) * factor; }
};

template <bool RECTIFY>
ffi::Error Forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> scale, ffi::Buffer<ffi::F32> bias,
                   ffi::ResultBuffer<ffi::F32> y) {
  const int64_t channels = scale.dimensions()[0], pixels = x.element_count() / channels;
  for_each_task(pool, (pixels + PIXELS - 1) / PIXELS, [&](int64_t task) {
    for (int64_t pixel = task * PIXELS; pixel < std::min(pixels, (task + 1) * PIXELS); ++pixel) {
      const float* from = x.typed_data() + pixel * channels;
      float* to = y->typed_data() + pixel * channels;
      const Moments moments(from, channels);
      for (int64_t c = 0; c < channels; c += LANES) {
        Vector value = multiply_add(moments.normal(load(from + c)), load(scale.typed_data() + c), load(bias.typed_data() + c));
        if (RECTIFY) value = value <= 0.0f ? Vector{} : value;
        store(to + c, value);
      }
    }
  });
  return ffi::Error::Success();
}

template <bool RECTIFY>
ffi::Error Gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> scale, ffi::Buffer<ffi::F32> bias,
                    ffi::Buffer<ffi::F32> gradient, ffi::ResultBuffer<ffi::F32> d_x, ffi::ResultBuffer<ffi::F32> d_scale,
                    ffi::ResultBuffer<ffi::F32> d_bias) {
  const int64_t channels = scale.dimensions()[0], pixels = x.element_count() / channels;
  Scratch totals(2 * GROUPS * channels);
  for_each_task(pool, GROUPS, [&](int64_t group) {
    Scratch given_scratch(channels), normal_scratch(channels), sums(2 * channels);
    float *const given = given_scratch.data(), *const normals = normal_scratch.data(), *const by_scale = sums.data();
    float* const by_bias = by_scale + channels;
    for (int64_t pixel = pixels * group / GROUPS; pixel < pixels * (group + 1) / GROUPS; ++pixel) {
      const float* from = x.typed_data() + pixel * channels;
      const Moments moments(from, channels);
      Sums total, product;
      for_vectors(channels, [&](int which, int64_t c) {
        const Vector normal = moments.normal(load(from + c)), factor = load(scale.typed_data() + c);
        Vector g = load(gradient.typed_data() + pixel * channels + c);
        if (RECTIFY) g = multiply_add(normal, factor, load(bias.typed_data() + c)) <= 0.0f ? Vector{} : g;
        store(by_scale + c, multiply_add(g, normal, load(by_scale + c)));
        store(by_bias + c, load(by_bias + c) + g);
        g *= factor;
        total.lanes[which] += g;
        product.lanes[which] += g * normal;
        store(given + c, g);
        store(normals + c, normal);
      });
      const float mean = total.total() / channels, along = product.total() / channels;
      for (int64_t c = 0; c < channels; c += LANES)
        store(d_x->typed_data() + pixel * channels + c, moments.factor * (load(given + c) - mean - load(normals + c) * along));
    }
    std::memcpy(totals.data() + 2 * group * channels, by_scale, 2 * channels * sizeof(float));
  });
  for (int64_t group = 1; group < GROUPS; ++group)
    for (int64_t at = 0; at < 2 * channels; ++at) totals.data()[at] += totals.data()[2 * group * channels + at];
  std::memcpy(d_scale->typed_data(), totals.data(), channels * sizeof(float));
  std::memcpy(d_bias->typed_data(), totals.data() + channels, channels * sizeof(float));
  return ffi::Error::Success();
}

constexpr auto normalize = Forward<false>, normalize_and_rectify = Forward<true>;
constexpr auto normalize_gradient = Gradient<false>, normalize_and_rectify_gradient = Gradient<true>;

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_normalize, normalize);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_normalize_gradient, normalize_gradient);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_normalize_and_rectify, normalize_and_rectify);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_normalize_and_rectify_gradient, normalize_and_rectify_gradient);
