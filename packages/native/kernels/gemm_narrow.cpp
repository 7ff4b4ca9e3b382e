#include "gemm_narrow.h"

namespace nagare::NAGARE_ISA {
namespace {

struct NarrowKernel {
  void (*multiply)(const GemmParams&, const void* a, const void* b, void* c, const void* bias, const Parallel&, void* scratch);
  size_t (*scratchBytes)(const GemmParams&, int threads);
};

template <typename Dot, template <typename> class Tiles>
constexpr NarrowKernel narrow_kernel() {
  return {multiply_narrow_batch<Dot, Tiles<Dot>>, narrow_scratch_bytes<Dot, Tiles<Dot>>};
}

#if defined(NAGARE_AMX)
constexpr NarrowKernel kBfloat16 = narrow_kernel<BfloatMatrixDot, MatrixTiles>();
template <typename Byte>
constexpr NarrowKernel kBytes = narrow_kernel<ByteMatrixDot<Byte>, MatrixTiles>();
#else
constexpr NarrowKernel kBfloat16 = narrow_kernel<HalfDot<Bfloat16>, VectorTiles>();
template <typename Byte>
constexpr NarrowKernel kBytes = narrow_kernel<ByteDot<Byte>, VectorTiles>();
#endif

NarrowKernel kernel_of(DType factors) {
  switch (factors) {
    case DType::float16:
      return narrow_kernel<HalfDot<Float16>, VectorTiles>();
    case DType::bfloat16:
      return kBfloat16;
    case DType::int8:
      return kBytes<int8_t>;
    default:
      return kBytes<uint8_t>;
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
