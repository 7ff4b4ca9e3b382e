#include "copy.h"

#include "copy_short.h"
#include "half.h"
#include "stream.h"
#include "transpose_square.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kTaskBytes = 1 << 16;
// Side of the blocks of a transposition: rows of 256 bytes, so that the memory is read in useful pieces.
template <typename T>
constexpr int64_t kBlock = 256 / static_cast<int64_t>(sizeof(T)) < 64 ? 256 / static_cast<int64_t>(sizeof(T)) : 64;

constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// body(task) for every task; neighbours stay with a thread.
template <typename Body>
NAGARE_INLINE void for_tasks(const Parallel& parallel, int64_t tasks, const Body& body) {
  parallel_ranges(parallel, tasks, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t task = first; task < last; task++) body(task);
  });
}

// Bytes from which on it pays to begin stores where a vector does in memory.
constexpr int64_t kLongCopy = 1024;

// Contiguous elements. A loop of our own, because libc's copy (`rep movsb` above some size) takes several times as long on some processors.
template <typename T>
NAGARE_INLINE void copy_elements(const T* x, T* y, int64_t n) {
  constexpr int N = kLanes<T>;
  int64_t i = 0;
  if (n >= kLongCopy / static_cast<int64_t>(sizeof(T))) {
    // The first vector, part of which the next ones cover: stores that lie across lines take twice as long.
    store(y, load(x));
    i = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) % kVectorBytes) / static_cast<int64_t>(sizeof(T));
  }
  for (; i + 4 * N <= n; i += 4 * N) {
    const Vec<T> a = load(x + i), b = load(x + i + N), c = load(x + i + 2 * N), d = load(x + i + 3 * N);
    store(y + i, a);
    store(y + i + N, b);
    store(y + i + 2 * N, c);
    store(y + i + 3 * N, d);
    // Keeps the compiler from making a call to that copy of this loop.
    asm volatile("" ::: "memory");
  }
  for (; i + N <= n; i += N) {
    store(y + i, load(x + i));
    asm volatile("" ::: "memory");
  }
  if (i == n) return;
  if (n >= N) {
    // The last whole vector, part of which is there already.
    store(y + n - N, load(x + n - N));
    return;
  }
  copy_short(reinterpret_cast<char*>(y), reinterpret_cast<const char*>(x), n * static_cast<int64_t>(sizeof(T)));
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

// Rows so many bytes apart, or a multiple of it, share few places of the first cache.
constexpr int64_t kCrowdedStride = 1024;
// Side of the squares that are transposed in registers.
template <typename T>
constexpr int64_t kSquare = sizeof(T) < 4 ? 16 / static_cast<int64_t>(sizeof(T)) : kLanes<T>;

