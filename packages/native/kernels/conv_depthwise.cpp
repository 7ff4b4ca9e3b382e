#include "conv_depthwise.h"

#include "conv_bands.h"
#include "conv_epilogue.h"
#include "conv_phase.h"

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

// What one tap adds to the sums: channels M … G − 1 of its groups, whose filters lie `ld` apart.
template <typename T, int L, int G, int M = 0, int P, int V, typename Vector>
NAGARE_INLINE void add_tap(const T* w, int64_t ld, const Vector (&cells)[P][V], Vector (&acc)[P][V]) {
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) {
    const Vector weight = load<T, L>(w + v * L);
#pragma GCC unroll 4
    for (int i = 0; i < P; i++) acc[i][v] += weight * of_group<G, M>(cells[i][v]);
  }
  if constexpr (M + 1 < G) add_tap<T, L, G, M + 1>(w + ld, ld, cells, acc);
}

// P neighbouring output pixels × V vectors of L channels in groups of G; all of them see the same taps.
template <typename T, int P, int V, int L, int G>
NAGARE_INLINE void correlate_pixels(const Correlation<T>& task, const T* source, T* result, int64_t c, IndexRange rows,
                                    IndexRange columns) {
  typedef typename VectorOf<T, L>::type Vector;
  const PatchAxis &ay = task.patches.y, &ax = task.patches.x;
  const int64_t channels = task.groups, sourceRow = ax.source * channels;
  if constexpr (P > 1 && L > 1) {
    // The sums of a block of pixels are complete before memory has brought what they read and where they go: a later block is asked for.
    // Of its source, what no earlier row of results has read.
    constexpr int64_t ahead = 2 * P;
#pragma GCC unroll 4
    for (int i = 0; i < P; i++) __builtin_prefetch(result + (ahead + i) * task.result.column + c, 1);
    for (int64_t ty = max64(rows.begin, ay.taps - ay.step); ty < rows.end; ty++) {
      const T* const next = source + ty * ay.tapStep * sourceRow + ((ax.taps - 1) * ax.tapStep + ahead * ax.step) * channels + c;
      for (int64_t i = 0; i < P * ax.step; i++) __builtin_prefetch(next + i * channels);
    }
  }
  Vector acc[P][V] = {};
  for (int64_t ty = rows.begin; ty < rows.end; ty++) {
    for (int64_t tx = columns.begin; tx < columns.end; tx++) {
      const T* w = task.filters.first + ty * task.filters.tapRow + tx * task.filters.tapColumn + c;
      const T* x = source + ty * ay.tapStep * sourceRow + tx * ax.tapStep * channels + c;
      Vector cells[P][V];
#pragma GCC unroll 4
      for (int i = 0; i < P; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) cells[i][v] = load<T, L>(x + i * ax.step * channels + v * L);
      }
      add_tap<T, L, G>(w, task.filters.ld, cells, acc);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < P; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      T* const to = result + i * task.result.column + c + v * L;
      store<T, L>(to, apply_epilogue<T, L>(task.epilogue, task.activation, acc[i][v], c + v * L, to - task.result.first));
    }
  }
}

template <typename T, int P, int G>
NAGARE_NOINLINE void correlate_channels(const Correlation<T>& task, const T* source, T* result, IndexRange rows, IndexRange columns) {
  for_lanes<T, P == 1 ? 4 : 2>(task.groups, [&](auto block, int64_t c) {
    // Small groups fill vectors.
    if constexpr (G == 1 || block.lanes > 1) correlate_pixels<T, P, block.vectors, block.lanes, G>(task, source, result, c, rows, columns);
  });
}

template <typename T, int G = 1>
void correlate_row(const Correlation<T>& task, int64_t image, int64_t y) {
  const PatchAxis &ay = task.patches.y, &ax = task.patches.x;
  const int64_t channels = task.groups;
  // Without channels there is nothing to sum: a phase of the input gradient that no tap reaches.
  const IndexRange rows = task.patches.channels > 0 ? ay.taps_at(y) : IndexRange{0, 0};
  const T* row = task.source + (image * ay.source + ay.origin + y * ay.step) * ax.source * channels;
  T* result = task.result.first + image * task.result.image + y * task.result.row;
  // Every tap is inside the image between the first output of the first tap and the last output of the last one.
  const int64_t inner = ax.outputs_at(0).begin, innerEnd = ax.outputs_at(ax.taps - 1).end;
  for (int64_t x = 0; x < ax.outputs;) {
    const T* source = row + (ax.origin + x * ax.step) * channels;
    if (x >= inner && x + 4 <= innerEnd) {
      correlate_channels<T, 4, G>(task, source, result + x * task.result.column, rows, {0, ax.taps});
      x += 4;
    } else {
      correlate_channels<T, 1, G>(task, source, result + x * task.result.column, rows, ax.taps_at(x));
      x++;
    }
  }
}

template <typename T, int G = 1>
void correlate_rows(const Correlation<T>& task, const Parallel& parallel) {
  const int64_t rows = task.patches.batch * task.patches.y.outputs;
  const int64_t rowCost = max64(1, task.patches.x.outputs * task.groups * task.patches.y.taps * task.patches.x.taps * G);
  const int64_t rowsPerTask = max64(1, (int64_t(1) << 18) / rowCost);
  parallel_for(parallel, divide_up(rows, rowsPerTask), [&](int64_t index, int) {
    for (int64_t r = index * rowsPerTask; r < min64(rows, (index + 1) * rowsPerTask); r++) {
      correlate_row<T, G>(task, r / task.patches.y.outputs, r % task.patches.y.outputs);
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
    for (int64_t y = 0; y < y1 - y0; y++) correlate_row(band, 0, y);
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
      correlate_row(band, 0, y - y0);
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
