// Recurrent layers over whole sequences: LSTM (Hochreiter & Schmidhuber 1997, with a forget gate) and GRU (Cho et al. 2014, in the form
// of cuDNN, whose reset gate acts on the product), forward and backward in time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parallel.h"

namespace nagare {

// Sequences are [batch, time, …], dense. The product of the inputs with their kernel is not part of the work: one product over all steps
// makes it beforehand, and one makes the gradient of each kernel afterwards.
struct RecurrentParams {
  int64_t batch, time, units;
};

// x: [batch, time, 4·units], the gates' inputs i, f, g, o; recurrent: [units, 4·units]; h0, c0: [batch, units], or both null for zeros.
//   a = x_t + h_{t−1}·recurrent;  i = σ(a_i), f = σ(a_f), g = tanh(a_g), o = σ(a_o);  c_t = f·c_{t−1} + i·g;  h_t = o·tanh(c_t)
// hidden, cells: [batch, time, units], the h_t and c_t; gates: [batch, time, 4·units], i, f, g, o after their functions.
template <typename T>
struct LstmForward {
  const T *x, *recurrent, *h0, *c0;
  T *hidden, *cells, *gates;
};

// dHidden, dCells: gradients by the results of LstmForward; dx: [batch, time, 4·units]; dh0, dc0: [batch, units], or both null.
template <typename T>
struct LstmBackward {
  const T *recurrent, *cells, *gates, *dHidden, *dCells, *c0;
  T *dx, *dh0, *dc0;
};

// x: [batch, time, 3·units], the gates' inputs z, r, n; recurrent: [units, 3·units]; bias: [3·units]; h0: [batch, units], or null for zeros.
//   p = h_{t−1}·recurrent + bias;  z = σ(x_z + p_z), r = σ(x_r + p_r), n = tanh(x_n + r·p_n);  h_t = z·h_{t−1} + (1 − z)·n
// hidden: [batch, time, units]; gates: [batch, time, 4·units], z, r, n and p_n.
template <typename T>
struct GruForward {
  const T *x, *recurrent, *bias, *h0;
  T *hidden, *gates;
};

// dx, dProduct: [batch, time, 3·units], the gradients by x and by p; dh0: [batch, units], or null.
template <typename T>
struct GruBackward {
  const T *recurrent, *hidden, *gates, *dHidden, *h0;
  T *dx, *dProduct, *dh0;
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// T: float, double. Batch, time and units are at least 1. Results are written whole, must not overlap anything else, and are the same for
// any number of threads.
template <typename T>
void lstm(const RecurrentParams& params, const LstmForward<T>& tensors, const Parallel& parallel, void* scratch);
template <typename T>
void lstm_gradient(const RecurrentParams& params, const LstmBackward<T>& tensors, const Parallel& parallel, void* scratch);
template <typename T>
void gru(const RecurrentParams& params, const GruForward<T>& tensors, const Parallel& parallel, void* scratch);
template <typename T>
void gru_gradient(const RecurrentParams& params, const GruBackward<T>& tensors, const Parallel& parallel, void* scratch);

// Bytes of 64-byte aligned scratch: gates is 4 for lstm and 3 for gru.
template <typename T>
size_t recurrent_scratch_bytes(const RecurrentParams& params, int gates, bool backward, int threads);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
