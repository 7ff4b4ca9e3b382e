#include "gather.h"

#include "copy.h"
#include "copy_short.h"
#include "half.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kTaskBytes = 1 << 15;
constexpr int64_t kShortBytes = 128;
// Additions to one slice are divided between threads by the rows that they go to, which all look for among the indices, where rows have so
// many elements, and all of them together.
constexpr int64_t kDividedRow = 16, kDividedWork = 1 << 16;
// Many additions to few rows are cut into chunks of at least so many, each with sums of its own that are at most a quarter as many. How
// many chunks depends on the shape alone.
constexpr int64_t kChunkWork = 1 << 14, kMostChunks = 8;

constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename Index>
int64_t first_bad(const GatherParams& p, const Index* indices, int64_t first, int64_t last) {
  // Blocks without a branch inside vectorise; the culprit is looked for only where one is known to be.
  for (int64_t start = first; start < last; start += 256) {
    const int64_t end = least(last, start + 256);
    bool bad = false;
    for (int64_t i = start; i < end; i++) bad |= (indices[i] < 0) | (indices[i] >= p.n);
    for (int64_t i = start; bad && i < end; i++) {
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

template <typename T, typename Index>
void gather_of(const GatherParams& p, const T* x, const Index* indices, T* picked, const Parallel& parallel) {
  const int64_t rows = p.batch * p.outer * p.count;
  const int64_t perTask = kTaskBytes / (p.inner * static_cast<int64_t>(sizeof(T)) + 16) + 1;
  parallel_for(parallel, ceil_div(rows, perTask), [&](int64_t task, int) {
    const int64_t last = least(rows, (task + 1) * perTask);
    int64_t row = task * perTask;
    while (row < last) {
      const int64_t slice = row / p.count, k = row % p.count, end = least(p.count, k + last - row);
      const Index* at = indices + slice / p.outer * p.count;
      const T* from = x + slice * p.n * p.inner;
      T* to = picked + row * p.inner;
      if (p.inner == 1) {
        for (int64_t i = k; i < end; i++) to[i - k] = from[at[i]];
      } else if (p.inner * static_cast<int64_t>(sizeof(T)) <= kShortBytes) {
        for (int64_t i = k; i < end; i++) {
          copy_short(reinterpret_cast<char*>(to + (i - k) * p.inner), reinterpret_cast<const char*>(from + at[i] * p.inner),
                     p.inner * static_cast<int64_t>(sizeof(T)));
        }
      } else {
        for (int64_t i = k; i < end; i++) {
          __builtin_memcpy(to + (i - k) * p.inner, from + at[i] * p.inner, static_cast<size_t>(p.inner) * sizeof(T));
        }
      }
      row += end - k;
    }
  });
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
  const int64_t columns = p.inner >= 256 ? ceil_div(p.inner, ceil_div(p.inner, 128)) : p.inner;
  const int64_t strips = ceil_div(p.inner, columns), slices = p.batch * p.outer * strips;
  const int64_t ranges = slices < parallel.threads && p.inner >= kDividedRow && p.count * p.inner >= kDividedWork ? parallel.threads : 1;
  const int64_t rowsPerRange = ceil_div(p.n, ranges);
  parallel_for(parallel, slices * ranges, [&](int64_t task, int) {
    const int64_t strip = task / ranges, slice = strip / strips, first = strip % strips * columns, width = least(columns, p.inner - first);
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
  const int64_t most = least(kMostChunks / slices, least(p.count * p.inner / kChunkWork, p.count / (4 * p.n)));
  return most > 1 ? most : 1;
}

template <typename Add, typename T, typename Index>
void scatter_in_chunks(const GatherParams& p, const T* picked, const Index* indices, T* x, const Parallel& parallel, T* sums) {
  const int64_t chunks = chunks_of(p), size = p.n * p.inner, length = ceil_div(p.count, chunks);
  const int64_t slices = p.batch * p.outer;
  parallel_for(parallel, slices * chunks, [&](int64_t task, int) {
    const int64_t slice = task / chunks, first = task % chunks * length, last = least(p.count, first + length);
    const Index* at = indices + slice / p.outer * p.count;
    const T* from = picked + slice * p.count * p.inner;
    T* const own = sums + task * size;
    __builtin_memset(own, 0, static_cast<size_t>(size) * sizeof(T));
    for (int64_t k = first; k < last; k++) add_row<Add>(own + at[k] * p.inner, from + k * p.inner, p.inner);
  });
  parallel_ranges(parallel, slices * size, kTaskBytes, [&](int64_t first, int64_t last, int) {
    while (first < last) {
      const int64_t slice = first / size, i = first % size, count = least(size - i, last - first);
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
void gather_any(const GatherParams& p, const void* x, const Index* at, void* picked, const Parallel& parallel) {
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

void gather(const GatherParams& p, const void* x, const void* indices, void* picked, const Parallel& parallel) {
  if (p.inner == 0 || p.count == 0) return;
  if (p.wideIndices) gather_any(p, x, static_cast<const int64_t*>(indices), picked, parallel);
  else gather_any(p, x, static_cast<const int32_t*>(indices), picked, parallel);
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
