// Filter gradient: dw[k, co] = Σ patch(p, k) · dy[p, co] over output pixels p, the transposed implicit patch matrix times dy.
//
// The pixels are divided into blocks and the blocks into a number of parts that depends on the shape alone. Each part sums its blocks in
// order into its own copy of dw; the copies are then added in order. So the result is the same for any number of threads.
#include "conv.h"
#include "conv_depthwise.h"
#include "conv_phase.h"
#include "conv_pointwise.h"
#include "conv_region.h"
#include "conv_winograd.h"
#include "gemm_pack.h"
#include "gemm_tile.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {
namespace {

template <typename T>
struct FilterGradientPlan {
  PatchShape shape;
  PatchBlocks blocks;
  PatchRegion region;
  int64_t depth, columns, parts;
  bool readsInPlace;  // dy is used as it lies and not packed: with few taps·channels packing it would cost as much as the product
  size_t tapBytes, partBytes, regionBytes, pixelBytes, packedBytes;

  // Blocks of 256 pixels: a panel of dy is then 16 KiB.
  explicit FilterGradientPlan(const Conv2dParams& p)
      : shape(forward_patches(p)),
        blocks(divide_pixels(shape, 256, (int64_t(128) << 10) / static_cast<int64_t>(sizeof(T)))),
        region(shape, blocks.largest) {
    depth = shape.depth();
    columns = p.outC / p.groups;
    // A copy of dw per part: up to 16, as long as the copies stay small.
    const int64_t size = max64(1, depth * p.outC);
    parts = max64(1, min64(min64(16, blocks.count()), (int64_t(1) << 19) / size));
    readsInPlace = depth <= 4 * kTileRows && columns % kLanes<T> == 0 && blocks.ofColumns == 1;
    tapBytes = bytes(depth * static_cast<int64_t>(sizeof(int64_t)));
    partBytes = parts > 1 ? bytes(size * static_cast<int64_t>(sizeof(T))) : 0;
    regionBytes = bytes(region.size * static_cast<int64_t>(sizeof(T)));
    pixelBytes = bytes(blocks.largest.pixels() * static_cast<int64_t>(sizeof(int64_t)));
    packedBytes = readsInPlace ? 0 : bytes(blocks.largest.pixels() * padded_columns<T>(columns) * static_cast<int64_t>(sizeof(T)));
  }

  size_t worker() const { return regionBytes + pixelBytes + packedBytes; }
  size_t scratch(int threads) const {
    return tapBytes + static_cast<size_t>(parts) * partBytes + static_cast<size_t>(threads) * worker();
  }

 private:
  static size_t bytes(int64_t count) { return static_cast<size_t>(round_up(count, 64)); }
};

// Panels of dy for the pixels of one block; `dy` points at the first channel of the group.
template <typename T>
void pack_block(const Conv2dParams& p, const PatchBlock& block, int64_t columns, const T* dy, T* packed) {
  constexpr int64_t width = kTileColumns<T>;
  const int64_t pixels = block.pixels();
  // Rows that span the image follow each other in memory, so that a block is one run of pixels.
  const bool whole = block.columns == p.outW;
  const int64_t runs = whole ? 1 : block.images * block.rows, length = whole ? pixels : block.columns;
  for (int64_t run = 0; run < runs; run++) {
    const int64_t image = block.image0 + (whole ? 0 : run / block.rows), y = block.y0 + (whole ? 0 : run % block.rows);
    const T* from = dy + ((image * p.outH + y) * p.outW + block.x0) * p.outC;
    // A few pixels at a time over all panels, so that dy is read in the order it lies in memory.
    constexpr int64_t step = 8;
    for (int64_t k = 0; k < length; k += step) {
      for (int64_t n = 0; n < columns; n += width) {
        const int64_t count = min64(width, columns - n), panelWidth = min64(width, padded_columns<T>(count));
        pack_along(from + k * p.outC + n, p.outC, count, min64(step, length - k), packed + n * pixels + (run * length + k) * panelWidth,
                   panelWidth);
      }
    }
  }
}

// Groups of their own filters are left to the direct way.
bool is_winograd(const Conv2dParams& p) { return p.groups == 1 && prefers_winograd(forward_patches(p), p.outC); }

// A product packs x too, whose pixels' channels lie apart by what sets of a cache are apart by where channels are a power of two. Few
// channels stay in the first cache as they lie, and a product would not be faster than packing them.
constexpr int64_t kFewChannels = 64;
bool is_product(const Conv2dParams& p) { return p.inC > kFewChannels && is_pointwise(p); }

template <typename T>
void filter_gradient(const Conv2dParams& p, const T* x, const T* dy, T* dw, const Parallel& parallel, void* scratch) {
  const int64_t size = p.kH * p.kW * (p.inC / p.groups) * p.outC;
  if (size == 0) return;
  if (p.batch * p.outH * p.outW == 0) {
    __builtin_memset(dw, 0, static_cast<size_t>(size) * sizeof(T));
    return;
  }
  if (is_depthwise(p)) return depthwise_filter_gradient(p, x, dy, dw, parallel, scratch);
  if (is_product(p)) return gemm<T>(pointwise_filter_gradient(p), x, dy, dw, nullptr, parallel, scratch);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (is_winograd(p)) return winograd_filter_gradient(p, x, dy, dw, parallel, scratch);
  }

  const FilterGradientPlan<T> plan(p);
  char* const memory = static_cast<char*>(scratch);
  int64_t* const taps = reinterpret_cast<int64_t*>(memory);
  char* const partials = memory + plan.tapBytes;
  char* const workers = partials + static_cast<size_t>(plan.parts) * plan.partBytes;
  fill_tap_offsets(plan.shape, plan.region.tap_row(), plan.region.tap_column(), taps);

