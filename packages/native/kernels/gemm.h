// Matrix multiplication: C = op(A) · op(B), op = identity or transpose, batched, with an optional epilogue.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "parallel.h"

namespace nagare {

// relu6: min(max(x, 0), 6), of convolutions only.
enum class Activation : int32_t { none = 0, relu = 1, relu6 = 2 };

// What is done with results while they are in the cache: run(context, worker, first, last) for elements [first, last) of C that are
// finished. Every element is in one such run; runs of different workers overlap in time.
struct Finish {
  void (*run)(const void* context, int worker, int64_t first, int64_t last);
  const void* context;
  int64_t cost;  // of an element, in multiply-adds
};

// Row-major matrices. op(A) is m × k, op(B) is k × n, C is m × n; all counts and strides are in elements.
// A is stored m × k (k × m when transposeA) with `lda` elements between rows; likewise B k × n (n × k) with ldb, C with ldc.
// Two batch axes: matrix (i, j) starts at i·outerStride + j·stride; a stride of 0 in A or B broadcasts.
// (The outer axis serves attention over [batch, time, heads, depth] without a transpose; elsewhere outerBatch is 1.)
struct GemmParams {
  int64_t m, n, k;
  bool transposeA, transposeB;
  int64_t lda, ldb, ldc;
  int64_t batch, strideA, strideB, strideC;
  int64_t outerBatch, outerStrideA, outerStrideB, outerStrideC;
  bool accumulate;        // C += op(A)·op(B) instead of C = op(A)·op(B)
  Activation activation;  // applied after the bias, to the finished sum
  const Finish* finish;   // null: nothing. Else C is dense, batch axes included, and T is a float
  bool packedB;           // B is one matrix for the whole batch, as gemm_pack lays it out, and T is a float
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// C = activation((accumulate ? C : 0) + op(A)·op(B) + bias), bias[n] added to every row; bias may be null.
// k = 0 gives activation(bias); m, n or batch = 0 does nothing. C must not overlap A, B or bias.
// T: float, double, int32_t and int64_t (both wrap). Every element is summed in an order that depends on the shape alone.
template <typename T>
void gemm(const GemmParams& params, const T* a, const T* b, T* c, const T* bias, const Parallel& parallel, void* scratch);

// Bytes of 64-byte aligned scratch that gemm needs; may be 0.
template <typename T>
size_t gemm_scratch_bytes(const GemmParams& params, int threads);

// The same for factors narrower than their sums, which C and bias are of: float16 and bfloat16 with sums of float, int8 and uint8 with sums
// of int32_t.
void gemm_narrow(const GemmParams& params, DType factors, const void* a, const void* b, void* c, const void* bias, const Parallel& parallel,
                 void* scratch);
size_t gemm_narrow_scratch_bytes(const GemmParams& params, DType factors, int threads);

// Lays op(B) out as products read it: of `params` that is k, n, transposeB and ldb, so that one copy serves any number of rows.
// T: float and double.
template <typename T>
void gemm_pack(const GemmParams& params, const T* b, T* packed, const Parallel& parallel);

// Elements of op(B) laid out.
template <typename T>
int64_t gemm_packed_elements(int64_t k, int64_t n);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
