// The operations of the tile interpreter, one loop each for every register class and every place a scalar may stand.
#include "elementary.h"
#include "elementwise.h"

namespace nagare::NAGARE_ISA {
namespace {

template <typename T>
constexpr bool kIsFloat = static_cast<T>(0.5) != 0;

// Signed overflow is wrapping here; in C++ only unsigned arithmetic says so.
template <typename T>
struct UnsignedOf;
template <>
struct UnsignedOf<int32_t> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<int64_t> {
  using type = uint64_t;
};
template <typename T>
using UnsignedVec = Vec<typename UnsignedOf<T>::type>;

// 0 and 1 lanes of int32, as bools are kept, from a comparison of N lanes of any width.
template <int N, typename Mask>
NAGARE_INLINE typename VectorOf<int32_t, N>::type truth(Mask mask) {
  return __builtin_convertvector(mask, typename VectorOf<int32_t, N>::type) & 1;
}

// Each operation: `available<T>`, the result's element type, and `apply` on vectors of T.
struct SameResult {
  template <typename T>
  using Result = T;
};
struct BoolResult {
  template <typename T>
  using Result = int32_t;
};
struct ForAll {
  template <typename T>
  static constexpr bool available = true;
};
struct ForFloats {
  template <typename T>
  static constexpr bool available = kIsFloat<T>;
};
struct ForIntegers {
  template <typename T>
  static constexpr bool available = !kIsFloat<T>;
};

#define NAGARE_UNARY(Name, Types, Kind, expression)                       \
  struct Name : Types, Kind {                                             \
    template <typename T>                                                 \
    static NAGARE_INLINE auto apply(Vec<T> x) {                           \
      expression                                                          \
    }                                                                     \
  };
#define NAGARE_BINARY(Name, Types, Kind, expression)                      \
  struct Name : Types, Kind {                                             \
    template <typename T>                                                 \
    static NAGARE_INLINE auto apply(Vec<T> a, Vec<T> b) {                 \
      expression                                                          \
    }                                                                     \
  };

NAGARE_UNARY(Neg, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) return -x;
  else return reinterpret_cast<Vec<T>>(-reinterpret_cast<UnsignedVec<T>>(x));
})
NAGARE_UNARY(Abs, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) return abs(x);
  else return x < 0 ? reinterpret_cast<Vec<T>>(-reinterpret_cast<UnsignedVec<T>>(x)) : x;
})
NAGARE_UNARY(Sign, ForAll, SameResult, {
  const Vec<T> one = splat<T>(1);
  return x > 0 ? one : (x < 0 ? -one : x);
})
NAGARE_UNARY(Exp, ForFloats, SameResult, { return exp(x); })
NAGARE_UNARY(Expm1, ForFloats, SameResult, { return expm1(x); })
NAGARE_UNARY(Log, ForFloats, SameResult, { return log(x); })
NAGARE_UNARY(Log1p, ForFloats, SameResult, { return log1p(x); })
NAGARE_UNARY(Sqrt, ForFloats, SameResult, { return sqrt(x); })
NAGARE_UNARY(Rsqrt, ForFloats, SameResult, { return 1 / sqrt(x); })
NAGARE_UNARY(Sin, ForFloats, SameResult, { return sin(x); })
NAGARE_UNARY(Cos, ForFloats, SameResult, { return cos(x); })
NAGARE_UNARY(Tanh, ForFloats, SameResult, { return tanh(x); })
NAGARE_UNARY(Sigmoid, ForFloats, SameResult, { return sigmoid(x); })
NAGARE_UNARY(Erf, ForFloats, SameResult, { return erf(x); })
NAGARE_UNARY(Floor, ForFloats, SameResult, { return floor(x); })
NAGARE_UNARY(Ceil, ForFloats, SameResult, { return ceil(x); })
NAGARE_UNARY(Round, ForFloats, SameResult, { return round(x); })
NAGARE_UNARY(IsNan, ForFloats, BoolResult, { return truth<kLanes<T>>(x != x); })
NAGARE_UNARY(LogicalNot, ForAll, BoolResult, { return truth<kLanes<T>>(x == 0); })

