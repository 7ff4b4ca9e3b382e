#include "gather.h"

#include "blocking.h"
#include "copy.h"
#include "copy_elements.h"
#include "half.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kTaskBytes = 1 << 15;
// Additions to one slice are divided between threads by the rows that they go to, which all look for among the indices, where rows have so
// many elements, and all of them together.
constexpr int64_t kDividedRow = 16, kDividedWork = 1 << 16;
// Many additions to few rows are cut into chunks of at least so many, each with sums of its own that are at most a quarter as many. How
// many chunks depends on the shape alone.
constexpr int64_t kChunkWork = 1 << 14, kMostChunks = 8;

NAGARE_INLINE uint32_t without_sign(int32_t index) { return static_cast<uint32_t>(index); }
NAGARE_INLINE uint64_t without_sign(int64_t index) { return static_cast<uint64_t>(index); }

// Whether some indices are all in [0, n): as numbers without a sign, negative ones are the largest.
template <typename Index>
NAGARE_INLINE bool are_inside(const Index* at, int64_t count, int64_t n) {
  auto most = without_sign(Index{0});
  for (int64_t i = 0; i < count; i++) {
    const auto one = without_sign(at[i]);
    most = one > most ? one : most;
  }
  constexpr uint64_t beyond = uint64_t(1) << (8 * sizeof(Index) - 1);
  const uint64_t limit = static_cast<uint64_t>(n);
  return count == 0 || most < (limit < beyond ? limit : beyond);
}

// Indices are looked at so many at a time, before what they say is read.
constexpr int64_t kChecked = 256;

template <typename Index>
int64_t first_bad(const GatherParams& p, const Index* indices, int64_t first, int64_t last) {
  for (int64_t start = first; start < last; start += kChecked) {
    const int64_t end = min64(last, start + kChecked);
    if (are_inside(indices + start, end - start, p.n)) continue;
    for (int64_t i = start; i < end; i++) {
      if (indices[i] < 0 || indices[i] >= p.n) return i;
    }
  }
  return -1;
}
template <typename Index>
int64_t first_bad(const GatherParams& p, const Index* indices, const Parallel& parallel) {
  const int64_t total = p.batch * p.count;
  bool bad = false;
  parallel_ranges(parallel, total, kTaskBytes, [&](int64_t first, int64_t last, int) {
    if (first_bad(p, indices, first, last) >= 0) __atomic_store_n(&bad, true, __ATOMIC_RELAXED);
  });
  return bad ? first_bad(p, indices, 0, total) : -1;
}

// y[i] = x[at[i]], one by one: instructions that gather a vector take longer, for tables that a cache has by a third.
template <typename T, typename Index>
NAGARE_INLINE void gather_elements(const T* x, const Index* at, int64_t count, T* y) {
  constexpr int64_t together = 8;
  int64_t i = 0;
  for (; i + together <= count; i += together) {
    T some[together];
#pragma GCC unroll 8
    for (int64_t k = 0; k < together; k++) some[k] = x[at[i + k]];
    // Keeps the compiler from making vectors of them.
    asm volatile("" ::: "memory");
#pragma GCC unroll 8
    for (int64_t k = 0; k < together; k++) y[i + k] = some[k];
  }
  for (; i < count; i++) y[i] = x[at[i]];
}

// Rows of `bytes` bytes, at most W: moves of W bytes, whose rest the next rows cover, as far as there is something to read and to cover.
template <int64_t W, typename Index>
NAGARE_INLINE void gather_narrow_rows(const uint8_t* x, int64_t rows, int64_t bytes, const Index* at, int64_t count, uint8_t* y) {
  const int64_t covered = divide_up(W, bytes);
  for (int64_t i = 0; i < count; i++, y += bytes) {
    const uint8_t* const from = x + at[i] * bytes;
    if (at[i] + covered <= rows && i + covered <= count) __builtin_memcpy(y, from, W);
    else copy_short(reinterpret_cast<char*>(y), reinterpret_cast<const char*>(from), bytes);
  }
}

// y[i, :] = x[at[i], :] for rows of a number of bytes. What lies there is asked for ahead: no processor guesses where the next row is.
template <typename Index>
NAGARE_INLINE void gather_rows(const uint8_t* x, int64_t rows, int64_t bytes, const Index* at, int64_t count, uint8_t* y) {
  if (bytes <= 16) return gather_narrow_rows<16>(x, rows, bytes, at, count, y);
  if (bytes <= 32) return gather_narrow_rows<32>(x, rows, bytes, at, count, y);
  const int64_t ahead = divide_up(kAheadBytes, bytes), asked = min64(bytes, kAheadBytes);
  for (int64_t i = 0; i < count; i++) {
    if (i + ahead < count) {
      const uint8_t* const later = x + at[i + ahead] * bytes;
      for (int64_t k = 0; k < asked; k += kLine) __builtin_prefetch(later + k);
    }
    copy_elements(x + at[i] * bytes, y + i * bytes, bytes);
  }
}

