// All kernels of one instruction set, as the engine calls them.
#pragma once

#include "attention.h"
#include "batch_norm.h"
#include "conv.h"
#include "copy.h"
#include "cross_entropy.h"
#include "elementwise.h"
#include "gather.h"
#include "gemm.h"
#include "layer_norm.h"
#include "pad.h"
#include "pooling.h"
#include "probe.h"
#include "random.h"
#include "recurrent.h"
#include "reduce.h"
#include "row_update.h"
#include "softmax.h"
#include "tile_bytes.h"

namespace nagare {

// Kernels over matrices of T.
template <typename T>
struct MatrixKernels {
  void (*gemm)(const GemmParams&, const T* a, const T* b, T* c, const T* bias, const Parallel&, void* scratch);
  size_t (*gemmScratchBytes)(const GemmParams&, int threads);
  // Of floats; null for integers.
  void (*gemmPack)(const GemmParams&, const T* b, T* packed, const Parallel&);
  int64_t (*gemmPackedElements)(int64_t k, int64_t n);
};

// Matrix products of factors narrower than their sums.
struct NarrowKernels {
  void (*gemm)(const GemmParams&, DType factors, const void* a, const void* b, void* c, const void* bias, const Parallel&, void* scratch);
  size_t (*gemmScratchBytes)(const GemmParams&, DType factors, int threads);
};

// Kernels over images of T.
template <typename T>
struct ImageKernels {
  void (*conv2d)(const Conv2dParams&, const T* x, const T* w, const ConvEpilogue<T>&, T* y, const Parallel&, void* scratch);
  size_t (*conv2dScratchBytes)(const Conv2dParams&, int threads);
  FilterLayout (*conv2dFilterLayout)(const Conv2dParams&);
  void (*conv2dPack)(const Conv2dParams&, const T* w, T* packed, const Parallel&);
  int64_t (*conv2dPackedElements)(const Conv2dParams&);
  void (*conv2dInputGradient)(const Conv2dParams&, const T* dy, const T* w, T* dx, const Parallel&, void* scratch);
  size_t (*conv2dInputGradientScratchBytes)(const Conv2dParams&, int threads);
  void (*conv2dFilterGradient)(const Conv2dParams&, const T* x, const T* dy, T* dw, const Parallel&, void* scratch);
  size_t (*conv2dFilterGradientScratchBytes)(const Conv2dParams&, int threads);
  void (*maxPool)(const Pool2dParams&, const T* x, T* y, const Parallel&);
  void (*maxPoolSelect)(const Pool2dParams&, const T* x, const T* dx, T* dy, const Parallel&);
  void (*maxPoolScatter)(const Pool2dParams&, const T* x, const T* dy, T* dx, const Parallel&);
  void (*avgPool)(const Pool2dParams&, const T* x, T* y, const Parallel&);
  void (*avgPoolGrad)(const Pool2dParams&, const T* dy, T* dx, const Parallel&);
};

// Kernels over rows of T.
template <typename T>
struct RowKernels {
  void (*softmax)(const SoftmaxParams&, const T* x, T* y, const Parallel&);
  void (*softmaxGradient)(const SoftmaxParams&, const T* y, const T* dy, T* dx, const Parallel&);
  void (*logSoftmax)(const SoftmaxParams&, const T* x, T* y, const Parallel&);
  void (*logSoftmaxGradient)(const SoftmaxParams&, const T* y, const T* dy, T* dx, const Parallel&);
  void (*crossEntropy)(const CrossEntropyParams&, const T* logits, const void* labels, T* losses, T* normalizers, const Parallel&);
  void (*crossEntropyGradient)(const CrossEntropyParams&, const T* logits, const void* labels, const T* normalizers, const T* dlosses,
                               T* dlogits, const Parallel&);
  void (*layerNorm)(const LayerNormParams&, const T* x, const T* scale, const T* offset, T* y, T* means, T* inverses, const Parallel&);
  void (*layerNormGradient)(const LayerNormParams&, const T* dy, const T* x, const T* scale, const T* means, const T* inverses, T* dx,
                            T* dscale, T* doffset, const Parallel&, void* scratch);
  size_t (*layerNormGradientScratchBytes)(const LayerNormParams&, int threads);
  void (*rmsNorm)(const LayerNormParams&, const T* x, const T* scale, T* y, T* inverses, const Parallel&);
  void (*rmsNormGradient)(const LayerNormParams&, const T* dy, const T* x, const T* scale, const T* inverses, T* dx, T* dscale,
                          const Parallel&, void* scratch);
  void (*channelMoments)(const BatchNormParams&, const T* x, T* means, T* variances, const Parallel&, void* scratch);
  void (*channelProducts)(const BatchNormParams&, const T* dy, const T* x, const T* centers, T* sums, T* products, const Parallel&,
                          void* scratch);
  void (*batchNormGradient)(const BatchNormParams&, const T* dy, const T* x, const T* scale, const T* means, const T* variances, T* dx,
                            T* dscale, T* doffset, const Parallel&, void* scratch);
  size_t (*batchNormScratchBytes)(const BatchNormParams&, int threads);
};

// Kernels that update rows of T by number.
template <typename T>
struct IndexKernels {
  void (*subtractRows)(const GatherParams&, T* x, const void* indices, const T* updates, const T* rate, const Parallel&, void* scratch);
};

// Recurrent layers of T.
template <typename T>
struct RecurrentKernels {
  void (*lstm)(const RecurrentParams&, const LstmForward<T>&, const Parallel&, void* scratch);
  void (*lstmGradient)(const RecurrentParams&, const LstmBackward<T>&, const Parallel&, void* scratch);
  void (*gru)(const RecurrentParams&, const GruForward<T>&, const Parallel&, void* scratch);
  void (*gruGradient)(const RecurrentParams&, const GruBackward<T>&, const Parallel&, void* scratch);
  size_t (*scratchBytes)(const RecurrentParams&, int gates, bool backward, int threads);
};

struct Kernels {
  const char* name;

