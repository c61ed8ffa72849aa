// Products of matrices that are larger than the caches: one of them is packed in panels, as wide as the sums that registers hold.
//
// Every sum is over its terms in order, whatever the vectors and the panels.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "products.h"
#include "tasks.h"
#include "vectors.h"

namespace rows {

constexpr int64_t PANEL = ABREAST * LANES;
// Of a panel, that stay in the first cache; and rows of results that a task makes, where there are many.
constexpr int64_t DEPTH = 128, ROWS = 128;

inline int64_t panels_of(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

// Room for `multiply`'s result of some rows: whole panels.
inline int64_t padded(int64_t columns) { return panels_of(columns) * PANEL; }

// A matrix in panels [panels, depth, PANEL], filled up with zeros: `matrix` [depth, columns], whose entries lie as it says.
inline Scratch pack(xla::ffi::ThreadPool& pool, const Matrix& matrix, int64_t depth, int64_t columns) {
  Scratch packed(panels_of(columns) * depth * PANEL);
  for_each_task(pool, panels_of(columns), [&](int64_t panel) {
    const int64_t first = panel * PANEL, count = std::min(PANEL, columns - first);
    float* to = packed.data() + panel * depth * PANEL;
    for (int64_t d = 0; d < depth; ++d, to += PANEL) {
      const float* from = matrix.values + d * matrix.down + first * matrix.across;
      for (int64_t column = 0; column < count; ++column) to[column] = from[column * matrix.across];
    }
  });
  return packed;
}

// Adds `a` [count, depth] times a packed matrix to `result`, [count, padded(columns)].
inline void multiply(const Matrix& a, int64_t count, int64_t depth, const float* packed, int64_t columns, float* result) {
  for (int64_t panel = 0; panel < panels_of(columns); ++panel)
    for (int64_t d = 0; d < depth; d += DEPTH)
      ::multiply<true>({a.values + d * a.across, a.down, a.across}, count, std::min(DEPTH, depth - d), packed + (panel * depth + d) * PANEL,
                       PANEL, PANEL, result + panel * PANEL, padded(columns));
}

// Of the rows of two matrices, [count, inputs] and [count, columns], the products added up, [inputs, columns], and the sums of the second's.
// `left(row, first, size, to)` and `right(row, first, size, to)` copy a part of a row. A task adds up a part of the sums, over all rows.
template <typename Left, typename Right>
void add_up(xla::ffi::ThreadPool& pool, int64_t count, int64_t inputs, int64_t columns, Left left, Right right, float* products, float* sums) {
  const int64_t parts = (inputs + DEPTH - 1) / DEPTH, panels = panels_of(columns);
  for_each_task(pool, parts * panels, [&](int64_t task) {
    static thread_local Scratch total_scratch, left_scratch, right_scratch;
    const int64_t from = task / panels * DEPTH, size = std::min(DEPTH, inputs - from);
    const int64_t first = task % panels * PANEL, width = std::min(PANEL, columns - first);
    float* const total = total_scratch.resize((size + 1) * PANEL);
    float *const lefts = left_scratch.resize(DEPTH * size), *const rights = right_scratch.resize(DEPTH * PANEL);
    std::memset(total, 0, (size + 1) * PANEL * sizeof(float));
    std::memset(rights, 0, DEPTH * PANEL * sizeof(float));
    float* const sum = total + size * PANEL;
    for (int64_t row = 0; row < count; row += DEPTH) {
      const int64_t some = std::min(DEPTH, count - row);
      for (int64_t r = 0; r < some; ++r) {
        left(row + r, from, size, lefts + r * size);
        right(row + r, first, width, rights + r * PANEL);
        for (int64_t v = 0; v < PANEL; v += LANES) store(sum + v, load(sum + v) + load(rights + r * PANEL + v));
      }
      ::multiply<true>({lefts, 1, size}, size, some, rights, PANEL, PANEL, total, PANEL);
    }
    for (int64_t i = 0; i < size; ++i) std::memcpy(products + (from + i) * columns + first, total + i * PANEL, width * sizeof(float));
    if (sums && from == 0) std::memcpy(sums + first, sum, width * sizeof(float));
  });
}

}  // namespace rows
