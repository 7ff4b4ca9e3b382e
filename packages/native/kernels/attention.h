// Attention: y = softmax(scale·q·kᵀ + mask)·v for each head, and its derivative, without the matrix of all scores in memory
// (online softmax, Milakov & Gimelshein 2018; FlashAttention, Dao et al. 2022 and 2023).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parallel.h"

namespace nagare {

enum class MaskKind : int32_t { none = 0, boolean = 1, added = 2 };

// A sequence [batch, time, heads, depth], its heads next to each other: element (b, t, h, i) is at b·batchStride + t·rowStride + h·depth + i.
struct AttentionLayout {
  int64_t batchStride, rowStride;
};

// Counts and strides in elements. Gradients lie like what they are the gradients of, dy like y. y is dense.
struct AttentionParams {
  int64_t batch, heads, queries, keys, depth, valueDepth;
  float scale;
  bool causal;  // query i sees keys 0 … i
  AttentionLayout q, k, v;
  MaskKind mask;
  int64_t maskBatch, maskHead, maskQuery, maskKey;  // strides of the mask, 0 where it is repeated
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// y [batch, queries, heads, valueDepth] and logSums [batch, heads, queries], the logarithms of the sums of exponentials. `mask` is of bytes
// (0: the query may not see the key) or of floats that are added to the scaled products. A query that sees nothing gives 0 and −∞.
void attention(const AttentionParams& params, const float* q, const float* k, const float* v, const void* mask, float* y, float* logSums,
               const Parallel& parallel, void* scratch);
size_t attention_scratch_bytes(const AttentionParams& params, int threads);

// The gradients of Σ dy·y, from the results of `attention`.
void attention_gradient(const AttentionParams& params, const float* q, const float* k, const float* v, const void* mask, const float* y,
                        const float* logSums, const float* dy, float* dq, float* dk, float* dv, const Parallel& parallel, void* scratch);
size_t attention_gradient_scratch_bytes(const AttentionParams& params, int threads);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
