// Packed, cache-blocked matrix multiplication (Goto & van de Geijn 2008; the blocking of BLIS, Van Zee & van de Geijn 2015).
//
//   for each super-block of B (some depth blocks, in L3)               packed once, by all threads
//     for each block of rows of A                                        the parallel loop
//       for each depth block (kDepth)                                    rows × kDepth of A packed, in L2
//         for each panel of B (kDepth × kTileColumns)                    in L1
//           for each tile of rows                                        in registers
// Every element of C is a sum over depth blocks in ascending order, whatever the number of threads.
#include "gemm.h"

#include "gemm_blocking.h"
#include "gemm_few_rows.h"
#include "gemm_pack.h"
#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kDepth = 256;
// A super-block of packed B is at most 6 MiB of floats. It is wide rather than deep: A is packed once per super-block of columns.
constexpr int64_t kSuperColumns = 3072;
constexpr int64_t kSuperElements = int64_t(3) << 19;
// Rows of A packed at a time: 144 · 256 floats are 144 KiB, a third of a common L2.
constexpr int64_t kRows = 144;
// A batch of matrices below this many multiply-adds each is split by matrix and not inside the matrix.
constexpr int64_t kSmallProduct = int64_t(1) << 24;
// Below this many multiply-adds waking a second thread costs more than it brings.
constexpr int64_t kSerialProduct = int64_t(1) << 15;

// One matrix product of the batch.
template <typename T>
struct Product {
  const GemmParams* params;
  const T* a;
  const T* b;
  T* c;
  const T* bias;
};

// A super-block of B: depth [k0, k1) in blocks of `depth`, columns [n0, n1). Its panels follow each other, depth block after depth block.
template <typename T>
struct SuperBlock {
  int64_t k0, k1, n0, n1, depth;

  // Elements before the panel of depth block k and column n.
  int64_t panel(int64_t k, int64_t n) const {
    return (k - k0) * padded_columns<T>(n1 - n0) + (n - n0) * min64(depth, k1 - k);
  }
};

// With few columns every element of A is used so seldom that packing it would cost a good part of the product.
template <typename T>
bool reads_a_in_place(const GemmParams& p) {
  return p.n <= 3 * kTileColumns<T>;
}

// Packs columns [j0, j1) of depth [k0, k1) of op(B) into the panels of a super-block that starts at depth s0 and column n0.
template <typename T>
void pack_b(const Product<T>& product, const SuperBlock<T>& block, int64_t k0, int64_t k1, int64_t j0, int64_t j1, T* packed) {
  const GemmParams& p = *product.params;
  constexpr int64_t width = kTileColumns<T>;
  // B itself: a few rows at a time over all panels, so that reads stay within pages. Bᵀ: along its rows.
  const int64_t step = p.transposeB ? block.depth : 8;
  for (int64_t k = k0; k < k1;) {
    const int64_t first = block.k0 + (k - block.k0) / block.depth * block.depth, depth = min64(block.depth, block.k1 - first);
    const int64_t count = min64(step, min64(k1, first + depth) - k);
    for (int64_t j = j0; j < j1; j += width) {
      const int64_t columns = min64(width, j1 - j), panelWidth = padded_columns<T>(columns);
      T* const to = packed + block.panel(first, j) + (k - first) * panelWidth;
      if (p.transposeB) pack_across(product.b + j * p.ldb + k, p.ldb, columns, count, to, panelWidth);
      else pack_along(product.b + k * p.ldb + j, p.ldb, columns, count, to, panelWidth);
    }
    k += count;
  }
}

// Packs rows [m0, m1) of depth [k0, k0 + depth) of op(A): one panel per tile, panel of row m at (m − m0)·depth.
template <typename T>
void pack_a(const Product<T>& product, int64_t k0, int64_t depth, int64_t m0, int64_t m1, T* packed) {
  const GemmParams& p = *product.params;
  if (!p.transposeA) {
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m);
      pack_across(product.a + m * p.lda + k0, p.lda, rows, depth, packed + (m - m0) * depth, rows);
      m += rows;
    }
    return;
  }
  constexpr int64_t step = 8;
  for (int64_t k = 0; k < depth; k += step) {
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m);
      pack_along(product.a + (k0 + k) * p.lda + m, p.lda, rows, min64(step, depth - k), packed + (m - m0) * depth + k * rows, rows);
      m += rows;
    }
  }
}

