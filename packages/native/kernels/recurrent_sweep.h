// The loop over time that recurrent layers share. At each step a state (batch × depth) is multiplied by the recurrent matrix, block of units
// by block of units, and a cell finishes each block while its sums are in the cache: it writes its part of the results and of the next state.
#pragma once

#include "elementary.h"
#include "recurrent.h"
#include "recurrent_product.h"

namespace nagare::NAGARE_ISA {

// Lanes of consecutive units: a whole vector, or the first of one.
template <typename T>
struct WholeLanes {
  NAGARE_INLINE Vec<T> load(const T* p) const { return NAGARE_ISA::load(p); }
  NAGARE_INLINE void store(T* p, Vec<T> v) const { NAGARE_ISA::store(p, v); }
};
template <typename T>
struct FirstLanes {
  int64_t count;
  NAGARE_INLINE Vec<T> load(const T* p) const {
    Vec<T> v{};
    for (int64_t i = 0; i < count; i++) v[i] = p[i];
    return v;
  }
  NAGARE_INLINE void store(T* p, Vec<T> v) const {
    for (int64_t i = 0; i < count; i++) p[i] = v[i];
  }
};

// body(lanes, first) over [0, count).
template <typename T, typename Body>
NAGARE_INLINE void for_units(int64_t count, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes<T> <= count; j += kLanes<T>) body(WholeLanes<T>{}, j);
  if (j < count) body(FirstLanes<T>{count - j}, j);
}

// Units [first, first + count) of one row at one step, as a cell sees them.
template <typename T>
struct CellBlock {
  int64_t row, step, first, count;
  const T* product;  // of these units, group g at g·width; null where the state before the first step is zero
  int64_t width;
  T* state;  // the row of the next state, whose group g is at g·units
};

// The block's units of group 0 at a step of [batch, time, n·units].
template <typename T, typename Element>
NAGARE_INLINE Element* at_step(Element* sequence, int64_t n, int64_t time, const RecurrentParams& p, const CellBlock<T>& b) {
  return sequence + (b.row * p.time + time) * n * p.units + b.first;
}

// The same of [batch, time, units] one step earlier; before the first step of `initial`, which is null for zeros.
template <typename T>
NAGARE_INLINE const T* before_step(const T* sequence, const T* initial, int64_t time, const RecurrentParams& p, const CellBlock<T>& b) {
  if (time > 0) return at_step(sequence, 1, time - 1, p, b);
  return initial ? initial + b.row * p.units + b.first : nullptr;
}

// Rows of a state are apart by a stride that does not put them into the same sets of the cache.
template <typename T>
constexpr int64_t state_stride(int64_t depth) {
  return round_up(depth, 64 / static_cast<int64_t>(sizeof(T))) + 64 / static_cast<int64_t>(sizeof(T));
}

// The blocking of a sweep; depends on the shape alone but for how threads share the work.
template <typename T>
struct SweepPlan {
  // Sums of a task: half of a common L1.
  static constexpr int64_t kSumBytes = 16384;
  // Below this many multiply-adds a step is not worth sharing.
  static constexpr int64_t kSerialStep = int64_t(1) << 17;
  // A matrix that every core can keep in its L2.
  static constexpr int64_t kPrivateBytes = int64_t(1) << 18;

  int64_t rowsPerTask, sums;  // sums: elements of each worker
  bool byRows;                // threads take whole sequences and never wait for each other

  SweepPlan(const RecurrentParams& p, const StationaryMatrix<T>& matrix, int threads) {
    const int64_t columns = matrix.groups * min64(StationaryMatrix<T>::kBlockUnits, padded_columns<T>(p.units));
    const int64_t limit = max64(2 * kTileRows, kSumBytes / static_cast<int64_t>(sizeof(T)) / columns);
    rowsPerTask = even_block(p.batch, limit, kTileRows);
    sums = round_up(min64(rowsPerTask, p.batch) * columns, 16);
    const int64_t work = p.batch * matrix.depth * matrix.groups * p.units;
    const bool isPrivate = matrix.elements() * static_cast<int64_t>(sizeof(T)) <= kPrivateBytes;
    byRows = p.batch > 1 && (work < kSerialStep || (isPrivate && p.batch >= 4 * threads));
  }
};

// Scratch of a sweep, in elements: the packed matrix, two states, a carry of batch × units for the cell, the sums of each worker.
template <typename T>
struct SweepScratch {
  T* states[2];
  T* carry;
  T* sums;

