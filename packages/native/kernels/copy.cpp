#include "copy.h"

#include "copy_blocks.h"
#include "half.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kTaskBytes = 1 << 16;

// body(task) for every task; neighbours stay with a thread.
template <typename Body>
NAGARE_INLINE void for_tasks(const Parallel& parallel, int64_t tasks, const Body& body) {
  parallel_ranges(parallel, tasks, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t task = first; task < last; task++) body(task);
  });
}

// Every K-th element. With a constant distance, whole vectors are read and what is wanted of them put together.
template <int64_t K, typename T>
NAGARE_INLINE void copy_every(const T* x, T* y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = x[i * K];
}

// One row of the last dimension.
template <typename T>
NAGARE_INLINE void copy_row(const T* x, int64_t from, T* y, int64_t to, int64_t n, bool streams) {
  if (to == 1 && from == 1) {
    if (sizeof(T) >= 4 && streams) {
      stream_copy(y, x, n * static_cast<int64_t>(sizeof(T)));
    } else {
      copy_elements(x, y, n);
    }
  } else if (to == 1 && from == 0) {
    const T value = *x;
    for (int64_t i = 0; i < n; i++) y[i] = value;
  } else if (to == 1 && from == -1) {
    for (int64_t i = 0; i < n; i++) y[i] = x[-i];
  } else if (to == 1 && from == 2) {
    copy_every<2>(x, y, n);
  } else if (to == 1 && from == 3) {
    copy_every<3>(x, y, n);
  } else if (to == 1 && from == 4) {
    copy_every<4>(x, y, n);
  } else {
    for (int64_t i = 0; i < n; i++) y[i * to] = x[i * from];
  }
}

// Rows of fewer bytes than this are copied by wide moves.
constexpr int64_t kNarrowRow = 32;

// Rows of n elements each, at most W bytes, that are contiguous in y: moves of W bytes, whose rest the next rows cover, as far as there
// is something to read and to cover.
template <int64_t W, typename T>
NAGARE_INLINE void copy_narrow_rows(const T* x, int64_t fromRow, T* y, int64_t n, int64_t rows) {
  constexpr int64_t wide = W / static_cast<int64_t>(sizeof(T));
  const T* const readEnd = x + (fromRow > 0 ? (rows - 1) * fromRow : 0) + n;
  T* const writeEnd = y + rows * n;
  for (; rows > 0; rows--, x += fromRow, y += n) {
    if (x + wide <= readEnd && y + wide <= writeEnd) __builtin_memcpy(y, x, W);
    else copy_short(reinterpret_cast<char*>(y), reinterpret_cast<const char*>(x), n * static_cast<int64_t>(sizeof(T)));
  }
}

// Rows of so many elements are short where they are apart in y: loops over them that know how many.
constexpr int64_t kShortRow = 8;

// Rows of n elements, at most N, contiguous in themselves.
template <int64_t N, typename T>
NAGARE_INLINE void copy_rows_apart(const T* x, int64_t fromRow, T* y, int64_t toRow, int64_t n, int64_t rows) {
  if constexpr (N > 1) {
    if (n < N) return copy_rows_apart<N - 1>(x, fromRow, y, toRow, n, rows);
  }
  for (; rows > 0; rows--, x += fromRow, y += toRow) __builtin_memcpy(y, x, N * sizeof(T));
}

// Rows of so many elements are reversed together.
constexpr int64_t kReversedTogether = 256;

// Rows of n elements, contiguous in y, that x has backwards from their first on: whole vectors, whose rest the next ones cover, as far as
// there is something to read and to cover.
template <typename T>
NAGARE_INLINE void reverse_rows(const T* x, int64_t fromRow, T* y, int64_t n, int64_t rows) {
  constexpr int64_t N = kLanes<T>;
  const T* const readBegin = x - n + 1 + (fromRow < 0 ? (rows - 1) * fromRow : 0);
  T* const writeEnd = y + rows * n;
  for (; rows > 0; rows--, x += fromRow, y += n) {
    for (int64_t k = 0; k < n; k += N) {
      const T* const from = x - k - N + 1;
      if (from >= readBegin && y + k + N <= writeEnd) {
        store(y + k, reverse_lanes<T>(load(from)));
        continue;
      }
      for (int64_t i = k; i < min64(n, k + N); i++) y[i] = x[-i];
    }
  }
}