// Rows [m0, m1) × columns [n0, n1) of C += depth [k0, k0 + depth), given the packed panels of those columns and, unless A is read in
// place, of those rows.
template <typename T>
void multiply_block(const Product<T>& product, int64_t k0, int64_t depth, int64_t m0, int64_t m1, int64_t n0, int64_t n1, const T* packedB,
                    const T* packedA) {
  const GemmParams& p = *product.params;
  const bool inPlace = reads_a_in_place<T>(p);
  const bool last = k0 + depth == p.k;
  TileOutput<T> out;
  out.accumulate = k0 > 0 || p.accumulate;
  out.activation = last ? p.activation : Activation::none;
  for (int64_t n = n0; n < n1; n += kTileColumns<T>) {
    out.columns = min64(kTileColumns<T>, n1 - n);
    out.bias = last && product.bias ? product.bias + n : nullptr;
    const int vectors = tile_vectors<T>(out.columns);
    const T* panel = packedB + (n - n0) * depth;
    const int64_t panelWidth = vectors * kLanes<T>;
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m);
      T* targets[kTileRows];
      for (int i = 0; i < rows; i++) targets[i] = product.c + (m + i) * p.ldc;
      out.rows = targets, out.first = n;
      if (inPlace && !p.transposeA) {
        const T* sources[kTileRows];
        for (int i = 0; i < rows; i++) sources[i] = product.a + (m + i) * p.lda + k0;
        tile_function<T, UnitRows<T>>(rows, vectors)({sources}, panel, panelWidth, depth, out);
      } else {
        const PackedRows<T> a = inPlace ? PackedRows<T>{product.a + k0 * p.lda + m, p.lda} : PackedRows<T>{packedA + (m - m0) * depth, rows};
        tile_function<T, PackedRows<T>>(rows, vectors)(a, panel, panelWidth, depth, out);
      }
      m += rows;
    }
  }
}

// How a product with few rows, or few columns, is read as one with few rows.
struct FewRowsForm {
  bool applies, swapped;
  bool copiesA;  // the small matrix is copied, so that its rows run along k
};

inline FewRowsForm few_rows_form(const GemmParams& p) {
  if (p.m <= (p.transposeB ? kFewRowsDotted : kFewRowsSummed)) return {true, false, p.transposeA && p.lda != 1};
  // Cᵀ = op(B)ᵀ · op(A)ᵀ. Its rows are columns of C, which suits dot products always, and sums of rows only where C is one column wide.
  if (p.transposeA ? p.n == 1 && p.ldc == 1 : p.n <= kFewRowsDotted) return {true, true, !p.transposeB && p.ldb != 1};
  return {false, false, false};
}

