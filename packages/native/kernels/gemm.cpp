// Packed, cache-blocked matrix multiplication (Goto & van de Geijn 2008; the blocking of BLIS, Van Zee & van de Geijn 2015).
//
//   for each super-block of B (some depth blocks, in L3)               packed once, by all threads; or each panel with its first tile
//     for each block of rows of A                                        the parallel loop
//       for each depth block (kDepth)                                    rows × kDepth of A packed, in L2
//         for each panel of B (kDepth × the columns of a tile)           through L1
//           for each tile of rows                                        in registers
//
// Every element of C is a sum over depth blocks in ascending order, whatever the number of threads.
#include "gemm.h"

#include "gemm_batches.h"
#include "gemm_product.h"
#include "gemm_thin.h"

namespace nagare::NAGARE_ISA {
namespace {

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
  finish_region(product, 0, 0, p.m, 0, p.n);
}

template <typename T>
Product<T> product_at(const GemmParams& p, int64_t index, const T* a, const T* b, T* c, const T* bias, int worker = 0) {
  const int64_t outer = index / p.batch, inner = index % p.batch, ofC = outer * p.outerStrideC + inner * p.strideC;
  return {&p,      a + outer * p.outerStrideA + inner * p.strideA, b + outer * p.outerStrideB + inner * p.strideB,
          c + ofC, bias, ofC, worker};
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
  if constexpr (kThinDepth<T> > 0) {
    if (is_thin<T>(p)) return multiply_thin<T>({&p, a, b, c, bias, 0, 0}, parallel);
  }
  const Sharing sharing(p, parallel.threads);
  const Parallel inner = {parallel.run, parallel.pool, sharing.inside};
  const ProductPlan<T> plan(p, sharing.inside);
  T* const buffer = static_cast<T*>(scratch);
  if (!sharing.byMatrix) {
    for (int64_t i = 0; i < matrices; i++) {
      multiply_one(product_at(p, i, a, b, c, bias), plan, inner, buffer, buffer + plan.shared);
    }
    return;
  }
  // Enough small matrices per task to pay for handing the task over.
  const int64_t perTask = max64(1, min64(matrices / (2 * parallel.threads), kTaskProduct / (p.m * p.n * p.k)));
  parallel_for(parallel, divide_up(matrices, perTask), [&](int64_t index, int worker) {
    T* const shared = buffer + worker * (plan.shared + plan.worker);
    for (int64_t i = index * perTask; i < min64(matrices, (index + 1) * perTask); i++) {
      multiply_one(product_at(p, i, a, b, c, bias, worker), plan, inner, shared, shared + plan.shared);
    }
  });
}

}  // namespace

template <typename T>
size_t gemm_scratch_bytes(const GemmParams& params, int threads) {
  const GemmParams p = merge_batches(params);
  if (p.m == 0 || p.n == 0 || p.k == 0 || p.batch == 0 || p.outerBatch == 0 || is_thin<T>(p)) return 0;
  const Sharing sharing(p, threads);
  const ProductPlan<T> plan(p, sharing.inside);
  const int64_t elements = sharing.byMatrix ? threads * (plan.shared + plan.worker) : plan.shared + sharing.inside * plan.worker;
  return static_cast<size_t>(elements) * sizeof(T);
}

template <typename T>
void gemm_pack(const GemmParams& params, const T* b, T* packed, const Parallel& parallel) {
  GemmParams p = params;
  p.packedB = true;
  const Blocking<T> blocking(p, 1);
  const Product<T> product = {&p, nullptr, b, nullptr, nullptr, 0, 0};
  for (int64_t n0 = 0; n0 < p.n; n0 += blocking.superColumns) {
    for_super_blocks(p, blocking, n0, min64(p.n, n0 + blocking.superColumns), [&](const SuperBlock<T>& block, int64_t before) {
      pack_super_block(product, block, parallel, packed + before);
    });
  }
}

template <typename T>
int64_t gemm_packed_elements(int64_t k, int64_t n) {
  return k * padded_columns<T>(n);
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

template void gemm_pack(const GemmParams&, const float*, float*, const Parallel&);
template void gemm_pack(const GemmParams&, const double*, double*, const Parallel&);
template int64_t gemm_packed_elements<float>(int64_t, int64_t);
template int64_t gemm_packed_elements<double>(int64_t, int64_t);

template size_t gemm_scratch_bytes<float>(const GemmParams&, int);
template size_t gemm_scratch_bytes<double>(const GemmParams&, int);
template size_t gemm_scratch_bytes<int32_t>(const GemmParams&, int);

}  // namespace nagare::NAGARE_ISA
