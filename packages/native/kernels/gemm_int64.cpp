// Matrices of int64: plain loops, because nothing trains in them.
#include "gemm.h"

#include "simd.h"

namespace nagare::NAGARE_ISA {

template <>
void gemm(const GemmParams& p, const int64_t* a, const int64_t* b, int64_t* c, const int64_t* bias, const Parallel& parallel, void*) {
  const int64_t aRow = p.transposeA ? 1 : p.lda, aColumn = p.transposeA ? p.lda : 1;
  const int64_t bRow = p.transposeB ? 1 : p.ldb, bColumn = p.transposeB ? p.ldb : 1;
  parallel_for(parallel, p.outerBatch * p.batch * p.m, [&](int64_t task, int) {
    const int64_t row = task % p.m, matrix = task / p.m % p.batch, outer = task / p.m / p.batch;
    const int64_t* x = a + outer * p.outerStrideA + matrix * p.strideA + row * aRow;
    const int64_t* y = b + outer * p.outerStrideB + matrix * p.strideB;
    int64_t* z = c + outer * p.outerStrideC + matrix * p.strideC + row * p.ldc;
    for (int64_t column = 0; column < p.n; column++) {
      // Unsigned arithmetic wraps where signed overflow would be undefined.
      uint64_t sum = p.accumulate ? static_cast<uint64_t>(z[column]) : 0;
      if (bias) sum += static_cast<uint64_t>(bias[column]);
      for (int64_t k = 0; k < p.k; k++) {
        sum += static_cast<uint64_t>(x[k * aColumn]) * static_cast<uint64_t>(y[k * bRow + column * bColumn]);
      }
      const int64_t value = static_cast<int64_t>(sum);
      z[column] = p.activation == Activation::relu && value < 0 ? 0 : value;
    }
  });
}

template <>
size_t gemm_scratch_bytes<int64_t>(const GemmParams&, int) {
  return 0;
}

}  // namespace nagare::NAGARE_ISA
