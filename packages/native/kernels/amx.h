// The instructions of Intel's AMX: eight registers, called tiles, of up to 16 rows of up to 64 bytes, and products of two that are added to
// a third. The build defines NAGARE_AMX where kernels may use them, or NAGARE_AMX_STAND_IN where they are to be computed in software: so
// the kernels are tested where no processor has them.
#pragma once

#include <stdint.h>

#include "simd.h"

namespace nagare::NAGARE_ISA {

// The rows and the bytes of a row that each tile has: what ldtilecfg reads.
struct alignas(64) TileShapes {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileShapes) == 64);

}  // namespace nagare::NAGARE_ISA

#if defined(NAGARE_AMX_STAND_IN)
#define NAGARE_AMX 1
#include "../checks/amx_stand_in.h"
#elif defined(NAGARE_AMX)

namespace nagare::NAGARE_ISA {

// Statements of assembly: the compiler's functions take a tile's number as a literal alone, and are younger than the assembler's words.
// They stay in their order, and compilers use no tile by themselves.

NAGARE_INLINE void configure_tiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes)); }
NAGARE_INLINE void release_tiles() { asm volatile("tilerelease"); }

template <int tile>
NAGARE_INLINE void zero_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}

// Rows are `distance` bytes apart.
template <int tile>
NAGARE_INLINE void load_tile(const void* from, int64_t distance) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(tile), "r"(from), "r"(distance) : "memory");
}
template <int tile>
NAGARE_INLINE void store_tile(void* to, int64_t distance) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(tile), "r"(to), "r"(distance) : "memory");
}

// sums[m][n] += Σ a[m][k] · b[k][n], where an element of a or b is a word: two of bfloat16, whose sums are floats, or four bytes, whose
// sums are int32 and wrap.
template <int sums, int a, int b>
NAGARE_INLINE void multiply_bfloat16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(a), "i"(b));
}
template <int sums, int a, int b>
NAGARE_INLINE void multiply_int8() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(a), "i"(b));
}
template <int sums, int a, int b>
NAGARE_INLINE void multiply_uint8() {
  asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(a), "i"(b));
}

}  // namespace nagare::NAGARE_ISA
#endif