  // Few parts (large filters): rows of dw are split as well, which changes no sum.
  const int64_t units = plan.parts * p.groups;
  const int64_t splits = max64(1, min64(divide_up(8 * int64_t(parallel.threads), units),
                                        parallel.threads == 1 ? 1 : divide_up(plan.depth, 4 * kTileRows)));
  const int64_t rowsPerTask = round_up(divide_up(plan.depth, splits), kTileRows);
  const int64_t tasksPerUnit = divide_up(plan.depth, rowsPerTask);
  parallel_for(parallel, units * tasksPerUnit, [&](int64_t index, int worker) {
    const int64_t rows0 = index % tasksPerUnit * rowsPerTask, rows1 = min64(plan.depth, rows0 + rowsPerTask);
    const int64_t group = index / tasksPerUnit % p.groups, part = index / (tasksPerUnit * p.groups);
    char* const own = workers + static_cast<size_t>(worker) * plan.worker();
    T* const region = reinterpret_cast<T*>(own);
    int64_t* const pixels = reinterpret_cast<int64_t*>(own + plan.regionBytes);
    T* const packed = reinterpret_cast<T*>(own + plan.regionBytes + plan.pixelBytes);
    T* const whole = plan.parts > 1 ? reinterpret_cast<T*>(partials + static_cast<size_t>(part) * plan.partBytes) : dw;
    T* const sum = whole + group * plan.columns;
    const int64_t first = part * plan.blocks.count() / plan.parts, end = (part + 1) * plan.blocks.count() / plan.parts;
    for (int64_t b = first; b < end; b++) {
      const PatchBlock block = block_at(plan.shape, plan.blocks, b);
      const T* const base = prepare_block(plan.region, block, x + group * plan.shape.channels, region);
      const int64_t count = block.pixels();
      fill_pixel_offsets(plan.region, block, pixels);
      const T* const cotangent = dy + group * plan.columns;
      if (!plan.readsInPlace) pack_block(p, block, plan.columns, cotangent, packed);
      const int64_t firstPixel = (block.image0 * p.outH + block.y0) * p.outW;
      TileOutput<T> out;
      out.accumulate = b > first;
      out.bias = nullptr;
      out.activation = Activation::none;
      const SubnormalsAsZero mode;
      // All panels of dy pass over one tile of patches: the panels are sequential reads, which prefetch well, while the patches are
      // strided ones, which do not, and stay in L1 meanwhile.
      for (int64_t k = rows0; k < rows1;) {
        const int rows = next_tile_rows(rows1 - k);
        GatheredRows<T> a;
        const T* sources[kTileRows];
        T* targets[kTileRows];
        for (int i = 0; i < rows; i++) sources[i] = base + taps[k + i], targets[i] = sum + (k + i) * p.outC;
        a.row = sources, a.offset = pixels;
        out.rows = targets;
        for (int64_t n = 0; n < plan.columns; n += kTileColumns<T>) {
          out.columns = min64(kTileColumns<T>, plan.columns - n);
          const int vectors = tile_vectors<T>(out.columns);
          const T* const panel = plan.readsInPlace ? cotangent + firstPixel * p.outC + n : packed + n * count;
          const int64_t stride = plan.readsInPlace ? p.outC : vectors * kLanes<T>;
          out.first = n;
          tile_function<T, GatheredRows<T>>(rows, vectors)(a, panel, stride, count, out);
        }
        k += rows;
      }
    }
  });
  if (plan.parts == 1) return;
  constexpr int64_t chunk = 4096;
  parallel_for(parallel, divide_up(size, chunk), [&](int64_t index, int) {
    const int64_t begin = index * chunk, end = min64(size, begin + chunk);
    for_lanes<T, 4>(end - begin, [&](auto block, int64_t i) {
      constexpr int V = block.vectors, L = block.lanes;
      typename VectorOf<T, L>::type sum[V] = {};
      for (int64_t part = 0; part < plan.parts; part++) {
        const T* from = reinterpret_cast<const T*>(partials + static_cast<size_t>(part) * plan.partBytes) + begin + i;
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sum[v] += load<T, L>(from + v * L);
      }
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) store<T, L>(dw + begin + i + v * L, sum[v]);
    });
  });
}

}  // namespace

template <>
void conv2d_filter_gradient(const Conv2dParams& params, const float* x, const float* dy, float* dw, const Parallel& parallel,
                            void* scratch) {
  filter_gradient(params, x, dy, dw, parallel, scratch);
}

template <>
void conv2d_filter_gradient(const Conv2dParams& params, const double* x, const double* dy, double* dw, const Parallel& parallel,
                            void* scratch) {
  filter_gradient(params, x, dy, dw, parallel, scratch);
}

template <typename T>
size_t conv2d_filter_gradient_scratch_bytes(const Conv2dParams& params, int threads) {
  if (params.batch * params.outH * params.outW * params.outC * params.inC * params.kH * params.kW == 0) return 0;
  if (is_depthwise(params)) return depthwise_filter_gradient_scratch_bytes<T>(params, threads);
  if (is_product(params)) return gemm_scratch_bytes<T>(pointwise_filter_gradient(params), threads);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (is_winograd(params)) return winograd_filter_gradient_scratch_bytes(params, threads);
  }
  return FilterGradientPlan<T>(params).scratch(threads);
}

template size_t conv2d_filter_gradient_scratch_bytes<float>(const Conv2dParams&, int);
template size_t conv2d_filter_gradient_scratch_bytes<double>(const Conv2dParams&, int);

}  // namespace nagare::NAGARE_ISA
