#include "tile_joins.h"

#include <algorithm>

#include "elementwise_chain.h"

namespace nagare {
namespace {

constexpr int32_t kNone = -1;

// Where a group was found: the numbers of its operands, of its uniforms and of what it makes, and of all values that its operations make.
struct GroupMatch {
  int32_t operands[kMaxGroupOperands], uniforms[kMaxGroupUniforms], made[kMaxGroupMade];
  std::vector<int32_t> inside;

  GroupMatch() {
    std::fill(std::begin(operands), std::end(operands), kNone);
    std::fill(std::begin(uniforms), std::end(uniforms), kNone);
    std::fill(std::begin(made), std::end(made), kNone);
  }
  bool has(int32_t number) const { return std::find(inside.begin(), inside.end(), number) != inside.end(); }
};

// A tree and the value that it is to make.
struct Wanted {
  const TileGroupNode* node;
  int32_t number;
};

bool bind(int32_t& place, int32_t number) {
  if (place != kNone && place != number) return false;
  place = number;
  return true;
}

bool commutes(ScalarOp op) { return op == ScalarOp::add || op == ScalarOp::mul; }

bool is_comparison(ScalarOp op) { return op >= ScalarOp::equal && op <= ScalarOp::greaterEqual; }

class Joiner {
 public:
  Joiner(std::vector<PlannedInstruction>& planned, const std::vector<PlannedValue>& values)
      : planned_(planned),
        values_(values),
        firstResult_(static_cast<int32_t>(values.size() - planned.size())),
        joined_(planned.size(), false) {}

  // Operations that there is one loop for: values between them are neither stored nor loaded. Groups that hold others come before them.
  void join_groups(const TileGroups& known) {
    for (int32_t g = 0; g < known.count; g++) {
      const TileGroup& group = known.groups[g];
      for (size_t at = 0; at < planned_.size(); at++) {
        if (planned_[at].group || joined_[at]) continue;
        const int32_t root = planned_[at].results[0];
        GroupMatch match;
        match.made[group.made - 1] = root;
        if (extend(group, match, {{group.trees[group.made - 1], root}}) && stands_alone(group, match)) replace(group, match, at);
      }
    }
  }

  // A product that only one sum or product takes is computed with it: one pass over the tile less, and for sums one rounding.
  void join_products() {
    for (PlannedInstruction& taker : planned_) {
      const bool takes = taker.op == ScalarOp::add || taker.op == ScalarOp::sub || taker.op == ScalarOp::mul;
      const int32_t result = taker.results[0];
      if (!takes || taker.group || joined(result) || value(result).level != eachTile || !is_float(value(result).dtype)) continue;
      for (int32_t k = 0; k < 2; k++) {
        const int32_t made = taker.values[k];
        if (made < firstResult_ || value(made).uses != 1 || value(made).level != eachTile || joined(made)) continue;
        const PlannedInstruction& product = instruction(made);
        if (product.op != ScalarOp::mul || product.hasProduct || product.group) continue;
        const bool firstVaries = value(product.values[0]).level == eachTile;
        const int32_t a = product.values[firstVaries ? 0 : 1], b = product.values[firstVaries ? 1 : 0];
        joined(made) = true;
        const ProductThen kind = taker.op == ScalarOp::mul   ? ProductThen::times
                                 : taker.op == ScalarOp::add ? ProductThen::plus
                                 : k == 0                    ? ProductThen::minus
                                                             : ProductThen::from;
        taker = {taker.op, true, kind, 3, {a, b, taker.values[1 - k]}, {result}};
        break;
      }
    }
  }

