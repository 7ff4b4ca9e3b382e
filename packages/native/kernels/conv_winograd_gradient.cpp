// The filter gradient through Winograd's points, the transpose of the correlation in its filters:
//   dw = Gᵀ [ Σ (Bᵀ x B) ⊙ (A dy Aᵀ) ] G,
// where the sum over tiles is a product [channels × tiles] × [tiles × outputs] at each point.
#include "conv_winograd.h"

#include "conv_phase.h"
#include "conv_winograd_tiles.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kWidth = kLanes<float>;
// A tile of the products is channels, half a vector or a whole one, × vectors of outputs.
constexpr int kTileChannels = kWidth == 16 ? 8 : 4;
constexpr int kOutputVectors = kHasWideTile<float> || kTileVectors == 3 ? 3 : 2;

// Sizes of the steps, and of memory in elements. They depend on the shape alone, and so do all sums.
struct GradientPlan {
  PatchShape shape;
  TileGrid grid;
  int64_t depth, paddedDepth, outputs, sumRow;
  FilterPanels<float> panels;
  // Threads share the points, and all transform tiles for all. Where sums are small, each has its own at all points instead, for a part
  // of the tiles, and nothing goes from one cache to another.
  bool byPoints;
  int64_t parts, blockTiles;
  int64_t cellsApart, cotangentsApart, sumsApart;
  int64_t sums, block;

  explicit GradientPlan(const Conv2dParams& p)
      : shape(forward_patches(p)), grid(shape), depth(p.inC), outputs(p.outC), panels(outputs, kOutputVectors) {
    paddedDepth = padded_columns<float>(depth), sumRow = padded_columns<float>(outputs);
    sumsApart = points_apart(paddedDepth * sumRow);
    sums = kPoints * sumsApart;
    byPoints = sums > kSmallSums;
    parts = 1;
    while (!byPoints && 2 * parts <= 16 && 2 * parts * kLeastWork <= grid.count * kPoints * depth * outputs) parts *= 2;
    const int64_t room = (byPoints ? kSharedCells : kOwnCells) / (kPoints * (paddedDepth + sumRow));
    blockTiles = even_block(divide_up(grid.count, parts), max64(byPoints ? 2 * kLeastTiles : kLeastTiles, room), 8);
    cellsApart = points_apart(blockTiles * paddedDepth), cotangentsApart = points_apart(blockTiles * sumRow);
    block = kPoints * (cellsApart + cotangentsApart);
  }

  size_t scratch(int threads) const { return static_cast<size_t>(parts * sums + (byPoints ? 1 : threads) * block) * sizeof(float); }

 private:
  // Tiles that are worth bringing sums back for; elements of sums of which there may be several; multiply-adds that are worth sums of their
  // own; elements of cells and cotangents of a block.
  static constexpr int64_t kLeastTiles = 32, kSmallSums = 100'000, kLeastWork = 1'000'000, kSharedCells = 1'000'000, kOwnCells = 100'000;
};

// Cells and cotangents of a block at the points: of each point vectors of channels, or panels of outputs, and of each of these all tiles.
struct PointBlock {
  float *cells, *cotangents;
};

// The cotangents of a tile of rows × columns results at all points, a vector of outputs after the other.
void transform_cotangent_tile(const float* dy, int64_t row, int64_t pixel, int64_t rows, int64_t columns, int64_t outputs, float* to,
                              int64_t apart) {
  for (int64_t n = 0; n < outputs; n += kWidth) {
    const int64_t count = min64(kWidth, outputs - n);
    F32 half[4][6];
#pragma GCC unroll 4
    for (int x = 0; x < 4; x++) {
      F32 y[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) y[i] = i < rows && x < columns ? load_some(dy + i * row + x * pixel + n, count) : F32{};
      transform_cotangents(y, half[x]);
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++) {
      const F32 line[4] = {half[0][y], half[1][y], half[2][y], half[3][y]};
      F32 t[6];
      transform_cotangents(line, t);
#pragma GCC unroll 6
      for (int x = 0; x < 6; x++) store(to + (y * 6 + x) * apart + n, t[x]);
    }
  }
}

// One tile, to its place in a block.
void transform_both(const GradientPlan& plan, const float* x, const float* dy, int64_t tile, int64_t place, const PointBlock& block) {
  const PatchShape& shape = plan.shape;
  const TileGrid::Place at = plan.grid.at(tile);
  transform_tile(shape, at, x, block.cells + place * kWidth, plan.cellsApart, plan.blockTiles);
  const int64_t row = shape.x.outputs * plan.outputs;
  const float* const cotangents = dy + (at.image * shape.y.outputs + at.y) * row + at.x * plan.outputs;
  for (int64_t panel = 0; panel < plan.panels.count; panel++) {
    const int64_t n0 = plan.panels.first(panel), n1 = plan.panels.first(panel + 1);
    transform_cotangent_tile(cotangents + n0, row, plan.outputs, shape.y.outputs - at.y, shape.x.outputs - at.x, n1 - n0,
                             block.cotangents + n0 * plan.blockTiles + place * padded_columns<float>(n1 - n0), plan.cotangentsApart);
  }
}

