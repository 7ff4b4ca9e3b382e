#include "program.h"

#include <cstdlib>
#include <cstring>

#include "aligned.h"

namespace nagare {

void Program::AlignedFree::operator()(char* p) const { std::free(p); }

Program::Program(const Kernels& kernels, const int32_t* code, size_t length, const std::vector<Constant>& constants, int externals,
                 size_t arenaBytes)
    : kernels_(kernels), firstExternal_(1 + constants.size()), externals_(externals), arenaBytes_(arenaBytes) {
  needs_.resize(firstExternal_ + static_cast<size_t>(externals));
  const std::vector<InstructionKind>& kinds = instruction_kinds();
  for (size_t at = 0; at < length;) {
    if (at + 2 > length) throw InvalidProgram("the last instruction is cut off");
    const int32_t kind = code[at], count = code[at + 1];
    if (kind < 0 || static_cast<size_t>(kind) >= kinds.size()) throw InvalidProgram("no instruction has the code " + std::to_string(kind));
    at += 2;
    if (count < 0 || static_cast<size_t>(count) > length - at) throw InvalidProgram("the last instruction is cut off");
    const InstructionKind& known = kinds[static_cast<size_t>(kind)];
    Reader operands(code + at, code + at + count, needs_);
    try {
      std::unique_ptr<Step> step = known.decode(operands, kernels);
      operands.finish();
      if (step) {
        steps_.push_back(std::move(step));
        stepInstruction_.push_back(instructions_);
      }
    } catch (const InvalidProgram& error) {
      throw InvalidProgram("instruction " + std::to_string(instructions_) + " (" + known.name + "): " + error.what());
    }
    instructions_++;
    at += static_cast<size_t>(count);
  }
  if (needs_[0].bytes > static_cast<int64_t>(arenaBytes)) {
    throw InvalidProgram("the arena has " + std::to_string(arenaBytes) + " bytes; " + std::to_string(needs_[0].bytes) + " are used");
  }
  for (const Constant& constant : constants) constantBytes_ += align_up(constant.bytes);
  constantMemory_.reset(static_cast<char*>(allocate_aligned(constantBytes_)));
  bases_.resize(needs_.size());
  char* place = constantMemory_.get();
  for (size_t i = 0; i < constants.size(); i++) {
    const BaseNeeds& needs = needs_[1 + i];
    if (needs.bytes > static_cast<int64_t>(constants[i].bytes)) {
      throw InvalidProgram("constant " + std::to_string(i) + " has " + std::to_string(constants[i].bytes) + " bytes; " +
                           std::to_string(needs.bytes) + " are used");
    }
    if (needs.written) throw InvalidProgram("constant " + std::to_string(i) + " is written to");
    if (constants[i].bytes) std::memcpy(place, constants[i].data, constants[i].bytes);
    bases_[1 + i] = place;
    place += align_up(constants[i].bytes);
  }
}

namespace {

// Stands between a kernel and the pool, and notes from when to when each thread had tasks.
class ThreadTimer {
 public:
  ThreadTimer(const Parallel& parallel, int threadCount) : parallel_(parallel), threadCount_(threadCount) {}

  Parallel parallel() {
    return {[](void* timer, int64_t tasks, void (*task)(void*, int64_t, int), void* context) {
              static_cast<ThreadTimer*>(timer)->run(tasks, task, context);
            },
            this, parallel_.threads};
  }

  Span* spans = nullptr;  // of the instruction that runs
  bool used = false;

 private:
  struct Job {
    ThreadTimer& timer;
    void (*task)(void*, int64_t, int);
    void* context;
  };

  void run(int64_t tasks, void (*task)(void*, int64_t, int), void* context) {
    used = true;
    Job job{*this, task, context};
    parallel_.run(
        parallel_.pool, tasks,
        [](void* data, int64_t index, int worker) {
          const Job& given = *static_cast<Job*>(data);
          const double start = milliseconds();
          given.task(given.context, index, worker);
          if (worker >= given.timer.threadCount_) return;
          Span& span = given.timer.spans[worker];
          if (span.end == 0) span.start = start;
          span.end = milliseconds();
        },
        &job);
  }

  const Parallel& parallel_;
  int threadCount_;
};

}  // namespace

size_t Program::scratch_bytes(int threads) const {
  if (threads != plannedThreads_) {
    size_t most = 0;
    for (const auto& step : steps_) {
      const size_t bytes = step->scratch_bytes(kernels_, threads);
      if (bytes > most) most = bytes;
    }
    plannedScratch_ = most;
    plannedThreads_ = threads;
  }
  return plannedScratch_;
}

std::string Program::run(char* const* external, char* arena, void* scratch, const Parallel& parallel, const RunTimes& times) const {
  // Runs come one at a time (the engine's turn), so the table may live in the program.
  char** bases = bases_.data();
  bases[0] = arena;
  for (int i = 0; i < externals_; i++) bases[firstExternal_ + static_cast<size_t>(i)] = external[i];
  ThreadTimer timer(parallel, times.threadCount);
  const Parallel timed = timer.parallel();
  RunContext context{kernels_, bases, scratch, times.threadCount > 0 ? timed : parallel, {}};
  if (!times.instructions) {
    for (const auto& step : steps_) {
      if (!step->run(context)) return context.error;
    }
    return {};
  }
  for (size_t i = 0; i < steps_.size(); i++) {
    const size_t instruction = stepInstruction_[i];
    Span& span = times.instructions[instruction];
    timer.spans = times.threads + instruction * static_cast<size_t>(times.threadCount);
    span.start = milliseconds();
    const bool done = steps_[i]->run(context);
    span.end = milliseconds();
    // What needs one thread only runs on the caller.
    if (!timer.used && times.threadCount > 0) timer.spans[0] = span;
    timer.used = false;
    if (!done) return context.error;
  }
  return {};
}

}  // namespace nagare