NAGARE_BINARY(Add, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) return a + b;
  else return reinterpret_cast<Vec<T>>(reinterpret_cast<UnsignedVec<T>>(a) + reinterpret_cast<UnsignedVec<T>>(b));
})
NAGARE_BINARY(Sub, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) return a - b;
  else return reinterpret_cast<Vec<T>>(reinterpret_cast<UnsignedVec<T>>(a) - reinterpret_cast<UnsignedVec<T>>(b));
})
NAGARE_BINARY(Mul, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) return a * b;
  else return reinterpret_cast<Vec<T>>(reinterpret_cast<UnsignedVec<T>>(a) * reinterpret_cast<UnsignedVec<T>>(b));
})

template <typename T>
NAGARE_INLINE T integer_quotient(T a, T b) {
  if (b == 0) return 0;
  // The least integer over −1 does not fit and wraps to itself.
  if (b == -1) return static_cast<T>(-static_cast<typename UnsignedOf<T>::type>(a));
  return a / b;
}
NAGARE_BINARY(Div, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) {
    return a / b;
  } else {
    Vec<T> y{};
    for (int i = 0; i < kLanes<T>; i++) y[i] = integer_quotient<T>(a[i], b[i]);
    return y;
  }
})

// a − b·trunc(a / b) for floats of any ratio, digit by digit: what fmod computes, exactly.
inline NAGARE_NOINLINE double exact_remainder(double a, double b) {
  uint64_t ua, ub;
  __builtin_memcpy(&ua, &a, 8);
  __builtin_memcpy(&ub, &b, 8);
  const uint64_t sign = ua & 0x8000000000000000;
  ua ^= sign;
  ub &= 0x7fffffffffffffff;
  if (ua >= 0x7ff0000000000000 || ub > 0x7ff0000000000000 || ub == 0) return __builtin_nan("");
  if (ua >= ub) {
    auto parts = [](uint64_t u, int& exponent) -> uint64_t {
      exponent = static_cast<int>(u >> 52);
      uint64_t mantissa = u & 0x000fffffffffffff;
      if (exponent) return mantissa | 0x0010000000000000;
      exponent = 1;
      return mantissa;
    };
    int ea, eb;
    uint64_t ma = parts(ua, ea);
    const uint64_t mb = parts(ub, eb);
    ma %= mb;
    for (; ea > eb; ea--) ma = (ma << 1) % mb;
    ua = ma;
    if (ma) {
      int exponent = eb;
      while (exponent > 1 && !(ua & 0x0010000000000000)) {
        ua <<= 1;
        exponent--;
      }
      ua = (ua & 0x0010000000000000) ? ((ua & 0x000fffffffffffff) | static_cast<uint64_t>(exponent) << 52) : ua;
    }
  }
  ua |= sign;
  double rest;
  __builtin_memcpy(&rest, &ua, 8);
  return rest;
}

NAGARE_BINARY(Remainder, ForAll, SameResult, {
  Vec<T> y{};
  for (int i = 0; i < kLanes<T>; i++) {
    if constexpr (kIsFloat<T>) {
      const T rest = static_cast<T>(exact_remainder(a[i], b[i]));
      y[i] = rest != 0 && (rest < 0) != (b[i] < 0) ? rest + b[i] : rest;
    } else {
      // The least integer modulo −1 must not reach the instruction, which traps on it.
      const T rest = b[i] == 0 || b[i] == -1 ? 0 : a[i] % b[i];
      y[i] = rest != 0 && (rest < 0) != (b[i] < 0) ? rest + b[i] : rest;
    }
  }
  return y;
})

