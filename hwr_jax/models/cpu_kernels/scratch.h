// Room for intermediate results, aligned to cache lines: vectors that lie across two take twice as long to load.

#pragma once

#include <cstdint>
#include <vector>

class Scratch {
 public:
  Scratch() = default;
  // `size` zeros.
  explicit Scratch(int64_t size) { resize(size); }
  // Keeps what is there.
  float* resize(int64_t size) {
    lines_.resize((size + LANES - 1) / LANES);
    return data();
  }
  float* data() { return lines_.data()->lanes; }
  const float* data() const { return lines_.data()->lanes; }

 private:
  static constexpr int64_t LANES = 16;
  struct alignas(64) Line {
    float lanes[LANES];
  };
  std::vector<Line> lines_;
};
