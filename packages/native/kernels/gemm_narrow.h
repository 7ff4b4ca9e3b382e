// Products of narrow elements, summed in wider ones. Factors are widened while they are packed:
//
//   for each block of rows and depth                a block of A is packed once, by all threads, into L2 or L3
//     for each chunk of columns                       the parallel loop; a chunk of B is packed by its thread, into L2
//       for each panel of the chunk, part of the depth, tile of rows   in registers
//
// Every element of C is a sum over depth blocks in ascending order, whatever the number of threads.
#pragma once

#include "gemm_batches.h"
#include "narrow_matrix_tiles.h"
#include "narrow_vector_tiles.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {

// Rows of A packed at a time: up to 1.5 MiB.
constexpr int64_t kNarrowRows = 1024;
// Columns that a thread packs at a time: at most 192 KiB.
constexpr int64_t kNarrowColumns = 128;

// One matrix of the batch.
template <typename Dot>
struct NarrowMatrices {
  const GemmParams* params;
  const typename Dot::Element* a;
  const typename Dot::Element* b;
  typename Dot::Sum* c;
  const typename Dot::Sum* bias;
  int64_t firstElement;  // elements of C before this matrix
  int worker;            // who computes it, where each matrix is one thread's
};

// Words of a panel over that depth.
template <typename Dot, typename Tiles>
constexpr int64_t panel_words(int64_t depth) {
  return round_up(words_of<Dot>(depth), Tiles::wordStep);
}

// The blocking of one product; depends on the shape alone. Scratch is in words: for all threads together, and for each.
template <typename Dot, typename Tiles>
struct NarrowBlocking {
  int64_t depth, rows, columns;
  int64_t shared, worker;

  explicit NarrowBlocking(const GemmParams& p)
      : depth(even_block(p.k, kNarrowWords * Dot::group, Tiles::wordStep * Dot::group)),
        rows(even_block(p.m, kNarrowRows, Tiles::rows)),
        columns(min64(round_up(p.n, Tiles::columns), kNarrowColumns / Tiles::columns * Tiles::columns)) {
    const int64_t words = panel_words<Dot, Tiles>(depth);
    shared = round_up(round_up(rows, Tiles::rowStep) * words, 16);
    worker = round_up(columns * words, 16);
  }
};

// Rows [m0, m1) × depth [k0, k0 + depth) of op(A), panel after panel.
template <typename Dot, typename Tiles>
void pack_narrow_a(const NarrowMatrices<Dot>& matrices, int64_t m0, int64_t m1, int64_t k0, int64_t depth, Word* packed) {
  const GemmParams& p = *matrices.params;
  const int64_t words = panel_words<Dot, Tiles>(depth);
  // Aᵀ: a little of the depth for all rows, which are neighbours in memory: those of one panel are a part of a line, and lines a power of two
  // apart do not stay in L1 until the next panel.
  const int64_t step = p.transposeA ? max64(8, Tiles::wordStep) : words;
  for (int64_t word = 0; word < words; word += step) {
    const int64_t k = k0 + word * Dot::group, some = min64(step * Dot::group, k0 + depth - k);
    for (int64_t m = m0; m < m1;) {
      const int rows = Tiles::next_rows(m1 - m);
      Tiles::pack_rows(matrices.a + (p.transposeA ? k * p.lda + m : m * p.lda + k), p.lda, !p.transposeA, rows, some,
                       packed + (m - m0) * words + word * round_up(rows, Tiles::rowStep));
      m += rows;
    }
  }
}