// y[i · toRow + j] = x[j · fromRow + i] for rows × columns of y, both at most kBlock<T>, a square at a time. The block passes through a
// buffer, so that each cache line of x and of y is touched once and whole: with strides of a power of two, lines of different rows drive
// each other out. Where a square's rows are cache lines, and do not, no buffer is wanted.
template <typename T>
NAGARE_INLINE void transpose_block(const T* x, int64_t fromRow, T* y, int64_t toRow, int64_t rows, int64_t columns) {
  constexpr int64_t N = kSquare<T>, side = kBlock<T>, bytes = static_cast<int64_t>(sizeof(T));
  const bool isDirect = N * bytes == kLine && toRow * bytes % kCrowdedStride != 0;
  T buffer[side * side];
  T* const to = isDirect ? y : buffer;
  const int64_t step = isDirect ? toRow : side, wholeRows = rows / N * N, wholeColumns = columns / N * N;
  const auto copy = [&](int64_t i0, int64_t j0, int64_t j1) {
    for (int64_t j = j0; j < j1; j++)
      for (int64_t i = i0; i < rows; i++) to[i * step + j] = x[j * fromRow + i];
  };
  for (int64_t j = 0; j < wholeColumns; j += N) {
    for (int64_t i = 0; i < wholeRows; i += N) {
      if constexpr (sizeof(T) < 4) {
        transpose_narrow(x + j * fromRow + i, fromRow, to + i * step + j, step);
      } else {
        using Float = typename FloatOf<sizeof(T)>::type;
        transpose_lanes(reinterpret_cast<const Float*>(x + j * fromRow + i), fromRow, reinterpret_cast<Float*>(to + i * step + j), step);
      }
    }
  }
  if (wholeRows < rows) copy(wholeRows, 0, wholeColumns);
  copy(0, wholeColumns, columns);
  if (isDirect) return;
  for (int64_t i = 0; i < rows; i++) copy_elements(buffer + i * side, y + i * toRow, columns);
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

// Rows that are read apart from each other are asked for so many bytes ahead, where they are short: no processor guesses where the next is.
constexpr int64_t kAheadBytes = 2048;

template <typename T>
NAGARE_INLINE void ask_for_row(const T* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLine / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(x + i);
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
  const int64_t piece = least(length, kTaskBytes);
  const int64_t pieces = ceil_div(length, piece);
  const int64_t rowsPerTask = pieces > 1 ? 1 : kTaskBytes / (length * static_cast<int64_t>(sizeof(T)) + 32) + 1;
  const int64_t rows = outer * middle, rowBytes = length * static_cast<int64_t>(sizeof(T));
  const int64_t fromRow = second >= 0 ? p.fromStrides[second] : 0, toRow = second >= 0 ? p.toStrides[second] : 0;
  const bool apart = p.fromStrides[inner] == 1 && rowBytes < kAheadBytes && (fromRow > length || fromRow < 0);
  const int64_t ahead = apart ? kAheadBytes / rowBytes : 0;
  const bool narrow = p.fromStrides[inner] == 1 && toRow == length && rowBytes < kNarrowRow;
  const bool repeats = p.fromStrides[inner] == 0 && toRow == length && length <= kLanes<T>;
  for_tasks(parallel, ceil_div(rows, rowsPerTask) * pieces, [&](int64_t task) {
    const int64_t first = task % pieces * piece, count = least(piece, length - first);
    int64_t row = task / pieces * rowsPerTask;
    const int64_t last = least(rows, row + rowsPerTask);
    while (row < last) {
      const Offsets at(p, row / middle, inner, second);
      const int64_t j = row % middle, end = least(middle, j + last - row);
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
      } else if (narrow) {
        if (rowBytes <= 16) copy_narrow_rows<16>(from + i * fromRow, fromRow, to + i * toRow, length, end - i);
        else copy_narrow_rows<kNarrowRow>(from + i * fromRow, fromRow, to + i * toRow, length, end - i);
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

// The last dimension is contiguous in y, dimension `across` in x.
template <typename T>
void copy_transposed(const CopyParams& p, int across, const T* x, T* y, const Parallel& parallel) {
  const int inner = p.rank - 1;
  const int64_t rows = p.dims[across], columns = p.dims[inner];
  int64_t outer = 1;
  for (int axis = 0; axis < p.rank; axis++) outer *= axis == across || axis == inner ? 1 : p.dims[axis];
  const int64_t bands = ceil_div(rows, kBlock<T>);
  for_tasks(parallel, outer * bands, [&](int64_t task) {
    const Offsets at(p, task / bands, across, inner);
    const int64_t i = task % bands * kBlock<T>, height = least(kBlock<T>, rows - i);
    for (int64_t j = 0; j < columns; j += kBlock<T>) {
      transpose_block<T>(x + at.from + i + j * p.fromStrides[inner], p.fromStrides[inner], y + at.to + i * p.toStrides[across] + j,
                         p.toStrides[across], height, least(kBlock<T>, columns - j));
    }
  });
}

// The same for elements that are few in x, `stride` of them for each column: the columns are taken in runs that stay in the first cache.
constexpr int64_t kFewAcross = 4, kRun = 2048;
template <typename T>
void copy_apart(const CopyParams& p, int across, const T* x, T* y, const Parallel& parallel) {
  const int inner = p.rank - 1;
  const int64_t rows = p.dims[across], columns = p.dims[inner], stride = p.fromStrides[inner];
  int64_t outer = 1;
  for (int axis = 0; axis < p.rank; axis++) outer *= axis == across || axis == inner ? 1 : p.dims[axis];
  const int64_t runs = ceil_div(columns, kRun);
  for_tasks(parallel, outer * runs, [&](int64_t task) {
    const Offsets at(p, task / runs, across, inner);
    const int64_t j = task % runs * kRun, count = least(kRun, columns - j);
    for (int64_t i = 0; i < rows; i++) copy_row(x + at.from + i + j * stride, stride, y + at.to + i * p.toStrides[across] + j, 1, count, false);
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
      if (stride > 1 && stride <= kFewAcross) return copy_apart<T>(p, axis, x, y, parallel);
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
  for_tasks(parallel, ceil_div(count, N), [&](int64_t task) {
    T* p = static_cast<T*>(y) + task * N;
    const int64_t n = least(N, count - task * N);
    if (sizeof(T) < 4 || !streams) {
      for (int64_t i = 0; i < n; i++) p[i] = element;
      return;
    }
    constexpr int64_t M = 4096 / static_cast<int64_t>(sizeof(T));
    T some[M];
    for (T& one : some) one = element;
    for (int64_t i = 0; i < n; i += M) stream_copy(p + i, some, least(M, n - i) * static_cast<int64_t>(sizeof(T)));
    finish_streaming();
  });
}

template <typename T, typename Convert>
void iota_of(int64_t outer, int64_t n, int64_t inner, void* y, const Parallel& parallel, Convert convert) {
  const int64_t perTask = kTaskBytes / (inner * static_cast<int64_t>(sizeof(T)) + 1) + 1;
  for_tasks(parallel, ceil_div(outer * n, perTask), [&](int64_t task) {
    const int64_t last = least(outer * n, (task + 1) * perTask);
    int64_t row = task * perTask;
    while (row < last) {
      const int64_t index = row % n, count = least(n - index, last - row);
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
