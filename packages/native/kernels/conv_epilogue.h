// What convolutions do to finished sums, for kernels that do not leave it to a tile of the matrix product.
#pragma once

#include "conv.h"
#include "simd.h"

namespace nagare::NAGARE_ISA {

// activation(scale·sum + bias + residual) for L channels from `channel` on, which are those from `element` on of the result.
template <typename T, int L>
NAGARE_INLINE typename VectorOf<T, L>::type apply_epilogue(const ConvEpilogue<T>& epilogue, Activation activation,
                                                           typename VectorOf<T, L>::type sum, int64_t channel, int64_t element) {
  typedef typename VectorOf<T, L>::type Vector;
  if (epilogue.scale) sum *= load<T, L>(epilogue.scale + channel);
  if (epilogue.bias) sum += load<T, L>(epilogue.bias + channel);
  if (epilogue.residual) sum += load<T, L>(epilogue.residual + element);
  if (activation == Activation::none) return sum;
  const Vector zero{}, six = splat<T, L>(T(6));
  sum = sum < zero ? zero : sum;
  if (activation == Activation::relu6) sum = sum > six ? six : sum;
  return sum;
}

}  // namespace nagare::NAGARE_ISA