// y[i · L + k] = x[i · stride] for k < L: whole rows of y, which lie across no lines where L is a power of two.
template <int L, typename T>
NAGARE_INLINE void repeat_each(const T* x, int64_t stride, T* y, int64_t count) {
  constexpr int N = L < kLanes<T> ? L : kLanes<T>;
  for (int64_t i = 0; i < count; i++) {
    const auto equal = splat<T, N>(x[i * stride]);
    for (int k = 0; k < L; k += N) store<T, N>(y + i * L + k, equal);
  }
}

// Offsets of position `index` in the dimensions other than `a` and `b`.
struct Offsets {
  int64_t from = 0, to = 0;
  Offsets(const CopyParams& p, int64_t index, int a, int b) {
    for (int axis = p.rank - 1; axis >= 0; axis--) {
      if (axis == a || axis == b) continue;
      const int64_t at = index % p.dims[axis];
      index /= p.dims[axis];
      from += at * p.fromStrides[axis];
      to += at * p.toStrides[axis];
    }
  }
};

template <typename T>
void copy_rows(const CopyParams& p, const T* x, T* y, const Parallel& parallel) {
  const int inner = p.rank - 1, second = p.rank - 2;
  const int64_t length = p.dims[inner];
  // Two innermost dimensions are walked without division; a long single row is cut.
  const int64_t middle = second >= 0 ? p.dims[second] : 1;
  int64_t outer = 1;
  for (int axis = 0; axis < second; axis++) outer *= p.dims[axis];
  const int64_t piece = min64(length, kTaskBytes);
  const int64_t pieces = divide_up(length, piece);
  const int64_t rowsPerTask = pieces > 1 ? 1 : kTaskBytes / (length * static_cast<int64_t>(sizeof(T)) + 32) + 1;
  const int64_t rows = outer * middle, rowBytes = length * static_cast<int64_t>(sizeof(T));
  const int64_t fromRow = second >= 0 ? p.fromStrides[second] : 0, toRow = second >= 0 ? p.toStrides[second] : 0;
  const bool apart = p.fromStrides[inner] == 1 && rowBytes < kAheadBytes && (fromRow > length || fromRow < 0);
  const int64_t ahead = apart ? kAheadBytes / rowBytes : 0;
  const bool narrow = p.fromStrides[inner] == 1 && toRow == length && rowBytes < kNarrowRow;
  const bool isShort = p.fromStrides[inner] == 1 && p.toStrides[inner] == 1 && length <= kShortRow;
  const bool repeats = p.fromStrides[inner] == 0 && toRow == length && length <= kLanes<T>;
  const bool reverses = sizeof(T) >= 4 && p.fromStrides[inner] == -1 && toRow == length && length <= kReversedTogether;
  for_tasks(parallel, divide_up(rows, rowsPerTask) * pieces, [&](int64_t task) {
    const int64_t first = task % pieces * piece, count = min64(piece, length - first);
    int64_t row = task / pieces * rowsPerTask;
    const int64_t last = min64(rows, row + rowsPerTask);
    while (row < last) {
      const Offsets at(p, row / middle, inner, second);
      const int64_t j = row % middle, end = min64(middle, j + last - row);
      const T* from = x + at.from + first * p.fromStrides[inner];
      T* to = y + at.to + first * p.toStrides[inner];
      int64_t i = j;
      if (repeats && length == 2 && fromRow == 1) {
        for (; i < end; i++) to[i * 2] = to[i * 2 + 1] = from[i];
      } else if (repeats && length == 4) {
        repeat_each<4>(from + i * fromRow, fromRow, to + i * toRow, end - i);
        i = end;
      } else if (repeats && length == 8) {
        repeat_each<8>(from + i * fromRow, fromRow, to + i * toRow, end - i);
        i = end;
      } else if (reverses) {
        if constexpr (sizeof(T) >= 4) reverse_rows(from + i * fromRow, fromRow, to + i * toRow, length, end - i);
        i = end;
      } else if (narrow) {
        if (rowBytes <= 16) copy_narrow_rows<16>(from + i * fromRow, fromRow, to + i * toRow, length, end - i);
        else copy_narrow_rows<kNarrowRow>(from + i * fromRow, fromRow, to + i * toRow, length, end - i);
        i = end;
      } else if (isShort) {
        copy_rows_apart<kShortRow>(from + i * fromRow, fromRow, to + i * toRow, toRow, length, end - i);
        i = end;
      } else if (repeats) {
        // Whole vectors of one element, the rest of which the next rows cover.
        for (; i < end && (end - i) * length >= kLanes<T>; i++) store(to + i * toRow, splat<T>(from[i * fromRow]));
      }
      for (; i < end; i++) {
        if (i + ahead < middle && ahead > 0) ask_for_row(from + (i + ahead) * fromRow, length);
        copy_row(from + i * fromRow, p.fromStrides[inner], to + i * toRow, p.toStrides[inner], count, p.streams);
      }
      row += end - j;
    }
    if (p.streams) finish_streaming();
  });
}

