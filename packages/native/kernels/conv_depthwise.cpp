#include "conv_depthwise.h"

#include "conv_bands.h"
#include "conv_epilogue.h"
#include "conv_phase.h"
#include "stream.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {
namespace {

template <int... I>
struct Places {};
template <int G, int M, int... I>
NAGARE_INLINE F32 of_group(F32 v, Places<I...>) {
  return shuffle<(I / G * G + M)...>(v, v);
}
// Channel M of its group of G neighbours, in the place of each.
template <int G, int M>
NAGARE_INLINE F32 of_group(F32 v) {
  if constexpr (G == 1) return v;
  else if constexpr (kLanes<float> == 16) return of_group<G, M>(v, Places<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>{});
  else if constexpr (kLanes<float> == 8) return of_group<G, M>(v, Places<0, 1, 2, 3, 4, 5, 6, 7>{});
  else return of_group<G, M>(v, Places<0, 1, 2, 3>{});
}
template <int G, int M, typename V>
NAGARE_INLINE V of_group(V v) {
  static_assert(G == 1, "other vectors have groups of one channel");
  return v;
}

// The taps that the pixels of a block see, all the same, and how far apart lie what they read and their filters.
template <typename T>
struct TapWalk {
  const T *source, *filter;  // of the first tap; the source of the first pixel
  int64_t rows, columns;
  int64_t sourceRow, sourceColumn, filterRow, filterColumn, ld;
  int64_t pixel;  // elements between what two pixels read
};

// What one tap adds to the sums of P pixels × V vectors of L channels: channels M … G − 1 of its groups, whose filters lie `ld` apart.
// Cells are read where they are multiplied: sixteen registers have no room for them.
template <typename T, int L, int G, int M = 0, int P, int V, typename Vector>
NAGARE_INLINE void add_tap(const T* w, int64_t ld, const T* x, int64_t pixel, Vector (&acc)[P][V]) {
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) {
    const Vector weight = load<T, L>(w + v * L);
#pragma GCC unroll 8
    for (int i = 0; i < P; i++) acc[i][v] += weight * of_group<G, M>(load<T, L>(x + i * pixel + v * L));
  }
  if constexpr (M + 1 < G) add_tap<T, L, G, M + 1>(w + ld, ld, x, pixel, acc);
}

// P neighbouring output pixels × V vectors of L channels in groups of G. K: columns of taps, or 0 for any number.
template <typename T, int P, int V, int L, int G, int K>
NAGARE_INLINE void correlate_pixels(const Correlation<T>& task, const TapWalk<T>& taps, T* result, int64_t c) {
  typedef typename VectorOf<T, L>::type Vector;
  Vector acc[P][V] = {};
  const T *sourceRow = taps.source + c, *filterRow = taps.filter + c;
  for (int64_t ty = 0; ty < taps.rows; ty++) {
    const T *x = sourceRow, *w = filterRow;
    const auto add = [&] {
      add_tap<T, L, G>(w, taps.ld, x, taps.pixel, acc);
      x += taps.sourceColumn, w += taps.filterColumn;
    };
    if constexpr (K > 0) {
#pragma GCC unroll 3
      for (int tx = 0; tx < K; tx++) add();
    } else {
      for (int64_t tx = 0; tx < taps.columns; tx++) add();
    }
    sourceRow += taps.sourceRow, filterRow += taps.filterRow;
  }
  const int64_t column = task.result.column;
  apply_epilogue<T, L>(task.epilogue, task.activation, acc, c, result + c - task.result.first, column);
#pragma GCC unroll 8
  for (int i = 0; i < P; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) store<T, L>(result + i * column + c + v * L, acc[i][v]);
  }
}

template <typename T>
bool leaves_caches(const Correlation<T>& task) {
  const PatchShape& shape = task.patches;
  return (shape.batch * shape.image_stride() + shape.pixels() * task.groups) * static_cast<int64_t>(sizeof(T)) > kCachedBytes;
}

// Asks for what the next block of P pixels reads and writes, as much of it as `channels` from c on are of this block, as it lies: sums are
// complete before memory has brought all of it. Of the source, that is what no earlier row of results has read.
template <typename T, int P>
NAGARE_INLINE void ask_for_next(const Correlation<T>& task, const TapWalk<T>& taps, const T* result, int64_t c, int64_t channels) {
  constexpr int64_t line = kLine / static_cast<int64_t>(sizeof(T));
  const int64_t step = task.patches.x.step, from = P * c, count = P * channels;
  const T* const next = taps.source + (taps.columns - 1) * taps.sourceColumn + P * taps.pixel + from * step;
  for (int64_t row = max64(0, taps.rows - task.patches.y.step); row < taps.rows; row++) {
    for (int64_t i = 0; i < count * step; i += line) __builtin_prefetch(next + row * taps.sourceRow + i);
  }
  if (task.result.column != task.groups) return;
  for (int64_t i = 0; i < count; i += line) __builtin_prefetch(result + P * task.groups + from + i, 1);
}