// Rows [m0, m1) × columns [n0, n1) of C, given the packed rows, for depth [k0, k0 + depth). B is packed into `packedB`.
template <typename Dot, typename Tiles>
void multiply_narrow_block(const NarrowMatrices<Dot>& matrices, int64_t m0, int64_t m1, int64_t n0, int64_t n1, int64_t k0, int64_t depth,
                           const Word* packedA, Word* packedB) {
  const SubnormalsAsZero mode;
  const GemmParams& p = *matrices.params;
  const int64_t words = panel_words<Dot, Tiles>(depth);
  for (int64_t n = n0; n < n1; n += Tiles::columns) {
    const int64_t columns = min64(Tiles::columns, n1 - n);
    const auto* const from = matrices.b + (p.transposeB ? n * p.ldb + k0 : k0 * p.ldb + n);
    pack_panel<Dot>(from, p.ldb, p.transposeB, columns, depth, words, packedB + (n - n0) * words, Tiles::panel_width(columns));
  }
  const Tiles tiles(m1 - m0);
  const int64_t part = even_block(words, Tiles::depth, Tiles::wordStep);
  TileOutput<typename Dot::Sum> out;
  out.stride = p.ldc;
  for (int64_t n = n0; n < n1; n += Tiles::columns) {
    out.columns = min64(Tiles::columns, n1 - n);
    const int64_t width = Tiles::panel_width(out.columns);
    for (int64_t word = 0; word < words; word += part) {
      const int64_t some = min64(part, words - word);
      const bool last = k0 + depth == p.k && word + some == words;
      out.accumulate = k0 > 0 || word > 0 || p.accumulate;
      out.activation = last ? p.activation : Activation::none;
      out.bias = last && matrices.bias ? matrices.bias + n : nullptr;
      for (int64_t m = m0; m < m1;) {
        const int rows = Tiles::next_rows(m1 - m);
        out.c = matrices.c + m * p.ldc + n;
        const Word* const panelA = packedA + (m - m0) * words + word * round_up(rows, Tiles::rowStep);
        tiles.multiply(panelA, rows, packedB + (n - n0) * words + word * width, width, some, out);
        m += rows;
      }
    }
  }
}

// One product, on as many threads as `parallel` has.
template <typename Dot, typename Tiles>
void multiply_narrow(const NarrowMatrices<Dot>& matrices, const NarrowBlocking<Dot, Tiles>& blocking, const Parallel& parallel, Word* shared,
                     Word* workers) {
  const GemmParams& p = *matrices.params;
  const int64_t wanted = parallel.threads == 1 ? 1 : 4 * int64_t(parallel.threads);
  const int64_t columns = min64(blocking.columns, round_up(divide_up(p.n, wanted), Tiles::columns)), chunks = divide_up(p.n, columns);
  for (int64_t m0 = 0; m0 < p.m; m0 += blocking.rows) {
    const int64_t m1 = min64(p.m, m0 + blocking.rows);
    // Rows are split where there are few chunks of columns: each part packs the chunk again.
    const int64_t tiles = divide_up(m1 - m0, Tiles::rows);
    const int64_t parts = max64(1, min64(divide_up(wanted, chunks), tiles / 8));
    const int64_t rows = divide_up(tiles, parts) * Tiles::rows, count = divide_up(m1 - m0, rows);
    // All threads pack A, in pieces that do not cut the last two tiles of a part: these share what is left of it.
    const int64_t pieces = max64(1, min64(divide_up(wanted, count), rows / (4 * Tiles::rows)));
    const int64_t pieceRows = divide_up(rows / Tiles::rows, pieces) * Tiles::rows;
    for (int64_t k0 = 0; k0 < p.k; k0 += blocking.depth) {
      const int64_t depth = min64(blocking.depth, p.k - k0), words = panel_words<Dot, Tiles>(depth);
      parallel_for(parallel, count * pieces, [&](int64_t index, int) {
        const int64_t part = m0 + index / pieces * rows, end = min64(m1, part + rows);
        const auto cut = [&](int64_t at) { return at > 0 && end - part - at < 2 * Tiles::rows ? end : part + at; };
        const int64_t first = cut(index % pieces * pieceRows);
        pack_narrow_a<Dot, Tiles>(matrices, first, cut((index % pieces + 1) * pieceRows), k0, depth, shared + (first - m0) * words);
      });
      parallel_for(parallel, count * chunks, [&](int64_t index, int worker) {
        const int64_t first = m0 + index / chunks * rows, n0 = index % chunks * columns;
        multiply_narrow_block<Dot, Tiles>(matrices, first, min64(m1, first + rows), n0, min64(p.n, n0 + columns), k0, depth,
                                          shared + (first - m0) * words, workers + worker * blocking.worker);
      });
    }
    if (!p.finish) continue;
    constexpr int64_t step = 16;
    parallel_for(parallel, divide_up(m1 - m0, step), [&](int64_t index, int worker) {
      const int64_t first = m0 + index * step, end = min64(m1, first + step);
      p.finish->run(p.finish->context, matrices.worker + worker, matrices.firstElement + first * p.n, matrices.firstElement + end * p.n);
    });
  }
}

