// What the convolution's parts have in common: sizes, tasks, and what becomes of a window of 2 x 2 pixels.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tasks.h"
#include "vectors.h"

// The corner of a window that the rectifier cut off.
constexpr int32_t NOWHERE = 4;

struct Shape {
  int64_t samples, width, height, channels, features;
  int64_t pixels() const { return width * height; }
  // Of a column, and of a sample.
  int64_t windows() const { return height / 2; }
  int64_t pooled() const { return width / 2 * windows(); }
};

// Some columns of windows of a sample: what a task computes.
struct Strip {
  int64_t sample, first, last;
  int64_t columns() const { return last - first; }
};

// Calls `body(strip)` for all strips of all samples, as tasks; a strip has about `windows`.
template <typename Body>
void for_strips(xla::ffi::ThreadPool& pool, const Shape& shape, int64_t windows, Body body) {
  const int64_t columns = std::max<int64_t>(1, windows / shape.windows()), all = shape.width / 2;
  const int64_t strips = (all + columns - 1) / columns;
  for_each_task(pool, shape.samples * strips, [&](int64_t task) {
    const int64_t first = task % strips * columns;
    body(Strip{task / strips, first, std::min(all, first + columns)});
  });
}

// Where a strip's window begins in its sample [W, H, F]; windows are counted from the strip's first.
inline int64_t place_of_window(const Shape& shape, const Strip& strip, int64_t window) {
  const int64_t w = 2 * (strip.first + window / shape.windows()), h = 2 * (window % shape.windows());
  return (w * shape.height + h) * shape.features;
}

// Writes a window's four pixels of a vector of features, H runs faster, where they belong: `sample` is [W, H, F] from the first of these features.
inline __attribute__((always_inline)) void write_window(const Vector (&pixels)[4], const Shape& shape, const Strip& strip, int64_t window,
                                                        float* sample) {
  float* const first = sample + place_of_window(shape, strip, window);
  for (int which = 0; which < 4; ++which) store(first + (which / 2 * shape.height + which % 2) * shape.features, pixels[which]);
}

// Pools and rectifies a window's four pixels of a vector of features, H runs faster; stores the maximum and its corner.
inline __attribute__((always_inline)) void store_window(const Vector (&pixels)[4], const float* bias, float* pooled, int8_t* corners) {
  Vector maximum = pixels[0];
  Integers corner{};
#pragma GCC unroll 4
  for (int which = 1; which < 4; ++which) {
    corner = pixels[which] > maximum ? repeat(which) : corner;
    maximum = pixels[which] > maximum ? pixels[which] : maximum;
  }
  // What is no number is no less than others, and passes the rectifier.
  for (const Vector& pixel : pixels) maximum = pixel == pixel ? maximum : pixel;
  maximum += load(bias);
  corner = maximum <= 0.0f ? repeat(NOWHERE) : corner;
  maximum = maximum <= 0.0f ? Vector{} : maximum;
  store(pooled, maximum);
  store(corners, __builtin_convertvector(corner, Bytes));
}
