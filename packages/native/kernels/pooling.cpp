// Pooling over windows of an image. Vectors run over channels; each window visits the cells it has inside the image in row-major order.
#include "pooling.h"

#include "blocking.h"
#include "simd.h"

namespace nagare::NAGARE_ISA {
namespace {

// Elements of input per task: enough to outweigh handing the task over.
constexpr int64_t kTaskElements = int64_t(1) << 15;

// The cells of one window inside the image: rows [y0, y1), columns [x0, x1). Empty windows have y0 = y1.
struct Window {
  int64_t y0, y1, x0, x1;
};

Window window_at(const Pool2dParams& p, int64_t oy, int64_t ox) {
  const int64_t y = oy * p.strideH - p.padTop, x = ox * p.strideW - p.padLeft;
  Window w = {max64(y, 0), min64(y + p.windowH, p.inH), max64(x, 0), min64(x + p.windowW, p.inW)};
  if (w.y1 <= w.y0 || w.x1 <= w.x0) w = {0, 0, 0, 0};
  return w;
}

template <typename T>
constexpr T lowest() {
  if constexpr (T(0.5) == T(0)) return static_cast<T>(int64_t(1) << (8 * sizeof(T) - 1));
  else return -static_cast<T>(__builtin_inff());
}

template <typename T, int L>
using Mask = decltype(typename VectorOf<T, L>::type{} < typename VectorOf<T, L>::type{});

template <typename V, typename M>
NAGARE_INLINE V choose(M mask, V yes, V no) {
  return (V)((mask & (M)yes) | (~mask & (M)no));
}

// Lanes where v replaces the maximum m so far: larger, or the first NaN.
template <typename V>
NAGARE_INLINE auto wins(V v, V m) {
  return (v > m) | ((v != v) & (m == m));
}

// visit(ox, pixels) for runs of output pixels that cover a row, from the left. Windows that step from column to column within the image are a
// run: what they read and give is as neighbouring for all of them as for the channels of one. Others come singly.
template <typename Visit>
NAGARE_INLINE void visit_row(const Pool2dParams& p, const Visit& visit) {
  const int64_t first = p.strideW == 1 ? min64(p.padLeft, p.outW) : p.outW;
  const int64_t end = max64(first, min64(p.inW - p.windowW + p.padLeft + 1, p.outW));
  for (int64_t ox = 0; ox < first; ox++) visit(ox, 1);
  if (first < end) visit(first, end - first);
  for (int64_t ox = end; ox < p.outW; ox++) visit(ox, 1);
}

// visit(image, oy, ox, pixels) for the runs of all rows, which are split into tasks.
template <typename Visit>
void for_each_run(const Pool2dParams& p, const Parallel& parallel, const Visit& visit) {
  const int64_t rows = p.batch * p.outH;
  const int64_t rowsPerTask = max64(1, kTaskElements / max64(1, p.strideH * p.inW * p.channels));
  parallel_for(parallel, divide_up(rows, rowsPerTask), [&](int64_t index, int) {
    for (int64_t r = index * rowsPerTask; r < min64(rows, (index + 1) * rowsPerTask); r++) {
      const int64_t image = r / p.outH, oy = r % p.outH;
      visit_row(p, [&](int64_t ox, int64_t pixels) { visit(image, oy, ox, pixels); });
    }
  });
}

// Zeroes dx and then lets visit(image, oy, ox, pixels, first, end) add to it, where only rows [first, end) of dx may be written. Each task owns a
// band of rows, so windows on the border of two bands are visited by both, and every cell receives its terms in row-major window order.
template <typename T, typename Visit>
void scatter_windows(const Pool2dParams& p, T* dx, const Parallel& parallel, const Visit& visit) {
  const int64_t rowElements = p.inW * p.channels;
  if (p.batch * p.inH * rowElements == 0) return;
  // At least four windows high, or the windows visited twice would cost more than the tasks bring.
  const int64_t band = min64(p.inH, max64(4 * p.windowH, kTaskElements / rowElements));
  const int64_t bands = divide_up(p.inH, band);
  const int64_t imagesPerTask = max64(1, kTaskElements / (band * rowElements));
  parallel_for(parallel, divide_up(p.batch, imagesPerTask) * bands, [&](int64_t index, int) {
    const int64_t first = index % bands * band, end = min64(p.inH, first + band);
    const int64_t image0 = index / bands * imagesPerTask;
    for (int64_t image = image0; image < min64(p.batch, image0 + imagesPerTask); image++) {
      T* const plane = dx + image * p.inH * rowElements;
      // Rows are zeroed just before the first window that reaches them, while they are needed in the cache anyway.
      int64_t zeroed = first;
      for (int64_t oy = 0; oy < p.outH; oy++) {
        const int64_t y = oy * p.strideH - p.padTop;
        if (y + p.windowH <= first) continue;
        if (y >= end) break;
        for (; zeroed < min64(end, y + p.windowH); zeroed++) {
          __builtin_memset(plane + zeroed * rowElements, 0, static_cast<size_t>(rowElements) * sizeof(T));
        }
        visit_row(p, [&](int64_t ox, int64_t pixels) { visit(image, oy, ox, pixels, first, end); });
      }
      for (; zeroed < end; zeroed++) __builtin_memset(plane + zeroed * rowElements, 0, static_cast<size_t>(rowElements) * sizeof(T));
    }
  });
}

template <typename T, typename Block>
NAGARE_INLINE void max_of_window(const Pool2dParams& p, const Window& w, const T* x, T* y, Block) {
  constexpr int V = Block::vectors, L = Block::lanes;
  typename VectorOf<T, L>::type most[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) most[v] = load<T, L>(x + (w.y0 * p.inW + w.x0) * p.channels + v * L);
  for (int64_t iy = w.y0; iy < w.y1; iy++) {
    for (int64_t ix = w.x0; ix < w.x1; ix++) {
      const T* cell = x + (iy * p.inW + ix) * p.channels;
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        const auto value = load<T, L>(cell + v * L);
        most[v] = choose((value > most[v]) | (value != value), value, most[v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) store<T, L>(y + v * L, most[v]);
}

template <typename T, typename Block>
NAGARE_INLINE void select_in_window(const Pool2dParams& p, const Window& w, const T* x, const T* dx, T* dy, Block) {
  constexpr int V = Block::vectors, L = Block::lanes;
  const int64_t first = (w.y0 * p.inW + w.x0) * p.channels;
  typename VectorOf<T, L>::type most[V], selected[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) most[v] = load<T, L>(x + first + v * L), selected[v] = load<T, L>(dx + first + v * L);
  for (int64_t iy = w.y0; iy < w.y1; iy++) {
    for (int64_t ix = w.x0; ix < w.x1; ix++) {
      const int64_t cell = (iy * p.inW + ix) * p.channels;
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        const auto value = load<T, L>(x + cell + v * L);
        const auto better = wins(value, most[v]);
        most[v] = choose(better, value, most[v]);
        selected[v] = choose(better, load<T, L>(dx + cell + v * L), selected[v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) store<T, L>(dy + v * L, selected[v]);
}

// Adds dy at the maximum of the window, in rows [first, end) only.
template <typename T, typename Block>
NAGARE_INLINE void scatter_in_window(const Pool2dParams& p, const Window& w, const T* x, const T* dy, T* dx, int64_t first, int64_t end,
                                     Block) {
  constexpr int V = Block::vectors, L = Block::lanes;
  typename VectorOf<T, L>::type most[V];
  Mask<T, L> position[V], tap = {};
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) {
    most[v] = load<T, L>(x + (w.y0 * p.inW + w.x0) * p.channels + v * L);
    position[v] = Mask<T, L>{};
  }
  for (int64_t iy = w.y0; iy < w.y1; iy++) {
    for (int64_t ix = w.x0; ix < w.x1; ix++) {
      const T* cell = x + (iy * p.inW + ix) * p.channels;
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        const auto value = load<T, L>(cell + v * L);
        const auto better = wins(value, most[v]);
        most[v] = choose(better, value, most[v]);
        position[v] = choose(better, tap, position[v]);
      }
      tap += 1;
    }
  }
  typename VectorOf<T, L>::type term[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) term[v] = load<T, L>(dy + v * L);
  // From the right: a cell then has its terms from the windows of a run in their order.
  const auto across = static_cast<decltype(tap[0] + tap[0])>(w.x1 - w.x0);
  tap = Mask<T, L>{};
  for (int64_t iy = w.y0; iy < w.y1; iy++) {
    tap += across;
    if (iy < first || iy >= end) continue;
    auto left = tap;
    for (int64_t ix = w.x1; ix-- > w.x0;) {
      left -= 1;
      T* cell = dx + (iy * p.inW + ix) * p.channels;
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        const auto here = (typename VectorOf<T, L>::type)((position[v] == left) & (Mask<T, L>)term[v]);
        store<T, L>(cell + v * L, load<T, L>(cell + v * L) + here);
      }
    }
  }
}

template <typename T>
T divisor(const Pool2dParams& p, const Window& w) {
  return static_cast<T>(p.countIncludePad ? p.windowH * p.windowW : max64(1, (w.y1 - w.y0) * (w.x1 - w.x0)));
}

template <typename T>
void max_windows(const Pool2dParams& p, const T* x, T* y, const Parallel& parallel) {
  for_each_run(p, parallel, [&](int64_t image, int64_t oy, int64_t ox, int64_t pixels) {
    const Window w = window_at(p, oy, ox);
    const T* plane = x + image * p.inH * p.inW * p.channels;
    T* out = y + ((image * p.outH + oy) * p.outW + ox) * p.channels;
    if (w.y0 == w.y1) {
      for (int64_t c = 0; c < pixels * p.channels; c++) out[c] = lowest<T>();
      return;
    }
    for_halved_lanes<T, 4>(pixels * p.channels, [&](auto block, int64_t c) { max_of_window(p, w, plane + c, out + c, block); });
  });
}

template <typename T>
void select_windows(const Pool2dParams& p, const T* x, const T* dx, T* dy, const Parallel& parallel) {
  for_each_run(p, parallel, [&](int64_t image, int64_t oy, int64_t ox, int64_t pixels) {
    const Window w = window_at(p, oy, ox);
    const int64_t plane = image * p.inH * p.inW * p.channels;
    T* out = dy + ((image * p.outH + oy) * p.outW + ox) * p.channels;
    if (w.y0 == w.y1) {
      for (int64_t c = 0; c < pixels * p.channels; c++) out[c] = T(0);
      return;
    }
    for_halved_lanes<T, 4>(pixels * p.channels, [&](auto block, int64_t c) {
      select_in_window(p, w, x + plane + c, dx + plane + c, out + c, block);
    });
  });
}

template <typename T>
void scatter_maxima(const Pool2dParams& p, const T* x, const T* dy, T* dx, const Parallel& parallel) {
  scatter_windows(p, dx, parallel, [&](int64_t image, int64_t oy, int64_t ox, int64_t pixels, int64_t first, int64_t end) {
    const Window w = window_at(p, oy, ox);
    if (w.y0 == w.y1) return;
    const int64_t plane = image * p.inH * p.inW * p.channels;
    const T* term = dy + ((image * p.outH + oy) * p.outW + ox) * p.channels;
    for_halved_lanes<T, 4>(pixels * p.channels, [&](auto block, int64_t c) {
      scatter_in_window(p, w, x + plane + c, term + c, dx + plane + c, first, end, block);
    });
  });
}

template <typename T>
void average_windows(const Pool2dParams& p, const T* x, T* y, const Parallel& parallel) {
  for_each_run(p, parallel, [&](int64_t image, int64_t oy, int64_t ox, int64_t pixels) {
    const Window w = window_at(p, oy, ox);
    const T count = divisor<T>(p, w);
    const T* plane = x + image * p.inH * p.inW * p.channels;
    T* out = y + ((image * p.outH + oy) * p.outW + ox) * p.channels;
    for_halved_lanes<T, 4>(pixels * p.channels, [&](auto block, int64_t c) {
      constexpr int V = block.vectors, L = block.lanes;
      typename VectorOf<T, L>::type sum[V] = {};
      for (int64_t iy = w.y0; iy < w.y1; iy++) {
        for (int64_t ix = w.x0; ix < w.x1; ix++) {
          const T* cell = plane + (iy * p.inW + ix) * p.channels + c;
#pragma GCC unroll 4
          for (int v = 0; v < V; v++) sum[v] += load<T, L>(cell + v * L);
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) store<T, L>(out + c + v * L, sum[v] / count);
    });
  });
}

template <typename T>
void scatter_averages(const Pool2dParams& p, const T* dy, T* dx, const Parallel& parallel) {
  scatter_windows(p, dx, parallel, [&](int64_t image, int64_t oy, int64_t ox, int64_t pixels, int64_t first, int64_t end) {
    const Window w = window_at(p, oy, ox);
    const T count = divisor<T>(p, w);
    T* plane = dx + image * p.inH * p.inW * p.channels;
    const T* term = dy + ((image * p.outH + oy) * p.outW + ox) * p.channels;
    for_halved_lanes<T, 4>(pixels * p.channels, [&](auto block, int64_t c) {
      constexpr int V = block.vectors, L = block.lanes;
      typename VectorOf<T, L>::type share[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) share[v] = load<T, L>(term + c + v * L) / count;
      for (int64_t iy = max64(first, w.y0); iy < min64(end, w.y1); iy++) {
        // From the right, as the maxima.
        for (int64_t ix = w.x1; ix-- > w.x0;) {
          T* cell = plane + (iy * p.inW + ix) * p.channels + c;
#pragma GCC unroll 4
          for (int v = 0; v < V; v++) store<T, L>(cell + v * L, load<T, L>(cell + v * L) + share[v]);
        }
      }
    });
  });
}

}  // namespace

template <typename T>
void max_pool(const Pool2dParams& params, const T* x, T* y, const Parallel& parallel) {
  max_windows(params, x, y, parallel);
}

template <typename T>
void max_pool_select(const Pool2dParams& params, const T* x, const T* dx, T* dy, const Parallel& parallel) {
  select_windows(params, x, dx, dy, parallel);
}

template <typename T>
void max_pool_scatter(const Pool2dParams& params, const T* x, const T* dy, T* dx, const Parallel& parallel) {
  scatter_maxima(params, x, dy, dx, parallel);
}

template <typename T>
void avg_pool(const Pool2dParams& params, const T* x, T* y, const Parallel& parallel) {
  average_windows(params, x, y, parallel);
}

template <typename T>
void avg_pool_grad(const Pool2dParams& params, const T* dy, T* dx, const Parallel& parallel) {
  scatter_averages(params, dy, dx, parallel);
}

template void max_pool<float>(const Pool2dParams&, const float*, float*, const Parallel&);
template void max_pool<double>(const Pool2dParams&, const double*, double*, const Parallel&);
template void max_pool<int32_t>(const Pool2dParams&, const int32_t*, int32_t*, const Parallel&);
template void max_pool_select<float>(const Pool2dParams&, const float*, const float*, float*, const Parallel&);
template void max_pool_select<double>(const Pool2dParams&, const double*, const double*, double*, const Parallel&);
template void max_pool_scatter<float>(const Pool2dParams&, const float*, const float*, float*, const Parallel&);
template void max_pool_scatter<double>(const Pool2dParams&, const double*, const double*, double*, const Parallel&);
template void avg_pool<float>(const Pool2dParams&, const float*, float*, const Parallel&);
template void avg_pool<double>(const Pool2dParams&, const double*, double*, const Parallel&);
template void avg_pool_grad<float>(const Pool2dParams&, const float*, float*, const Parallel&);
template void avg_pool_grad<double>(const Pool2dParams&, const double*, double*, const Parallel&);

}  // namespace nagare::NAGARE_ISA
