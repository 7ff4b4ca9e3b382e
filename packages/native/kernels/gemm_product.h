// One product, by the way that suits its shape: a stream over the large matrix where there are few rows, packed blocks otherwise, and
// slices of the depth where there are few but long sums.
#pragma once

#include "gemm_block.h"
#include "gemm_few_rows.h"
#include "gemm_slices.h"

namespace nagare::NAGARE_ISA {

// How a product with few rows, or few columns, is read as one with few rows.
struct FewRowsForm {
  bool applies, swapped;
  bool copiesA;  // the small matrix is copied, so that its rows run along k
};

template <typename T>
inline FewRowsForm few_rows_form(const GemmParams& p) {
  if (p.packedB) return {false, false, false};
  // One column: dot products with the rows of A, however few.
  if (p.n == 1 && p.ldb == 1 && !p.transposeA && !p.transposeB) return {true, true, false};
  if (p.m <= (p.transposeB ? few_dotted<T>(p.k) : kFewRowsSummed)) return {true, false, p.transposeA && p.lda != 1};
  // Cᵀ = op(B)ᵀ · op(A)ᵀ. Its rows are columns of C: that suits dot products, and sums of rows only where C is one column wide.
  // Where its rows are whole vectors, B is a panel as it lies, and tiles make such sums without adding lanes up.
  const bool few = p.transposeA ? p.n == 1 && p.ldc == 1 : p.n <= few_dotted<T>(p.k) && !reads_b_in_place<T>(p);
  if (few) return {true, true, !p.transposeB && p.ldb != 1};
  return {false, false, false};
}

template <typename T>
FewRows<T> few_rows(const Product<T>& product, const FewRowsForm& form, T* scratch) {
  const GemmParams& p = *product.params;
  FewRows<T> f;
  f.depth = p.k;
  f.accumulate = p.accumulate;
  f.activation = p.activation;
  f.streamed = product.streamed;
  f.c = product.c;
  f.bias = product.bias;
  const T* small;
  int64_t ld;
  bool across;
  if (!form.swapped) {
    f.rows = p.m, f.columns = p.n;
    f.b = product.b, f.ldb = p.ldb, f.transposed = p.transposeB;
    f.cRow = p.ldc, f.cColumn = 1, f.biasRow = 0, f.biasColumn = 1;
    small = product.a, ld = p.lda, across = p.transposeA;
  } else {
    f.rows = p.n, f.columns = p.m;
    f.b = product.a, f.ldb = p.lda, f.transposed = !p.transposeA;
    f.cRow = 1, f.cColumn = p.ldc, f.biasRow = 1, f.biasColumn = 0;
    small = product.b, ld = p.ldb, across = !p.transposeB;
  }
  f.a = small, f.aRow = ld;
  if (form.copiesA) {
    for (int64_t k = 0; k < p.k; k++)
      for (int64_t i = 0; i < f.rows; i++) scratch[i * p.k + k] = small[k * ld + i];
    f.a = scratch, f.aRow = p.k;
  } else if (across) {
    f.aRow = 1;  // one column, k after k: the only row
  }
  return f;
}

// Rows of C, or half as many columns, that are worth packing the other factor for once more: of many threads, and of few.
constexpr int64_t kPartSize = 256, kPartSizeOfFew = 16;

// The parts of a product whose B is packed, one for each thread. A thread packs what its part needs of both factors: what another one packs
// would come from that one's cache, at a third of the rate of its own (measured on Zen 5), and all would wait for it: 128³ on two threads of
// Zen 3 takes 30 µs instead of 38, 1024³ 12.5 ms instead of 13.5. The longer side is divided: the factor along the other one is packed by
// all. One part is shared by all threads. So is every product where tiles do not pack, or elements are longer than four bytes: those are
// packed faster than they are multiplied.
template <typename T>
struct Parts {
  int64_t rows, columns;  // of a part
  int64_t down, across;   // parts

