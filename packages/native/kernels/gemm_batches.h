// Batches of matrices: which are one larger matrix, and how threads share the others.
#pragma once

#include "gemm.h"

namespace nagare::NAGARE_ISA {

// A batch of matrices below this many multiply-adds each is split by matrix and not inside the matrix.
constexpr int64_t kSmallProduct = int64_t(1) << 24;
// A product of less work, in multiply-adds, is over before a second thread has joined in.
constexpr int64_t kSerialWork = int64_t(3) << 17;
// Small matrices handed to a thread together have about so many multiply-adds.
constexpr int64_t kTaskProduct = int64_t(1) << 15;

// Consecutive matrices of A against one B are one taller matrix; two batch axes that step evenly are one.
inline GemmParams merge_batches(GemmParams p) {
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

// How the threads share a product of matrices.
struct Sharing {
  bool byMatrix;  // matrices are worked on side by side, one thread each
  int inside;     // threads that share each matrix

  Sharing(const GemmParams& p, int threads) {
    const int64_t matrices = p.batch * p.outerBatch, product = p.m * p.n * p.k;
    // An element of a factor takes about as long to fetch as eight multiply-adds.
    const int64_t work = product + 8 * (p.m + p.n) * p.k + (p.finish ? p.m * p.n * p.finish->cost : 0);
    byMatrix = threads > 1 && matrices >= 2 * threads && product <= kSmallProduct && matrices * work > kSerialWork;
    inside = byMatrix || work <= kSerialWork ? 1 : threads;
  }
};

}  // namespace nagare::NAGARE_ISA
