// Products of few rows with one matrix that stays the same for many steps: it is packed once.
#pragma once

#include "blocking.h"
#include "gemm_pack.h"
#include "gemm_tile.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {

// op(B), depth × (groups · units), in blocks of units. A block holds its units of every group, so that all gates of a unit are computed
// together. Within a block: depth block after depth block, in it group after group, in it panel after panel.
template <typename T>
struct StationaryMatrix {
  // A panel of 8 KiB and the rows it is multiplied by stay in L1 together.
  static constexpr int64_t kDepthBlock = 128;
  static constexpr int64_t kBlockUnits = 2 * kTileColumns<T>;

  const T* source;
  int64_t ld;
  bool transposed;  // stored (groups · units) × depth
  int64_t depth, groups, units;
  T* packed;

  int64_t elements() const { return depth * groups * padded_columns<T>(units); }
  int64_t blocks() const { return divide_up(units, kBlockUnits); }
  int64_t first_unit(int64_t block) const { return block * kBlockUnits; }
  int64_t unit_count(int64_t block) const { return min64(kBlockUnits, units - first_unit(block)); }
  // Columns of each group in a packed block, whole vectors.
  int64_t width(int64_t block) const { return padded_columns<T>(unit_count(block)); }
  T* panels(int64_t block) const { return packed + first_unit(block) * groups * depth; }

  void pack(int64_t block) const {
    const int64_t count = unit_count(block), columns = width(block);
    for (int64_t k = 0; k < depth; k += kDepthBlock) {
      const int64_t steps = min64(kDepthBlock, depth - k);
      for (int64_t g = 0; g < groups; g++) {
        for (int64_t j = 0; j < columns; j += kTileColumns<T>) {
          const int64_t column = g * units + first_unit(block) + j;
          const int64_t valid = min64(kTileColumns<T>, count - j), panel = min64(kTileColumns<T>, columns - j);
          T* const to = panels(block) + k * groups * columns + (g * columns + j) * steps;
          if (transposed) pack_across(source + column * ld + k, ld, valid, steps, to, panel);
          else pack_along(source + k * ld + column, ld, valid, steps, to, panel);
        }
      }
    }
  }

  // y[i·groups·width + column] = Σ a[i·aStride + k] · op(B)(k, column) over the columns of a block, in ascending order of k.
  void multiply(int64_t block, const T* a, int64_t aStride, int64_t rows, T* y) const {
    const SubnormalsAsZero mode;
    const int64_t columns = groups * width(block), groupColumns = width(block);
    // Tiles of even height: four tiles of five rows keep the multiply-add units busier than 6 + 6 + 4 + 4.
    const int64_t tiles = divide_up(rows, kTileRows);
    for (int64_t k = 0; k < depth; k += kDepthBlock) {
      const int64_t steps = min64(kDepthBlock, depth - k);
      const T* panel = panels(block) + k * columns;
      for (int64_t n = 0; n < columns;) {
        const int64_t panelColumns = min64(kTileColumns<T>, groupColumns - n % groupColumns);
        for (int64_t tile = 0; tile < tiles; tile++) {
          const int64_t first = tile * rows / tiles, count = (tile + 1) * rows / tiles - first;
          const TileOutput<T> out = {y + first * columns + n, columns, 0, panelColumns, k > 0, nullptr, Activation::none};
          const UnitRows<T> of = {a + first * aStride + k, aStride};
          tile_function<T, UnitRows<T>>(static_cast<int>(count), tile_vectors<T>(panelColumns))(of, panel, panelColumns, steps, out);
        }
        panel += panelColumns * steps;
        n += panelColumns;
      }
    }
  }
};

}  // namespace nagare::NAGARE_ISA