// Elements of the dimensions other than `a` and `b`.
int64_t others(const CopyParams& p, int a, int b) {
  int64_t count = 1;
  for (int axis = 0; axis < p.rank; axis++) count *= axis == a || axis == b ? 1 : p.dims[axis];
  return count;
}

// The last dimension is contiguous in y, dimension `across` in x.
template <typename T>
void copy_transposed(const CopyParams& p, int across, const T* x, T* y, const Parallel& parallel) {
  const int inner = p.rank - 1;
  const int64_t rows = p.dims[across], columns = p.dims[inner], fromRow = p.fromStrides[inner], toRow = p.toStrides[across];
  // Of long rows of y, some columns at a time.
  const int64_t bands = divide_up(rows, kBlock<T>), width = 16 * kBlock<T>, pieces = divide_up(columns, width);
  // Blocks of single lines that follow on each other far apart: what the next one reads is asked for.
  const bool asks = columns <= kBlock<T> && rows * static_cast<int64_t>(sizeof(T)) <= kLine;
  parallel_ranges(parallel, others(p, across, inner) * bands * pieces, 1, [&](int64_t task, int64_t last, int) {
    Offsets at(p, task / pieces / bands, across, inner);
    for (; task < last; task++) {
      const int64_t i = task / pieces % bands * kBlock<T>, height = min64(kBlock<T>, rows - i);
      const int64_t first = task % pieces * width, end = min64(columns, first + width);
      const Offsets next(p, min64(task + 1, last - 1) / pieces / bands, across, inner);
      for (int64_t j = 0; asks && j < columns; j++) __builtin_prefetch(x + next.from + j * fromRow);
      for (int64_t j = first; j < end; j += kBlock<T>) {
        transpose_block<T>(x + at.from + i + j * fromRow, fromRow, y + at.to + i * toRow + j, toRow, height, min64(kBlock<T>, end - j));
      }
      at = next;
    }
  });
}

// The same where one of both dimensions is short: the other is taken in runs that stay in the first cache.
constexpr int64_t kFewAcross = 4, kRunBytes = 1 << 15;
template <typename T>
void copy_apart(const CopyParams& p, int across, const T* x, T* y, const Parallel& parallel) {
  const int inner = p.rank - 1;
  const int64_t rows = p.dims[across], columns = p.dims[inner], stride = p.fromStrides[inner], toRow = p.toStrides[across];
  const bool isWide = columns >= rows || toRow < 0;
  const int64_t length = isWide ? columns : rows, run = kRunBytes / (min64(isWide ? stride : toRow, 64) * static_cast<int64_t>(sizeof(T)));
  const int64_t runs = divide_up(length, run);
  for_tasks(parallel, others(p, across, inner) * runs, [&](int64_t task) {
    const Offsets at(p, task / runs, across, inner);
    const int64_t first = task % runs * run, count = min64(run, length - first);
    if (isWide) {
      for (int64_t i = 0; i < rows; i++) copy_row(x + at.from + i + first * stride, stride, y + at.to + i * toRow + first, 1, count, false);
    } else {
      take_turns(x + at.from + first, stride, y + at.to + first * toRow, toRow, count, columns);
    }
  });
}

template <typename T>
void copy_of(const CopyParams& p, const void* from, void* to, const Parallel& parallel) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const int inner = p.rank - 1;
  const int64_t stride = p.fromStrides[inner];
  if (p.toStrides[inner] == 1 && (stride > 1 || stride < -1)) {
    for (int axis = 0; axis < inner; axis++) {
      if (p.fromStrides[axis] != 1 || p.dims[axis] == 1) continue;
      const int64_t shorter = min64(p.dims[axis], p.dims[inner]);
      if (stride > 1 && (stride <= kFewAcross || shorter < kSquare<T>)) return copy_apart<T>(p, axis, x, y, parallel);
      return copy_transposed<T>(p, axis, x, y, parallel);
    }
  }
  copy_rows<T>(p, x, y, parallel);
}

