#include "conv_winograd.h"

#include "conv_epilogue.h"
#include "conv_filters.h"
#include "conv_winograd_tiles.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kWidth = kLanes<float>;
// Channels whose filters are transformed at a time.
constexpr int64_t kFilterChannels = 16;

// Sizes of the steps, and of memory in elements. No sum depends on the number of threads.
struct WinogradPlan {
  TileGrid grid;
  int64_t depth, cellRow;
  FilterPanels<float> panels;
  // A task is a panel of filters, which it transforms, and all tiles, whose cells are transformed before: best where tiles are fewer than
  // filters. Otherwise it is a block of tiles, whose cells it transforms, and all filters, which are transformed before.
  bool byPanels;
  int64_t blockTiles, blocks;
  int64_t cellsApart, sumsApart;
  int64_t taps, filters, cells, sums;

  // `packed`: all filters are transformed in advance.
  WinogradPlan(const PatchShape& shape, int64_t outputs, bool packed, int threads)
      : grid(shape), depth(shape.channels), cellRow(padded_columns<float>(depth)), panels(outputs, packed ? kPackedVectors : kTileVectors) {
    byPanels = grid.count <= outputs && panels.count >= threads;
    // Panels of two vectors are more, and may be as many for each thread.
    if (!packed && byPanels && panels.count % threads != 0) panels = FilterPanels<float>(outputs, 2);
    // All filters pass by a block: it has 32 tiles, or 16 where that occupies more threads.
    const int64_t wanted = byPanels || threads == 1 ? 1 : 8 * int64_t(threads);
    blockTiles = even_block(grid.count, max64(16, min64(32, divide_up(grid.count, wanted))), kTileRows);
    blocks = divide_up(grid.count, blockTiles);
    cellsApart = points_apart(blockTiles * cellRow), sumsApart = points_apart(blockTiles * panels.width());
    taps = packed ? 0 : 9 * kFilterChannels * panels.width();
    filters = packed ? 0 : byPanels ? panel_size() : all_filters();
    cells = (byPanels ? blocks : 1) * kPoints * cellsApart;
    sums = kPoints * sumsApart;
  }

  int64_t filters_apart(int64_t width) const { return points_apart(depth * width); }
  int64_t all_filters() const { return panels.count * panel_size(); }
  int64_t panel_size() const { return kPoints * filters_apart(panels.width()); }
  int64_t shared() const { return byPanels ? cells : filters; }
  int64_t worker() const { return taps + sums + (byPanels ? filters : cells); }
  size_t scratch(int threads) const { return static_cast<size_t>(shared() + threads * worker()) * sizeof(float); }
};

// The filters of some channels and one panel at all points, to to[point·filters_apart + channel·width + output].
void transform_filters(const Correlation<float>& task, const WinogradPlan& plan, int64_t group, int64_t chunk, int64_t panel, float* taps,
                       float* to) {
  const int64_t n0 = plan.panels.first(panel), n1 = plan.panels.first(panel + 1), width = padded_columns<float>(n1 - n0);
  const int64_t c0 = chunk * kFilterChannels, size = min64(kFilterChannels, plan.depth - c0) * width;
  for (int64_t t = 0; t < 9; t++) {
    const int64_t k = t * plan.depth + c0;
    pack_filters(task, group, k, k + size / width, n0, n1, taps + t * size);
  }
  for (int64_t i = 0; i < size; i += kWidth) {
    F32 half[3][6];
#pragma GCC unroll 3
    for (int y = 0; y < 3; y++) {
      F32 g[3];
#pragma GCC unroll 3
      for (int x = 0; x < 3; x++) g[x] = load(taps + (y * 3 + x) * size + i);
      transform_taps(g, half[y]);
    }
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
      const F32 column[3] = {half[0][x], half[1][x], half[2][x]};
      F32 t[6];
      transform_taps(column, t);
#pragma GCC unroll 6
      for (int y = 0; y < 6; y++) store(to + (y * 6 + x) * plan.filters_apart(width) + c0 * width + i, t[y]);
    }
  }
}

