#include "pad.h"

#include "blocking.h"
#include "copy_elements.h"
#include "row_counter.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int64_t kTaskBytes = 1 << 15;

// Writes a part of y in order, in one pass: what lies between two pieces of x, on either side of the end of a row, is filled at once.
template <typename T>
class Writer {
 public:
  Writer(T value, T* y, T* end, bool streams) : value_(value), equal_(splat<T>(value)), y_(y), end_(end), streams_(streams) {}

  void fill(int64_t n) { pending_ += n; }
  NAGARE_INLINE void copy(const T* x, int64_t n) {
    flush();
    if (sizeof(T) >= 4 && streams_) stream_copy(y_, x, n * static_cast<int64_t>(sizeof(T)));
    else copy_elements(x, y_, n);
    y_ += n;
  }
  // Whole vectors, whose rest what is written next covers.
  NAGARE_INLINE void flush() {
    constexpr int64_t N = kLanes<T>;
    int64_t i = 0;
    for (; i < pending_ && y_ + i + N <= end_; i += N) store(y_ + i, equal_);
    for (; i < pending_; i++) y_[i] = value_;
    y_ += pending_;
    pending_ = 0;
  }

 private:
  T value_;
  Vec<T> equal_;
  T *y_, *end_;
  bool streams_;
  int64_t pending_ = 0;
};

// The number of a row of y in x, or −1 for a row around it.
int64_t row_inside(const PadParams& p, const RowCounter& counter) {
  int64_t row = 0;
  for (int axis = 0; axis < p.rank - 1; axis++) {
    const int64_t index = counter.at[axis] - p.low[axis];
    if (index < 0 || index >= p.dims[axis]) return -1;
    row = row * p.dims[axis] + index;
  }
  return row;
}

template <typename T>
void pad_of(const PadParams& p, const T* x, T* y, const Parallel& parallel) {
  const int inner = p.rank - 1;
  const int64_t length = p.sizes[inner], low = p.low[inner], n = p.dims[inner];
  int64_t elements = 1;
  for (int axis = 0; axis < p.rank; axis++) elements *= p.sizes[axis];
  T value;
  __builtin_memcpy(&value, &p.value, sizeof(T));
  parallel_ranges(parallel, elements, kTaskBytes / static_cast<int64_t>(sizeof(T)), [&](int64_t at, int64_t last, int) {
    Writer<T> writer(value, y + at, y + last, p.streams);
    RowCounter row(p.rank, p.sizes, at / length);
    for (int64_t column = at % length; at < last; row.next(p.rank, p.sizes), column = 0) {
      const int64_t end = min64(length, column + last - at), from = row_inside(p, row);
      at += end - column;
      const int64_t first = column > low ? column : low, beyond = min64(end, low + n);
      if (from < 0 || first >= beyond) {
        writer.fill(end - column);
        continue;
      }
      writer.fill(first - column);
      writer.copy(x + from * n + first - low, beyond - first);
      writer.fill(end - beyond);
    }
    writer.flush();
    if (p.streams) finish_streaming();
  });
}

}  // namespace

void pad(const PadParams& p, const void* x, void* y, const Parallel& parallel) {
  switch (p.elementBytes) {
    case 1:
      return pad_of(p, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y), parallel);
    case 2:
      return pad_of(p, static_cast<const uint16_t*>(x), static_cast<uint16_t*>(y), parallel);
    case 4:
      return pad_of(p, static_cast<const uint32_t*>(x), static_cast<uint32_t*>(y), parallel);
    default:
      return pad_of(p, static_cast<const uint64_t*>(x), static_cast<uint64_t*>(y), parallel);
  }
}

}  // namespace nagare::NAGARE_ISA
