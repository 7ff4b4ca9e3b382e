#include "engine.h"

#include <algorithm>
#include <cstdlib>

#include "aligned.h"
#include "isa.h"

namespace nagare {
namespace {

void grow(char*& memory, size_t& bytes, size_t needed) {
  if (needed <= bytes) return;
  std::free(memory);
  memory = nullptr;
  bytes = 0;
  memory = static_cast<char*>(allocate_aligned(needed));
  bytes = needed;
}

}  // namespace

// Never destroyed: at exit its threads may still run, and they end with the process.
Engine& Engine::instance() {
  static Engine* engine = new Engine();
  return *engine;
}

Engine::Engine() {
  kernels_ = choose_kernels(unavailable_);
  pool_ = std::make_unique<ThreadPool>(1);
}

void Engine::await_turn(std::unique_lock<std::mutex>& lock, uint64_t turn) {
  turnChanged_.wait(lock, [&] { return currentTurn_ == turn; });
}

void Engine::end_turn() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    currentTurn_++;
  }
  turnChanged_.notify_all();
}

int Engine::threads() {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t turn = take_turn_locked();
  await_turn(lock, turn);
  const int count = pool_->threads();
  lock.unlock();
  end_turn();
  return count;
}

void Engine::set_threads(int count, bool force) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t turn = take_turn_locked();
  await_turn(lock, turn);
  lock.unlock();
  if ((force || !threadsChosen_) && count != pool_->threads()) {
    pool_.reset();
    pool_ = std::make_unique<ThreadPool>(count);
  }
  threadsChosen_ = true;
  end_turn();
}

std::string Engine::execute(const Program& program, char* const* external, const RunTimes& times) {
  try {
    grow(arena_, arenaBytes_, program.arena_bytes());
    grow(scratch_, scratchBytes_, program.scratch_bytes(pool_->threads()));
    workingBytes_.store(arenaBytes_ + scratchBytes_, std::memory_order_relaxed);
  } catch (const std::bad_alloc&) {
    return "Out of memory: the program needs " + std::to_string(program.arena_bytes()) + " bytes for intermediate values.";
  }
  return program.run(external, arena_, scratch_, pool_->parallel(), times);
}

std::string Engine::run(const Program& program, char* const* external, const RunTimes& times) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t turn = take_turn_locked();
    if (currentTurn_ != turn) await_turn(lock, turn);
  }
  std::string error = execute(program, external, times);
  end_turn();
  return error;
}

Roofline Engine::roofline() {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t turn = take_turn_locked();
  await_turn(lock, turn);
  lock.unlock();
  struct Turn {
    Engine& engine;
    ~Turn() { engine.end_turn(); }
  } ending{*this};
  return measure_roofline(*kernels_, pool_->parallel());
}

uint64_t Engine::submit(std::shared_ptr<const Program> program, std::vector<char*> external, const RunTimes& times,
                        std::function<void(std::string)> finish) {
  uint64_t turn;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    turn = take_turn_locked();
    jobs_.push_back({turn, std::move(program), std::move(external), times, std::move(finish)});
    if (!executor_.joinable()) executor_ = std::thread([this] { serve(); });
  }
  jobsChanged_.notify_one();
  return turn;
}

void Engine::serve() {
  for (;;) {
    Job job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      jobsChanged_.wait(lock, [&] { return !jobs_.empty(); });
      job = std::move(jobs_.front());
      jobs_.pop_front();
      await_turn(lock, job.turn);
    }
    std::string error = execute(*job.program, job.external.data(), job.times);
    job.finish(std::move(error));
    job.program.reset();
    end_turn();
  }
}

void Engine::wait(uint64_t number) {
  std::unique_lock<std::mutex> lock(mutex_);
  turnChanged_.wait(lock, [&] { return currentTurn_ > number || number >= nextTurn_; });
}

}  // namespace nagare
