// Packing of narrow matrices into panels of words: panel[word·width + i] holds elements k = word·group … of row, or column, i; behind
// the end of the depth, and of rows or columns, they are 0.
#pragma once

#include "blocking.h"
#include "gemm_pack.h"
#include "narrow_dot.h"
#include "transpose_square.h"

namespace nagare::NAGARE_ISA {

// The longest panel, in words of depth.
constexpr int64_t kNarrowWords = 384;
// Rows that are packed together where the source runs along the depth.
constexpr int64_t kPackedRows = max64(8, kLanes<Word>);

template <typename Dot>
constexpr int64_t words_of(int64_t depth) {
  return divide_up(depth, Dot::group);
}

// A packed element in a word.
template <typename Dot>
using PackedIn __attribute__((may_alias)) = typename Dot::Packed;

// Words of a run along the depth.
template <typename Dot>
inline void pack_run(const typename Dot::Element* x, int64_t depth, Word* words) {
  PackedIn<Dot>* const packed = reinterpret_cast<PackedIn<Dot>*>(words);
  for (int64_t k = 0; k < depth; k++) packed[k] = Dot::pack(x[k]);
  for (int64_t k = depth; k < words_of<Dot>(depth) * Dot::group; k++) packed[k] = 0;
}

// words[i] for `L` neighbours, from one vector of each of their next elements. The first element is in the low bits, which is the order of
// memory.
template <typename Dot, int L>
NAGARE_INLINE void join_neighbours(const typename Dot::Element* x, int64_t ld, int64_t steps, Word* words) {
  typedef typename VectorOf<Word, L>::type Words;
  Words joined{};
#pragma GCC unroll 4
  for (int s = 0; s < Dot::group; s++) {
    if (s == steps) break;
    const auto elements = load<typename Dot::Packed, L>(reinterpret_cast<const PackedIn<Dot>*>(x + s * ld));
    joined |= __builtin_convertvector(elements, Words) << (8 * static_cast<int>(sizeof(typename Dot::Packed)) * s);
  }
  store<Word, L>(words, joined);
}

// One word for each of `count` neighbours, whose next elements of the depth, `steps` ≤ group in all, are ld apart.
template <typename Dot>
inline void pack_neighbours(const typename Dot::Element* x, int64_t ld, int64_t steps, int64_t count, Word* words) {
  PackedIn<Dot>* const packed = reinterpret_cast<PackedIn<Dot>*>(words);
  int64_t i = 0;
  if constexpr (sizeof(typename Dot::Packed) == sizeof(typename Dot::Element)) {
    constexpr int lanes = kLanes<Word>;
    for (; i + lanes <= count; i += lanes) join_neighbours<Dot, lanes>(x + i, ld, steps, words + i);
    for (; i + lanes / 2 <= count; i += lanes / 2) join_neighbours<Dot, lanes / 2>(x + i, ld, steps, words + i);
  } else if (steps == Dot::group) {
    // Elements that are widened on the way: words of two take more instructions to make by shifts than by interleaving.
    for (; i < count; i++) {
#pragma GCC unroll 4
      for (int s = 0; s < Dot::group; s++) packed[i * Dot::group + s] = Dot::pack(x[s * ld + i]);
    }
  }
  for (; i < count; i++)
    for (int s = 0; s < Dot::group; s++) packed[i * Dot::group + s] = s < steps ? Dot::pack(x[s * ld + i]) : PackedIn<Dot>(0);
}

// panel[word·width + i] = rows[i·words + word].
inline void place_rows(const Word* rows, int64_t words, int64_t count, Word* panel, int64_t width) {
  constexpr int64_t lanes = kLanes<Word>;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Word* const from = rows + i * words;
    int64_t word = 0;
    for (; word + lanes <= words; word += lanes)
      transpose_lanes(reinterpret_cast<const float*>(from + word), words, reinterpret_cast<float*>(panel + word * width + i), width);
    for (; word < words; word++)
      for (int64_t r = 0; r < lanes; r++) panel[word * width + i + r] = from[r * words + word];
  }
  for (; i + 4 <= count; i += 4) {
    int64_t word = 0;
    for (; word + 4 <= words; word += 4) pack_square(rows + i * words + word, words, panel + word * width + i, width);
    for (; word < words; word++)
      for (int64_t r = i; r < i + 4; r++) panel[word * width + r] = rows[r * words + word];
  }
  for (; i < count; i++)
    for (int64_t word = 0; word < words; word++) panel[word * width + i] = rows[i * words + word];
}

// A panel of so many words `width` wide, of the `count` first rows, or columns, at x, over `depth` elements. Where the source runs along the
// depth, rows are ld apart, otherwise steps of the depth.
template <typename Dot>
inline void pack_panel(const typename Dot::Element* x, int64_t ld, bool alongDepth, int64_t count, int64_t depth, int64_t panelWords,
                       Word* panel, int64_t width) {
  const int64_t words = words_of<Dot>(depth);
  if (alongDepth) {
    alignas(64) Word rows[kPackedRows * kNarrowWords];
    for (int64_t first = 0; first < count; first += kPackedRows) {
      const int64_t together = min64(kPackedRows, count - first);
      for (int64_t r = 0; r < together; r++) pack_run<Dot>(x + (first + r) * ld, depth, rows + r * words);
      place_rows(rows, words, together, panel + first, width);
    }
  } else {
    for (int64_t word = 0; word < words; word++) {
      const int64_t k = word * Dot::group;
      pack_neighbours<Dot>(x + k * ld, ld, min64(Dot::group, depth - k), count, panel + word * width);
    }
  }
  for (int64_t word = 0; count < width && word < words; word++)
    for (int64_t i = count; i < width; i++) panel[word * width + i] = 0;
  for (int64_t i = words * width; i < panelWords * width; i++) panel[i] = 0;
}

}  // namespace nagare::NAGARE_ISA
