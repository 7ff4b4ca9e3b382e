// The operations of the tile interpreter on vectors: for which types there are, what they give, how they are computed.
#pragma once

#include "elementary.h"

namespace nagare::NAGARE_ISA {

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

// `cheap`: a few instructions for a vector. `paired`: so many that two vectors of float32 are computed side by side. `quick`: floats are
// computed faster than memory takes them, so that results may go straight past the caches.
#define NAGARE_UNARY(Name, Types, Kind, expression)                       \
  struct Name : Types, Kind {                                             \
    static constexpr bool cheap = false, paired = false, quick = true;    \
    template <typename T>                                                 \
    static NAGARE_INLINE auto apply(Vec<T> x) {                           \
      expression                                                          \
    }                                                                     \
  };
#define NAGARE_LONG_UNARY(Name, expression)                               \
  struct Name : ForFloats, SameResult {                                   \
    static constexpr bool cheap = false, paired = true, quick = false;    \
    template <typename T, typename V>                                     \
    static NAGARE_INLINE auto apply(V x) {                                \
      return expression;                                                  \
    }                                                                     \
  };
#define NAGARE_BINARY(Name, Types, Kind, expression)                      \
  struct Name : Types, Kind {                                             \
    static constexpr bool cheap = true, quick = true;                     \
    template <typename T>                                                 \
    static NAGARE_INLINE auto apply(Vec<T> a, Vec<T> b) {                 \
      expression                                                          \
    }                                                                     \
  };

#define NAGARE_COSTLY_BINARY(Name, Types, Kind, isQuick, expression)      \
  struct Name : Types, Kind {                                             \
    static constexpr bool cheap = false, quick = isQuick;                 \
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
NAGARE_LONG_UNARY(Exp, exp(x))
NAGARE_LONG_UNARY(Expm1, expm1(x))
NAGARE_LONG_UNARY(Log, log(x))
NAGARE_LONG_UNARY(Log1p, log1p(x))
NAGARE_UNARY(Sqrt, ForFloats, SameResult, { return sqrt(x); })
NAGARE_UNARY(Rsqrt, ForFloats, SameResult, { return 1 / sqrt(x); })
NAGARE_LONG_UNARY(Sin, sin(x))
NAGARE_LONG_UNARY(Cos, cos(x))
NAGARE_LONG_UNARY(Tanh, tanh(x))
NAGARE_LONG_UNARY(Sigmoid, sigmoid(x))
NAGARE_LONG_UNARY(Erf, erf(x))
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
NAGARE_COSTLY_BINARY(Div, ForAll, SameResult, true, {
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

// a − b·trunc(a / b) for lanes of 32 bits, by way of doubles, which hold such quotients well enough and the products exactly.
template <typename T>
NAGARE_INLINE Vec<T> rest_of_division(Vec<T> a, Vec<T> b) {
  const auto rest = [](HalfVec<T> x, HalfVec<T> y) __attribute__((always_inline)) {
    const F64 dividend = __builtin_convertvector(x, F64), divisor = __builtin_convertvector(y, F64);
    const F64 whole = __builtin_convertvector(__builtin_convertvector(dividend / divisor, HalfVec<int32_t>), F64);
    return __builtin_convertvector(dividend - whole * divisor, HalfVec<T>);
  };
  return join<T>(rest(low_half<T>(a), low_half<T>(b)), rest(high_half<T>(a), high_half<T>(b)));
}

NAGARE_COSTLY_BINARY(Remainder, ForAll, SameResult, false, {
  if constexpr (sizeof(T) == sizeof(int32_t)) {
    if constexpr (kIsFloat<T>) {
      const Vec<T> quotient = a / b;
      constexpr T limit = T(1 << 28);
      const I32 near = (quotient < limit) & (quotient > -limit) & (b - b == 0);
      if (!any(~near)) {
        const Vec<T> rest = rest_of_division<T>(a, b);
        // A zero has the sign of a.
        return rest == 0 ? a * 0 : ((rest < 0) ^ (b < 0)) ? rest + b : rest;
      }
    } else {
      // Nothing is left where b is 0 or −1, as where it is 1; the least integer over −1 would not fit.
      const Vec<T> divisor = ((b == 0) | (b == -1)) ? splat<T>(1) : b;
      const Vec<T> rest = rest_of_division<T>(a, divisor);
      // Not to be added where both have one sign: that may overflow.
      return rest + ((rest != 0) & ((rest ^ b) < 0) & b);
    }
  }
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
NAGARE_COSTLY_BINARY(Pow, ForAll, SameResult, false, {
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

// A comparison's result as float32: 0 or 1.
template <typename Comparison>
struct AsFloat : ForAll {
  template <typename T>
  using Result = float;
  static constexpr bool cheap = true, quick = true;
  template <typename T>
  static NAGARE_INLINE auto apply(Vec<T> a, Vec<T> b) {
    return __builtin_convertvector(Comparison::template apply<T>(a, b), typename VectorOf<float, kLanes<T>>::type);
  }
};

#undef NAGARE_UNARY
#undef NAGARE_LONG_UNARY
#undef NAGARE_BINARY
#undef NAGARE_COSTLY_BINARY

}  // namespace nagare::NAGARE_ISA
