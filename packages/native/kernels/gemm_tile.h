// The register tile shared by matrix multiplication and convolution.
//
// A tile of R rows × V vectors of C stays in registers while the depth index k runs:
//   acc[i][j] += a(i, k) · b[k·bStride + j].
// Per step that is V loads of b, R broadcasts of a and R·V multiply-adds, so with 6 × 2 (16 registers) or 8 × 3 (32 registers) the
// multiply-add units are the limit and not the loads.
//
// How a(i, k) is found is the only difference between the uses:
//   PackedRows    base[k·stride + i]          packed panels, or a transposed matrix read in place; asks for what comes next meanwhile
//   UnitRows      first[i·stride + k]         a row-major matrix read in place
//   GatheredRows  row[i][offset[k]]           an implicit patch matrix: pixel and tap each contribute an offset
#pragma once

#include "gemm.h"
#include "lanes.h"

namespace nagare::NAGARE_ISA {

constexpr int kTileRows = kVectorRegisters == 32 ? 8 : 6;
constexpr int kTileVectors = kVectorRegisters == 32 ? 3 : 2;
template <typename T>
constexpr int kTileColumns = kTileVectors * kLanes<T>;

// Where a multiply-add needs no register for the product, 16 registers also hold 4 × 3: 7 loads a step instead of 8 for the same sums.
// The loads share their ports with everything else, above all with another thread of the core.
#if defined(__FMA__)
template <typename T>
constexpr bool kHasWideTile = kVectorRegisters == 16 && T(0.5) != T(0);
#else
template <typename T>
constexpr bool kHasWideTile = false;
#endif
constexpr int kWideTileRows = 4, kWideTileVectors = 3;

// What happens to a tile when its sum is complete, and where it goes.
template <typename T>
struct TileOutput {
  T* c;               // its first element
  int64_t stride;     // elements from one of its rows to the next
  int64_t ahead = 0;  // elements from it to a later one, which is asked for meanwhile
  int64_t columns;    // valid columns; the rest of the tile is padding and is not stored
  bool accumulate;
  const T* bias;  // of these columns, or null
  Activation activation;
  // Of GatheredRows, instead of `stride`: an address for each row, to which `first` is added.
  T* const* rows = nullptr;
  int64_t first = 0;
  const T* scale = nullptr;  // of these columns, or null: factors, before the bias
  // Or null: added after the bias. It lies like the result, whose first element is `origin`.
  const T* residual = nullptr;
  const T* origin = nullptr;
};

// Lines of memory that a tile asks for while it computes, one for every kLineSteps steps: many at once would keep its own loads waiting.
// Where there are 16 registers, the compiler makes slower code of the loop with it (4 % on Zen 5 with AVX2).
constexpr bool kAsksAhead = kVectorBytes == 64;
constexpr int64_t kLineSteps = 4;
struct LinesAhead {
  const char* first = nullptr;
  int64_t step = 0;  // 64, or 0: there is nothing to ask for
};

template <typename T>
struct PackedRows {
  static constexpr bool kGathers = false;
  const T* base;
  int64_t stride;
  LinesAhead ahead = {};
};

template <typename T>
struct UnitRows {
  static constexpr bool kGathers = false;
  const T* first;
  int64_t stride;
  int64_t next = 0;  // elements from these rows to those of the tile after this one, which are asked for meanwhile; 0: there are none
};

template <typename T>
struct GatheredRows {
  static constexpr bool kGathers = true;
  const T* const* row;
  const int64_t* offset;
};

template <typename T, int R, int V>
NAGARE_INLINE void multiply_step(const T (&a)[R], const T* b, Vec<T> (&acc)[R][V]) {
  Vec<T> column[V];
#pragma GCC unroll 16
  for (int j = 0; j < V; j++) column[j] = load(b + j * kLanes<T>);
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) {
    const Vec<T> value = splat(a[i]);
#pragma GCC unroll 16
    for (int j = 0; j < V; j++) acc[i][j] += value * column[j];
  }
}

