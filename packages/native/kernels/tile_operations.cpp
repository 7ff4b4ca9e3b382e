// Finding the loop of an operation for a register class and the places of scalars.
#include "elementwise.h"
#include "tile_loops.h"
#include "tile_operators.h"

namespace nagare::NAGARE_ISA {
namespace {

// Whether there is a loop of the operation over T whose results, of which a vector is whole, go past the caches.
template <typename Op, typename T>
constexpr bool kMayStream = Op::quick && kIsFloat<typename Op::template Result<T>> && sizeof(typename Op::template Result<T>) == sizeof(T);

template <typename Op, typename T>
TileFunction unary_of(bool streams) {
  if constexpr (Op::template available<T>) {
    if (!streams) return unary_tile<Op, T, false>;
    if constexpr (kMayStream<Op, T>) return unary_tile<Op, T, true>;
  }
  return nullptr;
}
template <typename Op>
TileFunction unary_for(Register r, bool streams) {
  switch (r) {
    case Register::f32:
      return unary_of<Op, float>(streams);
    case Register::f64:
      return unary_of<Op, double>(streams);
    case Register::i32:
      return unary_of<Op, int32_t>(streams);
    case Register::i64:
      return unary_of<Op, int64_t>(streams);
  }
  return nullptr;
}

template <typename Op, typename T, bool streams>
TileFunction binary_with(int scalars) {
  if (scalars == 1) return binary_tile<Op, T, streams, true, false>;
  if (scalars == 2) return binary_tile<Op, T, streams, false, true>;
  return binary_tile<Op, T, streams, false, false>;
}
template <typename Op, typename T>
TileFunction binary_of(int scalars, bool streams) {
  if constexpr (Op::template available<T>) {
    if (!streams) return binary_with<Op, T, false>(scalars);
    if constexpr (kMayStream<Op, T>) return binary_with<Op, T, true>(scalars);
  }
  return nullptr;
}
template <typename Op>
TileFunction binary_for(Register r, int scalars, bool streams) {
  switch (r) {
    case Register::f32:
      return binary_of<Op, float>(scalars, streams);
    case Register::f64:
      return binary_of<Op, double>(scalars, streams);
    case Register::i32:
      return binary_of<Op, int32_t>(scalars, streams);
    case Register::i64:
      return binary_of<Op, int64_t>(scalars, streams);
  }
  return nullptr;
}

template <typename T, bool streams>
TileFunction select_with(int scalars) {
  switch (scalars) {
    case 1:
      return select_tile<T, streams, true, false, false>;
    case 2:
      return select_tile<T, streams, false, true, false>;
    case 3:
      return select_tile<T, streams, true, true, false>;
    case 4:
      return select_tile<T, streams, false, false, true>;
    case 5:
      return select_tile<T, streams, true, false, true>;
    case 6:
      return select_tile<T, streams, false, true, true>;
    default:
      return select_tile<T, streams, false, false, false>;
  }
}
template <typename T>
TileFunction select_of(int scalars, bool streams) {
  if (!streams) return select_with<T, false>(scalars);
  if constexpr (kIsFloat<T>) return select_with<T, true>(scalars);
  return nullptr;
}
TileFunction select_for(Register r, int scalars, bool streams) {
  switch (r) {
    case Register::f32:
      return select_of<float>(scalars, streams);
    case Register::f64:
      return select_of<double>(scalars, streams);
    case Register::i32:
      return select_of<int32_t>(scalars, streams);
    case Register::i64:
      return select_of<int64_t>(scalars, streams);
  }
  return nullptr;
}

template <typename T, ProductThen kind, bool streams>
TileFunction product_then_of(int scalars) {
  switch (scalars) {
    case 2:
      return product_then_tile<T, kind, streams, true, false>;
    case 4:
      return product_then_tile<T, kind, streams, false, true>;
    case 6:
      return product_then_tile<T, kind, streams, true, true>;
    default:
      return product_then_tile<T, kind, streams, false, false>;
  }
}
template <typename T, bool streams>
TileFunction product_then_for(ProductThen kind, int scalars) {
  switch (kind) {
    case ProductThen::plus:
      return product_then_of<T, ProductThen::plus, streams>(scalars);
    case ProductThen::minus:
      return product_then_of<T, ProductThen::minus, streams>(scalars);
    case ProductThen::from:
      return product_then_of<T, ProductThen::from, streams>(scalars);
    case ProductThen::times:
      return product_then_of<T, ProductThen::times, streams>(scalars);
  }
  return nullptr;
}

}  // namespace

TileFunction find_product_then(ProductThen kind, Register r, int scalars, bool streams) {
  if (r == Register::f32) return streams ? product_then_for<float, true>(kind, scalars) : product_then_for<float, false>(kind, scalars);
  if (r == Register::f64) return streams ? product_then_for<double, true>(kind, scalars) : product_then_for<double, false>(kind, scalars);
  return nullptr;
}

TileFunction find_truth_as_float(ScalarOp op, Register r, int scalars, bool streams) {
  switch (op) {
    // clang-format off
    case ScalarOp::equal: return binary_for<AsFloat<Equal>>(r, scalars, streams);
    case ScalarOp::notEqual: return binary_for<AsFloat<NotEqual>>(r, scalars, streams);
    case ScalarOp::less: return binary_for<AsFloat<Less>>(r, scalars, streams);
    case ScalarOp::lessEqual: return binary_for<AsFloat<LessEqual>>(r, scalars, streams);
    case ScalarOp::greater: return binary_for<AsFloat<Greater>>(r, scalars, streams);
    case ScalarOp::greaterEqual: return binary_for<AsFloat<GreaterEqual>>(r, scalars, streams);
    default: return nullptr;
    // clang-format on
  }
}

TileFunction find_tile_function(ScalarOp op, Register r, int scalars, bool streams) {
  switch (op) {
    // clang-format off
    case ScalarOp::neg: return unary_for<Neg>(r, streams);
    case ScalarOp::abs: return unary_for<Abs>(r, streams);
    case ScalarOp::sign: return unary_for<Sign>(r, streams);
    case ScalarOp::exp: return unary_for<Exp>(r, streams);
    case ScalarOp::expm1: return unary_for<Expm1>(r, streams);
    case ScalarOp::log: return unary_for<Log>(r, streams);
    case ScalarOp::log1p: return unary_for<Log1p>(r, streams);
    case ScalarOp::sqrt: return unary_for<Sqrt>(r, streams);
    case ScalarOp::rsqrt: return unary_for<Rsqrt>(r, streams);
    case ScalarOp::sin: return unary_for<Sin>(r, streams);
    case ScalarOp::cos: return unary_for<Cos>(r, streams);
    case ScalarOp::tanh: return unary_for<Tanh>(r, streams);
    case ScalarOp::sigmoid: return unary_for<Sigmoid>(r, streams);
    case ScalarOp::erf: return unary_for<Erf>(r, streams);
    case ScalarOp::floor: return unary_for<Floor>(r, streams);
    case ScalarOp::ceil: return unary_for<Ceil>(r, streams);
    case ScalarOp::round: return unary_for<Round>(r, streams);
    case ScalarOp::isNan: return unary_for<IsNan>(r, streams);
    case ScalarOp::logicalNot: return unary_for<LogicalNot>(r, streams);
    case ScalarOp::add: return binary_for<Add>(r, scalars, streams);
    case ScalarOp::sub: return binary_for<Sub>(r, scalars, streams);
    case ScalarOp::mul: return binary_for<Mul>(r, scalars, streams);
    case ScalarOp::div: return binary_for<Div>(r, scalars, streams);
    case ScalarOp::pow: return binary_for<Pow>(r, scalars, streams);
    case ScalarOp::maximum: return binary_for<Maximum>(r, scalars, streams);
    case ScalarOp::minimum: return binary_for<Minimum>(r, scalars, streams);
    case ScalarOp::remainder: return binary_for<Remainder>(r, scalars, streams);
    case ScalarOp::shiftRightLogical: return binary_for<ShiftRightLogical>(r, scalars, streams);
    case ScalarOp::bitwiseAnd: return binary_for<BitwiseAnd>(r, scalars, streams);
    case ScalarOp::bitwiseXor: return binary_for<BitwiseXor>(r, scalars, streams);
    case ScalarOp::equal: return binary_for<Equal>(r, scalars, streams);
    case ScalarOp::notEqual: return binary_for<NotEqual>(r, scalars, streams);
    case ScalarOp::less: return binary_for<Less>(r, scalars, streams);
    case ScalarOp::lessEqual: return binary_for<LessEqual>(r, scalars, streams);
    case ScalarOp::greater: return binary_for<Greater>(r, scalars, streams);
    case ScalarOp::greaterEqual: return binary_for<GreaterEqual>(r, scalars, streams);
    case ScalarOp::logicalAnd: return binary_for<LogicalAnd>(r, scalars, streams);
    case ScalarOp::logicalOr: return binary_for<LogicalOr>(r, scalars, streams);
    case ScalarOp::select: return select_for(r, scalars, streams);
    case ScalarOp::convert:
    case ScalarOp::count: return nullptr;
    // clang-format on
  }
  return nullptr;
}

}  // namespace nagare::NAGARE_ISA