  // A comparison that is only wanted as a float, such as that of indices with all classes, is made as one.
  void join_truths() {
    for (PlannedInstruction& taker : planned_) {
      const int32_t result = taker.results[0];
      if (taker.op != ScalarOp::convert || taker.group || value(result).level != eachTile) continue;
      if (register_of(value(result).dtype) != Register::f32) continue;
      const int32_t made = taker.values[0];
      if (made < firstResult_ || value(made).uses != 1 || value(made).level != eachTile || joined(made)) continue;
      const PlannedInstruction& comparison = instruction(made);
      if (!is_comparison(comparison.op) || comparison.group) continue;
      joined(made) = true;
      taker = comparison;
      taker.results[0] = result;
      taker.truthAsFloat = true;
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
  size_t place(int32_t made) const { return static_cast<size_t>(made - firstResult_); }
  const PlannedInstruction& instruction(int32_t made) const { return planned_[place(made)]; }
  std::vector<bool>::reference joined(int32_t made) { return joined_[place(made)]; }
  bool is_joined(int32_t made) const { return joined_[place(made)]; }

  // Extends the match by all that is wanted; false, with the match as it was, when a value is not made so.
  bool extend(const TileGroup& group, GroupMatch& match, std::vector<Wanted> wanted) const {
    if (wanted.empty()) return true;
    const auto [node, number] = wanted.back();
    wanted.pop_back();
    GroupMatch more = match;
    if (node->kind != TileGroupNode::operation) {
      if (!bind_leaf(group, *node, number, more, wanted) || !extend(group, more, wanted)) return false;
      match = more;
      return true;
    }
    if (!makes(number, node->op)) return false;
    if (!more.has(number)) more.inside.push_back(number);
    const int32_t* from = instruction(number).values;
    const bool binary = scalar_op_arity(node->op) == 2;
    const TileGroupNode *first = node + 1, *second = first + first->nodes;
    for (int32_t order = 0; order < (binary && commutes(node->op) ? 2 : 1); order++) {
      std::vector<Wanted> branches = wanted;
      branches.push_back({first, from[order]});
      if (binary) branches.push_back({second, from[1 - order]});
      GroupMatch tried = more;
      if (!extend(group, tried, branches)) continue;
      match = tried;
      return true;
    }
    return false;
  }

  // What a leaf stands for. The tree of a value that the group makes is wanted when the first leaf is found to stand for it.
  bool bind_leaf(const TileGroup& group, const TileGroupNode& leaf, int32_t number, GroupMatch& match, std::vector<Wanted>& wanted) const {
    const PlannedValue& given = value(number);
    if (given.dtype != DType::float32) return false;
    if (leaf.kind == TileGroupNode::constant) return given.constant && static_cast<int32_t>(*given.constant) == leaf.number;
    if (leaf.kind == TileGroupNode::uniform) return given.level < eachTile && bind(match.uniforms[leaf.number], number);
    if (given.level != eachTile) return false;
    if (leaf.kind == TileGroupNode::operand) return bind(match.operands[leaf.number], number);
    if (match.made[leaf.number] == kNone) wanted.push_back({group.trees[leaf.number], number});
    return bind(match.made[leaf.number], number);
  }

  // Whether an operation of float32 that varies makes the value, and no group yet.
  bool makes(int32_t number, ScalarOp op) const {
    if (number < firstResult_ || value(number).level != eachTile || value(number).dtype != DType::float32) return false;
    const PlannedInstruction& found = instruction(number);
    return found.op == op && !found.group && !is_joined(number);
  }

  // Whether others read nothing of what the group makes but its results, and those not before all are made.
  bool stands_alone(const TileGroup& group, const GroupMatch& match) const {
    const int32_t* const results = match.made + group.made - group.results;
    const int32_t root = match.made[group.made - 1];
    for (const int32_t number : match.inside) {
      int32_t uses = 0;
      for (size_t i = 0; i < planned_.size(); i++) {
        const PlannedInstruction& reader = planned_[i];
        if (joined_[i]) continue;
        const int64_t times = std::count(reader.values, reader.values + reader.arity, number);
        const bool isInside = match.has(reader.results[0]);
        if (times > 0 && !isInside && i < place(root)) return false;
        if (isInside) uses += static_cast<int32_t>(times);
      }
      const bool isResult = std::count(results, results + group.results, number) == 1;
      if (!isResult && uses != value(number).uses) return false;
    }
    return std::all_of(results, results + group.results, [&](int32_t result) { return match.has(result); });
  }

  void replace(const TileGroup& group, const GroupMatch& match, size_t at) {
    for (const int32_t number : match.inside) joined(number) = place(number) != at;
    PlannedInstruction& root = planned_[at];
    root.group = &group;
    root.arity = group.operands + group.uniforms;
    std::copy_n(match.uniforms, group.uniforms, std::copy_n(match.operands, group.operands, root.values));
    root.resultCount = group.results;
    std::copy_n(match.made + group.made - group.results, group.results, root.results);
  }

  std::vector<PlannedInstruction>& planned_;
  const std::vector<PlannedValue>& values_;
  int32_t firstResult_;
  std::vector<bool> joined_;  // instructions that another one computes
};

}  // namespace

void join_instructions(std::vector<PlannedInstruction>& planned, const std::vector<PlannedValue>& values, const TileGroups& groups) {
  Joiner joiner(planned, values);
  joiner.join_groups(groups);
  joiner.join_products();
  joiner.join_truths();
  joiner.remove_joined();
}

}  // namespace nagare
