#include "row_update.h"

#include "rows.h"

namespace nagare::NAGARE_ISA {
namespace {

// The updates of each row that has any, as a list: where it begins, and which one follows each.
struct UpdateLists {
  int32_t *last, *next, *first;  // of each row; of each update, or −1; of each list
  int64_t lists = 0;

  template <typename Index>
  void build(const GatherParams& p, const Index* indices) {
    // Only the places of rows that have updates are ever looked at.
    for (int64_t k = 0; k < p.count; k++) last[indices[k]] = -1;
    for (int64_t k = 0; k < p.count; k++) {
      int32_t& before = last[indices[k]];
      if (before < 0) first[lists++] = static_cast<int32_t>(k);
      else next[before] = static_cast<int32_t>(k);
      next[k] = -1;
      before = static_cast<int32_t>(k);
    }
  }
};

template <typename T, typename Index>
void subtract(const GatherParams& p, T* x, const Index* indices, const T* updates, T rate, const Parallel& parallel, void* scratch) {
  int32_t* const memory = static_cast<int32_t*>(scratch);
  UpdateLists lists{memory, memory + p.n, memory + p.n + p.count};
  lists.build(p, indices);
  for_rows(lists.lists, p.inner, parallel, [&](int64_t list) {
    const int32_t first = lists.first[list];
    T* const row = x + static_cast<int64_t>(indices[first]) * p.inner;
    for_vectors<T>(p.inner, [&](int64_t i, int64_t count) {
      Vec<T> sum = load_some(updates + first * p.inner + i, count);
      for (int32_t k = lists.next[first]; k >= 0; k = lists.next[k]) sum += load_some(updates + k * p.inner + i, count);
      store_some<T>(row + i, load_some(row + i, count) - rate * sum, count);
    });
  });
}

}  // namespace

template <typename T>
void subtract_rows(const GatherParams& p, T* x, const void* indices, const T* updates, const T* rate, const Parallel& parallel,
                   void* scratch) {
  if (p.wideIndices) subtract(p, x, static_cast<const int64_t*>(indices), updates, *rate, parallel, scratch);
  else subtract(p, x, static_cast<const int32_t*>(indices), updates, *rate, parallel, scratch);
}

size_t subtract_rows_scratch_bytes(const GatherParams& p) { return static_cast<size_t>(p.n + 2 * p.count) * sizeof(int32_t); }

template void subtract_rows(const GatherParams&, float*, const void*, const float*, const float*, const Parallel&, void*);
template void subtract_rows(const GatherParams&, double*, const void*, const double*, const double*, const Parallel&, void*);

}  // namespace nagare::NAGARE_ISA
