// A bidirectional LSTM's recurrence over all frames, forward and backward, for CPUs with AVX-512.
//
// Arrays are float32 and dense, B samples, T frames, U units (a multiple of 16), gates in Keras's order: input, forget, cell, output.
// Direction 0 runs from the first frame to the last, direction 1 from the last to the first. Samples do not depend on one another: a task
// is one direction of a few samples, through all frames, without waiting for anybody.

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "activations.h"
#include "tasks.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr int LANES = 16;
constexpr int64_t SAMPLES_A_TASK = 16;
// Samples in registers.
constexpr int TOGETHER = 4;

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

// One frame of SAMPLES samples and 16 units: `kernel` [U, 4, 16] holds those units' columns of the recurrent kernel, `before` [SAMPLES, U]
// the hidden state, null at the first frame; `after` and `cells` are likewise. The gradient needs what KEEP keeps.
template <int SAMPLES, bool KEEP>
__attribute__((noinline)) void advance(const Places* places, const float* kernel, int64_t units, int64_t unit, const float* before,
                                       float* after, float* cells) {
  __m512 z[SAMPLES][4];
#pragma GCC unroll 8
  for (int s = 0; s < SAMPLES; ++s)
#pragma GCC unroll 4
    for (int gate = 0; gate < 4; ++gate) {
      z[s][gate] = _mm512_loadu_ps(places[s].projected + gate * units + unit);
      _mm_prefetch(places[s].next + gate * units + unit, _MM_HINT_T1);
    }
  if (before) {
    for (int64_t u = 0; u < units; ++u, kernel += 4 * LANES) {
      __m512 weights[4];
#pragma GCC unroll 4
      for (int gate = 0; gate < 4; ++gate) {
        weights[gate] = _mm512_loadu_ps(kernel + gate * LANES);
        asm("" : "+v"(weights[gate]));  // Keeps it in a register: else it is loaded again for every sample.
      }
#pragma GCC unroll 8
      for (int s = 0; s < SAMPLES; ++s) {
        const __m512 hidden = _mm512_set1_ps(before[s * units + u]);
#pragma GCC unroll 4
        for (int gate = 0; gate < 4; ++gate) z[s][gate] = _mm512_fmadd_ps(hidden, weights[gate], z[s][gate]);
      }
    }
  }
#pragma GCC unroll 8
  for (int s = 0; s < SAMPLES; ++s) {
    const Places& place = places[s];
    float* const own_cell = cells + s * units + unit;
    const __m512 i = sigmoid(z[s][0]), f = sigmoid(z[s][1]), g = hyperbolic_tangent(z[s][2]), o = sigmoid(z[s][3]);
    const __m512 cell = _mm512_fmadd_ps(f, _mm512_loadu_ps(own_cell), _mm512_mul_ps(i, g));
    const __m512 hidden = _mm512_mul_ps(o, hyperbolic_tangent(cell));
    _mm512_storeu_ps(own_cell, cell);
    _mm512_storeu_ps(after + s * units + unit, hidden);
    _mm512_storeu_ps(place.hidden + unit, hidden);
    if (KEEP) {
      _mm512_storeu_ps(place.cell + unit, cell);
      _mm512_storeu_ps(place.gates + unit, i);
      _mm512_storeu_ps(place.gates + units + unit, f);
      _mm512_storeu_ps(place.gates + 2 * units + unit, g);
      _mm512_storeu_ps(place.gates + 3 * units + unit, o);
    }
  }
}

// Adds `d_z` [SAMPLES, 4 U] times `kernel` [4 U, U] to 16 VECTORS units of `d_hidden`, rows of U.
template <int SAMPLES, int VECTORS>
inline __attribute__((always_inline)) void propagate(const float* const* d_z, const float* kernel, int64_t units, float* d_hidden) {
  __m512 sums[SAMPLES][VECTORS];
#pragma GCC unroll 4
  for (int s = 0; s < SAMPLES; ++s)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) sums[s][v] = _mm512_setzero_ps();
  for (int64_t row = 0; row < 4 * units; ++row, kernel += units) {
    __m512 weights[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      weights[v] = _mm512_loadu_ps(kernel + v * LANES);
      asm("" : "+v"(weights[v]));
    }
#pragma GCC unroll 4
    for (int s = 0; s < SAMPLES; ++s) {
      const __m512 value = _mm512_set1_ps(d_z[s][row]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) sums[s][v] = _mm512_fmadd_ps(value, weights[v], sums[s][v]);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < SAMPLES; ++s)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) _mm512_storeu_ps(d_hidden + s * units + v * LANES, sums[s][v]);
}

