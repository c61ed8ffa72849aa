// Independent tasks on XLA's own threads, and room for their intermediate results.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "xla/ffi/api/ffi.h"

// So that a handler's parameters are bound by their types.
template <>
struct xla::ffi::CtxBinding<xla::ffi::ThreadPool> {
  using Ctx = xla::ffi::ThreadPool;
};

// Runs `task(0)` ... `task(count - 1)`, and returns when all are done. The caller works too and waits for tasks alone that another
// thread has begun, so that calls from within the pool do not block one another.
template <typename Task>
void for_each_task(xla::ffi::ThreadPool& pool, int64_t count, Task task) {
  struct Progress {
    std::atomic<int64_t> next{0}, done{0};
  };
  // A helper may come when all is over: what it looks at must outlive this call.
  auto progress = std::make_shared<Progress>();
  const auto work = [progress, count](Task& task) {
    for (int64_t index; (index = progress->next.fetch_add(1)) < count; progress->done.fetch_add(1, std::memory_order_release)) task(index);
  };
  const int64_t helpers = std::min<int64_t>(pool.num_threads(), count) - 1;
  for (int64_t helper = 0; helper < helpers; ++helper) pool.Schedule([work, &task] { work(task); });
  work(task);
  while (progress->done.load(std::memory_order_acquire) < count) std::this_thread::yield();
}

template <int MOST, typename Body>
void call_with_size(int64_t size, Body body) {
  if constexpr (MOST > 1)
    if (size < MOST) return call_with_size<MOST - 1>(size, body);
  body(std::integral_constant<int, MOST>());
}

// Divides `count` into parts of at most MOST, as equal as can be, and calls `body(size, first)` for each, whose size the compiler knows.
template <int MOST, typename Body>
void for_parts(int64_t count, Body body) {
  const int64_t parts = (count + MOST - 1) / MOST;
  for (int64_t part = 0, first = 0; part < parts; ++part) {
    const int64_t size = count * (part + 1) / parts - first;
    call_with_size<MOST>(size, [&](auto size) { body(size, first); });
    first += size;
  }
}

// Aligned to cache lines: vectors that lie across two take twice as long to load.
class Scratch {
 public:
  Scratch() = default;
  // `size` zeros.
  explicit Scratch(int64_t size) { resize(size); }
  // Keeps what is there.
  float* resize(int64_t size) {
    lines_.resize((size + LINE - 1) / LINE);
    return data();
  }
  float* data() { return lines_.data()->values; }
  const float* data() const { return lines_.data()->values; }

 private:
  static constexpr int64_t LINE = 16;
  struct alignas(64) Line {
    float values[LINE];
  };
  std::vector<Line> lines_;
};
