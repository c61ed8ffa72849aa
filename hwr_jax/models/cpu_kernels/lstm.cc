// A bidirectional LSTM's recurrence over all frames, forward and backward.
//
// Arrays are float32 and dense, B samples, T frames, U units (a multiple of 16), gates in Keras's order: input, forget, cell, output.
// Direction 0 runs from the first frame to the last, direction 1 from the last to the first. Samples do not depend on one another: a task
// is one direction of a few samples, through all frames, without waiting for anybody.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "activations.h"
#include "products.h"
#include "tasks.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t SAMPLES_A_TASK = 16;
// Samples for which the sums of a vector of units, all four gates, are in registers.
constexpr int SAMPLES_TOGETHER = REGISTERS == 32 ? 4 : 3;

struct Shape {
  int64_t samples, frames, units;
  int64_t tasks() const { return 2 * ((samples + SAMPLES_A_TASK - 1) / SAMPLES_A_TASK); }
};

// The samples and the direction of a task, and the order of its frames.
struct Share {
  int64_t direction, first, last, frames;
  Share(const Shape& shape, int64_t task)
      : direction(task % 2),
        first(task / 2 * SAMPLES_A_TASK),
        last(std::min(shape.samples, first + SAMPLES_A_TASK)),
        frames(shape.frames) {}
  int64_t frame(int64_t step) const { return direction ? frames - 1 - step : step; }
};

// One frame of a sample: its projections, those of the frame that comes next, and where its results belong.
struct Places {
  const float *projected, *next;
  float *hidden, *cell, *gates;
};

// One frame of SAMPLES samples and a vector of units: `kernel` [U, 4, LANES] holds those units' columns of the recurrent kernel, `before` [SAMPLES, U]
// the hidden state, null at the first frame; `after` and `cells` are likewise. The gradient needs what KEEP keeps.
template <int SAMPLES, bool KEEP>
__attribute__((noinline)) void advance(const Places* places, const float* kernel, int64_t units, int64_t unit, const float* before,
                                       float* after, float* cells) {
  Vector z[SAMPLES][4];
#pragma GCC unroll 8
  for (int s = 0; s < SAMPLES; ++s)
#pragma GCC unroll 4
    for (int gate = 0; gate < 4; ++gate) {
      z[s][gate] = load(places[s].projected + gate * units + unit);
      __builtin_prefetch(places[s].next + gate * units + unit, 0, 2);
    }
  if (before) {
    for (int64_t u = 0; u < units; ++u, kernel += 4 * LANES) {
      Vector hidden[SAMPLES];
#pragma GCC unroll 8
      for (int s = 0; s < SAMPLES; ++s) hidden[s] = repeat(before[s * units + u]);
#pragma GCC unroll 4
      for (int gate = 0; gate < 4; ++gate) {
        const Vector weights = load(kernel + gate * LANES);
#pragma GCC unroll 8
        for (int s = 0; s < SAMPLES; ++s) z[s][gate] = multiply_add(hidden[s], weights, z[s][gate]);
      }
    }
  }
#pragma GCC unroll 8
  for (int s = 0; s < SAMPLES; ++s) {
    const Places& place = places[s];
    float* const own_cell = cells + s * units + unit;
    const Vector i = sigmoid(z[s][0]), f = sigmoid(z[s][1]), g = hyperbolic_tangent(z[s][2]), o = sigmoid(z[s][3]);
    const Vector cell = multiply_add(f, load(own_cell), i * g), hidden = o * hyperbolic_tangent(cell);
    store(own_cell, cell);
    store(after + s * units + unit, hidden);
    store(place.hidden + unit, hidden);
    if (KEEP) {
      store(place.cell + unit, cell);
      store(place.gates + unit, i);
      store(place.gates + units + unit, f);
      store(place.gates + 2 * units + unit, g);
      store(place.gates + 3 * units + unit, o);
    }
  }
}

// What a task reads and writes: projections [B, T, 4 U] of both directions, recurrent kernels [2, U / LANES, U, 4, LANES], hidden [B, T, 2 U];
// and if kept cells [2, B, T, U] and gates after their activations [2, B, T, 4 U].
struct Arrays {
  const float *projected[2], *kernels;
  float *hidden, *cells, *gates;
};

template <bool KEEP>
void run(const Shape& shape, const Share& share, const Arrays& arrays) {
  static thread_local Scratch scratch;
  const int64_t units = shape.units, count = share.last - share.first, size = count * units;
  const float* kernel = arrays.kernels + share.direction * 4 * units * units;
  // The state lies together: rows of the results are so far apart that they would push each other out of the first cache.
  float *cells = scratch.resize(3 * size), *before = cells + size, *after = before + size;
  std::memset(cells, 0, size * sizeof(float));
  for (int64_t step = 0; step < shape.frames; ++step, std::swap(before, after)) {
    Places places[SAMPLES_A_TASK];
    for (int64_t s = 0; s < count; ++s) {
      const int64_t sample = share.first + s, now = share.frame(step), next = share.frame(std::min(step + 1, shape.frames - 1));
      const float* projected = arrays.projected[share.direction] + sample * shape.frames * 4 * units;
      places[s] = {projected + now * 4 * units, projected + next * 4 * units,
                   arrays.hidden + ((sample * shape.frames + now) * 2 + share.direction) * units, nullptr, nullptr};
      if (KEEP) {
        const int64_t row = (share.direction * shape.samples + sample) * shape.frames + now;
        places[s].cell = arrays.cells + row * units, places[s].gates = arrays.gates + row * 4 * units;
      }
    }
    for (int64_t unit = 0; unit < units; unit += LANES) {
      for_parts<SAMPLES_TOGETHER>(count, [&](auto samples, int64_t s) {
        advance<samples(), KEEP>(places + s, kernel + unit * 4 * units, units, unit, step ? before + s * units : nullptr, after + s * units,
                                 cells + s * units);
      });
    }
  }
}