  MatrixKernels<float> matrixF32;
  MatrixKernels<double> matrixF64;
  MatrixKernels<int32_t> matrixI32;
  MatrixKernels<int64_t> matrixI64;
  NarrowKernels matrixNarrow;
  ImageKernels<float> imageF32;
  ImageKernels<double> imageF64;
  RowKernels<float> rowsF32;
  RowKernels<double> rowsF64;
  IndexKernels<float> indexF32;
  IndexKernels<double> indexF64;
  RecurrentKernels<float> recurrentF32;
  RecurrentKernels<double> recurrentF64;

  void (*attention)(const AttentionParams&, const float* q, const float* k, const float* v, const void* mask, float* y, float* logSums,
                    const Parallel&, void* scratch);
  size_t (*attentionScratchBytes)(const AttentionParams&, int threads);
  void (*attentionGradient)(const AttentionParams&, const float* q, const float* k, const float* v, const void* mask, const float* y,
                            const float* logSums, const float* dy, float* dq, float* dk, float* dv, const Parallel&, void* scratch);
  size_t (*attentionGradientScratchBytes)(const AttentionParams&, int threads);

  TileFunction (*findTileFunction)(ScalarOp, Register, int scalars, bool streams);
  TileFunction (*findProductThen)(ProductThen, Register, int scalars, bool streams);
  TileFunction (*findTruthAsFloat)(ScalarOp, Register, int scalars, bool streams);
  TileGroups (*tileGroups)();
  TileFunction (*findConversion)(DType from, DType to);
  TileFunction (*findWrap)(DType);
  TileFunction (*findLoad)(DType);
  TileFunction (*findStore)(DType);
  TileFunction (*findSplat)(Register);
  TileFunction (*findByteFunction)(ScalarOp, int scalars);
  TileFunction (*findNarrowing)(DType from, DType to);
  void (*elementwise)(const TileProgram&, const void* const* inputs, void* const* outputs, const Parallel&, void* scratch);
  void (*elementwiseRange)(const TileProgram&, const void* const* inputs, void* const* outputs, int64_t first, int64_t last, int worker,
                           void* scratch);
  void (*elementwiseGroup)(const TileProgram&, const TileMember* members, int64_t count, int64_t tiles, const Parallel&, void* scratch);

  void (*reduce)(const ReduceParams&, const ReduceInput& x, void* const* y, const Parallel&, void* scratch);
  size_t (*reduceScratchBytes)(const ReduceParams&, int threads);
  void (*copy)(const CopyParams&, const void* x, void* y, const Parallel&);
  void (*fill)(int32_t elementBytes, const void* value, void* y, int64_t count, bool streams, const Parallel&);
  void (*pad)(const PadParams&, const void* x, void* y, const Parallel&);
  void (*iota)(DType, int64_t outer, int64_t n, int64_t inner, void* y, const Parallel&);
  int64_t (*firstBadIndex)(const GatherParams&, const void* indices, const Parallel&);
  int64_t (*gather)(const GatherParams&, const void* x, const void* indices, void* picked, const Parallel&);
  void (*scatterAdd)(const GatherParams&, const void* picked, const void* indices, void* x, const Parallel&, void* scratch);
  size_t (*scatterAddScratchBytes)(const GatherParams&);
  size_t (*subtractRowsScratchBytes)(const GatherParams&);
  void (*randomBits)(const int32_t* keys, int64_t count, int64_t n, int32_t* bits, const Parallel&);
  int64_t (*arithmeticProbe)(int64_t rounds, float* sink);
  void (*copyProbe)(const char* x, char* y, int64_t bytes, bool bypass, const Parallel&);
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {
extern const Kernels kernels;
}
#endif

}  // namespace nagare