template <typename T, typename Index>
int64_t gather_of(const GatherParams& p, const T* x, const Index* indices, T* picked, const Parallel& parallel) {
  const int64_t rows = p.batch * p.outer * p.count, bytes = p.inner * static_cast<int64_t>(sizeof(T));
  bool bad = false;
  parallel_ranges(parallel, rows, kTaskBytes / (bytes + 16) + 1, [&](int64_t row, int64_t last, int) {
    int64_t slice = row / p.count, k = row % p.count, outer = slice % p.outer;
    const Index* at = indices + slice / p.outer * p.count;
    while (row < last) {
      const int64_t count = min64(min64(p.count - k, last - row), kChecked);
      if (!are_inside(at + k, count, p.n)) return __atomic_store_n(&bad, true, __ATOMIC_RELAXED);
      const T* const from = x + slice * p.n * p.inner;
      T* const to = picked + row * p.inner;
      if (p.inner == 1) gather_elements(from, at + k, count, to);
      else gather_rows(reinterpret_cast<const uint8_t*>(from), p.n, bytes, at + k, count, reinterpret_cast<uint8_t*>(to));
      row += count;
      k += count;
      if (k < p.count) continue;
      k = 0;
      slice++;
      if (++outer < p.outer) continue;
      outer = 0;
      at += p.count;
    }
  });
  return bad ? first_bad(p, indices, 0, p.batch * p.count) : -1;
}

// How elements of a dtype are added.
struct AddPlainly {
  static constexpr bool isPlain = true;
  template <typename T>
  static NAGARE_INLINE T add(T a, T b) {
    return a + b;
  }
};
struct AddFloat16 {
  static constexpr bool isPlain = false;
  static NAGARE_INLINE uint16_t add(uint16_t a, uint16_t b) { return to_float16(from_float16(a) + from_float16(b)); }
};
struct AddBFloat16 {
  static constexpr bool isPlain = false;
  static NAGARE_INLINE uint16_t add(uint16_t a, uint16_t b) { return to_bfloat16(from_bfloat16(a) + from_bfloat16(b)); }
};

template <typename Add, typename T>
NAGARE_INLINE void add_row(T* row, const T* values, int64_t n) {
  int64_t c = 0;
  if constexpr (Add::isPlain) {
    for (; c + kLanes<T> <= n; c += kLanes<T>) store(row + c, load(row + c) + load(values + c));
  }
  for (; c < n; c++) row[c] = Add::add(row[c], values[c]);
}

template <typename Add, typename T, typename Index>
void scatter_of(const GatherParams& p, const T* picked, const Index* indices, T* x, const Parallel& parallel) {
  // Slices are independent; within one, columns are, and rows: so two tasks never add to the same element.
  const int64_t columns = p.inner >= 256 ? divide_up(p.inner, divide_up(p.inner, 128)) : p.inner;
  const int64_t strips = divide_up(p.inner, columns), slices = p.batch * p.outer * strips;
  const int64_t ranges = slices < parallel.threads && p.inner >= kDividedRow && p.count * p.inner >= kDividedWork ? parallel.threads : 1;
  const int64_t rowsPerRange = divide_up(p.n, ranges);
  parallel_for(parallel, slices * ranges, [&](int64_t task, int) {
    const int64_t strip = task / ranges, slice = strip / strips, first = strip % strips * columns, width = min64(columns, p.inner - first);
    const int64_t begin = task % ranges * rowsPerRange, end = begin + rowsPerRange;
    const Index* at = indices + slice / p.outer * p.count;
    const T* from = picked + slice * p.count * p.inner + first;
    T* to = x + slice * p.n * p.inner + first;
    for (int64_t k = 0; k < p.count; k++) {
      if (at[k] < begin || at[k] >= end) continue;
      add_row<Add>(to + at[k] * p.inner, from + k * p.inner, width);
    }
  });
}

int64_t chunks_of(const GatherParams& p) {
  const int64_t slices = p.batch * p.outer;
  if (p.n == 0 || slices == 0) return 1;
  const int64_t most = min64(kMostChunks / slices, min64(p.count * p.inner / kChunkWork, p.count / (4 * p.n)));
  return most > 1 ? most : 1;
}