ffi::Error Forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> forward, ffi::Buffer<ffi::F32> backward, ffi::Buffer<ffi::F32> kernels,
                   ffi::ResultBuffer<ffi::F32> hidden, ffi::ResultBuffer<ffi::F32> cells, ffi::ResultBuffer<ffi::F32> gates) {
  const auto d = cells->dimensions();
  const Shape shape{d[1], d[2], d[3]};
  const Arrays arrays{{forward.typed_data(), backward.typed_data()}, kernels.typed_data(), hidden->typed_data(), cells->typed_data(),
                      gates->typed_data()};
  for_each_task(pool, shape.tasks(), [&](int64_t task) { run<true>(shape, Share(shape, task), arrays); });
  return ffi::Error::Success();
}

ffi::Error Inference(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> forward, ffi::Buffer<ffi::F32> backward, ffi::Buffer<ffi::F32> kernels,
                     ffi::ResultBuffer<ffi::F32> hidden) {
  const auto d = hidden->dimensions();
  const Shape shape{d[0], d[1], d[2] / 2};
  const Arrays arrays{{forward.typed_data(), backward.typed_data()}, kernels.typed_data(), hidden->typed_data(), nullptr, nullptr};
  for_each_task(pool, shape.tasks(), [&](int64_t task) { run<false>(shape, Share(shape, task), arrays); });
  return ffi::Error::Success();
}

// The gradients of both projections [B, T, 4 U] from that of hidden [B, T, 2 U]; `kernels` is [2, 4 U, U], the recurrent ones transposed.
ffi::Error Gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> d_hidden, ffi::Buffer<ffi::F32> kernels, ffi::Buffer<ffi::F32> cells,
                    ffi::Buffer<ffi::F32> gates, ffi::ResultBuffer<ffi::F32> d_forward, ffi::ResultBuffer<ffi::F32> d_backward) {
  const auto d = cells.dimensions();
  const Shape shape{d[1], d[2], d[3]};
  const int64_t units = shape.units;
  for_each_task(pool, shape.tasks(), [&](int64_t task) {
    const Share share(shape, task);
    const int64_t count = share.last - share.first;
    float* d_projected = (share.direction ? d_backward : d_forward)->typed_data();
    const float* kernel = kernels.typed_data() + share.direction * 4 * units * units;
    // What comes back from the frame after.
    Scratch states(2 * count * units);
    float *const from_hidden = states.data(), *const from_cell = from_hidden + count * units;
    for (int64_t step = shape.frames - 1; step >= 0; --step) {
      for (int64_t s = 0; s < count; ++s) {
        const int64_t sample = share.first + s, now = share.frame(step);
        const int64_t row = (share.direction * shape.samples + sample) * shape.frames;
        const float* gate = gates.typed_data() + (row + now) * 4 * units;
        const float* cell = cells.typed_data() + (row + now) * units;
        const float* before = step ? cells.typed_data() + (row + share.frame(step - 1)) * units : nullptr;
        const float* d_out = d_hidden.typed_data() + (sample * shape.frames + now) * 2 * units + share.direction * units;
        float* out = d_projected + (sample * shape.frames + now) * 4 * units;
        for (int64_t unit = 0; unit < units; unit += LANES) {
          const auto kept = [&](int which) { return load(gate + which * units + unit); };
          const Vector i = kept(0), f = kept(1), g = kept(2), o = kept(3), tanh_cell = hyperbolic_tangent(load(cell + unit));
          const Vector cell_before = before ? load(before + unit) : Vector{};
          const Vector d_h = load(d_out + unit) + load(from_hidden + s * units + unit);
          const Vector d_c = multiply_add(d_h, o * (1.0f - tanh_cell * tanh_cell), load(from_cell + s * units + unit));
          const auto pass = [&](int which, Vector value) { store(out + which * units + unit, value); };
          pass(0, d_c * g * (i * (1.0f - i)));
          pass(1, d_c * cell_before * (f * (1.0f - f)));
          pass(2, d_c * i * (1.0f - g * g));
          pass(3, d_h * tanh_cell * (o * (1.0f - o)));
          store(from_cell + s * units + unit, d_c * f);
        }
      }
      const Matrix d_z{d_projected + (share.first * shape.frames + share.frame(step)) * 4 * units, shape.frames * 4 * units, 1};
      multiply(d_z, count, 4 * units, kernel, units, units, from_hidden, units);
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_lstm, Forward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_lstm_inference, Inference);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_lstm_gradient, Gradient);
