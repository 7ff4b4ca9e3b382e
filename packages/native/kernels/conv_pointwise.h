// Convolutions whose every output pixel reads exactly its own input pixel: the images are already the matrices of a product.
#pragma once

#include "conv.h"
#include "gemm.h"

namespace nagare::NAGARE_ISA {

inline bool is_pointwise(const Conv2dParams& p) {
  return p.kH == 1 && p.kW == 1 && p.strideH == 1 && p.strideW == 1 && p.padTop == 0 && p.padLeft == 0 && p.outH == p.inH &&
         p.outW == p.inW && p.groups == 1;
}

// y = x · w, row by row a pixel's channels.
inline GemmParams pointwise_product(const Conv2dParams& p) {
  GemmParams g{};
  g.m = p.batch * p.outH * p.outW, g.n = p.outC, g.k = p.inC;
  g.lda = p.inC, g.ldb = p.outC, g.ldc = p.outC;
  g.batch = g.outerBatch = 1;
  g.activation = p.activation;
  return g;
}

// dx = dy · wᵀ.
inline GemmParams pointwise_input_gradient(const Conv2dParams& p) {
  GemmParams g = pointwise_product(p);
  g.n = p.inC, g.k = p.outC;
  g.lda = p.outC, g.ldc = p.inC;
  g.transposeB = true;
  g.activation = Activation::none;
  return g;
}

// dw = xᵀ · dy.
inline GemmParams pointwise_filter_gradient(const Conv2dParams& p) {
  GemmParams g = pointwise_product(p);
  g.m = p.inC, g.k = p.batch * p.outH * p.outW;
  g.transposeA = true;
  g.activation = Activation::none;
  return g;
}

}  // namespace nagare::NAGARE_ISA