template <typename T>
NAGARE_INLINE T integer_power(T base, T exponent) {
  using U = typename UnsignedOf<T>::type;
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? ((exponent & 1) ? -1 : 1) : 0;
  U result = 1;
  for (U square = static_cast<U>(base); exponent; exponent >>= 1, square *= square) {
    if (exponent & 1) result *= square;
  }
  return static_cast<T>(result);
}
NAGARE_BINARY(Pow, ForAll, SameResult, {
  if constexpr (kIsFloat<T>) {
    return pow(a, b);
  } else {
    Vec<T> y{};
    for (int i = 0; i < kLanes<T>; i++) y[i] = integer_power<T>(a[i], b[i]);
    return y;
  }
})
NAGARE_BINARY(Maximum, ForAll, SameResult, {
  const Vec<T> larger = a > b ? a : b;
  if constexpr (kIsFloat<T>) return a != a ? a : larger;
  else return larger;
})
NAGARE_BINARY(Minimum, ForAll, SameResult, {
  const Vec<T> smaller = a < b ? a : b;
  if constexpr (kIsFloat<T>) return a != a ? a : smaller;
  else return smaller;
})
NAGARE_BINARY(ShiftRightLogical, ForIntegers, SameResult, {
  constexpr int bits = sizeof(T) * 8;
  const auto inside = (b >= 0) & (b < bits);
  const auto shifted = reinterpret_cast<UnsignedVec<T>>(a) >> reinterpret_cast<UnsignedVec<T>>(b & (bits - 1));
  return inside ? reinterpret_cast<Vec<T>>(shifted) : Vec<T>{};
})
NAGARE_BINARY(BitwiseAnd, ForIntegers, SameResult, { return a & b; })
NAGARE_BINARY(BitwiseXor, ForIntegers, SameResult, { return a ^ b; })
NAGARE_BINARY(Equal, ForAll, BoolResult, { return truth<kLanes<T>>(a == b); })
NAGARE_BINARY(NotEqual, ForAll, BoolResult, { return truth<kLanes<T>>(a != b); })
NAGARE_BINARY(Less, ForAll, BoolResult, { return truth<kLanes<T>>(a < b); })
NAGARE_BINARY(LessEqual, ForAll, BoolResult, { return truth<kLanes<T>>(a <= b); })
NAGARE_BINARY(Greater, ForAll, BoolResult, { return truth<kLanes<T>>(a > b); })
NAGARE_BINARY(GreaterEqual, ForAll, BoolResult, { return truth<kLanes<T>>(a >= b); })
NAGARE_BINARY(LogicalAnd, ForAll, BoolResult, { return truth<kLanes<T>>((a != 0) & (b != 0)); })
NAGARE_BINARY(LogicalOr, ForAll, BoolResult, { return truth<kLanes<T>>((a != 0) | (b != 0)); })

#undef NAGARE_UNARY
#undef NAGARE_BINARY

// The elements after the last whole vector, zero elsewhere.
template <typename T, int N>
NAGARE_INLINE typename VectorOf<T, N>::type load_part(const T* p, int64_t count) {
  typename VectorOf<T, N>::type v{};
  for (int64_t i = 0; i < count; i++) v[i] = p[i];
  return v;
}
template <typename T, int N>
NAGARE_INLINE void store_part(T* p, typename VectorOf<T, N>::type v, int64_t count) {
  for (int64_t i = 0; i < count; i++) p[i] = v[i];
}

template <typename Op, typename T>
void unary_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  using R = typename Op::template Result<T>;
  constexpr int N = kLanes<T>;
  R* y = static_cast<R*>(d);
  const T* x = static_cast<const T*>(a);
  int64_t i = 0;
  for (; i + N <= n; i += N) store<R, N>(y + i, Op::template apply<T>(load<T, N>(x + i)));
  if (i < n) store_part<R, N>(y + i, Op::template apply<T>(load_part<T, N>(x + i, n - i)), n - i);
}

// An operand that is a vector of the tile, or one element for all of it.
template <typename T, int N, bool scalar>
struct Operand {
  const T* p;
  typename VectorOf<T, N>::type value;
  NAGARE_INLINE explicit Operand(const void* at) : p(static_cast<const T*>(at)), value{} {
    if constexpr (scalar) value = splat<T, N>(*p);
  }
  NAGARE_INLINE typename VectorOf<T, N>::type at(int64_t i) const {
    if constexpr (scalar) return value;
    else return load<T, N>(p + i);
  }
  NAGARE_INLINE typename VectorOf<T, N>::type part(int64_t i, int64_t count) const {
    if constexpr (scalar) return value;
    else return load_part<T, N>(p + i, count);
  }
};

