// The process's worker threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "../kernels/parallel.h"

namespace nagare {

// Runs one job at a time over the caller and threads − 1 workers. Workers that find nothing to do spin for some tens of microseconds,
// because the next kernel of a program follows soon, yield their core for some hundreds, and then sleep: an idle process uses no processor
// time.
// `run` may be called by one thread at a time (the engine's turn guarantees it).
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  Parallel parallel();
  void run(int64_t tasks, void (*task)(void*, int64_t, int), void* context);

 private:
  void serve(int worker);
  void work(int worker);
  // The first state other than `seen`.
  uint64_t await(uint64_t seen);

  struct Job {
    void (*task)(void*, int64_t, int) = nullptr;
    void* context = nullptr;
  };
  // The tasks that a thread takes before it helps others: neighbours, and about the same ones of each job of that size, so that it finds
  // what it left in its caches.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  Job job_;
  std::vector<Share> shares_;  // one for each thread
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Odd while a job is open. A worker counts itself in before it looks at the state again, and the caller closes the job before it
  // waits for the count to fall to 0: so no worker touches a job that is over.
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<int> active_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace nagare