  Parts(const GemmParams& p, int threads) : rows(p.m), columns(p.n), down(1), across(1) {
    if (!kPacksWithFirstTile || sizeof(T) > 4 || threads == 1 || p.packedB || reads_b_in_place<T>(p)) return;
    const int64_t least = (threads <= 4 ? kPartSizeOfFew : kPartSize) * threads;
    // Whole rows where something is to be done to them, which then takes one call, unless packing B twice weighs more.
    const bool byColumns = p.n >= 2 * least && (p.m < least || p.n > (p.finish ? 4 : 1) * p.m);
    if (byColumns) {
      columns = round_up(divide_up(p.n, threads), kLanes<T>);
      across = divide_up(p.n, columns);
    } else if (p.m >= least) {
      rows = divide_up(divide_up(p.m, kPanelRows<T>), threads) * kPanelRows<T>;
      down = divide_up(p.m, rows);
    }
  }
  int64_t count() const { return down * across; }
};

// The blocking of one product; depends on the shape and on the number of threads, its depth on the shape alone. How B is laid out when it
// is packed in advance depends on k and n alone.
template <typename T>
struct Blocking {
  Parts<T> parts;
  int64_t depth, superDepth, superColumns;
  int64_t packedRows;      // elements of A that a thread packs at a time
  int64_t shared, worker;  // elements of scratch