template <int SAMPLES>
void propagate_all(const float* const* d_z, const float* kernel, int64_t units, float* d_hidden) {
  int64_t unit = 0;
  for (; unit + 4 * LANES <= units; unit += 4 * LANES) propagate<SAMPLES, 4>(d_z, kernel + unit, units, d_hidden + unit);
  for (; unit < units; unit += LANES) propagate<SAMPLES, 1>(d_z, kernel + unit, units, d_hidden + unit);
}

// What a task reads and writes: projections [B, T, 4 U] of both directions, recurrent kernels [2, U / 16, U, 4, 16], hidden [B, T, 2 U];
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
      const auto advance_some = [&](auto samples, int64_t s) {
        advance<samples(), KEEP>(places + s, kernel + unit * 4 * units, units, unit, step ? before + s * units : nullptr, after + s * units,
                                 cells + s * units);
      };
      int64_t s = 0;
      for (; s + TOGETHER <= count; s += TOGETHER) advance_some(std::integral_constant<int, TOGETHER>(), s);
      for (; s < count; ++s) advance_some(std::integral_constant<int, 1>(), s);
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
    const __m512 one = _mm512_set1_ps(1.0f);
    for (int64_t step = shape.frames - 1; step >= 0; --step) {
      const float* d_z[SAMPLES_A_TASK];
      for (int64_t s = 0; s < count; ++s) {
        const int64_t sample = share.first + s, now = share.frame(step);
        const int64_t row = (share.direction * shape.samples + sample) * shape.frames;
        const float* gate = gates.typed_data() + (row + now) * 4 * units;
        const float* cell = cells.typed_data() + (row + now) * units;
        const float* before = step ? cells.typed_data() + (row + share.frame(step - 1)) * units : nullptr;
        const float* d_out = d_hidden.typed_data() + (sample * shape.frames + now) * 2 * units + share.direction * units;
        float* out = d_projected + (sample * shape.frames + now) * 4 * units;
        d_z[s] = out;
        for (int64_t unit = 0; unit < units; unit += LANES) {
          const __m512 i = _mm512_loadu_ps(gate + unit), f = _mm512_loadu_ps(gate + units + unit);
          const __m512 g = _mm512_loadu_ps(gate + 2 * units + unit), o = _mm512_loadu_ps(gate + 3 * units + unit);
          const __m512 tanh_cell = hyperbolic_tangent(_mm512_loadu_ps(cell + unit));
          const __m512 cell_before = before ? _mm512_loadu_ps(before + unit) : _mm512_setzero_ps();
          const __m512 d_h = _mm512_add_ps(_mm512_loadu_ps(d_out + unit), _mm512_loadu_ps(from_hidden + s * units + unit));
          const __m512 slope = _mm512_mul_ps(o, _mm512_fnmadd_ps(tanh_cell, tanh_cell, one));
          const __m512 d_c = _mm512_fmadd_ps(d_h, slope, _mm512_loadu_ps(from_cell + s * units + unit));
          const auto store = [&](int which, __m512 value, __m512 slope) {
            _mm512_storeu_ps(out + which * units + unit, _mm512_mul_ps(value, slope));
          };
          store(0, _mm512_mul_ps(d_c, g), _mm512_mul_ps(i, _mm512_sub_ps(one, i)));
          store(1, _mm512_mul_ps(d_c, cell_before), _mm512_mul_ps(f, _mm512_sub_ps(one, f)));
          store(2, _mm512_mul_ps(d_c, i), _mm512_fnmadd_ps(g, g, one));
          store(3, _mm512_mul_ps(d_h, tanh_cell), _mm512_mul_ps(o, _mm512_sub_ps(one, o)));
          _mm512_storeu_ps(from_cell + s * units + unit, _mm512_mul_ps(d_c, f));
        }
      }
      int64_t s = 0;
      for (; s + 4 <= count; s += 4) propagate_all<4>(d_z + s, kernel, units, from_hidden + s * units);
      for (; s < count; ++s) propagate_all<1>(d_z + s, kernel, units, from_hidden + s * units);
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_lstm, Forward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_lstm_inference, Inference);
XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_lstm_gradient, Gradient);
