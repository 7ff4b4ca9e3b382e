// The engine of a process: its threads, its working memory, and whose turn it is.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "program.h"
#include "roofline.h"
#include "thread_pool.h"

namespace nagare {

// Programs run one at a time, in the order in which they were asked for, whichever JavaScript thread asked. So they share one arena and
// one scratch memory, each as large as the largest program needs, and every kernel has all threads for itself.
class Engine {
 public:
  static Engine& instance();

  const Kernels& kernels() const { return *kernels_; }
  // Empty when the engine can work on this processor.
  const std::string& unavailable() const { return unavailable_; }

  int threads();
  // Without `force`, only if nobody has chosen yet: environments of one process share the threads.
  void set_threads(int count, bool force);
  // The shared arena and the kernels' scratch. Waits for no run.
  size_t working_bytes() const { return workingBytes_.load(std::memory_order_relaxed); }

  // Runs at once on the calling thread, after everything that was submitted before. Returns an error or an
  // empty string.
  std::string run(const Program& program, char* const* external, const RunTimes& times);

  // Runs on the engine's own thread; `finish` is called there with the error. Returns the run's number.
  uint64_t submit(std::shared_ptr<const Program> program, std::vector<char*> external, const RunTimes& times,
                  std::function<void(std::string)> finish);

  // Measures at once, in its turn.
  Roofline roofline();

  // Returns when the run of that number, and all before it, are over.
  void wait(uint64_t number);

 private:
  Engine();

  struct Job {
    uint64_t turn;
    std::shared_ptr<const Program> program;
    std::vector<char*> external;
    RunTimes times;
    std::function<void(std::string)> finish;
  };

  uint64_t take_turn_locked() { return nextTurn_++; }
  void await_turn(std::unique_lock<std::mutex>& lock, uint64_t turn);
  void end_turn();
  std::string execute(const Program& program, char* const* external, const RunTimes& times);
  void serve();

  const Kernels* kernels_ = nullptr;
  std::string unavailable_;

  std::mutex mutex_;
  std::condition_variable turnChanged_, jobsChanged_;
  uint64_t nextTurn_ = 0, currentTurn_ = 0;
  std::deque<Job> jobs_;
  std::thread executor_;

  // Touched only by whoever has the turn.
  std::unique_ptr<ThreadPool> pool_;
  bool threadsChosen_ = false;
  char* arena_ = nullptr;
  size_t arenaBytes_ = 0;
  char* scratch_ = nullptr;
  size_t scratchBytes_ = 0;

  std::atomic<size_t> workingBytes_{0};
};

}  // namespace nagare