// C without a product: k = 0.
template <typename Dot>
void finish_empty_narrow(const NarrowMatrices<Dot>& matrices) {
  const GemmParams& p = *matrices.params;
  for (int64_t m = 0; m < p.m; m++) {
    for (int64_t n = 0; n < p.n; n++) {
      auto& c = matrices.c[m * p.ldc + n];
      c = activate_scalar((p.accumulate ? c : 0) + (matrices.bias ? matrices.bias[n] : 0), p.activation);
    }
  }
  if (p.finish) p.finish->run(p.finish->context, matrices.worker, matrices.firstElement, matrices.firstElement + p.m * p.n);
}

template <typename Dot, typename Tiles>
void multiply_narrow_batch(const GemmParams& params, const void* a, const void* b, void* c, const void* bias, const Parallel& parallel,
                           void* scratch) {
  using Element = typename Dot::Element;
  using Sum = typename Dot::Sum;
  const GemmParams p = merge_batches(params);
  const int64_t matrices = p.batch * p.outerBatch;
  if (p.m == 0 || p.n == 0 || matrices == 0) return;
  const auto at = [&](int64_t index, int worker) {
    const int64_t outer = index / p.batch, inner = index % p.batch, ofC = outer * p.outerStrideC + inner * p.strideC;
    return NarrowMatrices<Dot>{&p,
                               static_cast<const Element*>(a) + outer * p.outerStrideA + inner * p.strideA,
                               static_cast<const Element*>(b) + outer * p.outerStrideB + inner * p.strideB,
                               static_cast<Sum*>(c) + ofC,
                               static_cast<const Sum*>(bias),
                               ofC,
                               worker};
  };
  if (p.k == 0) {
    for (int64_t i = 0; i < matrices; i++) finish_empty_narrow(at(i, 0));
    return;
  }
  const Sharing sharing(p, parallel.threads);
  const Parallel inner = {parallel.run, parallel.pool, sharing.inside};
  const NarrowBlocking<Dot, Tiles> blocking(p);
  Word* const buffer = static_cast<Word*>(scratch);
  if (!sharing.byMatrix) {
    for (int64_t i = 0; i < matrices; i++) multiply_narrow<Dot, Tiles>(at(i, 0), blocking, inner, buffer, buffer + blocking.shared);
    return;
  }
  parallel_for(parallel, matrices, [&](int64_t i, int worker) {
    Word* const own = buffer + worker * (blocking.shared + blocking.worker);
    multiply_narrow<Dot, Tiles>(at(i, worker), blocking, inner, own, own + blocking.shared);
  });
}

template <typename Dot, typename Tiles>
size_t narrow_scratch_bytes(const GemmParams& params, int threads) {
  const GemmParams p = merge_batches(params);
  if (p.m == 0 || p.n == 0 || p.k == 0 || p.batch == 0 || p.outerBatch == 0) return 0;
  const Sharing sharing(p, threads);
  const NarrowBlocking<Dot, Tiles> blocking(p);
  const int64_t words = sharing.byMatrix ? threads * (blocking.shared + blocking.worker) : blocking.shared + sharing.inside * blocking.worker;
  return static_cast<size_t>(words) * sizeof(Word);
}

}  // namespace nagare::NAGARE_ISA