template <typename Op, typename T, bool scalarA, bool scalarB>
void binary_tile(void* d, const void* a, const void* b, const void*, int64_t n) {
  using R = typename Op::template Result<T>;
  constexpr int N = kLanes<T>;
  R* y = static_cast<R*>(d);
  const Operand<T, N, scalarA> p(a);
  const Operand<T, N, scalarB> q(b);
  int64_t i = 0;
  for (; i + N <= n; i += N) store<R, N>(y + i, Op::template apply<T>(p.at(i), q.at(i)));
  if (i < n) store_part<R, N>(y + i, Op::template apply<T>(p.part(i, n - i), q.part(i, n - i)), n - i);
}

template <typename T, bool scalarA, bool scalarB, bool scalarC>
void select_tile(void* d, const void* condition, const void* a, const void* b, int64_t n) {
  constexpr int N = kLanes<T>;
  using Mask = decltype(Vec<T>{} == Vec<T>{});
  T* y = static_cast<T*>(d);
  const Operand<int32_t, N, scalarA> c(condition);
  const Operand<T, N, scalarB> p(a);
  const Operand<T, N, scalarC> q(b);
  int64_t i = 0;
  for (; i + N <= n; i += N) store<T, N>(y + i, __builtin_convertvector(c.at(i), Mask) != 0 ? p.at(i) : q.at(i));
  if (i < n) {
    const Mask mask = __builtin_convertvector(c.part(i, n - i), Mask) != 0;
    store_part<T, N>(y + i, mask ? p.part(i, n - i) : q.part(i, n - i), n - i);
  }
}

template <typename T, ProductThen kind, bool scalarB, bool scalarC>
void product_then_tile(void* d, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int N = kLanes<T>;
  auto apply = [](Vec<T> x, Vec<T> y, Vec<T> z) __attribute__((always_inline)) {
    if constexpr (kind == ProductThen::plus) return x * y + z;
    else if constexpr (kind == ProductThen::minus) return x * y - z;
    else if constexpr (kind == ProductThen::from) return z - x * y;
    else return x * y * z;
  };
  T* to = static_cast<T*>(d);
  const Operand<T, N, false> x(a);
  const Operand<T, N, scalarB> y(b);
  const Operand<T, N, scalarC> z(c);
  int64_t i = 0;
  for (; i + N <= n; i += N) store<T, N>(to + i, apply(x.at(i), y.at(i), z.at(i)));
  if (i < n) store_part<T, N>(to + i, apply(x.part(i, n - i), y.part(i, n - i), z.part(i, n - i)), n - i);
}

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

template <typename T>
TileFunction select_of(int scalars) {
  switch (scalars) {
    case 1:
      return select_tile<T, true, false, false>;
    case 2:
      return select_tile<T, false, true, false>;
    case 3:
      return select_tile<T, true, true, false>;
    case 4:
      return select_tile<T, false, false, true>;
    case 5:
      return select_tile<T, true, false, true>;
    case 6:
      return select_tile<T, false, true, true>;
    default:
      return select_tile<T, false, false, false>;
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

template <typename T, ProductThen kind>
TileFunction product_then_of(int scalars) {
  switch (scalars) {
    case 2:
      return product_then_tile<T, kind, true, false>;
    case 4:
      return product_then_tile<T, kind, false, true>;
    case 6:
      return product_then_tile<T, kind, true, true>;
    default:
      return product_then_tile<T, kind, false, false>;
  }
}
template <typename T>
TileFunction product_then_for(ProductThen kind, int scalars) {
  switch (kind) {
    case ProductThen::plus:
      return product_then_of<T, ProductThen::plus>(scalars);
    case ProductThen::minus:
      return product_then_of<T, ProductThen::minus>(scalars);
    case ProductThen::from:
      return product_then_of<T, ProductThen::from>(scalars);
    case ProductThen::times:
      return product_then_of<T, ProductThen::times>(scalars);
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

}  // namespace nagare::NAGARE_ISA
