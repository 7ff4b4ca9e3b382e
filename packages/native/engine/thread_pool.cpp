#include "thread_pool.h"

#include <chrono>

namespace nagare {
namespace {

// A pause is 40 to 140 cycles: about 30 µs in all. The next kernel of a program is there by then.
constexpr int kSpins = 1500;
// After that a worker leaves its core to whoever asks for it, and looks again: about 200 µs in all, in which a loop calls the next program.
// To wake a worker takes 30 µs of the caller's time, and the worker begins 100 µs late (measured in a virtual machine).
constexpr int kYields = 120, kSpinsPerYield = 16;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(static_cast<size_t>(threads)) {
  for (int worker = 1; worker < threads; worker++) workers_.emplace_back([this, worker] { serve(worker); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  state_.fetch_add(2);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
}

Parallel ThreadPool::parallel() {
  return {[](void* pool, int64_t tasks, void (*task)(void*, int64_t, int), void* context) {
            static_cast<ThreadPool*>(pool)->run(tasks, task, context);
          },
          this, threads()};
}

void ThreadPool::run(int64_t tasks, void (*task)(void*, int64_t, int), void* context) {
  job_ = {task, context};
  const int64_t count = threads();
  for (int64_t i = 0; i < count; i++) {
    Share& share = shares_[static_cast<size_t>(i)];
    share.next.store(tasks / count * i + tasks % count * i / count, std::memory_order_relaxed);
    share.end = tasks / count * (i + 1) + tasks % count * (i + 1) / count;
  }
  state_.fetch_add(1);
  if (sleeping_.load() > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  work(0);
  state_.fetch_add(1);
  for (int spins = 0; active_.load() != 0; spins++) {
    pause();
    // More threads than cores: let the one that still works have this core.
    if (spins > kSpins) std::this_thread::yield();
  }
}

void ThreadPool::work(int worker) {
  const Job job = job_;
  for (size_t i = 0; i < shares_.size(); i++) {
    Share& share = shares_[(static_cast<size_t>(worker) + i) % shares_.size()];
    for (;;) {
      const int64_t index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= share.end) break;
      job.task(job.context, index, worker);
    }
  }
}

uint64_t ThreadPool::await(uint64_t seen) {
  for (int spins = 0; spins < kSpins + kYields * kSpinsPerYield; spins++) {
    const uint64_t state = state_.load();
    if (state != seen) return state;
    if (spins >= kSpins && spins % kSpinsPerYield == 0) std::this_thread::yield();
    else pause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  sleeping_.fetch_add(1);
  wake_.wait(lock, [&] { return state_.load() != seen; });
  sleeping_.fetch_sub(1);
  return state_.load();
}

void ThreadPool::serve(int worker) {
  uint64_t seen = 0;
  for (;;) {
    const uint64_t state = await(seen);
    if (stopping_.load()) return;
    seen = state;
    if ((state & 1) == 0) continue;
    active_.fetch_add(1);
    if (state_.load() == state) work(worker);
    active_.fetch_sub(1);
  }
}

}  // namespace nagare