template <typename Add, typename T, typename Index>
void scatter_in_chunks(const GatherParams& p, const T* picked, const Index* indices, T* x, const Parallel& parallel, T* sums) {
  const int64_t chunks = chunks_of(p), size = p.n * p.inner, length = divide_up(p.count, chunks);
  const int64_t slices = p.batch * p.outer;
  parallel_for(parallel, slices * chunks, [&](int64_t task, int) {
    const int64_t slice = task / chunks, first = task % chunks * length, last = min64(p.count, first + length);
    const Index* at = indices + slice / p.outer * p.count;
    const T* from = picked + slice * p.count * p.inner;
    T* const own = sums + task * size;
    __builtin_memset(own, 0, static_cast<size_t>(size) * sizeof(T));
    for (int64_t k = first; k < last; k++) add_row<Add>(own + at[k] * p.inner, from + k * p.inner, p.inner);
  });
  parallel_ranges(parallel, slices * size, kTaskBytes, [&](int64_t first, int64_t last, int) {
    while (first < last) {
      const int64_t slice = first / size, i = first % size, count = min64(size - i, last - first);
      const T* const own = sums + slice * chunks * size + i;
      __builtin_memcpy(x + first, own, static_cast<size_t>(count) * sizeof(T));
      for (int64_t chunk = 1; chunk < chunks; chunk++) add_row<Add>(x + first, own + chunk * size, count);
      first += count;
    }
  });
}

template <typename Add, typename T, typename Index>
void scatter_as(const GatherParams& p, const void* picked, const Index* at, void* x, const Parallel& parallel, void* scratch) {
  if (chunks_of(p) > 1) {
    return scatter_in_chunks<Add>(p, static_cast<const T*>(picked), at, static_cast<T*>(x), parallel, static_cast<T*>(scratch));
  }
  const int64_t zero = 0, elements = p.batch * p.outer * p.n * p.inner, bytes = elements * static_cast<int64_t>(sizeof(T));
  // Most of so many rows are not added to.
  fill(sizeof(T), &zero, x, elements, bytes >= kStreamBytes, parallel);
  if (p.inner > 0 && p.count > 0) scatter_of<Add>(p, static_cast<const T*>(picked), at, static_cast<T*>(x), parallel);
}

template <typename Index>
void scatter_any(const GatherParams& p, const void* picked, const Index* at, void* x, const Parallel& parallel, void* scratch) {
  switch (p.dtype) {
    case DType::float32:
      return scatter_as<AddPlainly, float>(p, picked, at, x, parallel, scratch);
    case DType::float64:
      return scatter_as<AddPlainly, double>(p, picked, at, x, parallel, scratch);
    case DType::float16:
      return scatter_as<AddFloat16, uint16_t>(p, picked, at, x, parallel, scratch);
    case DType::bfloat16:
      return scatter_as<AddBFloat16, uint16_t>(p, picked, at, x, parallel, scratch);
    // Unsigned, whose overflow wraps.
    case DType::int32:
      return scatter_as<AddPlainly, uint32_t>(p, picked, at, x, parallel, scratch);
    case DType::int64:
      return scatter_as<AddPlainly, uint64_t>(p, picked, at, x, parallel, scratch);
    default:
      return scatter_as<AddPlainly, uint8_t>(p, picked, at, x, parallel, scratch);
  }
}

template <typename Index>
int64_t gather_any(const GatherParams& p, const void* x, const Index* at, void* picked, const Parallel& parallel) {
  if (p.outer == 0 || p.inner == 0) return first_bad(p, at, parallel);
  switch (dtype_bytes(p.dtype)) {
    case 1:
      return gather_of(p, static_cast<const uint8_t*>(x), at, static_cast<uint8_t*>(picked), parallel);
    case 2:
      return gather_of(p, static_cast<const uint16_t*>(x), at, static_cast<uint16_t*>(picked), parallel);
    case 4:
      return gather_of(p, static_cast<const uint32_t*>(x), at, static_cast<uint32_t*>(picked), parallel);
    default:
      return gather_of(p, static_cast<const uint64_t*>(x), at, static_cast<uint64_t*>(picked), parallel);
  }
}

}  // namespace

int64_t first_bad_index(const GatherParams& p, const void* indices, const Parallel& parallel) {
  if (p.wideIndices) return first_bad(p, static_cast<const int64_t*>(indices), parallel);
  return first_bad(p, static_cast<const int32_t*>(indices), parallel);
}

int64_t gather(const GatherParams& p, const void* x, const void* indices, void* picked, const Parallel& parallel) {
  if (p.batch == 0 || p.count == 0) return -1;
  if (p.wideIndices) return gather_any(p, x, static_cast<const int64_t*>(indices), picked, parallel);
  return gather_any(p, x, static_cast<const int32_t*>(indices), picked, parallel);
}

void scatter_add(const GatherParams& p, const void* picked, const void* indices, void* x, const Parallel& parallel, void* scratch) {
  if (p.wideIndices) scatter_any(p, picked, static_cast<const int64_t*>(indices), x, parallel, scratch);
  else scatter_any(p, picked, static_cast<const int32_t*>(indices), x, parallel, scratch);
}

size_t scatter_add_scratch_bytes(const GatherParams& p) {
  const int64_t chunks = chunks_of(p);
  return chunks == 1 ? 0 : static_cast<size_t>(p.batch * p.outer * chunks * p.n * p.inner * dtype_bytes(p.dtype));
}

}  // namespace nagare::NAGARE_ISA
