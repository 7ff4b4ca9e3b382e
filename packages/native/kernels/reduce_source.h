// What is folded: elements in memory, or those that a chain makes.
#pragma once

#include "elementwise.h"
#include "reduce.h"

namespace nagare::NAGARE_ISA {

// Elements of a row that are folded at once.
constexpr int64_t kRowBlock = 2048;
// Elements that a chain makes ahead where it is asked for few: its tiles want to be long.
constexpr int64_t kAhead = 1024;

// Elements to fold: those of what is reduced first, and `pitch` elements on those of what is reduced beside it.
template <typename T>
struct Elements {
  const T* first;
  int64_t pitch;

  NAGARE_INLINE const T* of(int k) const { return first + k * pitch; }
};

// What one task reads of a dense tensor of any dtype, in the type T it is accumulated in: narrow dtypes pass through a buffer, and so does
// what a chain makes, which may be the elements of several tensors.
template <typename T>
class Source {
 public:
  // `end`: where what the task reads ends.
  Source(const ReduceInput& x, const ReduceParams& p, int worker, int64_t end)
      : x_(x), bytes_(dtype_bytes(p.dtype)), widen_(find_load(p.dtype)), worker_(worker), results_(p.results), end_(end),
        leavesCaches_(p.outer * p.n * p.inner * bytes_ > kCachedBytes) {
    if (!x.chain) return;
    elementwise_ready(*x.chain, x.operands, worker, x.chainScratch);
    const int64_t row = x.chain->dims[x.chain->rank - 1];
    if (x.chain->rowsPerTile) made_ -= made_ % row;
    // One operand in order is fetched by the hardware in time, of several it loses some.
    int streams = 0;
    for (int i = 0; i < x.chain->loads; i++) streams += x.chain->load[i].access == Access::contiguous;
    if (streams > 1) distance_ = kRowBlock;
  }

  // Whether what is reduced lies in memory, and in no cache whose lines come in time.
  NAGARE_INLINE bool leaves_caches() const { return leavesCaches_; }

  // The elements where they lie, or null where they have to be read.
  NAGARE_INLINE const T* in_place(int64_t index) const {
    return x_.chain || widen_ ? nullptr : static_cast<const T*>(x_.data) + index;
  }

  // `count` elements of each tensor from `index` on; `buffer` has room for them. What follows is read next.
  NAGARE_INLINE Elements<T> read(int64_t index, int64_t count, T* buffer) {
    if (x_.chain && count <= kAhead / 2) return {made_ahead(index, count), kAhead};
    return {read_apart(index, count, buffer, count, distance_), count};
  }
  // The same where what lies `distance` elements behind is read next, if it is to be asked for. Those of the next tensor go `pitch`
  // elements behind those of one.
  NAGARE_INLINE const T* read_apart(int64_t index, int64_t count, T* buffer, int64_t pitch, int64_t distance) const {
    if (x_.chain) {
      make(index, count, buffer, pitch, distance);
      return buffer;
    }
    const char* from = static_cast<const char*>(x_.data) + index * bytes_;
    if (!widen_) return reinterpret_cast<const T*>(from);
    widen_(buffer, from, nullptr, nullptr, count);
    return buffer;
  }

 private:
  NAGARE_NOINLINE const T* made_ahead(int64_t index, int64_t count) {
    if (index < first_ || index + count > last_) {
      const int64_t kept = index >= first_ && index < last_ ? last_ - index : 0;
      for (int k = 0; kept && k < results_; k++) {
        T* const own = ahead_ + k * kAhead;
        __builtin_memmove(own, own + (index - first_), static_cast<size_t>(kept) * sizeof(T));
      }
      first_ = index;
      last_ = index + made_ < end_ ? index + made_ : end_;
      make(index + kept, last_ - index - kept, ahead_ + kept, kAhead, distance_);
    }
    return ahead_ + (index - first_);
  }

  NAGARE_NOINLINE void make(int64_t index, int64_t count, T* to, int64_t pitch, int64_t distance) const {
    void* made[kMaxReductions];
    if (!widen_) {
      for (int k = 0; k < results_; k++) made[k] = to + k * pitch;
      return elementwise_fill(*x_.chain, x_.operands, made, index, index + count, distance, worker_, x_.chainScratch);
    }
    // Stored and read again as by two steps: what is folded was rounded to the dtype.
    alignas(64) char narrow[kMaxReductions][kTileElements * 2];
    for (int k = 0; k < results_; k++) made[k] = narrow[k];
    for (int64_t i = 0; i < count; i += kTileElements) {
      const int64_t length = count - i < kTileElements ? count - i : kTileElements;
      elementwise_fill(*x_.chain, x_.operands, made, index + i, index + i + length, distance, worker_, x_.chainScratch);
      for (int k = 0; k < results_; k++) widen_(to + k * pitch + i, narrow[k], nullptr, nullptr, length);
    }
  }

  const ReduceInput& x_;
  int bytes_;
  TileFunction widen_;  // null when elements are stored as T
  int worker_, results_;
  int64_t end_;
  bool leavesCaches_;
  int64_t made_ = kAhead;         // so many of them: whole rows, where tiles are
  int64_t distance_ = 0;          // to what is asked for of operands beyond the caches; 0 for nothing
  int64_t first_ = 0, last_ = 0;  // the elements made ahead
  alignas(64) T ahead_[kMaxReductions * kAhead];
};

}  // namespace nagare::NAGARE_ISA
