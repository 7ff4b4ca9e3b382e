// Finding the loop of an operation for a register class and the places of scalars.
#include "elementwise.h"
#include "tile_loops.h"
#include "tile_operators.h"

namespace nagare::NAGARE_ISA {
namespace {

template <typename Op, typename T>
TileFunction unary_of() {
  if constexpr (Op::template available<T>) return unary_tile<Op, T>;
  else return nullptr;
}
template <typename Op>
TileFunction unary_for(Register r) {
  switch (r) {
    case Register::f32:
      return unary_of<Op, float>();
    case Register::f64:
      return unary_of<Op, double>();
    case Register::i32:
      return unary_of<Op, int32_t>();
    case Register::i64:
      return unary_of<Op, int64_t>();
  }
  return nullptr;
}

template <typename Op, typename T>
TileFunction binary_of(int scalars) {
  if constexpr (Op::template available<T>) {
    if (scalars == 1) return binary_tile<Op, T, true, false>;
    if (scalars == 2) return binary_tile<Op, T, false, true>;
    return binary_tile<Op, T, false, false>;
  } else {
    return nullptr;
  }
}
template <typename Op>
TileFunction binary_for(Register r, int scalars) {
  switch (r) {
    case Register::f32:
      return binary_of<Op, float>(scalars);
    case Register::f64:
      return binary_of<Op, double>(scalars);
    case Register::i32:
      return binary_of<Op, int32_t>(scalars);
    case Register::i64:
      return binary_of<Op, int64_t>(scalars);
  }
  return nullptr;
}

template <typename T, bool streams = false>
TileFunction select_of(int scalars) {
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
TileFunction select_for(Register r, int scalars) {
  switch (r) {
    case Register::f32:
      return select_of<float>(scalars);
    case Register::f64:
      return select_of<double>(scalars);
    case Register::i32:
      return select_of<int32_t>(scalars);
    case Register::i64:
      return select_of<int64_t>(scalars);
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
template <typename T, bool streams = false>
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

TileFunction find_product_then(ProductThen kind, Register r, int scalars) {
  if (r == Register::f32) return product_then_for<float>(kind, scalars);
  return r == Register::f64 ? product_then_for<double>(kind, scalars) : nullptr;
}

TileFunction find_tile_function(ScalarOp op, Register r, int scalars) {
  switch (op) {
    // clang-format off
    case ScalarOp::neg: return unary_for<Neg>(r);
    case ScalarOp::abs: return unary_for<Abs>(r);
    case ScalarOp::sign: return unary_for<Sign>(r);
    case ScalarOp::exp: return unary_for<Exp>(r);
    case ScalarOp::expm1: return unary_for<Expm1>(r);
    case ScalarOp::log: return unary_for<Log>(r);
    case ScalarOp::log1p: return unary_for<Log1p>(r);
    case ScalarOp::sqrt: return unary_for<Sqrt>(r);
    case ScalarOp::rsqrt: return unary_for<Rsqrt>(r);
    case ScalarOp::sin: return unary_for<Sin>(r);
    case ScalarOp::cos: return unary_for<Cos>(r);
    case ScalarOp::tanh: return unary_for<Tanh>(r);
    case ScalarOp::sigmoid: return unary_for<Sigmoid>(r);
    case ScalarOp::erf: return unary_for<Erf>(r);
    case ScalarOp::floor: return unary_for<Floor>(r);
    case ScalarOp::ceil: return unary_for<Ceil>(r);
    case ScalarOp::round: return unary_for<Round>(r);
    case ScalarOp::isNan: return unary_for<IsNan>(r);
    case ScalarOp::logicalNot: return unary_for<LogicalNot>(r);
    case ScalarOp::add: return binary_for<Add>(r, scalars);
    case ScalarOp::sub: return binary_for<Sub>(r, scalars);
    case ScalarOp::mul: return binary_for<Mul>(r, scalars);
    case ScalarOp::div: return binary_for<Div>(r, scalars);
    case ScalarOp::pow: return binary_for<Pow>(r, scalars);
    case ScalarOp::maximum: return binary_for<Maximum>(r, scalars);
    case ScalarOp::minimum: return binary_for<Minimum>(r, scalars);
    case ScalarOp::remainder: return binary_for<Remainder>(r, scalars);
    case ScalarOp::shiftRightLogical: return binary_for<ShiftRightLogical>(r, scalars);
    case ScalarOp::bitwiseAnd: return binary_for<BitwiseAnd>(r, scalars);
    case ScalarOp::bitwiseXor: return binary_for<BitwiseXor>(r, scalars);
    case ScalarOp::equal: return binary_for<Equal>(r, scalars);
    case ScalarOp::notEqual: return binary_for<NotEqual>(r, scalars);
    case ScalarOp::less: return binary_for<Less>(r, scalars);
    case ScalarOp::lessEqual: return binary_for<LessEqual>(r, scalars);
    case ScalarOp::greater: return binary_for<Greater>(r, scalars);
    case ScalarOp::greaterEqual: return binary_for<GreaterEqual>(r, scalars);
    case ScalarOp::logicalAnd: return binary_for<LogicalAnd>(r, scalars);
    case ScalarOp::logicalOr: return binary_for<LogicalOr>(r, scalars);
    case ScalarOp::select: return select_for(r, scalars);
    case ScalarOp::convert:
    case ScalarOp::count: return nullptr;
    // clang-format on
  }
  return nullptr;
}

TileFunction find_streamed_product_then(ProductThen kind, Register r, int scalars) {
  if (r == Register::f32) return product_then_for<float, true>(kind, scalars);
  return r == Register::f64 ? product_then_for<double, true>(kind, scalars) : nullptr;
}

TileFunction find_streamed(ScalarOp op, Register r, int scalars) {
  switch (op) {
    // clang-format off
    case ScalarOp::neg: return unary_for<Streamed<Neg>>(r);
    case ScalarOp::abs: return unary_for<Streamed<Abs>>(r);
    case ScalarOp::sqrt: return unary_for<Streamed<Sqrt>>(r);
    case ScalarOp::add: return binary_for<Streamed<Add>>(r, scalars);
    case ScalarOp::sub: return binary_for<Streamed<Sub>>(r, scalars);
    case ScalarOp::mul: return binary_for<Streamed<Mul>>(r, scalars);
    case ScalarOp::div: return binary_for<Streamed<Div>>(r, scalars);
    case ScalarOp::maximum: return binary_for<Streamed<Maximum>>(r, scalars);
    case ScalarOp::minimum: return binary_for<Streamed<Minimum>>(r, scalars);
    case ScalarOp::select: return r == Register::f32 ? select_of<float, true>(scalars) : nullptr;
    default: return nullptr;
    // clang-format on
  }
}

}  // namespace nagare::NAGARE_ISA