template <typename T, int P, int G, int K>
NAGARE_NOINLINE void correlate_channels(const Correlation<T>& task, const TapWalk<T>& walk, T* result, bool ask) {
  // A copy of its own, which no store to the result can change.
  const TapWalk<T> taps = walk;
  // As many sums as hide the latency of the multiply-add.
  for_lanes<T, P == 1 ? 4 : P == 4 ? 2 : 1>(task.groups, [&](auto block, int64_t c) {
    constexpr int V = block.vectors, L = block.lanes;
    if (P > 1 && L > 1 && ask) ask_for_next<T, P>(task, taps, result, c, V * L);
    // Small groups fill vectors.
    if constexpr (G == 1 || L > 1) correlate_pixels<T, P, V, L, G, K>(task, taps, result, c);
  });
}

// P pixels that see the same `columns` of taps. `first`: what the first tap of all reads at the first of them.
template <typename T, int P, int G>
void correlate_block(const Correlation<T>& task, TapWalk<T> taps, IndexRange columns, const T* first, T* result, bool ask) {
  taps.source = first + columns.begin * taps.sourceColumn;
  taps.filter += columns.begin * taps.filterColumn;
  taps.columns = columns.end - columns.begin;
  if (taps.columns == 3) correlate_channels<T, P, G, 3>(task, taps, result, ask);
  else correlate_channels<T, P, G, 0>(task, taps, result, ask);
}

// `ask`: for what comes next, while this is computed.
template <typename T, int G = 1>
void correlate_row(const Correlation<T>& task, int64_t image, int64_t y, bool ask) {
  const SubnormalsAsZero mode;
  const PatchAxis &ay = task.patches.y, &ax = task.patches.x;
  const int64_t channels = task.groups, sourceRow = ax.source * channels;
  // Without channels there is nothing to sum: a phase of the input gradient that no tap reaches.
  const IndexRange rows = task.patches.channels > 0 ? ay.taps_at(y) : IndexRange{0, 0};
  TapWalk<T> taps;
  taps.rows = rows.end - rows.begin;
  taps.sourceRow = ay.tapStep * sourceRow, taps.sourceColumn = ax.tapStep * channels;
  taps.filterRow = task.filters.tapRow, taps.filterColumn = task.filters.tapColumn, taps.ld = task.filters.ld;
  taps.pixel = ax.step * channels;
  taps.filter = task.filters.first + rows.begin * taps.filterRow;
  const T* const source =
      task.source + (image * ay.source + ay.origin + y * ay.step) * sourceRow + rows.begin * taps.sourceRow + ax.origin * channels;
  T* const result = task.result.first + image * task.result.image + y * task.result.row;
  // Every tap is inside the image between the first output of the first tap and the last output of the last one.
  const int64_t inner = ax.outputs_at(0).begin, innerEnd = ax.outputs_at(ax.taps - 1).end;
  for (int64_t x = 0; x < ax.outputs;) {
    // A block may reach back to pixels that are done, if that is less work than what remains pixel by pixel.
    const int64_t left = x >= inner ? innerEnd - x : 0;
    const int64_t pixels = left >= 6 && innerEnd - inner >= 8 ? 8 : left >= 3 && innerEnd - inner >= 4 ? 4 : 1;
    if (left > 0) x = min64(x, innerEnd - pixels);
    const T* const first = source + x * taps.pixel;
    T* const to = result + x * task.result.column;
    if (pixels == 8) correlate_block<T, 8, G>(task, taps, {0, ax.taps}, first, to, ask);
    else if (pixels == 4) correlate_block<T, 4, G>(task, taps, {0, ax.taps}, first, to, ask);
    else correlate_block<T, 1, G>(task, taps, ax.taps_at(x), first, to, ask);
    x += pixels;
  }
}

template <typename T, int G = 1>
void correlate_rows(const Correlation<T>& task, const Parallel& parallel) {
  const int64_t rows = task.patches.batch * task.patches.y.outputs;
  const int64_t rowCost = max64(1, task.patches.x.outputs * task.groups * task.patches.y.taps * task.patches.x.taps * G);
  const int64_t rowsPerTask = max64(1, (int64_t(1) << 18) / rowCost);
  const bool ask = leaves_caches(task);
  parallel_for(parallel, divide_up(rows, rowsPerTask), [&](int64_t index, int) {
    for (int64_t r = index * rowsPerTask; r < min64(rows, (index + 1) * rowsPerTask); r++) {
      correlate_row<T, G>(task, r / task.patches.y.outputs, r % task.patches.y.outputs, ask);
    }
  });
}