template <int V>
NAGARE_NOINLINE void multiply_channels(const float* cells, const float* cotangents, int64_t tiles, bool accumulate, float* sums, int64_t sumRow) {
  F32 acc[kTileChannels][V] = {};
  if (accumulate) {
#pragma GCC unroll 8
    for (int i = 0; i < kTileChannels; i++) {
#pragma GCC unroll 3
      for (int j = 0; j < V; j++) acc[i][j] = load(sums + i * sumRow + j * kWidth);
    }
  }
  multiply_tile<float, kTileChannels, V>(PackedRows<float>{cells, kWidth}, cotangents, V * kWidth, tiles, acc);
#pragma GCC unroll 8
  for (int i = 0; i < kTileChannels; i++) {
#pragma GCC unroll 3
    for (int j = 0; j < V; j++) store(sums + i * sumRow + j * kWidth, acc[i][j]);
  }
}

// All channels × all outputs at one point. Channels and outputs beyond the last are zeros.
void multiply_point(const GradientPlan& plan, const PointBlock& block, int64_t point, int64_t tiles, bool accumulate, float* sums) {
  const SubnormalsAsZero mode;
  for (int64_t c = 0; c < plan.depth; c += kTileChannels) {
    const float* const cells = block.cells + point * plan.cellsApart + c / kWidth * kWidth * plan.blockTiles + c % kWidth;
    for (int64_t panel = 0; panel < plan.panels.count; panel++) {
      const int64_t n0 = plan.panels.first(panel), vectors = divide_up(plan.panels.first(panel + 1) - n0, kWidth);
      const auto multiply = vectors == 1 ? multiply_channels<1> : vectors == 2 ? multiply_channels<2> : multiply_channels<kOutputVectors>;
      multiply(cells, block.cotangents + point * plan.cotangentsApart + n0 * plan.blockTiles, tiles, accumulate,
               sums + point * plan.sumsApart + c * plan.sumRow + n0, plan.sumRow);
    }
  }
}

// The filters of channel c from the sums of all parts.
void collect_filters(const GradientPlan& plan, const float* sums, int64_t c, float* dw) {
  for (int64_t n = 0; n < plan.outputs; n += kWidth) {
    F32 half[3][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
      F32 t[6], g[3];
#pragma GCC unroll 6
      for (int y = 0; y < 6; y++) {
        const float* const from = sums + (y * 6 + x) * plan.sumsApart + c * plan.sumRow + n;
        t[y] = load(from);
        for (int64_t part = 1; part < plan.parts; part++) t[y] += load(from + part * plan.sums);
      }
      collect_taps(t, g);
#pragma GCC unroll 3
      for (int y = 0; y < 3; y++) half[y][x] = g[y];
    }
    const int64_t count = min64(kWidth, plan.outputs - n);
#pragma GCC unroll 3
    for (int y = 0; y < 3; y++) {
      F32 g[3];
      collect_taps(half[y], g);
#pragma GCC unroll 3
      for (int x = 0; x < 3; x++) store_some(dw + ((y * 3 + x) * plan.depth + c) * plan.outputs + n, g[x], count);
    }
  }
}

}  // namespace

void winograd_filter_gradient(const Conv2dParams& p, const float* x, const float* dy, float* dw, const Parallel& parallel, void* scratch) {
  const GradientPlan plan(p);
  float* const sums = static_cast<float*>(scratch);
  const auto block_of = [&](int worker) -> PointBlock {
    float* const memory = sums + plan.parts * plan.sums + worker * plan.block;
    return {memory, memory + kPoints * plan.cellsApart};
  };
  if (plan.byPoints) {
    const PointBlock block = block_of(0);
    for (int64_t first = 0; first < plan.grid.count; first += plan.blockTiles) {
      const int64_t count = min64(plan.blockTiles, plan.grid.count - first);
      parallel_ranges(parallel, count, 2, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; i++) transform_both(plan, x, dy, first + i, i, block);
      });
      parallel_for(parallel, kPoints, [&](int64_t point, int) { multiply_point(plan, block, point, count, first > 0, sums); });
    }
  } else {
    parallel_for(parallel, plan.parts, [&](int64_t part, int worker) {
      const PointBlock block = block_of(worker);
      const int64_t start = part * plan.grid.count / plan.parts, end = (part + 1) * plan.grid.count / plan.parts;
      for (int64_t first = start; first < end; first += plan.blockTiles) {
        const int64_t count = min64(plan.blockTiles, end - first);
        for (int64_t i = 0; i < count; i++) transform_both(plan, x, dy, first + i, i, block);
        for (int64_t point = 0; point < kPoints; point++) multiply_point(plan, block, point, count, first > start, sums + part * plan.sums);
      }
    });
  }
  parallel_ranges(parallel, plan.depth, 4, [&](int64_t c0, int64_t c1, int) {
    for (int64_t c = c0; c < c1; c++) collect_filters(plan, sums, c, dw);
  });
}

size_t winograd_filter_gradient_scratch_bytes(const Conv2dParams& p, int threads) { return GradientPlan(p).scratch(threads); }

}  // namespace nagare::NAGARE_ISA
