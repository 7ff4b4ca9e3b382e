// A compiled graph: steps over one table of memories, run in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "clock.h"
#include "reader.h"

namespace nagare {

// What a step sees while it runs.
struct RunContext {
  const Kernels& kernels;
  char* const* bases;
  void* scratch;
  const Parallel& parallel;
  std::string error;  // set by a step that fails on its operands' values

  template <typename T>
  T* at(const Operand& operand) const {
    return reinterpret_cast<T*>(bases[operand.base] + operand.offset);
  }
};

class Step {
 public:
  virtual ~Step() = default;
  // False, with `error` set, when the values of the operands do not allow it.
  virtual bool run(RunContext& context) const = 0;
  // 64-byte aligned memory that `run` needs for itself.
  virtual size_t scratch_bytes(const Kernels&, int threads) const {
    (void)threads;
    return 0;
  }
};

// The kinds of instruction, by name; an instruction is [its index here, the count of numbers that follow, those numbers].
// Decoding gives null for an instruction without results: then sizes of 0 hide what the other sizes are, and no kernel sees them.
struct InstructionKind {
  const char* name;
  std::unique_ptr<Step> (*decode)(Reader& reader, const Kernels& kernels);
};
const std::vector<InstructionKind>& instruction_kinds();

// A constant's bytes, which the program copies.
struct Constant {
  const void* data;
  size_t bytes;
};

class Program {
 public:
  // Throws InvalidProgram. `externals` memories are given to each run.
  Program(const Kernels& kernels, const int32_t* code, size_t length, const std::vector<Constant>& constants, int externals,
          size_t arenaBytes);

  int externals() const { return externals_; }
  // What a run must be given for memory number i.
  const BaseNeeds& external_needs(int i) const { return needs_[firstExternal_ + static_cast<size_t>(i)]; }
  size_t arena_bytes() const { return arenaBytes_; }
  size_t scratch_bytes(int threads) const;
  size_t constant_bytes() const { return constantBytes_; }

  // Instructions in the code, those without a step included.
  size_t instructions() const { return instructions_; }

  // `external` are the memories, already checked against the needs. Returns an error or an empty string.
  std::string run(char* const* external, char* arena, void* scratch, const Parallel& parallel, const RunTimes& times) const;

 private:
  struct AlignedFree {
    void operator()(char* p) const;
  };

  const Kernels& kernels_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<size_t> stepInstruction_;  // which instruction each step carries out
  size_t instructions_ = 0;
  std::vector<BaseNeeds> needs_;
  std::unique_ptr<char[], AlignedFree> constantMemory_;
  mutable std::vector<char*> bases_;  // arena and externals are filled in by each run
  size_t firstExternal_;
  int externals_;
  size_t arenaBytes_, constantBytes_ = 0;
  // Changed only under the engine's turn.
  mutable int plannedThreads_ = 0;
  mutable size_t plannedScratch_ = 0;
};

}  // namespace nagare
