#include "tile_joins.h"

#include <algorithm>

#include "elementwise_chain.h"

namespace nagare {
namespace {

// Where a tree of operations was found: the numbers of its operand, of its constants, and of the values that its operations make, the
// root's first.
struct GroupMatch {
  static constexpr int32_t kMaxOperations = 16;
  int32_t operand = -1;
  int32_t constants[kMaxGroupConstants] = {-1, -1, -1, -1};
  int32_t made[kMaxOperations] = {};
  int32_t operations = 0;
};

bool bind(int32_t& place, int32_t number) {
  if (place >= 0 && place != number) return false;
  place = number;
  return true;
}

class Joiner {
 public:
  Joiner(std::vector<PlannedInstruction>& planned, const std::vector<PlannedValue>& values, int32_t firstConstant)
      : planned_(planned),
        values_(values),
        firstConstant_(firstConstant),
        firstResult_(static_cast<int32_t>(values.size() - planned.size())),
        joined_(planned.size(), false) {}

  // Operations that there is one loop for: values between them are neither stored nor loaded.
  void join_groups(const TileGroups& known) {
    for (PlannedInstruction& root : planned_) {
      for (int32_t g = 0; g < known.count && !root.group; g++) {
        GroupMatch match;
        if (!extend(match, known.groups[g].nodes, root.result)) continue;
        const PlannedValue& operand = value(match.operand);
        if (operand.level != eachTile || operand.dtype != DType::float32) continue;
        for (int32_t k = 1; k < match.operations; k++) joined(match.made[k]) = true;
        root = {root.op, false, ProductThen::plus, 1, {match.operand, -1, -1}, root.result, &known.groups[g]};
        std::copy(std::begin(match.constants), std::end(match.constants), root.constants);
      }
    }
  }

  // A product that only one sum or product takes is computed with it: one pass over the tile less, and for sums one rounding.
  void join_products() {
    for (PlannedInstruction& taker : planned_) {
      const bool takes = taker.op == ScalarOp::add || taker.op == ScalarOp::sub || taker.op == ScalarOp::mul;
      const PlannedValue& result = value(taker.result);
      if (!takes || taker.group || joined(taker.result) || result.level != eachTile || !is_float(result.dtype)) continue;
      for (int32_t k = 0; k < 2; k++) {
        const int32_t made = taker.values[k];
        if (made < firstResult_ || value(made).uses != 1 || value(made).level != eachTile) continue;
        const PlannedInstruction& product = instruction(made);
        if (product.op != ScalarOp::mul || product.hasProduct || product.group) continue;
        const bool firstVaries = value(product.values[0]).level == eachTile;
        const int32_t a = product.values[firstVaries ? 0 : 1], b = product.values[firstVaries ? 1 : 0];
        joined(made) = true;
        const ProductThen kind = taker.op == ScalarOp::mul   ? ProductThen::times
                                 : taker.op == ScalarOp::add ? ProductThen::plus
                                 : k == 0                    ? ProductThen::minus
                                                             : ProductThen::from;
        taker = {taker.op, true, kind, 3, {a, b, taker.values[1 - k]}, taker.result};
        break;
      }
    }
  }

  void remove_joined() {
    size_t kept = 0;
    for (size_t i = 0; i < planned_.size(); i++) {
      if (!joined_[i]) planned_[kept++] = planned_[i];
    }
    planned_.resize(kept);
  }

 private:
  const PlannedValue& value(int32_t number) const { return values_[static_cast<size_t>(number)]; }
  const PlannedInstruction& instruction(int32_t number) const { return planned_[static_cast<size_t>(number - firstResult_)]; }
  std::vector<bool>::reference joined(int32_t number) { return joined_[static_cast<size_t>(number - firstResult_)]; }

  // Extends the match by the tree at `node` for the value; false, with the match as it was, when the value is not made so.
  bool extend(GroupMatch& match, const TileGroupNode* node, int32_t number) const {
    if (node->leaf == TileGroupNode::kOperand) return bind(match.operand, number);
    if (node->leaf >= 0) return number >= firstConstant_ && number < firstResult_ && bind(match.constants[node->leaf], number);
    if (number < firstResult_ || value(number).level != eachTile || value(number).dtype != DType::float32) return false;
    const PlannedInstruction& found = instruction(number);
    if (found.op != node->op || found.group || match.operations == GroupMatch::kMaxOperations) return false;
    // What others read too must be there for them.
    if (match.operations > 0 && value(number).uses != 1) return false;
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

  std::vector<PlannedInstruction>& planned_;
  const std::vector<PlannedValue>& values_;
  int32_t firstConstant_, firstResult_;
  std::vector<bool> joined_;  // instructions that another one computes
};

}  // namespace

void join_instructions(std::vector<PlannedInstruction>& planned, const std::vector<PlannedValue>& values, int32_t firstConstant,
                       const TileGroups& groups) {
  Joiner joiner(planned, values, firstConstant);
  joiner.join_groups(groups);
  joiner.join_products();
  joiner.remove_joined();
}

}  // namespace nagare