  Blocking(const GemmParams& p, int threads) : parts(p, threads) {
    const FewRowsForm few = few_rows_form<T>(p);
    if (few.applies) {
      packedRows = 0;
      shared = few.copiesA ? round_up((few.swapped ? p.n : p.m) * p.k, 64) : 0;
      worker = 0;
      return;
    }
    // A panel that is narrow is deep.
    depth = even_block(p.k, kDepth * max64(1, Panels<T>::width / padded_columns<T>(p.n)), 8);
    superColumns = even_block(p.n, kSuperColumns, Panels<T>::width);
    packedRows = reads_a_in_place<T>(p) ? 0 : round_up(min64(p.m, kRows<T>) * depth, 64);
    superDepth = min64(p.k, depth * max64(1, kSuperElements / parts.count() / (depth * superColumns)));
    const int64_t superBlock = round_up(superDepth * padded_columns<T>(min64(superColumns, parts.columns)), 64);
    const bool isOwn = parts.count() > 1;
    shared = isOwn || p.packedB || reads_b_in_place<T>(p) ? 0 : superBlock;
    worker = packedRows + (isOwn ? superBlock : 0);
  }
};

// So many elements of B are packed faster than a second thread joins in.
constexpr int64_t kSerialPacking = int64_t(1) << 14;

template <typename T>
void pack_super_block(const Product<T>& product, const SuperBlock<T>& block, const Parallel& parallel, T* packed) {
  const bool transposed = product.params->transposeB;
  const int64_t depth = block.k1 - block.k0, panels = block.panels.count;
  // Each task packs what lies together in B, so that each page of it is visited by one task.
  const int64_t perTask = transposed ? 4 : 32;
  const Parallel packing = {parallel.run, parallel.pool, depth * (block.n1 - block.n0) <= kSerialPacking ? 1 : parallel.threads};
  parallel_for(packing, divide_up(transposed ? panels : depth, perTask), [&](int64_t index, int) {
    const int64_t first = index * perTask;
    if (transposed) pack_b(product, block, block.k0, block.k1, first, min64(panels, first + perTask), packed);
    else pack_b(product, block, block.k0 + first, min64(block.k1, block.k0 + first + perTask), 0, panels, packed);
  });
}

// The super-blocks of columns [n0, n1) of B, from the top: body(block, elements of the whole packed matrix before it).
template <typename T, typename Body>
NAGARE_INLINE void for_super_blocks(const GemmParams& p, const Blocking<T>& blocking, int64_t n0, int64_t n1, const Body& body) {
  for (int64_t k0 = 0; k0 < p.k; k0 += blocking.superDepth) {
    const SuperBlock<T> block(k0, min64(p.k, k0 + blocking.superDepth), n0, n1, blocking.depth);
    body(block, n0 * p.k + k0 * padded_columns<T>(n1 - n0));
  }
}

// Tasks of a thread. Every task reads all of packed B, at twice the rate where vectors are twice as long.
constexpr int64_t kTasksPerThread = kVectorBytes == 64 ? 2 : 8;

// One thread alone packs each panel of B beside its first use, which finds it in L2. Where B is larger, its panels would come from memory,
// which wants to be read along the rows.
constexpr int64_t kPackedByPanelBytes = int64_t(16) << 20;
template <typename T>
inline bool packs_by_panel(const GemmParams& p) {
  return kPacksWithFirstTile && p.k * p.n * static_cast<int64_t>(sizeof(T)) <= kPackedByPanelBytes;
}

// Rows [m0, m1) × columns [n0, n1) of C, which are at most a super-block's.
template <typename T>
void multiply_region(const Product<T>& product, const Blocking<T>& blocking, const Parallel& parallel, int64_t m0, int64_t m1, int64_t n0,
                     int64_t n1, T* packed, T* workers) {
  const GemmParams& p = *product.params;
  // Tasks: rows first, because splitting columns packs the same rows of A again; enough of them to even out the threads.
  const int64_t wanted = parallel.threads == 1 ? 1 : kTasksPerThread * int64_t(parallel.threads);
  const int64_t tileRows = divide_up(m1 - m0, kPanelRows<T>);
  const int64_t few = min64(wanted, divide_up(tileRows, 4));
  // Few tasks come to the same number for each thread.
  const int64_t even = few < parallel.threads ? few : few / parallel.threads * parallel.threads;
  const int64_t rowTasks = max64(divide_up(m1 - m0, kRows<T>), even);
  const int64_t rowsPerTask = divide_up(tileRows, rowTasks) * kPanelRows<T>;
  const int64_t panels = Panels<T>(n1 - n0).count;
  const int64_t columnTasks = max64(1, min64(divide_up(wanted, rowTasks), panels / 4));
  const int64_t panelsPerTask = divide_up(panels, columnTasks);
  const int64_t rowCount = divide_up(m1 - m0, rowsPerTask), columnCount = divide_up(panels, panelsPerTask);
  for_super_blocks(p, blocking, n0, n1, [&](const SuperBlock<T>& block, int64_t before) {
    const bool packs = !p.packedB && !reads_b_in_place<T>(p);
    const bool byPanel = packs && parallel.threads == 1 && packs_by_panel<T>(p);
    if (packs && !byPanel) pack_super_block(product, block, parallel, packed);
    const T* const packedB = p.packedB ? product.b + before : packed;
    parallel_for(parallel, rowCount * columnCount, [&](int64_t index, int worker) {
      const int64_t first = m0 + index / columnCount * rowsPerTask, end = min64(m1, first + rowsPerTask);
      const int64_t panel0 = index % columnCount * panelsPerTask, panel1 = min64(panels, panel0 + panelsPerTask);
      T* const packedA = workers + worker * blocking.worker;
      for (int64_t k = block.k0; k < block.k1; k += blocking.depth) {
        if (!reads_a_in_place<T>(p)) pack_a(product, k, block.depth_at(k), first, end, packedA);
        multiply_block(product, block, k, first, end, panel0, panel1, packedB, packedA, byPanel && first == m0 ? packed : nullptr);
      }
      if (block.k1 < p.k) return;
      finish_region(product, worker, first, end, n0 + block.panels.first(panel0), n0 + block.panels.first(panel1));
    });
  });
}

template <typename T>
void multiply_large(const Product<T>& product, const Blocking<T>& blocking, const Parallel& parallel, T* shared, T* workers) {
  const GemmParams& p = *product.params;
  const auto multiply = [&](const Product<T>& part, const Parallel& threads, int64_t m0, int64_t m1, int64_t left, int64_t right, T* packed,
                            T* packedA) {
    for (int64_t n0 = left; n0 < right; n0 += blocking.superColumns)
      multiply_region(part, blocking, threads, m0, m1, n0, min64(right, n0 + blocking.superColumns), packed, packedA);
  };
  const Parts<T>& parts = blocking.parts;
  if (parts.count() == 1) return multiply(product, parallel, 0, p.m, 0, p.n, shared, workers);
  const Parallel alone = {parallel.run, parallel.pool, 1};
  parallel_for(parallel, parts.count(), [&](int64_t index, int worker) {
    Product<T> own = product;
    own.worker += worker;
    T* const packedA = workers + worker * blocking.worker;
    const int64_t m0 = index / parts.across * parts.rows, n0 = index % parts.across * parts.columns;
    multiply(own, alone, m0, min64(p.m, m0 + parts.rows), n0, min64(p.n, n0 + parts.columns), packedA + blocking.packedRows, packedA);
  });
}

// How one product is computed, and the elements of scratch that it takes: for all threads together, and for each.
template <typename T>
struct ProductPlan {
  DepthSlices slices;
  Blocking<T> blocking;  // of a slice
  int64_t shared, worker;

