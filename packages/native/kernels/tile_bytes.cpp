#include "tile_bytes.h"

#include "saturate.h"

namespace nagare::NAGARE_ISA {
namespace {

// d[i] = f(a[i], b[i]), either of which may be one element for the whole tile: plain loops, which the compiler turns into vectors.
template <bool (*f)(uint8_t, uint8_t), bool scalarA, bool scalarB>
void bytes_tile(void* d, const void* a, const void* b, const void*, int64_t n) {
  uint8_t* const y = static_cast<uint8_t*>(d);
  const uint8_t* const p = static_cast<const uint8_t*>(a);
  const uint8_t* const q = static_cast<const uint8_t*>(b);
  const uint8_t first = *p, second = *q;
  for (int64_t i = 0; i < n; i++) y[i] = f(scalarA ? first : p[i], scalarB ? second : q[i]);
}

NAGARE_INLINE bool both(uint8_t a, uint8_t b) { return (a != 0) & (b != 0); }
NAGARE_INLINE bool either(uint8_t a, uint8_t b) { return (a | b) != 0; }
NAGARE_INLINE bool same(uint8_t a, uint8_t b) { return a == b; }
NAGARE_INLINE bool different(uint8_t a, uint8_t b) { return a != b; }

template <bool (*f)(uint8_t, uint8_t)>
TileFunction bytes_with(int scalars) {
  if (scalars == 1) return bytes_tile<f, true, false>;
  if (scalars == 2) return bytes_tile<f, false, true>;
  return bytes_tile<f, false, false>;
}

template <bool negated, bool scalar>
void byte_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  uint8_t* const y = static_cast<uint8_t*>(d);
  const uint8_t* const x = static_cast<const uint8_t*>(a);
  const uint8_t first = *x;
  for (int64_t i = 0; i < n; i++) y[i] = ((scalar ? first : x[i]) != 0) != negated;
}

template <typename From>
void truth_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  uint8_t* const y = static_cast<uint8_t*>(d);
  const From* const x = static_cast<const From*>(a);
  for (int64_t i = 0; i < n; i++) y[i] = x[i] != 0;
}

void low_byte_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  uint8_t* const y = static_cast<uint8_t*>(d);
  const int32_t* const x = static_cast<const int32_t*>(a);
  for (int64_t i = 0; i < n; i++) y[i] = static_cast<uint8_t>(x[i]);
}

// Through a few vectors of int32.
template <I32 (*f)(F32)>
void saturated_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  constexpr int64_t N = kLanes<float>, some = 64;
  uint8_t* const y = static_cast<uint8_t*>(d);
  const float* const x = static_cast<const float*>(a);
  int32_t whole[some];
  int64_t i = 0;
  for (; i + some <= n; i += some) {
#pragma GCC unroll 16
    for (int64_t k = 0; k < some; k += N) store(whole + k, f(load(x + i + k)));
    for (int64_t k = 0; k < some; k++) y[i + k] = static_cast<uint8_t>(whole[k]);
  }
  for (; i < n; i += N) {
    const int64_t count = n - i < N ? n - i : N;
    store(whole, f(load_some(x + i, count)));
    for (int64_t k = 0; k < count; k++) y[i + k] = static_cast<uint8_t>(whole[k]);
  }
}

}  // namespace

TileFunction find_byte_function(ScalarOp op, int scalars) {
  switch (op) {
    case ScalarOp::logicalAnd:
      return bytes_with<both>(scalars);
    case ScalarOp::logicalOr:
      return bytes_with<either>(scalars);
    case ScalarOp::equal:
      return bytes_with<same>(scalars);
    case ScalarOp::notEqual:
      return bytes_with<different>(scalars);
    case ScalarOp::logicalNot:
      return scalars ? byte_tile<true, true> : byte_tile<true, false>;
    case ScalarOp::convert:
      return scalars ? byte_tile<false, true> : byte_tile<false, false>;
    default:
      return nullptr;
  }
}

TileFunction find_narrowing(DType from, DType to) {
  if (register_of(from) == Register::f32) {
    if (to == DType::boolean) return truth_tile<float>;
    if (to == DType::int8) return saturated_tile<vector_to_int8>;
    if (to == DType::uint8) return saturated_tile<vector_to_uint8>;
  }
  if (register_of(from) == Register::i32) {
    if (to == DType::boolean) return truth_tile<int32_t>;
    if (to == DType::int8 || to == DType::uint8) return low_byte_tile;
  }
  return nullptr;
}

}  // namespace nagare::NAGARE_ISA
