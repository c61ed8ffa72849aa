// Exponential, logarithm, sigmoid and hyperbolic tangent, to a few units in the last place.

#pragma once

#include "vectors.h"

// e^x for x from -80 to 80: 2^n times a polynomial in the rest, |rest| <= ln(2) / 2 (Cephes' expf). A NaN stays one.
inline Vector exponential(Vector x) {
  // Added to this, a number loses what comes after its point, and its lowest bits are n.
  const Vector rounder = repeat(12582912.0f), shifted = multiply_add(x, repeat(1.44269504f), rounder), n = shifted - rounder;
  const Vector rest = multiply_add(n, repeat(2.12194440e-4f), multiply_add(n, repeat(-0.693359375f), x));
  Vector p = repeat(1.9875691500e-4f);
  for (const float coefficient : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = multiply_add(p, rest, repeat(coefficient));
  p = multiply_add(rest * rest, p, rest) + 1.0f;
  return p * reinterpret_cast<Vector>((reinterpret_cast<Integers>(shifted) << 23) + reinterpret_cast<Integers>(repeat(1.0f)));
}

// Of positive numbers: that of 2^n and of the rest from the root of 1/2 to that of 2 (Cephes' logf). A NaN stays one.
inline Vector logarithm(Vector x) {
  const Integers bits = reinterpret_cast<Integers>(x), n = (bits - 0x3f3504f3) >> 23;
  const Vector rest = reinterpret_cast<Vector>(bits - (n << 23)) - 1.0f, whole = __builtin_convertvector(n, Vector), squared = rest * rest;
  Vector p = repeat(7.0376836292e-2f);
  for (const float coefficient : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                                  2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    p = multiply_add(p, rest, repeat(coefficient));
  const Vector tail = multiply_add(squared, repeat(-0.5f), multiply_add(whole, repeat(-2.12194440e-4f), p * squared * rest));
  const Vector result = multiply_add(whole, repeat(0.693359375f), rest + tail);
  return x == x ? result : x;
}

// Beyond 80 the exponential's limits are reached to the last bit; a NaN stays one.
inline Vector bounded(Vector x) {
  x = x > 80.0f ? repeat(80.0f) : x;
  return x < -80.0f ? repeat(-80.0f) : x;
}

inline Vector sigmoid(Vector x) { return 1.0f / (exponential(bounded(-x)) + 1.0f); }

// 1 - 2 / (e^2x + 1); near zero, where that cancels, x - x^3 / 3 + 2 x^5 / 15.
inline Vector hyperbolic_tangent(Vector x) {
  const Vector squared = x * x;
  const Vector far = 1.0f - 2.0f / (exponential(bounded(x + x)) + 1.0f);
  const Vector near = multiply_add(squared * x, multiply_add(squared, repeat(2.0f / 15), repeat(-1.0f / 3)), x);
  return squared < 0.01f ? near : far;
}