// The results of a tile of rows × columns and `outputs` channels from `channel` on, from its sums at all points.
void interpolate_tile(const Correlation<float>& task, const float* sums, int64_t apart, int64_t channel, int64_t outputs, float* to,
                      int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < outputs; c += kWidth) {
    F32 half[4][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++) {
      F32 m[6], y[4];
#pragma GCC unroll 6
      for (int i = 0; i < 6; i++) m[i] = load(sums + (i * 6 + x) * apart + c);
      transform_sums(m, y);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) half[i][x] = y[i];
    }
    const int64_t count = min64(kWidth, outputs - c);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      if (i >= rows) break;
      F32 y[4];
      transform_sums(half[i], y);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        if (j >= columns) break;
        float* const at = to + i * task.result.row + j * task.result.column + c;
        const int64_t element = at - task.result.first;
        if (count == kWidth) {
          store(at, apply_epilogue<float, kWidth>(task.epilogue, task.activation, y[j], channel + c, element));
          continue;
        }
        for (int l = 0; l < count; l++) {
          typedef VectorOf<float, 1>::type One;
          store<float, 1>(at + l, apply_epilogue<float, 1>(task.epilogue, task.activation, One{y[j][l]}, channel + c + l, element + l));
        }
      }
    }
  }
}

// Tiles [tile0, tile1) × one panel.
void multiply_tiles(const Correlation<float>& task, const WinogradPlan& plan, int64_t group, int64_t tile0, int64_t tile1, int64_t panel,
                    const float* cells, const float* filters, float* sums) {
  const SubnormalsAsZero mode;
  const int64_t n0 = plan.panels.first(panel), n1 = plan.panels.first(panel + 1), width = padded_columns<float>(n1 - n0);
  for (int64_t point = 0; point < kPoints; point++) {
    const float* const panelFilters = filters + point * plan.filters_apart(width);
    for (int64_t i = 0; i < tile1 - tile0;) {
      const int rows = next_tile_rows(tile1 - tile0 - i);
      const UnitRows<float> of = {cells + point * plan.cellsApart + i * plan.cellRow, plan.cellRow, rows * plan.cellRow};
      const TileOutput<float> out = {sums + point * plan.sumsApart + i * width, width, 0, width, false, nullptr, Activation::none};
      const auto multiply = tile_function<float, UnitRows<float>>(rows, tile_vectors<float>(width));
      multiply(of, panelFilters, width, plan.depth, out);
      i += rows;
    }
  }
  const PatchShape& shape = task.patches;
  const PixelGrid<float>& result = task.result;
  const int64_t channel = group * task.outputs + n0;
  for (int64_t tile = tile0; tile < tile1; tile++) {
    const TileGrid::Place at = plan.grid.at(tile);
    interpolate_tile(task, sums + (tile - tile0) * width, plan.sumsApart, channel, n1 - n0,
                     result.first + at.image * result.image + at.y * result.row + at.x * result.column + channel,
                     min64(kTileResults, shape.y.outputs - at.y), min64(kTileResults, shape.x.outputs - at.x));
  }
}

