// How reductions are cut into pieces of work.
#pragma once

#include "blocking.h"
#include "reduce_fold.h"

namespace nagare::NAGARE_ISA {

// Elements of one piece of work: enough to hide its dispatch, few enough for both cores to share a middling tensor.
constexpr int64_t kPiece = 1 << 15;
// A chain of so many additions takes no longer than reading its elements from memory.
constexpr int64_t kCheap = 4;
// Narrow rows are folded several at a time, as if they were one wide row.
constexpr int64_t kNarrow = 16;

// How the axis is cut; a function of the shape alone.
struct Split {
  int64_t columnTiles, columns;  // columns of a tile, at most kColumnTile
  int64_t rows, chunks;          // rows of a chunk, chunks of the axis
};

inline Split split_of(const ReduceParams& p) {
  Split s{1, 1, p.n, 1};
  if (p.inner > 1) {
    // Of equal size, in whole vectors: a chain makes a few elements as slowly as many.
    const int64_t most = kColumnTile / p.results / 16 * 16;
    s.columns = divide_up(divide_up(p.inner, divide_up(p.inner, most)), 16) * 16;
    s.columnTiles = divide_up(p.inner, s.columns);
  }
  int64_t rows = divide_up(kPiece, min64(p.inner, kColumnTile));
  // Rows of costly elements are cut finer. It does not show in the result: blocks meet as they do in one piece.
  if (p.inner == 1) {
    for (int64_t cost = p.cost; cost > kCheap && rows > 2 * kRowBlock; cost /= 2) rows /= 2;
  }
  if (p.n > 2 * rows) {
    s.rows = rows;
    s.chunks = divide_up(p.n, rows);
  }
  return s;
}

// The same with no more chunks than keep the threads busy, for results that do not depend on how the axis was cut.
inline Split wide_split_of(const ReduceParams& p, int threads) {
  Split s = split_of(p);
  const int64_t rows = divide_up(p.n, 4 * threads);
  if (rows > s.rows) s.rows = rows, s.chunks = divide_up(p.n, rows);
  return s;
}

}  // namespace nagare::NAGARE_ISA
