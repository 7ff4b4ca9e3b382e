// Which instructions of a chain are computed together, in one pass over a tile.
#pragma once

#include <cstdint>
#include <optional>
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
  std::optional<int64_t> constant = {};  // its bits as an element of its register
};
constexpr int32_t kStored = INT32_MAX;

// An instruction of the chain, a product together with what takes it, a comparison whose result is converted, or a whole group.
struct PlannedInstruction {
  ScalarOp op;
  bool hasProduct;
  ProductThen kind;
  int32_t arity;
  int32_t values[kMaxGroupOperands + kMaxGroupUniforms];  // of a group, operands before uniforms
  int32_t results[kMaxGroupResults];
  int32_t resultCount = 1;
  const TileGroup* group = nullptr;
  bool truthAsFloat = false;  // of a comparison
};

// Joins groups that there is one loop for, products with what takes them, and comparisons with their conversion. The first results of
// `planned` are the last of `values`.
void join_instructions(std::vector<PlannedInstruction>& planned, const std::vector<PlannedValue>& values, const TileGroups& groups);

}  // namespace nagare
