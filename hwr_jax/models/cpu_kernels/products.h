// Products of matrices that stay in a core's cache.

#pragma once

#include <cstdint>

#include "tasks.h"
#include "vectors.h"

// Rows, and vectors of columns, whose sums are in registers.
constexpr int TOGETHER = REGISTERS == 32 ? 4 : 6, ABREAST = REGISTERS == 32 ? 4 : 2;

// A matrix in memory, whose entries are so far apart along a column and along a row.
struct Matrix {
  const float* values;
  int64_t down, across;
};

// A function of its own: inlined, it leaves too few registers, and every factor goes through memory.
template <bool ADD, int ROWS, int VECTORS>
__attribute__((noinline)) void multiply_some(const Matrix& a, int64_t depth, const float* b, int64_t b_down, float* result, int64_t down) {
  Vector sums[ROWS][VECTORS];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) sums[r][v] = ADD ? load(result + r * down + v * LANES) : Vector{};
  const float* column = a.values;
  const int64_t a_down = a.down, across = a.across;
  for (int64_t d = 0; d < depth; ++d, column += across, b += b_down) {
    Vector row[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) row[v] = load(b + v * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const Vector value = repeat(column[r * a_down]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) sums[r][v] = multiply_add(value, row[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) store(result + r * down + v * LANES, sums[r][v]);
}

// `a` [rows, depth] times `b` [depth, columns], to `result` or, to ADD, added to it. The rows of `b` are `b_down` apart, those of the
// result `down`; columns are whole vectors.
template <bool ADD = false>
void multiply(const Matrix& a, int64_t rows, int64_t depth, const float* b, int64_t b_down, int64_t columns, float* result, int64_t down) {
  for_parts<ABREAST>(columns / LANES, [&](auto vectors, int64_t vector) {
    for_parts<TOGETHER>(rows, [&](auto some, int64_t r) {
      multiply_some<ADD, some(), vectors()>({a.values + r * a.down, a.down, a.across}, depth, b + vector * LANES, b_down,
                                            result + r * down + vector * LANES, down);
    });
  });
}