void correlate_group(const Correlation<float>& task, const WinogradPlan& plan, int64_t group, const Parallel& parallel, float* shared) {
  const float* const packed = task.packed ? task.packed + group * plan.all_filters() : nullptr;
  const auto own = [&](int worker) { return shared + plan.shared() + worker * plan.worker(); };
  const auto transform = [&](int64_t tile, float* to) {
    transform_tile(task.patches, plan.grid.at(tile), task.source + group * plan.depth, to, plan.cellsApart, 1);
  };
  const int64_t chunks = divide_up(plan.depth, kFilterChannels);
  const auto tiles_of = [&](int64_t block) -> IndexRange {
    return {block * plan.blockTiles, min64(plan.grid.count, (block + 1) * plan.blockTiles)};
  };
  if (plan.byPanels) {
    parallel_ranges(parallel, plan.grid.count, 4, [&](int64_t first, int64_t last, int) {
      for (int64_t tile = first; tile < last; tile++) {
        const int64_t block = tile / plan.blockTiles, place = tile % plan.blockTiles;
        transform(tile, shared + block * kPoints * plan.cellsApart + place * plan.cellRow);
      }
    });
    return parallel_for(parallel, plan.panels.count, [&](int64_t panel, int worker) {
      float *const taps = own(worker), *const sums = taps + plan.taps, *const made = sums + plan.sums;
      for (int64_t chunk = 0; !packed && chunk < chunks; chunk++) transform_filters(task, plan, group, chunk, panel, taps, made);
      const float* const filters = packed ? packed + panel * plan.panel_size() : made;
      for (int64_t block = 0; block < plan.blocks; block++) {
        const IndexRange tiles = tiles_of(block);
        multiply_tiles(task, plan, group, tiles.begin, tiles.end, panel, shared + block * kPoints * plan.cellsApart, filters, sums);
      }
    });
  }
  if (!packed) {
    parallel_ranges(parallel, chunks * plan.panels.count, 16, [&](int64_t first, int64_t last, int worker) {
      for (int64_t i = first; i < last; i++) {
        transform_filters(task, plan, group, i % chunks, i / chunks, own(worker), shared + i / chunks * plan.panel_size());
      }
    });
  }
  const float* const filters = packed ? packed : shared;
  parallel_for(parallel, plan.blocks, [&](int64_t block, int worker) {
    const IndexRange tiles = tiles_of(block);
    float *const sums = own(worker) + plan.taps, *const cells = sums + plan.sums;
    for (int64_t tile = tiles.begin; tile < tiles.end; tile++) transform(tile, cells + (tile - tiles.begin) * plan.cellRow);
    for (int64_t panel = 0; panel < plan.panels.count; panel++) {
      multiply_tiles(task, plan, group, tiles.begin, tiles.end, panel, cells, filters + panel * plan.panel_size(), sums);
    }
  });
}

}  // namespace

bool prefers_winograd(const PatchShape& patches, int64_t outputs, bool packed) {
  const auto fits = [](const PatchAxis& axis) { return axis.taps == 3 && axis.step == 1 && axis.tapStep == 1; };
  if (!fits(patches.y) || !fits(patches.x)) return false;
  // What a multiply-add of the direct way takes is 1. A channel of a tile, cells or results, takes as long to transform as 480, and a filter
  // with its way to memory and back as 420, or as 230 where it was transformed in advance (one thread of Zen 5; with AVX2 all are cheaper).
  // Small gains are left to the direct way, whose rounding is better.
  constexpr double kTransformed = 480, kTransformedFilter = 420, kFilterRead = 230, kWorthwhile = 0.85;
  const double tiles = static_cast<double>(TileGrid(patches).count), channels = static_cast<double>(patches.channels);
  const double padded = static_cast<double>(padded_columns<float>(patches.channels) + padded_columns<float>(outputs));
  const double filters = channels * static_cast<double>(padded_columns<float>(outputs));
  const double direct = 9 * static_cast<double>(patches.pixels()) * filters;
  return tiles * (kPoints * filters + kTransformed * padded) + (packed ? kFilterRead : kTransformedFilter) * filters < kWorthwhile * direct;
}

void correlate_winograd(const Correlation<float>& task, const Parallel& parallel, void* scratch) {
  const WinogradPlan plan(task.patches, task.outputs, task.packed != nullptr, parallel.threads);
  for (int64_t group = 0; group < task.groups; group++) correlate_group(task, plan, group, parallel, static_cast<float*>(scratch));
}

size_t correlate_winograd_scratch_bytes(const PatchShape& patches, int64_t outputs, bool packed, int threads) {
  return WinogradPlan(patches, outputs, packed, threads).scratch(threads);
}

void pack_winograd(const Correlation<float>& task, float* packed, const Parallel& parallel) {
  const WinogradPlan plan(task.patches, task.outputs, true, 1);
  const int64_t chunks = divide_up(plan.depth, kFilterChannels);
  parallel_for(parallel, task.groups * plan.panels.count, [&](int64_t index, int) {
    alignas(kVectorBytes) float taps[9 * kFilterChannels * kPackedVectors * kWidth];
    const int64_t group = index / plan.panels.count, panel = index % plan.panels.count;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      transform_filters(task, plan, group, chunk, panel, taps, packed + index * plan.panel_size());
    }
  });
}

int64_t packed_winograd_elements(const PatchShape& patches, int64_t outputs) {
  return WinogradPlan(patches, outputs, true, 1).all_filters();
}

}  // namespace nagare::NAGARE_ISA
