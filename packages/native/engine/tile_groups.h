// Finding the trees of operations that kernels compute together in the instructions of a chain.
#pragma once

#include "elementwise_chain.h"

namespace nagare {

// Where a tree was found: the numbers of its operand, of its constants, and of the values that its operations make, the root's first.
struct GroupMatch {
  static constexpr int32_t kMaxOperations = 16;
  int32_t operand = -1;
  int32_t constants[kMaxGroupConstants] = {-1, -1, -1, -1};
  int32_t made[kMaxOperations] = {};
  int32_t operations = 0;
};

// What makes a value that is computed for each element in float32.
struct GroupOperation {
  ScalarOp op{};
  const int32_t* values = nullptr;  // null when there is no such operation
  int32_t uses = 0;
};

// `find(number)` is the operation that makes the value; values from `firstConstant` to before `firstResult` are constants.
template <typename Find>
class GroupMatcher {
 public:
  GroupMatcher(const Find& find, int32_t firstConstant, int32_t firstResult)
      : find_(find), firstConstant_(firstConstant), firstResult_(firstResult) {}

  // Extends the match by the tree at `node` for the value; false, with the match as it was, when the value is not made so.
  bool extend(GroupMatch& match, const TileGroupNode* node, int32_t number) const {
    if (node->leaf == TileGroupNode::kOperand) return bind(match.operand, number);
    if (node->leaf >= 0) return number >= firstConstant_ && number < firstResult_ && bind(match.constants[node->leaf], number);
    const GroupOperation found = find_(number);
    // What others read too must be there for them.
    if (!found.values || found.op != node->op || match.operations == GroupMatch::kMaxOperations) return false;
    if (match.operations > 0 && found.uses != 1) return false;
    const GroupMatch before = match;
    match.made[match.operations++] = number;
    const int32_t a = found.values[0], b = found.values[1];
    const TileGroupNode *first = node + 1, *second = first + first->nodes;
    if (scalar_op_arity(node->op) == 1) {
      if (extend(match, first, a)) return true;
    } else {
      const GroupMatch root = match;
      if (extend(match, first, a) && extend(match, second, b)) return true;
      match = root;
      // Sums and products, in the other order.
      if (extend(match, first, b) && extend(match, second, a)) return true;
    }
    match = before;
    return false;
  }

 private:
  static bool bind(int32_t& place, int32_t number) {
    if (place >= 0 && place != number) return false;
    place = number;
    return true;
  }

  const Find& find_;
  int32_t firstConstant_, firstResult_;
};

}  // namespace nagare
