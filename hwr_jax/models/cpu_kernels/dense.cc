// An affine map of every frame, and its gradients; the frame may be multiplied by a mask of its sample before.
//
// Arrays are float32 and dense: frames [B, T, F], masks [B, F] or [0, 0] where there are none, kernels [F, G], biases [G].

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "products.h"
#include "rows.h"
#include "tasks.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

struct Shape {
  int64_t samples, frames, inputs, outputs;
  int64_t rows() const { return samples * frames; }
};

// The mask of a row's sample from a feature on; null where there is none.
struct Masks {
  const float* values;
  Shape shape;
  Masks(const ffi::Buffer<ffi::F32>& masks, const Shape& shape) : values(masks.element_count() ? masks.typed_data() : nullptr), shape(shape) {}
  const float* of(int64_t row, int64_t feature) const { return values ? values + row / shape.frames * shape.inputs + feature : nullptr; }
};

void copy_masked(const float* from, const float* mask, int64_t size, float* to) {
  if (!mask) {
    std::memcpy(to, from, size * sizeof(float));
    return;
  }
  for (int64_t at = 0; at < size; ++at) to[at] = from[at] * mask[at];
}

// Calls `body(first, count)` for some rows at a time, as tasks.
template <typename Body>
void for_rows(ffi::ThreadPool& pool, int64_t all, Body body) {
  const int64_t share = (all + 2 * pool.num_threads() - 1) / (2 * pool.num_threads());
  const int64_t some = std::clamp<int64_t>((share + TOGETHER - 1) / TOGETHER * TOGETHER, TOGETHER, rows::ROWS);
  for_each_task(pool, (all + some - 1) / some, [&](int64_t task) { body(task * some, std::min(some, all - task * some)); });
}

ffi::Error Forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> masks, ffi::Buffer<ffi::F32> kernel,
                   ffi::Buffer<ffi::F32> bias, ffi::ResultBuffer<ffi::F32> y) {
  const auto d = x.dimensions();
  const Shape shape{d[0], d[1], d[2], bias.dimensions()[0]};
  const int64_t inputs = shape.inputs, outputs = shape.outputs, width = rows::padded(outputs);
  const Masks mask(masks, shape);
  const Scratch packed = rows::pack(pool, {kernel.typed_data(), outputs, 1}, inputs, outputs);
  for_rows(pool, shape.rows(), [&](int64_t first, int64_t count) {
    static thread_local Scratch seen_scratch, result_scratch;
    float *const seen = seen_scratch.resize(count * inputs), *const own = result_scratch.resize(count * width);
    float* const to = y->typed_data() + first * outputs;
    const bool whole = width == outputs;
    float* const result = whole ? to : own;
    for (int64_t r = 0; r < count; ++r) {
      copy_masked(x.typed_data() + (first + r) * inputs, mask.of(first + r, 0), inputs, seen + r * inputs);
      std::memcpy(result + r * width, bias.typed_data(), outputs * sizeof(float));
    }
    rows::multiply({seen, inputs, 1}, count, inputs, packed.data(), outputs, result);
    if (!whole)
      for (int64_t r = 0; r < count; ++r) std::memcpy(to + r * outputs, own + r * width, outputs * sizeof(float));
  });
  return ffi::Error::Success();
}

ffi::Error Gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> masks, ffi::Buffer<ffi::F32> kernel,
                    ffi::Buffer<ffi::F32> d_y, ffi::ResultBuffer<ffi::F32> d_x, ffi::ResultBuffer<ffi::F32> d_kernel,
                    ffi::ResultBuffer<ffi::F32> d_bias) {
  const auto d = x.dimensions();
  const Shape shape{d[0], d[1], d[2], d_bias->dimensions()[0]};
  const int64_t inputs = shape.inputs, outputs = shape.outputs, width = rows::padded(inputs);
  const Masks mask(masks, shape);
  const Scratch packed = rows::pack(pool, {kernel.typed_data(), 1, outputs}, outputs, inputs);
  for_rows(pool, shape.rows(), [&](int64_t first, int64_t count) {
    static thread_local Scratch scratch;
    float* const result = scratch.resize(count * width);
    std::memset(result, 0, count * width * sizeof(float));
    rows::multiply({d_y.typed_data() + first * outputs, outputs, 1}, count, outputs, packed.data(), inputs, result);
    for (int64_t r = 0; r < count; ++r)
      copy_masked(result + r * width, mask.of(first + r, 0), inputs, d_x->typed_data() + (first + r) * inputs);
  });
  const auto left = [&](int64_t row, int64_t from, int64_t size, float* to) {
    copy_masked(x.typed_data() + row * inputs + from, mask.of(row, from), size, to);
  };
  const auto right = [&](int64_t row, int64_t from, int64_t size, float* to) {
    std::memcpy(to, d_y.typed_data() + row * outputs + from, size * sizeof(float));
  };
  rows::add_up(pool, shape.rows(), inputs, outputs, left, right, d_kernel->typed_data(), d_bias->typed_data());
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_dense, Forward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_dense_gradient, Gradient);
