// Which instructions of a chain are computed together, in one pass over a tile.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace nagare {

// How a value varies over the index space.
enum Level { once, eachRow, eachTile };

struct PlannedValue {
  DType dtype;
  Level level;
  int32_t slot = -1;
  int32_t uses = 0;
  int32_t lastUse = -1;  // the last instruction that reads it, or kStored
};
constexpr int32_t kStored = INT32_MAX;

// An instruction of the chain, a product together with what takes it, or a whole group, of one operand.
struct PlannedInstruction {
  ScalarOp op;
  bool hasProduct;
  ProductThen kind;
  int32_t arity;
  int32_t values[3];
  int32_t result;
  const TileGroup* group = nullptr;
  int32_t constants[kMaxGroupConstants] = {};  // of the group; −1 behind the last
};

// Joins groups that there is one loop for, and products with what takes them. The results of `planned` are the last of `values`, before
// them stand constants from `firstConstant` on.
void join_instructions(std::vector<PlannedInstruction>& planned, const std::vector<PlannedValue>& values, int32_t firstConstant,
                       const TileGroups& groups);

}  // namespace nagare