template <typename T>
void fill_of(const void* value, void* y, int64_t count, bool streams, const Parallel& parallel) {
  constexpr int64_t N = kTaskBytes / static_cast<int64_t>(sizeof(T));
  T element;
  __builtin_memcpy(&element, value, sizeof(T));
  for_tasks(parallel, divide_up(count, N), [&](int64_t task) {
    T* p = static_cast<T*>(y) + task * N;
    const int64_t n = min64(N, count - task * N);
    if (sizeof(T) < 4 || !streams) {
      for (int64_t i = 0; i < n; i++) p[i] = element;
      return;
    }
    constexpr int64_t M = 4096 / static_cast<int64_t>(sizeof(T));
    T some[M];
    for (T& one : some) one = element;
    for (int64_t i = 0; i < n; i += M) stream_copy(p + i, some, min64(M, n - i) * static_cast<int64_t>(sizeof(T)));
    finish_streaming();
  });
}

template <typename T, typename Convert>
void iota_of(int64_t outer, int64_t n, int64_t inner, void* y, const Parallel& parallel, Convert convert) {
  const int64_t perTask = kTaskBytes / (inner * static_cast<int64_t>(sizeof(T)) + 1) + 1;
  for_tasks(parallel, divide_up(outer * n, perTask), [&](int64_t task) {
    const int64_t last = min64(outer * n, (task + 1) * perTask);
    int64_t row = task * perTask;
    while (row < last) {
      const int64_t index = row % n, count = min64(n - index, last - row);
      T* p = static_cast<T*>(y) + row * inner;
      if (inner == 1) {
        for (int64_t i = 0; i < count; i++) p[i] = convert(index + i);
      } else {
        for (int64_t k = 0; k < count; k++, p += inner) {
          const T value = convert(index + k);
          for (int64_t i = 0; i < inner; i++) p[i] = value;
        }
      }
      row += count;
    }
  });
}

}  // namespace

void copy(const CopyParams& p, const void* x, void* y, const Parallel& parallel) {
  for (int axis = 0; axis < p.rank; axis++) {
    if (p.dims[axis] == 0) return;
  }
  switch (p.elementBytes) {
    case 1:
      return copy_of<uint8_t>(p, x, y, parallel);
    case 2:
      return copy_of<uint16_t>(p, x, y, parallel);
    case 4:
      return copy_of<uint32_t>(p, x, y, parallel);
    default:
      return copy_of<uint64_t>(p, x, y, parallel);
  }
}

void fill(int32_t elementBytes, const void* value, void* y, int64_t count, bool streams, const Parallel& parallel) {
  switch (elementBytes) {
    case 1:
      return fill_of<uint8_t>(value, y, count, streams, parallel);
    case 2:
      return fill_of<uint16_t>(value, y, count, streams, parallel);
    case 4:
      return fill_of<uint32_t>(value, y, count, streams, parallel);
    default:
      return fill_of<uint64_t>(value, y, count, streams, parallel);
  }
}

void iota(DType dtype, int64_t outer, int64_t n, int64_t inner, void* y, const Parallel& parallel) {
  if (outer == 0 || n == 0 || inner == 0) return;
  switch (dtype) {
    case DType::float32:
      return iota_of<float>(outer, n, inner, y, parallel, [](int64_t i) { return static_cast<float>(i); });
    case DType::float64:
      return iota_of<double>(outer, n, inner, y, parallel, [](int64_t i) { return static_cast<double>(i); });
    case DType::float16:
      return iota_of<uint16_t>(outer, n, inner, y, parallel, [](int64_t i) { return to_float16(static_cast<float>(i)); });
    case DType::bfloat16:
      return iota_of<uint16_t>(outer, n, inner, y, parallel, [](int64_t i) { return to_bfloat16(static_cast<float>(i)); });
    case DType::int8:
    case DType::uint8:
      return iota_of<uint8_t>(outer, n, inner, y, parallel, [](int64_t i) { return static_cast<uint8_t>(i); });
    case DType::boolean:
      return iota_of<uint8_t>(outer, n, inner, y, parallel, [](int64_t i) { return static_cast<uint8_t>(i != 0); });
    case DType::int32:
      return iota_of<int32_t>(outer, n, inner, y, parallel, [](int64_t i) { return static_cast<int32_t>(i); });
    case DType::int64:
      return iota_of<int64_t>(outer, n, inner, y, parallel, [](int64_t i) { return i; });
  }
}

}  // namespace nagare::NAGARE_ISA
