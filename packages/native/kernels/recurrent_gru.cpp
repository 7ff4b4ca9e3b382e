// GRU over whole sequences.
#include "recurrent_sweep.h"

namespace nagare::NAGARE_ISA {
namespace {

// The state is h.
template <typename T>
struct GruCell {
  const RecurrentParams& p;
  const GruForward<T>& t;

  bool wantsFinalProduct() const { return false; }
  void finish(const CellBlock<T>&) const {}

  void step(const CellBlock<T>& b) const {
    const int64_t units = p.units;
    const T *const x = at_step(t.x, 3, b.step, p, b), *const bias = t.bias + b.first;
    const T* const before = before_step<T>(t.hidden, t.h0, b.step, p, b);
    T *const gates = at_step(t.gates, 4, b.step, p, b), *const hidden = at_step(t.hidden, 1, b.step, p, b);
    for_units<T>(b.count, [&](auto lanes, int64_t j) {
      Vec<T> product[3];
#pragma GCC unroll 3
      for (int g = 0; g < 3; g++) {
        product[g] = lanes.load(bias + g * units + j);
        if (b.product) product[g] += load(b.product + g * b.width + j);
      }
      const Vec<T> z = sigmoid(lanes.load(x + j) + product[0]), r = sigmoid(lanes.load(x + units + j) + product[1]);
      const Vec<T> n = tanh(lanes.load(x + 2 * units + j) + r * product[2]);
      const Vec<T> h = before ? n + z * (lanes.load(before + j) - n) : n - z * n;
      lanes.store(gates + j, z);
      lanes.store(gates + units + j, r);
      lanes.store(gates + 2 * units + j, n);
      lanes.store(gates + 3 * units + j, product[2]);
      lanes.store(hidden + j, h);
      lanes.store(b.state + b.first + j, h);
    });
  }
};

// The state is the gradient by the product; the carry is the part of the gradient by h that does not pass through it.
template <typename T>
struct GruGradientCell {
  const RecurrentParams& p;
  const GruBackward<T>& t;
  T* carry;

  bool wantsFinalProduct() const { return t.dh0 != nullptr; }

  void step(const CellBlock<T>& b) const {
    const int64_t time = p.time - 1 - b.step, units = p.units;
    const T *const gates = at_step(t.gates, 4, time, p, b), *const before = before_step(t.hidden, t.h0, time, p, b);
    const T* const dHidden = at_step(t.dHidden, 1, time, p, b);
    T *const dx = at_step(t.dx, 3, time, p, b), *const dProduct = at_step(t.dProduct, 3, time, p, b);
    T* const carried = carry + b.row * units + b.first;
    for_units<T>(b.count, [&](auto lanes, int64_t j) {
      const Vec<T> z = lanes.load(gates + j), r = lanes.load(gates + units + j);
      const Vec<T> n = lanes.load(gates + 2 * units + j), product = lanes.load(gates + 3 * units + j);
      Vec<T> dh = lanes.load(dHidden + j);
      if (b.product) dh += load(b.product + j) + lanes.load(carried + j);
      const Vec<T> previous = before ? lanes.load(before + j) : Vec<T>{};
      const Vec<T> dn = dh * (1 - z) * (1 - n * n);
      const Vec<T> gradient[3] = {dh * (previous - n) * z * (1 - z), dn * product * r * (1 - r), dn};
      lanes.store(carried + j, dh * z);
#pragma GCC unroll 3
      for (int k = 0; k < 3; k++) {
        const Vec<T> byProduct = k == 2 ? gradient[k] * r : gradient[k];
        lanes.store(dx + k * units + j, gradient[k]);
        lanes.store(dProduct + k * units + j, byProduct);
        lanes.store(b.state + k * units + b.first + j, byProduct);
      }
    });
  }

  void finish(const CellBlock<T>& b) const {
    const int64_t at = b.row * p.units + b.first;
    for (int64_t j = 0; j < b.count; j++) t.dh0[at + j] = b.product[j] + carry[at + j];
  }
};

}  // namespace

template <typename T>
void gru(const RecurrentParams& p, const GruForward<T>& tensors, const Parallel& parallel, void* scratch) {
  StationaryMatrix<T> matrix = recurrent_matrix(p, 3, false, tensors.recurrent);
  const SweepScratch<T> memory(p, matrix, scratch);
  sweep(p, matrix, GruCell<T>{p, tensors}, memory, tensors.h0, parallel);
}

template <typename T>
void gru_gradient(const RecurrentParams& p, const GruBackward<T>& tensors, const Parallel& parallel, void* scratch) {
  StationaryMatrix<T> matrix = recurrent_matrix(p, 3, true, tensors.recurrent);
  const SweepScratch<T> memory(p, matrix, scratch);
  sweep(p, matrix, GruGradientCell<T>{p, tensors, memory.carry}, memory, static_cast<const T*>(nullptr), parallel);
}

template void gru(const RecurrentParams&, const GruForward<float>&, const Parallel&, void*);
template void gru(const RecurrentParams&, const GruForward<double>&, const Parallel&, void*);
template void gru_gradient(const RecurrentParams&, const GruBackward<float>&, const Parallel&, void*);
template void gru_gradient(const RecurrentParams&, const GruBackward<double>&, const Parallel&, void*);

}  // namespace nagare::NAGARE_ISA