// body(image, y0, y1, worker) for the bands of all images.
template <typename Body>
void for_bands(const PatchShape& shape, int64_t channels, const Parallel& parallel, const Body& body) {
  const int64_t rows = band_rows(shape, channels), bands = divide_up(shape.y.outputs, rows);
  parallel_for(parallel, shape.batch * bands, [&](int64_t index, int worker) {
    const int64_t y0 = index % bands * rows;
    body(index / bands, y0, min64(shape.y.outputs, y0 + rows), worker);
  });
}

// Several filters for each channel of the source.
template <typename T>
void correlate_repeated(const Correlation<T>& task, const Parallel& parallel, T* scratch) {
  const PatchShape& shape = task.patches;
  const int64_t channels = task.groups * task.outputs;
  const int64_t own = band_source_rows(shape, band_rows(shape, channels)) * shape.x.source * channels;
  for_bands(shape, channels, parallel, [&](int64_t image, int64_t y0, int64_t y1, int worker) {
    T* const memory = scratch + worker * own;
    Correlation<T> band = task;
    band.patches = repeat_band(shape, task.source + image * shape.image_stride(), y0, y1, task.outputs, memory);
    band.groups = channels, band.outputs = 1;
    band.source = memory;
    const int64_t before = image * task.result.image + y0 * task.result.row;
    band.result.first += before;
    if (band.epilogue.residual) band.epilogue.residual += before;
    for (int64_t y = 0; y < y1 - y0; y++) correlate_row(band, 0, y, false);
  });
}

// Several channels of the source for each of the result, which is the sum of theirs.
template <typename T>
void correlate_summed(const Correlation<T>& task, int64_t multiplier, const Parallel& parallel, T* scratch) {
  const PatchShape& shape = task.patches;
  const int64_t channels = task.groups * multiplier, row = shape.x.outputs * channels;
  const int64_t own = band_rows(shape, channels) * row;
  for_bands(shape, channels, parallel, [&](int64_t image, int64_t y0, int64_t y1, int worker) {
    T* const memory = scratch + worker * own;
    Correlation<T> band = task;
    band.groups = channels;
    band.source += image * shape.image_stride();
    band.patches.y.outputs = y1 - y0, band.patches.y.origin += y0 * shape.y.step;
    band.result = {memory, 0, row, channels};
    for (int64_t y = y0; y < y1; y++) {
      correlate_row(band, 0, y - y0, false);
      T* const to = task.result.first + image * task.result.image + y * task.result.row;
      const T* const from = memory + (y - y0) * row;
      with_constant(multiplier, [&](auto n) {
        for (int64_t x = 0; x < shape.x.outputs; x++) sum_each<T, n.lanes>(from + x * channels, task.groups, to + x * task.result.column);
      });
    }
  });
}

// Small groups: `groups` counts channels.
void correlate_small_groups(Correlation<float> task, const Parallel& parallel) {
  const int64_t own = task.outputs;
  task.groups *= own;
  if (own == 2) return correlate_rows<float, 2>(task, parallel);
  if (own == 4) return correlate_rows<float, 4>(task, parallel);
  if constexpr (kLanes<float> >= 8) correlate_rows<float, 8>(task, parallel);
}

template <typename T>
void correlate(const Correlation<T>& task, const Parallel& parallel, T* scratch) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (task.patches.channels > 1 && task.outputs > 1) return correlate_small_groups(task, parallel);
  }
  if (task.outputs > 1) return correlate_repeated(task, parallel, scratch);
  if (task.filterGroupStride > 1) return correlate_summed(task, task.filterGroupStride, parallel, scratch);
  correlate_rows(task, parallel);
}

}  // namespace

template <>
void correlate_depthwise(const Correlation<float>& task, const Parallel& parallel, void* scratch) {
  correlate(task, parallel, static_cast<float*>(scratch));
}

template <>
void correlate_depthwise(const Correlation<double>& task, const Parallel& parallel, void* scratch) {
  correlate(task, parallel, static_cast<double*>(scratch));
}

template <typename T>
size_t correlate_depthwise_scratch_bytes(const PatchShape& shape, int64_t groups, int64_t multiplier, int threads) {
  if (multiplier == 1) return 0;
  const int64_t channels = groups * multiplier, rows = band_rows(shape, channels);
  // Copied rows of the source, or rows of the result before they are summed.
  const int64_t own = max64(band_source_rows(shape, rows) * shape.x.source, rows * shape.x.outputs) * channels;
  return static_cast<size_t>(threads * own) * sizeof(T);
}

template size_t correlate_depthwise_scratch_bytes<float>(const PatchShape&, int64_t, int64_t, int);
template size_t correlate_depthwise_scratch_bytes<double>(const PatchShape&, int64_t, int64_t, int);

}  // namespace nagare::NAGARE_ISA
