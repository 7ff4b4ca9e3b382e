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

// The same for P pixels × V vectors; `pixel` elements of the result lie between two pixels.
template <typename T, int L, int P, int V, typename Vector>
NAGARE_INLINE void apply_epilogue(const ConvEpilogue<T>& epilogue, Activation activation, Vector (&sums)[P][V], int64_t channel,
                                  int64_t element, int64_t pixel) {
  if (!epilogue.scale && !epilogue.bias && !epilogue.residual && activation == Activation::none) return;
#pragma GCC unroll 8
  for (int i = 0; i < P; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      sums[i][v] = apply_epilogue<T, L>(epilogue, activation, sums[i][v], channel + v * L, element + i * pixel + v * L);
    }
  }
}

}  // namespace nagare::NAGARE_ISA