template <typename T>
FewRows<T> few_rows(const Product<T>& product, const FewRowsForm& form, T* scratch) {
  const GemmParams& p = *product.params;
  FewRows<T> f;
  f.depth = p.k;
  f.accumulate = p.accumulate;
  f.activation = p.activation;
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

// The blocking of one product; depends on the shape alone.
template <typename T>
struct Blocking {
  int64_t depth, superDepth, superColumns;
  int64_t shared, worker;  // elements of scratch

  explicit Blocking(const GemmParams& p) {
    const FewRowsForm few = few_rows_form(p);
    if (few.applies) {
      shared = few.copiesA ? round_up((few.swapped ? p.n : p.m) * p.k, 64) : 0;
      worker = 0;
      return;
    }
    depth = even_block(p.k, kDepth, 8);
    superColumns = even_block(p.n, kSuperColumns, kTileColumns<T>);
    superDepth = min64(p.k, depth * max64(1, kSuperElements / (depth * superColumns)));
    shared = round_up(superDepth * padded_columns<T>(superColumns), 64);
    worker = reads_a_in_place<T>(p) ? 0 : round_up(min64(p.m, kRows) * depth, 64);
  }
};

template <typename T>
void multiply_large(const Product<T>& product, const Blocking<T>& blocking, const Parallel& parallel, T* shared, T* workers) {
  const GemmParams& p = *product.params;
  constexpr int64_t width = kTileColumns<T>;
  for (int64_t n0 = 0; n0 < p.n; n0 += blocking.superColumns) {
    const int64_t n1 = min64(p.n, n0 + blocking.superColumns);
    // Tasks: rows first, because splitting columns packs the same rows of A again; enough of them to even out the threads.
    const int64_t wanted = parallel.threads == 1 ? 1 : 4 * int64_t(parallel.threads);
    const int64_t tileRows = divide_up(p.m, kTileRows);
    const int64_t rowTasks = max64(divide_up(p.m, kRows), min64(wanted, divide_up(tileRows, 4)));
    const int64_t rowsPerTask = divide_up(tileRows, rowTasks) * kTileRows;
    const int64_t panels = divide_up(n1 - n0, width);
    const int64_t columnTasks = max64(1, min64(divide_up(wanted, rowTasks), panels / 4));
    const int64_t columnsPerTask = divide_up(panels, columnTasks) * width;
    const int64_t rowCount = divide_up(p.m, rowsPerTask), columnCount = divide_up(n1 - n0, columnsPerTask);
    for (int64_t k0 = 0; k0 < p.k; k0 += blocking.superDepth) {
      const SuperBlock<T> block = {k0, min64(p.k, k0 + blocking.superDepth), n0, n1, blocking.depth};
      // Each task packs what lies together in B, so that each page of it is visited by one task.
      const int64_t perTask = p.transposeB ? 4 * width : 32;
      parallel_for(parallel, divide_up(p.transposeB ? n1 - n0 : block.k1 - k0, perTask), [&](int64_t index, int) {
        const int64_t first = index * perTask;
        if (p.transposeB) pack_b(product, block, k0, block.k1, n0 + first, min64(n1, n0 + first + perTask), shared);
        else pack_b(product, block, k0 + first, min64(block.k1, k0 + first + perTask), n0, n1, shared);
      });
      parallel_for(parallel, rowCount * columnCount, [&](int64_t index, int worker) {
        const int64_t m0 = index / columnCount * rowsPerTask, m1 = min64(p.m, m0 + rowsPerTask);
        const int64_t j0 = n0 + index % columnCount * columnsPerTask, j1 = min64(n1, j0 + columnsPerTask);
        T* const packedA = workers + worker * blocking.worker;
        for (int64_t k = k0; k < block.k1; k += blocking.depth) {
          const int64_t depth = min64(blocking.depth, block.k1 - k);
          if (!reads_a_in_place<T>(p)) pack_a(product, k, depth, m0, m1, packedA);
          multiply_block(product, k, depth, m0, m1, j0, j1, shared + block.panel(k, j0), packedA);
        }
      });
    }
  }
}

// One product, on as many threads as `parallel` has.
template <typename T>
void multiply_one(const Product<T>& product, const Blocking<T>& blocking, const Parallel& parallel, T* shared, T* workers) {
  const FewRowsForm few = few_rows_form(*product.params);
  if (few.applies) multiply_few_rows(few_rows(product, few, shared), parallel);
  else multiply_large(product, blocking, parallel, shared, workers);
}

// C without a product: k = 0.
template <typename T>
void finish_empty(const Product<T>& product) {
  const GemmParams& p = *product.params;
  for (int64_t m = 0; m < p.m; m++) {
    for (int64_t n = 0; n < p.n; n++) {
      T value = p.accumulate ? product.c[m * p.ldc + n] : T(0);
      if (product.bias) value += product.bias[n];
      product.c[m * p.ldc + n] = p.activation == Activation::relu ? relu_scalar(value) : value;
    }
  }
}

// Consecutive matrices of A against one B are one taller matrix; two batch axes that step evenly are one.
GemmParams merge_batches(GemmParams p) {
  if (p.outerBatch > 1 && p.batch == 1) {
    p.batch = p.outerBatch;
    p.strideA = p.outerStrideA, p.strideB = p.outerStrideB, p.strideC = p.outerStrideC;
    p.outerBatch = 1;
  }
  if (p.outerBatch > 1 && p.outerStrideA == p.batch * p.strideA && p.outerStrideB == p.batch * p.strideB &&
      p.outerStrideC == p.batch * p.strideC) {
    p.batch *= p.outerBatch;
    p.outerBatch = 1;
  }
  if (p.outerBatch == 1 && p.batch > 1 && p.strideB == 0 && !p.transposeA && p.strideA == p.m * p.lda && p.strideC == p.m * p.ldc) {
    p.m *= p.batch;
    p.batch = 1;
  }
  return p;
}

// True when matrices are worked on side by side, one thread each.
bool splits_by_matrix(const GemmParams& p, int threads) {
  const int64_t matrices = p.batch * p.outerBatch;
  return threads > 1 && matrices >= 2 * threads && p.m * p.n * p.k <= kSmallProduct;
}

template <typename T>
Product<T> product_at(const GemmParams& p, int64_t index, const T* a, const T* b, T* c, const T* bias) {
  const int64_t outer = index / p.batch, inner = index % p.batch;
  return {&p, a + outer * p.outerStrideA + inner * p.strideA, b + outer * p.outerStrideB + inner * p.strideB,
          c + outer * p.outerStrideC + inner * p.strideC, bias};
}

template <typename T>
void multiply(const GemmParams& params, const T* a, const T* b, T* c, const T* bias, const Parallel& parallel, void* scratch) {
  const GemmParams p = merge_batches(params);
  const int64_t matrices = p.batch * p.outerBatch;
  if (p.m == 0 || p.n == 0 || matrices == 0) return;
  if (p.k == 0) {
    for (int64_t i = 0; i < matrices; i++) finish_empty(product_at(p, i, a, b, c, bias));
    return;
  }
  const bool byMatrix = splits_by_matrix(p, parallel.threads);
  const int threads = byMatrix || p.m * p.n * p.k <= kSerialProduct ? 1 : parallel.threads;
  const Parallel inner = {parallel.run, parallel.pool, threads};
  const Blocking<T> blocking(p);
  T* const buffer = static_cast<T*>(scratch);
  if (!byMatrix) {
    for (int64_t i = 0; i < matrices; i++) multiply_one(product_at(p, i, a, b, c, bias), blocking, inner, buffer, buffer + blocking.shared);
    return;
  }
  // Enough small matrices per task to pay for handing the task over.
  const int64_t perTask = max64(1, min64(matrices / (2 * parallel.threads), kSerialProduct / (p.m * p.n * p.k)));
  parallel_for(parallel, divide_up(matrices, perTask), [&](int64_t index, int worker) {
    T* const shared = buffer + worker * (blocking.shared + blocking.worker);
    for (int64_t i = index * perTask; i < min64(matrices, (index + 1) * perTask); i++) {
      multiply_one(product_at(p, i, a, b, c, bias), blocking, inner, shared, shared + blocking.shared);
    }
  });
}

}  // namespace