  static int64_t elements(const RecurrentParams& p, const StationaryMatrix<T>& matrix, int threads) {
    const SweepPlan<T> plan(p, matrix, threads);
    return round_up(matrix.elements(), 16) + 2 * p.batch * state_stride<T>(matrix.depth) + round_up(p.batch * p.units, 16) +
           threads * plan.sums;
  }
  // Hands the first part to the matrix.
  SweepScratch(const RecurrentParams& p, StationaryMatrix<T>& matrix, void* scratch) {
    T* at = static_cast<T*>(scratch);
    matrix.packed = at;
    at += round_up(matrix.elements(), 16);
    const int64_t state = p.batch * state_stride<T>(matrix.depth);
    states[0] = at, states[1] = at + state;
    carry = at + 2 * state;
    sums = carry + round_up(p.batch * p.units, 16);
  }
};

// The recurrent matrix (units × gates·units) as a sweep uses it: forward h · W, backward (gradient by the gates) · Wᵀ.
template <typename T>
StationaryMatrix<T> recurrent_matrix(const RecurrentParams& p, int64_t gates, bool backward, const T* w) {
  const int64_t columns = gates * p.units;
  if (backward) return {w, columns, true, columns, 1, p.units, nullptr};
  return {w, columns, false, p.units, gates, p.units, nullptr};
}

// Rows [m0, m1) through all steps. Step s reads states[s & 1] and writes the other. Step 0 has no product unless it is given a state;
// where the cell wants it, one more product follows the last step, for cell.finish.
template <typename T, typename Cell>
void sweep_rows(const RecurrentParams& p, const StationaryMatrix<T>& matrix, const Cell& cell, const SweepScratch<T>& memory,
                const SweepPlan<T>& plan, bool startsWithState, int64_t m0, int64_t m1, const Parallel& parallel, int firstWorker) {
  const int64_t stride = state_stride<T>(matrix.depth), blocks = matrix.blocks();
  const int64_t rowTasks = divide_up(m1 - m0, plan.rowsPerTask);
  const int64_t steps = p.time + (cell.wantsFinalProduct() ? 1 : 0);
  for (int64_t s = 0; s < steps; s++) {
    const T* const state = memory.states[s & 1];
    T* const next = memory.states[~s & 1];
    parallel_for(parallel, blocks * rowTasks, [&](int64_t index, int worker) {
      const int64_t block = index / rowTasks, r0 = m0 + index % rowTasks * plan.rowsPerTask, r1 = min64(m1, r0 + plan.rowsPerTask);
      const int64_t width = matrix.width(block);
      T* const sums = memory.sums + (firstWorker + worker) * plan.sums;
      const bool hasProduct = s > 0 || startsWithState;
      if (hasProduct) matrix.multiply(block, state + r0 * stride, stride, r1 - r0, sums);
      for (int64_t row = r0; row < r1; row++) {
        const T* const product = hasProduct ? sums + (row - r0) * matrix.groups * width : nullptr;
        const CellBlock<T> part = {row, s, matrix.first_unit(block), matrix.unit_count(block), product, width, next + row * stride};
        if (s < p.time) cell.step(part);
        else cell.finish(part);
      }
    });
  }
}

// Packs the matrix and sweeps all rows. `initial` is the state before the first step (batch × depth), or null for zeros.
template <typename T, typename Cell>
void sweep(const RecurrentParams& p, const StationaryMatrix<T>& matrix, const Cell& cell, const SweepScratch<T>& memory, const T* initial,
           const Parallel& parallel) {
  const int64_t stride = state_stride<T>(matrix.depth);
  for (int64_t row = 0; initial && row < p.batch; row++) {
    __builtin_memcpy(memory.states[0] + row * stride, initial + row * matrix.depth, static_cast<size_t>(matrix.depth) * sizeof(T));
  }
  parallel_for(parallel, matrix.blocks(), [&](int64_t block, int) { matrix.pack(block); });
  const SweepPlan<T> plan(p, matrix, parallel.threads);
  const int64_t step = p.batch * matrix.depth * matrix.groups * p.units;
  const Parallel alone = {parallel.run, parallel.pool, 1};
  if (parallel.threads > 1 && plan.byRows && step * p.time >= SweepPlan<T>::kSerialStep) {
    const int64_t chunks = min64(parallel.threads, p.batch);
    parallel_for(parallel, chunks, [&](int64_t chunk, int worker) {
      sweep_rows(p, matrix, cell, memory, plan, initial != nullptr, chunk * p.batch / chunks, (chunk + 1) * p.batch / chunks, alone, worker);
    });
    return;
  }
  sweep_rows(p, matrix, cell, memory, plan, initial != nullptr, 0, p.batch, step >= SweepPlan<T>::kSerialStep ? parallel : alone, 0);
}

}  // namespace nagare::NAGARE_ISA