template <typename T, int R, int V>
NAGARE_INLINE void multiply_tile(const PackedRows<T>& rows, const T* b, int64_t bStride, int64_t depth, Vec<T> (&acc)[R][V]) {
  const T* base = rows.base;
  const int64_t stride = rows.stride;
  const auto step = [&] {
    T a[R];
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) a[i] = base[i];
    multiply_step(a, b, acc);
    base += stride;
    b += bStride;
  };
  int64_t k = 0;
  if constexpr (kAsksAhead) {
    const int64_t lineStep = rows.ahead.step;
    const char* line = lineStep ? rows.ahead.first : reinterpret_cast<const char*>(b);
    for (; k + kLineSteps <= depth; k += kLineSteps) {
      __builtin_prefetch(line, 0, 2);
      line += lineStep;
#pragma GCC unroll 4
      for (int i = 0; i < kLineSteps; i++) step();
    }
  }
#pragma GCC unroll 4
  for (; k < depth; k++) step();
}

// Rows of a matrix, three to a pointer: an address holds once or twice the stride beside it, and a pointer for each of eight rows would leave
// no register for anything else.
template <typename T, int R>
struct RowPointers {
  const T *row0, *row3, *row6;
  int64_t stride;

  NAGARE_INLINE RowPointers(const T* first, int64_t stride) : row0(first), row3(first), row6(first), stride(stride) {
    if (R > 3) row3 += 3 * stride;
    if (R > 6) row6 += 6 * stride;
  }
  NAGARE_INLINE const T* row(int i) const { return (i < 3 ? row0 : i < 6 ? row3 : row6) + i % 3 * stride; }
  NAGARE_INLINE void advance(int64_t elements) {
    row0 += elements;
    keep_in_register(row0);
    if constexpr (R > 3) row3 += elements, keep_in_register(row3);
    if constexpr (R > 6) row6 += elements, keep_in_register(row6);
  }
};

template <typename T, int R, int V>
NAGARE_INLINE void multiply_tile(const UnitRows<T>& rows, const T* b, int64_t bStride, int64_t depth, Vec<T> (&acc)[R][V]) {
  constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T)), unrolled = 4;
  RowPointers<T, R> of(rows.first, rows.stride);
  const int64_t next = rows.next;
  const auto multiply = [](const RowPointers<T, R> at, int64_t k, const T* column, Vec<T> (&sums)[R][V]) __attribute__((always_inline)) {
    T a[R];
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) a[i] = at.row(i)[k];
    multiply_step(a, column, sums);
  };
  for (; depth >= line; depth -= line) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) __builtin_prefetch(of.row(i) + next);
#pragma GCC unroll 1
    for (int64_t k = 0; k < line; k += unrolled) {
#pragma GCC unroll 4
      for (int64_t j = 0; j < unrolled; j++, b += bStride) multiply(of, j, b, acc);
      of.advance(unrolled);
      keep_in_register(b);
    }
  }
#pragma GCC unroll 1
  for (; depth > 0; depth--, b += bStride) {
    multiply(of, 0, b, acc);
    of.advance(1);
    keep_in_register(b);
  }
}

template <typename T, int R, int V>
NAGARE_INLINE void multiply_tile(const GatheredRows<T>& rows, const T* b, int64_t bStride, int64_t depth, Vec<T> (&acc)[R][V]) {
  const T* row[R];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) row[i] = rows.row[i];
  const int64_t* offset = rows.offset;
#pragma GCC unroll 4
  for (int64_t k = 0; k < depth; k++) {
    const int64_t position = offset[k];
    T a[R];
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) a[i] = row[i][position];
    multiply_step(a, b, acc);
    b += bStride;
  }
}

// T is unsigned only for wrapping integer arithmetic: its sign is the top bit.
template <typename T>
constexpr bool kWraps = T(-1) > T(0);

