// From the instructions of an elementwise chain to a program of the tile interpreter: registers, access to memory, order of stores.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace nagare {

// The chain as the TypeScript side writes it: values are numbered, loads first, then constants, then instructions.
struct ElementwiseChain {
  struct Load {
    DType dtype;
    int64_t strides[kMaxRank];
  };
  struct Constant {
    DType dtype;
    int64_t bits;  // the bits of a double for floats, the value for integers
  };
  struct Instruction {
    ScalarOp op;
    DType dtype;        // of the result
    int32_t values[3];  // operands
  };
  int32_t rank;
  int64_t dims[kMaxRank];
  std::vector<Load> loads;
  std::vector<Constant> constants;
  std::vector<Instruction> instructions;
  std::vector<int32_t> stores;  // values; dense over the index space
};

int32_t scalar_op_arity(ScalarOp op);
const char* scalar_op_name(ScalarOp op);
bool gives_bool(ScalarOp op);

// A TileProgram with the memory it points to. Constants are further uniform inputs, after the loads.
class TilePlan {
 public:
  // Throws InvalidProgram where operands and operations do not fit together.
  TilePlan(const ElementwiseChain& chain, const Kernels& kernels);

  const TileProgram& program() const { return program_; }
  const std::vector<int64_t>& constants() const { return constantBits_; }

 private:
  TileProgram program_{};
  std::vector<int64_t> registerOffsets_;
  std::vector<TileLoad> loads_;
  std::vector<TileStore> stores_;
  std::vector<TileInstruction> once_, row_, tiles_;
  std::vector<int64_t> constantBits_;  // each an element as its register holds it
};

}  // namespace nagare
