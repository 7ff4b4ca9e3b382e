// Packing of matrix blocks into panels: panel[k·width + i], so that a tile reads one contiguous stream.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

// Transposes a 128-bit-wide block: rows of `ld` in, one vector of rows per k out.
template <typename T>
NAGARE_INLINE void pack_square(const T* src, int64_t ld, T* dst, int64_t width) {
  if constexpr (sizeof(T) == 4) {
    typedef typename VectorOf<T, 4>::type Quad;
    const Quad r0 = load<T, 4>(src), r1 = load<T, 4>(src + ld);
    const Quad r2 = load<T, 4>(src + 2 * ld), r3 = load<T, 4>(src + 3 * ld);
    const Quad low01 = shuffle<0, 4, 1, 5>(r0, r1), high01 = shuffle<2, 6, 3, 7>(r0, r1);
    const Quad low23 = shuffle<0, 4, 1, 5>(r2, r3), high23 = shuffle<2, 6, 3, 7>(r2, r3);
    store<T, 4>(dst, shuffle<0, 1, 4, 5>(low01, low23));
    store<T, 4>(dst + width, shuffle<2, 3, 6, 7>(low01, low23));
    store<T, 4>(dst + 2 * width, shuffle<0, 1, 4, 5>(high01, high23));
    store<T, 4>(dst + 3 * width, shuffle<2, 3, 6, 7>(high01, high23));
  } else {
    typedef typename VectorOf<T, 2>::type Pair;
    const Pair r0 = load<T, 2>(src), r1 = load<T, 2>(src + ld);
    store<T, 2>(dst, shuffle<0, 2>(r0, r1));
    store<T, 2>(dst + width, shuffle<1, 3>(r0, r1));
  }
}

#if defined(__AVX2__)
typedef typename VectorOf<float, 8>::type Octet;

// Eight steps of four rows: of[i] has steps i and i + 4, four rows each.
NAGARE_INLINE void transpose_halves(const float* src, int64_t ld, Octet (&of)[4]) {
  const Octet r0 = load<float, 8>(src), r1 = load<float, 8>(src + ld);
  const Octet r2 = load<float, 8>(src + 2 * ld), r3 = load<float, 8>(src + 3 * ld);
  const Octet low01 = shuffle<0, 8, 1, 9, 4, 12, 5, 13>(r0, r1), high01 = shuffle<2, 10, 3, 11, 6, 14, 7, 15>(r0, r1);
  const Octet low23 = shuffle<0, 8, 1, 9, 4, 12, 5, 13>(r2, r3), high23 = shuffle<2, 10, 3, 11, 6, 14, 7, 15>(r2, r3);
  of[0] = shuffle<0, 1, 8, 9, 4, 5, 12, 13>(low01, low23), of[1] = shuffle<2, 3, 10, 11, 6, 7, 14, 15>(low01, low23);
  of[2] = shuffle<0, 1, 8, 9, 4, 5, 12, 13>(high01, high23), of[3] = shuffle<2, 3, 10, 11, 6, 7, 14, 15>(high01, high23);
}

// Transposes eight steps of four rows: a panel four wide, the width of a wide tile, written as it lies.
NAGARE_INLINE void transpose_four_rows(const float* src, int64_t ld, float* dst) {
  Octet of[4];
  transpose_halves(src, ld, of);
  store<float, 8>(dst, shuffle<0, 1, 2, 3, 8, 9, 10, 11>(of[0], of[1]));
  store<float, 8>(dst + 8, shuffle<0, 1, 2, 3, 8, 9, 10, 11>(of[2], of[3]));
  store<float, 8>(dst + 16, shuffle<4, 5, 6, 7, 12, 13, 14, 15>(of[0], of[1]));
  store<float, 8>(dst + 24, shuffle<4, 5, 6, 7, 12, 13, 14, 15>(of[2], of[3]));
}

#if defined(__AVX512F__)
// The same for eight rows, whose steps lie `width` apart.
NAGARE_INLINE void transpose_eight_rows(const float* src, int64_t ld, float* dst, int64_t width) {
  Octet low[4], high[4];
  transpose_halves(src, ld, low);
  transpose_halves(src + 4 * ld, ld, high);
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    store<float, 8>(dst + k * width, shuffle<0, 1, 2, 3, 8, 9, 10, 11>(low[k], high[k]));
    store<float, 8>(dst + (k + 4) * width, shuffle<4, 5, 6, 7, 12, 13, 14, 15>(low[k], high[k]));
  }
}
#endif
#endif

