// Conversions of the tile interpreter: between registers, and between memory and registers.
#include "elementwise.h"
#include "half.h"
#include "saturate.h"
#include "tile_loops.h"

namespace nagare::NAGARE_ISA {
namespace {

// d[i] = f(a[i]): plain loops, which the compiler turns into vectors.
template <typename To, typename From, To (*f)(From)>
void map_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  To* y = static_cast<To*>(d);
  const From* x = static_cast<const From*>(a);
  for (int64_t i = 0; i < n; i++) y[i] = f(x[i]);
}

template <typename To, typename From>
NAGARE_INLINE To cast(From x) {
  return static_cast<To>(x);
}
NAGARE_INLINE float int64_to_float(int64_t x) { return static_cast<float>(static_cast<double>(x)); }

// Floats to integers: out of range saturates, NaN gives 0. `below` is the largest float under the upper bound, so that the
// conversion itself never overflows.
template <typename Int, typename Float>
NAGARE_INLINE Int saturate(Float x, Float low, Float below, Float high, Int highest) {
  Float clamped = x != x ? 0 : x;
  clamped = clamped < low ? low : clamped;
  const bool over = clamped >= high;
  clamped = over ? below : clamped;
  const Int converted = static_cast<Int>(clamped);
  return over ? highest : converted;
}
NAGARE_INLINE int32_t f64_to_int32(double x) { return saturate<int32_t, double>(x, -0x1p31, 0x1.fffffffcp30, 0x1p31, INT32_MAX); }
NAGARE_INLINE int64_t f32_to_int64(float x) { return saturate<int64_t, float>(x, -0x1p63f, 0x1.fffffep62f, 0x1p63f, INT64_MAX); }
NAGARE_INLINE int64_t f64_to_int64(double x) { return saturate<int64_t, double>(x, -0x1p63, 0x1.fffffffffffffp62, 0x1p63, INT64_MAX); }
NAGARE_INLINE int32_t f64_to_int8(double x) { return saturate<int32_t, double>(x, -128, 127, 127, 127); }
NAGARE_INLINE int32_t f64_to_uint8(double x) { return saturate<int32_t, double>(x, 0, 255, 255, 255); }

// The same for vectors of float32.
template <I32 (*f)(F32)>
struct Conversion {
  template <typename>
  using Result = int32_t;
  static constexpr bool paired = false, cheap = false;
  template <typename>
  static NAGARE_INLINE I32 apply(F32 x) {
    return f(x);
  }
};
template <typename From>
NAGARE_INLINE int32_t to_bool(From x) {
  return x != 0;
}
template <typename From>
NAGARE_INLINE int32_t wrap_int8(From x) {
  return static_cast<int8_t>(static_cast<uint8_t>(x));
}
template <typename From>
NAGARE_INLINE int32_t wrap_uint8(From x) {
  return static_cast<uint8_t>(x);
}
NAGARE_INLINE int32_t wrap_int32(int64_t x) { return static_cast<int32_t>(static_cast<uint32_t>(x)); }

template <typename From>
NAGARE_INLINE float round_float16(From x) {
  return from_float16(to_float16(static_cast<float>(x)));
}
template <typename From>
NAGARE_INLINE float round_bfloat16(From x) {
  return from_bfloat16(to_bfloat16(static_cast<float>(x)));
}

template <typename Float>
TileFunction from_float(DType to) {
  constexpr bool single = sizeof(Float) == 4;
  switch (to) {
    case DType::float32:
      return map_tile<float, Float, cast<float, Float>>;
    case DType::float64:
      return map_tile<double, Float, cast<double, Float>>;
    case DType::float16:
      return map_tile<float, Float, round_float16<Float>>;
    case DType::bfloat16:
      return map_tile<float, Float, round_bfloat16<Float>>;
    case DType::int8:
      if constexpr (single) return unary_tile<Conversion<vector_to_int8>, float, false>;
      else return map_tile<int32_t, double, f64_to_int8>;
    case DType::uint8:
      if constexpr (single) return unary_tile<Conversion<vector_to_uint8>, float, false>;
      else return map_tile<int32_t, double, f64_to_uint8>;
    case DType::int32:
      if constexpr (single) return unary_tile<Conversion<vector_to_int32>, float, false>;
      else return map_tile<int32_t, double, f64_to_int32>;
    case DType::int64:
      if constexpr (single) return map_tile<int64_t, float, f32_to_int64>;
      else return map_tile<int64_t, double, f64_to_int64>;
    case DType::boolean:
      return map_tile<int32_t, Float, to_bool<Float>>;
  }
  return nullptr;
}

template <typename Int>
TileFunction from_integer(DType to) {
  constexpr bool wide = sizeof(Int) == 8;
  switch (to) {
    case DType::float32:
      if constexpr (wide) return map_tile<float, int64_t, int64_to_float>;
      else return map_tile<float, int32_t, cast<float, int32_t>>;
    case DType::float64:
      return map_tile<double, Int, cast<double, Int>>;
    case DType::float16:
      return map_tile<float, Int, round_float16<Int>>;
    case DType::bfloat16:
      return map_tile<float, Int, round_bfloat16<Int>>;
    case DType::int8:
      return map_tile<int32_t, Int, wrap_int8<Int>>;
    case DType::uint8:
      return map_tile<int32_t, Int, wrap_uint8<Int>>;
    case DType::int32:
      if constexpr (wide) return map_tile<int32_t, int64_t, wrap_int32>;
      else return map_tile<int32_t, int32_t, cast<int32_t, int32_t>>;
    case DType::int64:
      return map_tile<int64_t, Int, cast<int64_t, Int>>;
    case DType::boolean:
      return map_tile<int32_t, Int, to_bool<Int>>;
  }
  return nullptr;
}

template <typename T>
void splat_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  const T value = *static_cast<const T*>(a);
  T* y = static_cast<T*>(d);
  for (int64_t i = 0; i < n; i++) y[i] = value;
}

