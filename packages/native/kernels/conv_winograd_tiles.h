// Tiles of the results of a correlation, and the cells they read at the 36 points.
#pragma once

#include "conv_patch.h"
#include "conv_winograd_transforms.h"

namespace nagare::NAGARE_ISA {

struct TileGrid {
  int64_t down, across, count;

  explicit TileGrid(const PatchShape& shape)
      : down(divide_up(shape.y.outputs, kTileResults)),
        across(divide_up(shape.x.outputs, kTileResults)),
        count(shape.batch * down * across) {}

  struct Place {
    int64_t image, y, x;  // of the first result
  };
  Place at(int64_t tile) const {
    const int64_t row = tile / across;
    return {row / down, row % down * kTileResults, tile % across * kTileResults};
  }
};

// Matrices of the points lie an odd number of lines apart, so that a vector for each does not fall upon one set of a cache.
constexpr int64_t points_apart(int64_t elements) {
  constexpr int64_t line = 16;
  return (divide_up(elements, line) | 1) * line;
}

// The cells of one tile at all points: those of the vector of channels from c on to to[point·apart + c·step]. Cells outside `rows` and
// `columns` are zeros.
template <bool inside>
void transform_tile(const float* cells, int64_t row, int64_t pixel, IndexRange rows, IndexRange columns, int64_t channels, float* to,
                    int64_t apart, int64_t step) {
  for (int64_t c = 0; c < channels; c += kLanes<float>) {
    const int64_t count = min64(kLanes<float>, channels - c);
    F32 half[6][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
      F32 d[6];
#pragma GCC unroll 6
      for (int y = 0; y < 6; y++) {
        const bool there = inside || (rows.begin <= y && y < rows.end && columns.begin <= x && x < columns.end);
        d[y] = there ? load_some(cells + y * row + x * pixel + c, count) : F32{};
      }
      transform_cells(d, half[x]);
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
      const F32 line[6] = {half[0][y], half[1][y], half[2][y], half[3][y], half[4][y], half[5][y]};
      F32 t[6];
      transform_cells(line, t);
#pragma GCC unroll 6
      for (int x = 0; x < 6; x++) store(to + (y * 6 + x) * apart + c * step, t[x]);
    }
  }
}

// `source` points at the first channel of a group.
inline void transform_tile(const PatchShape& shape, const TileGrid::Place& at, const float* source, float* to, int64_t apart, int64_t step) {
  const int64_t y = shape.y.origin + at.y, x = shape.x.origin + at.x;
  const float* const cells = source + at.image * shape.image_stride() + y * shape.row_stride() + x * shape.sourceChannels;
  const IndexRange rows = {max64(0, -y), min64(kTilePoints, shape.y.source - y)};
  const IndexRange columns = {max64(0, -x), min64(kTilePoints, shape.x.source - x)};
  const bool inside = rows.begin == 0 && rows.end == kTilePoints && columns.begin == 0 && columns.end == kTilePoints;
  const auto transform = inside ? transform_tile<true> : transform_tile<false>;
  transform(cells, shape.row_stride(), shape.sourceChannels, rows, columns, shape.channels, to, apart, step);
}

}  // namespace nagare::NAGARE_ISA
