// How a kernel asks for several cores without knowing the thread pool.
#pragma once

#include <stdint.h>

namespace nagare {

// `run` calls task(context, index, worker) once for every index in [0, tasks), on up to `threads` threads, and returns when all are
// done. `worker` is in [0, threads) and no two calls that overlap in time share it, so it selects per-thread scratch memory.
// Which worker gets which index is not specified: a result must never depend on it.
struct Parallel {
  void (*run)(void* pool, int64_t tasks, void (*task)(void* context, int64_t index, int worker), void* context);
  void* pool;
  int threads;
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// body(index, worker) for every index in [0, tasks). One task, or one thread, stays on the caller.
template <typename Body>
inline void parallel_for(const Parallel& parallel, int64_t tasks, const Body& body) {
  if (tasks <= 1 || parallel.threads <= 1) {
    for (int64_t index = 0; index < tasks; index++) body(index, 0);
    return;
  }
  parallel.run(
      parallel.pool, tasks,
      [](void* context, int64_t index, int worker) { (*static_cast<const Body*>(context))(index, worker); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// body(first, last, worker) for ranges that cover [0, count), of at least `least` each, where there are so many. Neighbours stay with a
// thread: each change of hands costs what its core has fetched ahead, and moves what its caches hold. Several ranges for each thread even
// out their speeds.
template <typename Body>
inline void parallel_ranges(const Parallel& parallel, int64_t count, int64_t least, const Body& body) {
  constexpr int64_t rangesPerThread = 8;
  const int64_t ranges = rangesPerThread * parallel.threads, even = (count + ranges - 1) / ranges;
  const int64_t length = even > least ? even : least;
  parallel_for(parallel, (count + length - 1) / length, [&](int64_t index, int worker) {
    const int64_t first = index * length, end = first + length;
    body(first, end < count ? end : count, worker);
  });
}

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
