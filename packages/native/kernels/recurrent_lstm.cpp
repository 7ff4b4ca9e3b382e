// LSTM over whole sequences.
#include "recurrent_sweep.h"

namespace nagare::NAGARE_ISA {
namespace {

// The state is h.
template <typename T>
struct LstmCell {
  const RecurrentParams& p;
  const LstmForward<T>& t;

  bool wantsFinalProduct() const { return false; }
  void finish(const CellBlock<T>&) const {}

  void step(const CellBlock<T>& b) const {
    const int64_t units = p.units;
    const T *const x = at_step(t.x, 4, b.step, p, b), *const before = before_step<T>(t.cells, t.c0, b.step, p, b);
    T *const gates = at_step(t.gates, 4, b.step, p, b), *const cells = at_step(t.cells, 1, b.step, p, b);
    T* const hidden = at_step(t.hidden, 1, b.step, p, b);
    for_units<T>(b.count, [&](auto lanes, int64_t j) {
      Vec<T> sum[4];
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++) {
        sum[g] = lanes.load(x + g * units + j);
        if (b.product) sum[g] += load(b.product + g * b.width + j);
      }
      const Vec<T> i = sigmoid(sum[0]), f = sigmoid(sum[1]), g = tanh(sum[2]), o = sigmoid(sum[3]);
      const Vec<T> c = before ? f * lanes.load(before + j) + i * g : i * g;
      const Vec<T> h = o * tanh(c);
      lanes.store(gates + j, i);
      lanes.store(gates + units + j, f);
      lanes.store(gates + 2 * units + j, g);
      lanes.store(gates + 3 * units + j, o);
      lanes.store(cells + j, c);
      lanes.store(hidden + j, h);
      lanes.store(b.state + b.first + j, h);
    });
  }
};

// The state is the gradient by the four sums; the carry is that by c.
template <typename T>
struct LstmGradientCell {
  const RecurrentParams& p;
  const LstmBackward<T>& t;
  T* carry;

  bool wantsFinalProduct() const { return t.dh0 != nullptr; }

  void step(const CellBlock<T>& b) const {
    const int64_t time = p.time - 1 - b.step, units = p.units;
    const T *const gates = at_step(t.gates, 4, time, p, b), *const cells = at_step(t.cells, 1, time, p, b);
    const T *const dHidden = at_step(t.dHidden, 1, time, p, b), *const dCells = at_step(t.dCells, 1, time, p, b);
    const T* const before = before_step(t.cells, t.c0, time, p, b);
    T *const dx = at_step(t.dx, 4, time, p, b), *const carried = carry + b.row * units + b.first;
    for_units<T>(b.count, [&](auto lanes, int64_t j) {
      const Vec<T> i = lanes.load(gates + j), f = lanes.load(gates + units + j);
      const Vec<T> g = lanes.load(gates + 2 * units + j), o = lanes.load(gates + 3 * units + j);
      Vec<T> dh = lanes.load(dHidden + j), dc = lanes.load(dCells + j);
      if (b.product) dh += load(b.product + j), dc += lanes.load(carried + j);
      const Vec<T> squashed = tanh(lanes.load(cells + j));
      dc += dh * o * (1 - squashed * squashed);
      const Vec<T> previous = before ? lanes.load(before + j) : Vec<T>{};
      const Vec<T> gradient[4] = {dc * g * i * (1 - i), dc * previous * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)};
      lanes.store(carried + j, dc * f);
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) {
        lanes.store(dx + k * units + j, gradient[k]);
        lanes.store(b.state + k * units + b.first + j, gradient[k]);
      }
    });
  }

  void finish(const CellBlock<T>& b) const {
    const int64_t at = b.row * p.units + b.first;
    for (int64_t j = 0; j < b.count; j++) t.dh0[at + j] = b.product[j], t.dc0[at + j] = carry[at + j];
  }
};

}  // namespace

template <typename T>
void lstm(const RecurrentParams& p, const LstmForward<T>& tensors, const Parallel& parallel, void* scratch) {
  StationaryMatrix<T> matrix = recurrent_matrix(p, 4, false, tensors.recurrent);
  const SweepScratch<T> memory(p, matrix, scratch);
  sweep(p, matrix, LstmCell<T>{p, tensors}, memory, tensors.h0, parallel);
}

template <typename T>
void lstm_gradient(const RecurrentParams& p, const LstmBackward<T>& tensors, const Parallel& parallel, void* scratch) {
  StationaryMatrix<T> matrix = recurrent_matrix(p, 4, true, tensors.recurrent);
  const SweepScratch<T> memory(p, matrix, scratch);
  sweep(p, matrix, LstmGradientCell<T>{p, tensors, memory.carry}, memory, static_cast<const T*>(nullptr), parallel);
}

template <typename T>
size_t recurrent_scratch_bytes(const RecurrentParams& p, int gates, bool backward, int threads) {
  const StationaryMatrix<T> matrix = recurrent_matrix<T>(p, gates, backward, nullptr);
  return static_cast<size_t>(SweepScratch<T>::elements(p, matrix, threads)) * sizeof(T);
}

template void lstm(const RecurrentParams&, const LstmForward<float>&, const Parallel&, void*);
template void lstm(const RecurrentParams&, const LstmForward<double>&, const Parallel&, void*);
template void lstm_gradient(const RecurrentParams&, const LstmBackward<float>&, const Parallel&, void*);
template void lstm_gradient(const RecurrentParams&, const LstmBackward<double>&, const Parallel&, void*);
template size_t recurrent_scratch_bytes<float>(const RecurrentParams&, int, bool, int);
template size_t recurrent_scratch_bytes<double>(const RecurrentParams&, int, bool, int);

}  // namespace nagare::NAGARE_ISA
