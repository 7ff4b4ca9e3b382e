#include "gemm_narrow.h"

namespace nagare::NAGARE_ISA {
namespace {

struct NarrowKernel {
  void (*multiply)(const GemmParams&, const void* a, const void* b, void* c, const void* bias, const Parallel&, void* scratch);
  size_t (*scratchBytes)(const GemmParams&, int threads);
};

template <typename Dot, typename Tiles = VectorTiles<Dot>>
constexpr NarrowKernel narrow_kernel() {
  return {multiply_narrow_batch<Dot, Tiles>, narrow_scratch_bytes<Dot, Tiles>};
}

NarrowKernel kernel_of(DType factors) {
  switch (factors) {
    case DType::float16:
      return narrow_kernel<HalfDot<Float16>>();
    case DType::bfloat16:
      return narrow_kernel<HalfDot<Bfloat16>>();
    case DType::int8:
      return narrow_kernel<ByteDot<int8_t>>();
    default:
      return narrow_kernel<ByteDot<uint8_t>>();
  }
}

}  // namespace

void gemm_narrow(const GemmParams& params, DType factors, const void* a, const void* b, void* c, const void* bias, const Parallel& parallel,
                 void* scratch) {
  kernel_of(factors).multiply(params, a, b, c, bias, parallel, scratch);
}

size_t gemm_narrow_scratch_bytes(const GemmParams& params, DType factors, int threads) {
  return kernel_of(factors).scratchBytes(params, threads);
}

}  // namespace nagare::NAGARE_ISA
