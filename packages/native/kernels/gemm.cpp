// Packed, cache-blocked matrix multiplication (Goto & van de Geijn 2008; the blocking of BLIS, Van Zee & van de Geijn 2015).
//
//   for each super-block of B (some depth blocks, in L3)               packed once, by all threads
//     for each block of rows of A                                        the parallel loop
//       for each depth block (kDepth)                                    rows × kDepth of A packed, in L2
//         for each panel of B (kDepth × kTileColumns)                    in L1
//           for each tile of rows                                        in registers
//
// Every element of C is a sum over depth blocks in ascending order, whatever the number of threads.
#include "gemm.h"

#include "gemm_block.h"
#include "gemm_few_rows.h"

namespace nagare::NAGARE_ISA {
namespace {

// A batch of matrices below this many multiply-adds each is split by matrix and not inside the matrix.
constexpr int64_t kSmallProduct = int64_t(1) << 24;
// Below this many multiply-adds waking a second thread costs more than it brings.
constexpr int64_t kSerialProduct = int64_t(1) << 15;

// How a product with few rows, or few columns, is read as one with few rows.
struct FewRowsForm {
  bool applies, swapped;
  bool copiesA;  // the small matrix is copied, so that its rows run along k
};

inline FewRowsForm few_rows_form(const GemmParams& p) {
  if (p.m <= (p.transposeB ? kFewRowsDotted : kFewRowsSummed)) return {true, false, p.transposeA && p.lda != 1};
  // Cᵀ = op(B)ᵀ · op(A)ᵀ. Its rows are columns of C: that suits dot products, and sums of rows only where C is one column wide.
  const bool few = p.transposeA ? p.n == 1 && p.ldc == 1 : p.n <= kFewRowsDotted;
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
    superColumns = even_block(p.n, kSuperColumns, Panels<T>::width);
    superDepth = min64(p.k, depth * max64(1, kSuperElements / (depth * superColumns)));
    shared = round_up(superDepth * padded_columns<T>(superColumns), 64);
    worker = reads_a_in_place<T>(p) ? 0 : round_up(min64(p.m, kRows) * depth, 64);
  }
};

template <typename T>
void multiply_large(const Product<T>& product, const Blocking<T>& blocking, const Parallel& parallel, T* shared, T* workers) {
  const GemmParams& p = *product.params;
  for (int64_t n0 = 0; n0 < p.n; n0 += blocking.superColumns) {
    const int64_t n1 = min64(p.n, n0 + blocking.superColumns);
    // Tasks: rows first, because splitting columns packs the same rows of A again; enough of them to even out the threads.
    const int64_t wanted = parallel.threads == 1 ? 1 : 4 * int64_t(parallel.threads);
    const int64_t tileRows = divide_up(p.m, kPanelRows<T>);
    const int64_t rowTasks = max64(divide_up(p.m, kRows), min64(wanted, divide_up(tileRows, 4)));
    const int64_t rowsPerTask = divide_up(tileRows, rowTasks) * kPanelRows<T>;
    const int64_t panels = Panels<T>(n1 - n0).count;
    const int64_t columnTasks = max64(1, min64(divide_up(wanted, rowTasks), panels / 4));
    const int64_t panelsPerTask = divide_up(panels, columnTasks);
    const int64_t rowCount = divide_up(p.m, rowsPerTask), columnCount = divide_up(panels, panelsPerTask);
    for (int64_t k0 = 0; k0 < p.k; k0 += blocking.superDepth) {
      const SuperBlock<T> block(k0, min64(p.k, k0 + blocking.superDepth), n0, n1, blocking.depth);
      // Each task packs what lies together in B, so that each page of it is visited by one task.
      const int64_t perTask = p.transposeB ? 4 : 32;
      parallel_for(parallel, divide_up(p.transposeB ? panels : block.k1 - k0, perTask), [&](int64_t index, int) {
        const int64_t first = index * perTask;
        if (p.transposeB) pack_b(product, block, k0, block.k1, first, min64(panels, first + perTask), shared);
        else pack_b(product, block, k0 + first, min64(block.k1, k0 + first + perTask), 0, panels, shared);
      });
      parallel_for(parallel, rowCount * columnCount, [&](int64_t index, int worker) {
        const int64_t m0 = index / columnCount * rowsPerTask, m1 = min64(p.m, m0 + rowsPerTask);
        const int64_t first = index % columnCount * panelsPerTask;
        T* const packedA = workers + worker * blocking.worker;
        for (int64_t k = k0; k < block.k1; k += blocking.depth) {
          if (!reads_a_in_place<T>(p)) pack_a(product, k, block.depth_at(k), m0, m1, packedA);
          multiply_block(product, block, k, m0, m1, first, min64(panels, first + panelsPerTask), shared, packedA);
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
    for (int64_t i = 0; i < matrices; i++) {
      multiply_one(product_at(p, i, a, b, c, bias), blocking, inner, buffer, buffer + blocking.shared);
    }
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
