// AMX's instructions in software, one state for each thread, after the operations that Intel's manual defines (volume 2: LDTILECFG,
// TILELOADD, TILESTORED, TDPBF16PS, TDPBSSD, TDPBUUD). What raises an exception there ends the process here, and so do tiles that are
// configured anew without having been released.
#pragma once

#include <stdint.h>

#include "../kernels/half.h"

namespace nagare::NAGARE_ISA {

struct TileState {
  bool configured = false;
  int rows[8] = {}, rowBytes[8] = {};
  alignas(64) uint32_t words[8][16][16] = {};
};
inline thread_local TileState tiles;

inline void expect(bool holds) {
  if (!holds) __builtin_trap();
}

inline void configure_tiles(const TileShapes& shapes) {
  expect(!tiles.configured && shapes.palette == 1 && shapes.startRow == 0);
  for (const uint8_t byte : shapes.reserved) expect(byte == 0);
  for (int i = 0; i < 16; i++) {
    const int rows = shapes.rows[i], bytes = shapes.rowBytes[i];
    expect(rows <= (i < 8 ? 16 : 0) && bytes <= 64 && (rows == 0) == (bytes == 0));
  }
  tiles = {};
  tiles.configured = true;
  for (int i = 0; i < 8; i++) tiles.rows[i] = shapes.rows[i], tiles.rowBytes[i] = shapes.rowBytes[i];
}

inline void release_tiles() {
  expect(tiles.configured);
  tiles = {};
}

inline void expect_tile(int tile) { expect(tiles.configured && tiles.rows[tile] > 0 && tiles.rowBytes[tile] % 4 == 0); }

template <int tile>
void zero_tile() {
  expect_tile(tile);
  __builtin_memset(tiles.words[tile], 0, sizeof tiles.words[tile]);
}

template <int tile>
void load_tile(const void* from, int64_t distance) {
  zero_tile<tile>();
  for (int i = 0; i < tiles.rows[tile]; i++)
    __builtin_memcpy(tiles.words[tile][i], static_cast<const char*>(from) + i * distance, static_cast<size_t>(tiles.rowBytes[tile]));
}

template <int tile>
void store_tile(void* to, int64_t distance) {
  expect_tile(tile);
  for (int i = 0; i < tiles.rows[tile]; i++)
    __builtin_memcpy(static_cast<char*>(to) + i * distance, tiles.words[tile][i], static_cast<size_t>(tiles.rowBytes[tile]));
}

// A product of tiles whose shapes fit each other: row(words of a row of `a`, words of them, rows of b, columns, sums of that row).
template <int sums, int a, int b, typename Row>
void multiply_rows(const Row& row) {
  static_assert(sums != a && sums != b && a != b);
  expect_tile(sums), expect_tile(a), expect_tile(b);
  expect(tiles.rows[sums] == tiles.rows[a] && tiles.rowBytes[sums] == tiles.rowBytes[b] && tiles.rowBytes[a] == 4 * tiles.rows[b]);
  for (int m = 0; m < tiles.rows[sums]; m++) row(tiles.words[a][m], tiles.rows[b], tiles.words[b], tiles.words[sums][m]);
}

// Subnormal numbers are 0, as operands and as results.
inline float flushed(float x) {
  const uint32_t pattern = pattern_of(x);
  return float_of((pattern & 0x7f800000) == 0 ? pattern & 0x80000000 : pattern);
}
inline float element(uint32_t pair, int index) { return flushed(from_bfloat16(static_cast<uint16_t>(pair >> 16 * index))); }

// The first elements of pairs and the second ones have sums of their own over the words of an instruction, every addition rounded to nearest
// even; both together are then added to what was there.
template <int sums, int a, int b>
void multiply_bfloat16() {
  multiply_rows<sums, a, b>([](const uint32_t* left, int words, const uint32_t (*right)[16], uint32_t* to) {
    float first[16] = {}, second[16] = {};
    for (int k = 0; k < words; k++) {
      for (int n = 0; n < 16; n++) {
        first[n] = flushed(__builtin_fmaf(element(left[k], 0), element(right[k][n], 0), first[n]));
        second[n] = flushed(__builtin_fmaf(element(left[k], 1), element(right[k][n], 1), second[n]));
      }
    }
    for (int n = 0; n < tiles.rowBytes[sums] / 4; n++)
      to[n] = pattern_of(flushed(flushed(float_of(to[n])) + flushed(first[n] + second[n])));
  });
}

template <typename Byte, int sums, int a, int b>
void multiply_bytes() {
  multiply_rows<sums, a, b>([](const uint32_t* left, int words, const uint32_t (*right)[16], uint32_t* to) {
    for (int k = 0; k < words; k++) {
      for (int n = 0; n < tiles.rowBytes[sums] / 4; n++) {
        for (int shift = 0; shift < 32; shift += 8)
          to[n] += static_cast<uint32_t>(static_cast<Byte>(left[k] >> shift) * static_cast<Byte>(right[k][n] >> shift));
      }
    }
  });
}
template <int sums, int a, int b>
void multiply_int8() {
  multiply_bytes<int8_t, sums, a, b>();
}
template <int sums, int a, int b>
void multiply_uint8() {
  multiply_bytes<uint8_t, sums, a, b>();
}

}  // namespace nagare::NAGARE_ISA
