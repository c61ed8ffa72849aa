// Independent tasks on XLA's own threads.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

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