// max(v, 0) that keeps NaN.
template <typename T, int L = kLanes<T>, typename V = typename VectorOf<T, L>::type>
NAGARE_INLINE V relu(V v) {
  typedef typename VectorOf<int32_t, sizeof(V) / 4>::type Bits;
  if constexpr (kWraps<T>) return (V)((Bits)v & ~((Bits)v < 0));
  else return (V)((Bits)v & ~(Bits)(v < V{}));
}

template <typename T>
NAGARE_INLINE T relu_scalar(T v) {
  if constexpr (kWraps<T>) return static_cast<int32_t>(v) < 0 ? T(0) : v;
  else return v < T(0) ? T(0) : v;
}

// min(max(v, 0), 6) that keeps NaN.
template <typename T>
NAGARE_INLINE Vec<T> relu6(Vec<T> v) {
  const Vec<T> rectified = relu<T>(v), six = splat(T(6));
  return rectified > six ? six : rectified;
}

template <typename T>
NAGARE_INLINE T activate_scalar(T v, Activation activation) {
  if (activation == Activation::none) return v;
  const T rectified = relu_scalar(v);
  return activation == Activation::relu6 && rectified > T(6) ? T(6) : rectified;
}

// One row of a tile of which only some columns exist; `sum` has all.
template <typename T>
NAGARE_NOINLINE void store_partial_row(const T* sum, T* row, const TileOutput<T>& out) {
  constexpr int lanes = kLanes<T>;
  for (int64_t n = 0; n < out.columns; n += lanes) {
    const int64_t left = out.columns - n, count = left < lanes ? left : lanes;
    Vec<T> value = load(sum + n);
    if (out.accumulate) value += load_some(row + n, count);
    if (out.scale) value *= load_some(out.scale + n, count);
    if (out.bias) value += load_some(out.bias + n, count);
    if (out.residual) value += load_some(out.residual + (row + n - out.origin), count);
    if (out.activation != Activation::none) value = out.activation == Activation::relu ? relu<T>(value) : relu6<T>(value);
    store_some<T>(row + n, value, count);
  }
}

// row(i): where row i of the tile goes.
template <typename T, int R, int V, typename Row>
NAGARE_INLINE void finish_tile(Vec<T> (&acc)[R][V], const Row& row, const TileOutput<T>& out) {
  constexpr int lanes = kLanes<T>;
  if (out.columns != V * lanes) {
    T sum[R][V * lanes];
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 16
      for (int j = 0; j < V; j++) store(sum[i] + j * lanes, acc[i][j]);
    }
    for (int i = 0; i < R; i++) store_partial_row(sum[i], row(i), out);
    return;
  }
  if (out.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 16
      for (int j = 0; j < V; j++) acc[i][j] += load(row(i) + j * lanes);
    }
  }
  if (out.scale) {
#pragma GCC unroll 16
    for (int j = 0; j < V; j++) {
      const Vec<T> scale = load(out.scale + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < R; i++) acc[i][j] *= scale;
    }
  }
  if (out.bias) {
#pragma GCC unroll 16
    for (int j = 0; j < V; j++) {
      const Vec<T> bias = load(out.bias + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < R; i++) acc[i][j] += bias;
    }
  }
  if (out.residual) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 16
      for (int j = 0; j < V; j++) acc[i][j] += load(out.residual + (row(i) - out.origin) + j * lanes);
    }
  }
  if (out.activation != Activation::none) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 16
      for (int j = 0; j < V; j++) acc[i][j] = out.activation == Activation::relu ? relu<T>(acc[i][j]) : relu6<T>(acc[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 16
    for (int j = 0; j < V; j++) store(row(i) + j * lanes, acc[i][j]);
  }
}