  ProductPlan(const GemmParams& p, int threads)
      : slices(p), blocking(slices.count == 1 ? p : slices.slice(p, 0), slices.count == 1 ? threads : 1) {
    const bool whole = slices.count == 1;
    shared = whole ? blocking.shared : round_up(slices.count * p.m * p.n, 64);
    worker = whole ? blocking.worker : blocking.shared + blocking.worker;
  }
};

template <typename T>
void multiply_whole(const Product<T>& product, const Blocking<T>& blocking, const Parallel& parallel, T* shared, T* workers) {
  const FewRowsForm few = few_rows_form<T>(*product.params);
  if (!few.applies) return multiply_large(product, blocking, parallel, shared, workers);
  const GemmParams& p = *product.params;
  multiply_few_rows(few_rows(product, few, shared), parallel, [&](int64_t first, int64_t last, int worker) {
    if (few.swapped) finish_region(product, worker, first, last, 0, p.n);
    else finish_region(product, worker, 0, p.m, first, last);
  });
}

// The products of the slices side by side, then their sums in order.
template <typename T>
void multiply_slices(const Product<T>& product, const ProductPlan<T>& plan, const Parallel& parallel, T* partial, T* workers) {
  const GemmParams& p = *product.params;
  const int64_t size = p.m * p.n;
  parallel_for(parallel, plan.slices.count, [&](int64_t index, int worker) {
    const GemmParams slice = plan.slices.slice(p, index);
    const int64_t k = index * plan.slices.depth;
    T* const scratch = workers + worker * plan.worker;
    const Product<T> part = {&slice, product.a + k * (p.transposeA ? p.lda : 1), product.b + k * (p.transposeB ? 1 : p.ldb),
                             partial + index * size, nullptr, 0, 0, plan.slices.streamed};
    multiply_whole(part, plan.blocking, {parallel.run, parallel.pool, 1}, scratch, scratch + plan.blocking.shared);
  });
  for (int64_t m = 0; m < p.m; m++) {
    T* const row = product.c + m * p.ldc;
    for (int64_t index = 0; index < plan.slices.count; index++) {
      const T* const sums = partial + index * size + m * p.n;
      const bool begins = index == 0 && !p.accumulate;
      for (int64_t n = 0; n < p.n; n++) row[n] = begins ? sums[n] : row[n] + sums[n];
    }
    for (int64_t n = 0; n < p.n; n++) {
      const T sum = product.bias ? row[n] + product.bias[n] : row[n];
      row[n] = p.activation == Activation::relu ? relu_scalar(sum) : sum;
    }
  }
  finish_region(product, 0, 0, p.m, 0, p.n);
}

// One product, on as many threads as `parallel` has.
template <typename T>
void multiply_one(const Product<T>& product, const ProductPlan<T>& plan, const Parallel& parallel, T* shared, T* workers) {
  if (plan.slices.count == 1) multiply_whole(product, plan.blocking, parallel, shared, workers);
  else multiply_slices(product, plan, parallel, shared, workers);
}

}  // namespace nagare::NAGARE_ISA
