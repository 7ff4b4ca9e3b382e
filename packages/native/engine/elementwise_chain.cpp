#include "elementwise_chain.h"

namespace nagare {

int32_t scalar_op_arity(ScalarOp op) {
  static constexpr int32_t arities[] = {
#define NAGARE_ARITY(name, arity) arity,
      NAGARE_SCALAR_OPS(NAGARE_ARITY)
#undef NAGARE_ARITY
  };
  return arities[static_cast<int>(op)];
}

const char* scalar_op_name(ScalarOp op) {
  static constexpr const char* names[] = {
#define NAGARE_NAME(name, arity) #name,
      NAGARE_SCALAR_OPS(NAGARE_NAME)
#undef NAGARE_NAME
  };
  return names[static_cast<int>(op)];
}

bool gives_bool(ScalarOp op) {
  return (op >= ScalarOp::equal && op <= ScalarOp::logicalOr) || op == ScalarOp::isNan || op == ScalarOp::logicalNot;
}

bool may_overflow(ScalarOp op) {
  return op == ScalarOp::neg || op == ScalarOp::abs || (op >= ScalarOp::add && op <= ScalarOp::pow);
}

int64_t cost_of(ScalarOp op) {
  switch (op) {
    case ScalarOp::exp:
    case ScalarOp::expm1:
    case ScalarOp::log:
    case ScalarOp::log1p:
    case ScalarOp::sin:
    case ScalarOp::cos:
    case ScalarOp::tanh:
    case ScalarOp::sigmoid:
    case ScalarOp::erf:
      return 8;
    case ScalarOp::pow:
    case ScalarOp::remainder:
      return 24;
    case ScalarOp::div:
    case ScalarOp::sqrt:
    case ScalarOp::rsqrt:
      return 3;
    default:
      return 1;
  }
}

int64_t cost_of(const ElementwiseChain& chain) {
  int64_t cost = 0;
  for (const auto& load : chain.loads) cost += load.drawn ? kDrawCost : 0;
  for (const auto& instruction : chain.instructions) cost += cost_of(instruction.op);
  return cost;
}

void collapse(ElementwiseChain& chain) {
  int32_t rank = 0;
  for (int32_t axis = 0; axis < chain.rank; axis++) {
    if (chain.dims[axis] == 1) continue;
    bool merges = rank > 0;
    for (const auto& load : chain.loads) merges = merges && load.strides[rank - 1] == load.strides[axis] * chain.dims[axis];
    if (merges) rank--;
    chain.dims[rank] = merges ? chain.dims[rank] * chain.dims[axis] : chain.dims[axis];
    for (auto& load : chain.loads) load.strides[rank] = load.strides[axis];
    rank++;
  }
  if (rank == 0) {
    chain.dims[0] = 1;
    for (auto& load : chain.loads) load.strides[0] = 0;
    rank = 1;
  }
  chain.rank = rank;
}

Access access_of(const ElementwiseChain& chain, const ElementwiseChain::Load& load, bool wholeRows) {
  if (load.drawn) return Access::drawn;
  const int32_t inner = chain.rank - 1;
  bool contiguous = true, outerFixed = true;
  int64_t dense = 1;
  for (int32_t axis = inner; axis >= 0; axis--) {
    contiguous = contiguous && load.strides[axis] == dense;
    dense *= chain.dims[axis];
    if (axis < inner) outerFixed = outerFixed && load.strides[axis] == 0;
  }
  const int64_t step = load.strides[inner];
  if (outerFixed && step == 0) return Access::uniform;
  if (contiguous) return Access::contiguous;
  if (wholeRows) return Access::gathered;
  if (step == 0) return Access::perRow;
  return step == 1 ? Access::withinRow : Access::gathered;
}

}  // namespace nagare