template <typename T, int R, int V, typename Rows>
NAGARE_NOINLINE void compute_tile(const Rows& rows, const T* b, int64_t bStride, int64_t depth, const TileOutput<T>& out) {
  Vec<T> acc[R][V] = {};
  if constexpr (Rows::kGathers) {
    T* target[R];
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) target[i] = out.rows[i] + out.first;
    // The tile of C arrives while the sum runs.
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) __builtin_prefetch(target[i], 1);
    multiply_tile<T, R, V>(rows, b, bStride, depth, acc);
    finish_tile<T, R, V>(acc, [&](int i) { return target[i]; }, out);
  } else {
    T* const c = out.c;
    const int64_t stride = out.stride;
    // The sums of a shallow tile are complete before memory has brought the places that they go to: those of a later one are asked for.
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 16
      for (int j = 0; j < V; j += 64 / kVectorBytes) __builtin_prefetch(c + out.ahead + i * stride + j * kLanes<T>, 1);
    }
    multiply_tile<T, R, V>(rows, b, bStride, depth, acc);
    finish_tile<T, R, V>(acc, [&](int i) { return c + i * stride; }, out);
  }
}

template <typename T, typename Rows>
using ProductTile = void (*)(const Rows& rows, const T* b, int64_t bStride, int64_t depth, const TileOutput<T>& out);

template <typename T, typename Rows, int V>
NAGARE_INLINE ProductTile<T, Rows> tile_function_of_width(int rows) {
  switch (rows) {
    case 1: return compute_tile<T, 1, V, Rows>;
    case 2: return compute_tile<T, 2, V, Rows>;
    case 3: return compute_tile<T, 3, V, Rows>;
    case 4: return compute_tile<T, 4, V, Rows>;
    case 5: return compute_tile<T, 5, V, Rows>;
    default: break;
  }
  if constexpr (kTileRows == 8) {
    if (rows == 7) return compute_tile<T, 7, V, Rows>;
    if (rows == 8) return compute_tile<T, 8, V, Rows>;
  }
  return compute_tile<T, 6, V, Rows>;
}

// The tile of `rows` rows (1 … kTileRows) and `vectors` vectors (1 … kTileVectors), or a wide tile of fewer rows and more vectors.
template <typename T, typename Rows>
inline ProductTile<T, Rows> tile_function(int rows, int vectors) {
  if (vectors == 1) return tile_function_of_width<T, Rows, 1>(rows);
  if constexpr (kTileVectors == 3) {
    if (vectors == 3) return tile_function_of_width<T, Rows, 3>(rows);
  } else if constexpr (kHasWideTile<T>) {
    if (vectors == kWideTileVectors) {
      switch (rows) {
        case 1: return compute_tile<T, 1, kWideTileVectors, Rows>;
        case 2: return compute_tile<T, 2, kWideTileVectors, Rows>;
        case 3: return compute_tile<T, 3, kWideTileVectors, Rows>;
        default: return compute_tile<T, kWideTileRows, kWideTileVectors, Rows>;
      }
    }
  }
  return tile_function_of_width<T, Rows, 2>(rows);
}

template <typename T, typename Rows>
inline ProductTile<T, Rows> tile_function_for(const Rows&, int rows, int vectors) {
  return tile_function<T, Rows>(rows, vectors);
}

// Rows of the next tile when `left` rows remain and a tile has at most `most`. The last two tiles share what is left evenly:
// 8 = 4 + 4 keeps the multiply-add units busy, 8 = 6 + 2 does not.
NAGARE_INLINE int next_tile_rows(int64_t left, int most = kTileRows) {
  if (left <= most) return static_cast<int>(left);
  if (left < 2 * most) return static_cast<int>((left + 1) / 2);
  return most;
}

// Vectors that cover `columns` columns, at most kTileVectors.
template <typename T>
NAGARE_INLINE int tile_vectors(int64_t columns) {
  const int64_t vectors = (columns + kLanes<T> - 1) / kLanes<T>;
  return static_cast<int>(vectors < kTileVectors ? vectors : kTileVectors);
}

}  // namespace nagare::NAGARE_ISA