template <typename T>
void copy_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  __builtin_memcpy(d, a, static_cast<size_t>(n) * sizeof(T));
}

}  // namespace

TileFunction find_conversion(DType from, DType to) {
  switch (register_of(from)) {
    case Register::f32:
      return from_float<float>(to);
    case Register::f64:
      return from_float<double>(to);
    case Register::i32:
      return from_integer<int32_t>(to);
    case Register::i64:
      return from_integer<int64_t>(to);
  }
  return nullptr;
}

TileFunction find_wrap(DType dtype) {
  if (dtype == DType::int8) return map_tile<int32_t, int32_t, wrap_int8<int32_t>>;
  if (dtype == DType::uint8) return map_tile<int32_t, int32_t, wrap_uint8<int32_t>>;
  return nullptr;
}

TileFunction find_load(DType dtype) {
  switch (dtype) {
    case DType::float16:
      return map_tile<float, uint16_t, from_float16>;
    case DType::bfloat16:
      return map_tile<float, uint16_t, from_bfloat16>;
    case DType::int8:
      return map_tile<int32_t, int8_t, cast<int32_t, int8_t>>;
    case DType::uint8:
    case DType::boolean:
      return map_tile<int32_t, uint8_t, cast<int32_t, uint8_t>>;
    default:
      return nullptr;
  }
}

TileFunction find_store(DType dtype) {
  switch (dtype) {
    case DType::float16:
      return map_tile<uint16_t, float, to_float16>;
    case DType::bfloat16:
      return map_tile<uint16_t, float, to_bfloat16>;
    case DType::int8:
    case DType::uint8:
    case DType::boolean:
      return map_tile<uint8_t, int32_t, cast<uint8_t, int32_t>>;
    case DType::float32:
    case DType::int32:
      return copy_tile<int32_t>;
    default:
      return copy_tile<int64_t>;
  }
}

TileFunction find_splat(Register r) { return register_element_bytes(r) == 8 ? splat_tile<int64_t> : splat_tile<int32_t>; }

}  // namespace nagare::NAGARE_ISA