template <typename T>
size_t gemm_scratch_bytes(const GemmParams& params, int threads) {
  const GemmParams p = merge_batches(params);
  if (p.m == 0 || p.n == 0 || p.k == 0 || p.batch == 0 || p.outerBatch == 0) return 0;
  const bool byMatrix = splits_by_matrix(p, threads);
  const int inner = byMatrix || p.m * p.n * p.k <= kSerialProduct ? 1 : threads;
  const Blocking<T> blocking(p);
  const int64_t elements = byMatrix ? threads * (blocking.shared + blocking.worker) : blocking.shared + inner * blocking.worker;
  return static_cast<size_t>(elements) * sizeof(T);
}

template <>
void gemm(const GemmParams& params, const float* a, const float* b, float* c, const float* bias, const Parallel& parallel, void* scratch) {
  multiply(params, a, b, c, bias, parallel, scratch);
}

template <>
void gemm(const GemmParams& params, const double* a, const double* b, double* c, const double* bias, const Parallel& parallel,
          void* scratch) {
  multiply(params, a, b, c, bias, parallel, scratch);
}

// Unsigned arithmetic wraps where signed overflow would be undefined; the bits are the same.
template <>
void gemm(const GemmParams& params, const int32_t* a, const int32_t* b, int32_t* c, const int32_t* bias, const Parallel& parallel,
          void* scratch) {
  multiply(params, reinterpret_cast<const uint32_t*>(a), reinterpret_cast<const uint32_t*>(b), reinterpret_cast<uint32_t*>(c),
           reinterpret_cast<const uint32_t*>(bias), parallel, scratch);
}

template size_t gemm_scratch_bytes<float>(const GemmParams&, int);
template size_t gemm_scratch_bytes<double>(const GemmParams&, int);
template size_t gemm_scratch_bytes<int32_t>(const GemmParams&, int);

}  // namespace nagare::NAGARE_ISA
