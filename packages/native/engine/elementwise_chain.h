// A chain of elementwise operations as the TypeScript side writes it, and what is known of its operations.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/elementwise.h"

namespace nagare {

// Values are numbered, loads first, then constants, then instructions.
struct ElementwiseChain {
  struct Load {
    DType dtype;
    int64_t strides[kMaxRank];
    // Not elements of the operand but random words of it, which is a key, from this one on in the order of the index space.
    bool drawn;
    int64_t first;
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
  bool leaves = false;          // its results leave the program
};

int32_t scalar_op_arity(ScalarOp op);
const char* scalar_op_name(ScalarOp op);
// Whether the result is bool whatever the operands are.
bool gives_bool(ScalarOp op);
// Whether the result may leave the range of int8 and uint8.
bool may_overflow(ScalarOp op);
// About how long it takes, beside an addition.
int64_t cost_of(ScalarOp op);
constexpr int64_t kDrawCost = 6;
// What the arithmetic of an element takes.
int64_t cost_of(const ElementwiseChain& chain);

// Merges neighbouring dimensions over which every operand steps evenly (results are dense and always do).
void collapse(ElementwiseChain& chain);
// How a load of a collapsed chain is read when tiles are whole rows, or lie within rows.
Access access_of(const ElementwiseChain& chain, const ElementwiseChain::Load& load, bool wholeRows);

}  // namespace nagare
