// Products whose B stays in registers: at most a vector wide, and shallow. One tall matrix, or thousands of tiny ones, for which even the
// choice of a way would take longer than the product.
#pragma once

#include "gemm_block.h"

namespace nagare::NAGARE_ISA {

// Of floating numbers: every depth has loops of its own. The rows of B leave half of the registers, or more, for everything else.
template <typename T>
constexpr int64_t kThinDepth = T(0.5) == T(0) ? 0 : 64 / static_cast<int64_t>(sizeof(T));

// Where rows of C, and matrices, lie together, whole vectors are stored: what that leaves behind a row is overwritten by the next.
template <typename T>
inline bool is_thin(const GemmParams& p) {
  const int64_t size = p.m * p.n;
  const bool isDense = p.ldc == p.n && (p.batch == 1 || p.strideC == size) && (p.outerBatch == 1 || p.outerStrideC == p.batch * size);
  return p.n <= kLanes<T> && p.k <= kThinDepth<T> && isDense && !p.accumulate && !p.packedB;
}

// Matrices of one worker: `count` of them from the first on, rows [m0, m1) of each.
struct ThinShare {
  int64_t first, count, m0, m1;
};

// `n` elements in the first lanes of a vector; in the others whatever is behind them, unless it is behind `end`.
template <typename T, int L>
NAGARE_INLINE typename VectorOf<T, L>::type load_thin(const T* p, int64_t n, const T* end) {
  return end - p >= L ? load<T, L>(p) : load_part<T, L>(p, n);
}

// Where the factors of a matrix begin: indices go up by one, which takes no division.
struct ThinPlace {
  int64_t inner, a, b;

  ThinPlace(const GemmParams& p, int64_t index) : inner(index % p.batch) {
    const int64_t outer = index / p.batch;
    a = outer * p.outerStrideA + inner * p.strideA, b = outer * p.outerStrideB + inner * p.strideB;
  }
  void next(const GemmParams& p) {
    a += p.strideA, b += p.strideB;
    if (++inner < p.batch) return;
    inner = 0;
    a += p.outerStrideA - p.batch * p.strideA, b += p.outerStrideB - p.batch * p.strideB;
  }
};

// B of K rows in vectors of L lanes.
template <typename T, int K, int L>
NAGARE_NOINLINE void multiply_thin_share(const Product<T>& product, const ThinShare& share) {
  using Vector = typename VectorOf<T, L>::type;
  const GemmParams& p = *product.params;
  const int64_t columns = p.n, aRow = p.transposeA ? 1 : p.lda, aColumn = p.transposeA ? p.lda : 1;
  const int64_t lastB = (p.outerBatch - 1) * p.outerStrideB + (p.batch - 1) * p.strideB;
  const T* const endB = product.b + lastB + (K - 1) * p.ldb + columns;
  const Vector bias = product.bias ? load_thin<T, L>(product.bias, columns, product.bias + columns) : Vector{};
  const int64_t size = (share.m1 - share.m0) * columns;
  T* c = product.c + (share.first * p.m + share.m0) * columns;
  const T* const endC = c + share.count * size;
  // Transposed ones are laid out some at a time: what has just been written in pieces cannot be read in one.
  constexpr int64_t group = 8;
  alignas(64) T turned[group][K * L];
  ThinPlace at(p, share.first), ahead = at;
  for (int64_t index = 0; index < share.count; index++, at.next(p)) {
    if (p.transposeB && index % group == 0) {
      for (int64_t i = 0; i < min64(group, share.count - index); i++, ahead.next(p)) {
        for (int64_t n = 0; n < L; n++) {
#pragma GCC unroll 16
          for (int k = 0; k < K; k++) turned[i][k * L + n] = n < columns ? product.b[ahead.b + n * p.ldb + k] : T(0);
        }
      }
    }
    Vector b[K];
#pragma GCC unroll 16
    for (int k = 0; k < K; k++) {
      b[k] = p.transposeB ? load<T, L>(turned[index % group] + k * L) : load_thin<T, L>(product.b + at.b + k * p.ldb, columns, endB);
    }
    const T* a = product.a + at.a + share.m0 * aRow;
    for (const T* const end = c + size; c < end; c += columns, a += aRow) {
      Vector sum = {};
#pragma GCC unroll 16
      for (int k = 0; k < K; k++) sum += splat<T, L>(a[k * aColumn]) * b[k];
      if (product.bias) sum += bias;
      if (p.activation == Activation::relu) sum = relu<T, L>(sum);
      if (endC - c >= L) store<T, L>(c, sum);
      else store_part<T, L>(c, sum, columns);
    }
  }
}

template <typename T, int L, int K = 1>
inline void multiply_thin_of_depth(const Product<T>& product, const ThinShare& share) {
  if constexpr (K < kThinDepth<T>) {
    if (product.params->k > K) return multiply_thin_of_depth<T, L, K + 1>(product, share);
  }
  multiply_thin_share<T, K, L>(product, share);
}

// As few lanes as are enough: the fewest are 16 bytes.
template <typename T, int L = 16 / static_cast<int>(sizeof(T))>
inline void multiply_thin_of_width(const Product<T>& product, const ThinShare& share) {
  if constexpr (L < kLanes<T>) {
    if (product.params->n > L) return multiply_thin_of_width<T, 2 * L>(product, share);
  }
  multiply_thin_of_depth<T, L>(product, share);
}

// A row takes about 2 ns, whatever its depth. So many are over before a second thread has joined in, and so few are not worth handing over.
constexpr int64_t kSerialThinRows = 4096, kThinTaskRows = 1024;

template <typename T>
void multiply_thin(const Product<T>& product, const Parallel& parallel) {
  const GemmParams& p = *product.params;
  const int64_t matrices = p.batch * p.outerBatch;
  const Parallel threads = {parallel.run, parallel.pool, matrices * p.m <= kSerialThinRows ? 1 : parallel.threads};
  const bool byMatrix = matrices > 1;
  const int64_t rows = byMatrix ? p.m : 1;  // of what is divided
  parallel_ranges(threads, byMatrix ? matrices : p.m, divide_up(kThinTaskRows, rows), [&](int64_t first, int64_t last, int worker) {
    {
      const SubnormalsAsZero mode;
      multiply_thin_of_width<T>(product, byMatrix ? ThinShare{first, last - first, 0, p.m} : ThinShare{0, 1, first, last});
    }
    if (p.finish) p.finish->run(p.finish->context, worker, first * rows * p.n, last * rows * p.n);
  });
}

}  // namespace nagare::NAGARE_ISA