// panel[k·width + i] = src[i·ld + k] for i < count, 0 for count ≤ i < width: the source runs along k.
template <typename T>
inline void pack_across(const T* src, int64_t ld, int64_t count, int64_t depth, T* panel, int64_t width) {
  constexpr int64_t block = 16 / static_cast<int64_t>(sizeof(T));
  int64_t i = 0;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    for (; i + 8 <= count; i += 8) {
      const T* rows = src + i * ld;
      int64_t k = 0;
      for (; k + 8 <= depth; k += 8) {
        // The runs of the next rows are short: they are asked for before the processor sees that they are runs.
        if (k % 16 == 0) {
#pragma GCC unroll 8
          for (int r = 8; r < 16; r++) __builtin_prefetch(rows + r * ld + k);
        }
        transpose_eight_rows(reinterpret_cast<const float*>(rows + k), ld, reinterpret_cast<float*>(panel + k * width + i), width);
      }
      for (; k < depth; k++)
        for (int64_t r = 0; r < 8; r++) panel[k * width + i + r] = rows[r * ld + k];
    }
  }
#endif
  for (; i + block <= count; i += block) {
    const T* rows = src + i * ld;
    int64_t k = 0;
#if defined(__AVX2__)
    if constexpr (block == 4 && sizeof(T) == 4) {
      if (width == 4) {
        for (; k + 8 <= depth; k += 8)
          transpose_four_rows(reinterpret_cast<const float*>(rows + k), ld, reinterpret_cast<float*>(panel + k * 4));
      }
    }
#endif
    for (; k + block <= depth; k += block) pack_square(rows + k, ld, panel + k * width + i, width);
    for (; k < depth; k++)
      for (int64_t r = 0; r < block; r++) panel[k * width + i + r] = rows[r * ld + k];
  }
  if constexpr (sizeof(T) == 4) {
    // Tiles of six rows leave a pair.
    for (; i + 2 <= count; i += 2) {
      const T* rows = src + i * ld;
      int64_t k = 0;
      for (; k + 4 <= depth; k += 4) {
        typedef typename VectorOf<T, 4>::type Quad;
        const Quad r0 = load<T, 4>(rows + k), r1 = load<T, 4>(rows + ld + k);
        const Quad pairs[2] = {shuffle<0, 4, 1, 5>(r0, r1), shuffle<2, 6, 3, 7>(r0, r1)};
        T* out = panel + k * width + i;
        __builtin_memcpy(out, &pairs[0], 8);
        __builtin_memcpy(out + width, reinterpret_cast<const char*>(&pairs[0]) + 8, 8);
        __builtin_memcpy(out + 2 * width, &pairs[1], 8);
        __builtin_memcpy(out + 3 * width, reinterpret_cast<const char*>(&pairs[1]) + 8, 8);
      }
      for (; k < depth; k++) {
        panel[k * width + i] = rows[k];
        panel[k * width + i + 1] = rows[ld + k];
      }
    }
  }
  for (; i < count; i++)
    for (int64_t k = 0; k < depth; k++) panel[k * width + i] = src[i * ld + k];
  for (; i < width; i++)
    for (int64_t k = 0; k < depth; k++) panel[k * width + i] = T(0);
}

template <typename T, int Width>
NAGARE_INLINE void copy_rows(const T* src, int64_t ld, int64_t depth, T* panel) {
  for (int64_t k = 0; k < depth; k++) __builtin_memcpy(panel + k * Width, src + k * ld, Width * sizeof(T));
}

// panel[k·width + i] = src[k·ld + i] for i < count, 0 for count ≤ i < width: the source runs along i.
template <typename T>
inline void pack_along(const T* src, int64_t ld, int64_t count, int64_t depth, T* panel, int64_t width) {
  if (count == width) {
    switch (width) {
      case 4: return copy_rows<T, 4>(src, ld, depth, panel);
      case 6: return copy_rows<T, 6>(src, ld, depth, panel);
      case 8: return copy_rows<T, 8>(src, ld, depth, panel);
      case 12: return copy_rows<T, 12>(src, ld, depth, panel);
      case 16: return copy_rows<T, 16>(src, ld, depth, panel);
      case 24: return copy_rows<T, 24>(src, ld, depth, panel);
      case 32: return copy_rows<T, 32>(src, ld, depth, panel);
      case 48: return copy_rows<T, 48>(src, ld, depth, panel);
      default: break;
    }
  }
  if (width % kLanes<T> == 0) {
    for (int64_t k = 0; k < depth; k++) {
      for (int64_t i = 0; i < width; i += kLanes<T>) {
        const int64_t left = count - i, some = left < kLanes<T> ? left : kLanes<T>;
        store(panel + k * width + i, some > 0 ? load_some(src + k * ld + i, some) : Vec<T>{});
      }
    }
    return;
  }
  for (int64_t k = 0; k < depth; k++) {
    int64_t i = 0;
    for (; i < count; i++) panel[k * width + i] = src[k * ld + i];
    for (; i < width; i++) panel[k * width + i] = T(0);
  }
}

}  // namespace nagare::NAGARE_ISA
