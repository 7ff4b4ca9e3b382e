// The rows of an index space, counted without a division for each.
#pragma once

#include "elementwise.h"

namespace nagare::NAGARE_ISA {

// The position of a row in all dimensions but the last.
struct RowCounter {
  int64_t at[kMaxRank];

  RowCounter(int32_t rank, const int64_t* dims, int64_t row) {
    for (int axis = rank - 2; axis >= 0; axis--) {
      at[axis] = row % dims[axis];
      row /= dims[axis];
    }
  }
  // `count` rows on.
  void next(int32_t rank, const int64_t* dims, int64_t count = 1) {
    for (int axis = rank - 2; axis >= 0; axis--) {
      at[axis] += count;
      if (at[axis] < dims[axis]) return;
      count = at[axis] / dims[axis];
      at[axis] -= count * dims[axis];
    }
  }
};

}  // namespace nagare::NAGARE_ISA
