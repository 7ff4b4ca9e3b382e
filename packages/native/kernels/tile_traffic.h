// Memory traffic of a tile program that runs beside its arithmetic. Left to itself, a tile would wait for its operands, compute while
// memory rests, and then wait for its results to leave; so the operands of the next tile are fetched, and the results of the last one
// written, a part of each between two instructions of this one.
#pragma once

#include "elementwise.h"
#include "stream.h"

namespace nagare::NAGARE_ISA {

class TileTraffic {
 public:
  // Called between two tiles, when what was announced before has been carried out.
  NAGARE_INLINE void clear() { fetches_ = writes_ = 0; }

  // Elements that the next tile reads.
  NAGARE_INLINE void fetch(const char* from, int64_t bytes) {
    if (fetches_ < kMaxFetches) fetch_[fetches_++] = {from, bytes};
  }
  // Results that go to memory past the caches. False when there is no room: then they must be written at once.
  NAGARE_INLINE bool write(char* to, const char* from, int64_t bytes) {
    if (writes_ == kMaxWrites) return false;
    write_[writes_++] = {to, from, bytes};
    // The line that this tile's results share with the next one's goes through the cache, and is there when it is written.
    __builtin_prefetch(to + bytes, 1);
    return true;
  }

  // Carries out part number `part` of `parts`.
  NAGARE_INLINE void advance(int64_t part, int64_t parts) {
    for (int i = 0; i < fetches_; i++) {
      const int64_t end = boundary(fetch_[i].bytes, part + 1, parts);
      for (int64_t at = boundary(fetch_[i].bytes, part, parts); at < end; at += kLine) __builtin_prefetch(fetch_[i].from + at);
    }
    for (int i = 0; i < writes_; i++) {
      const Write& w = write_[i];
      // Cut where lines end in memory.
      const int64_t lead = static_cast<int64_t>(reinterpret_cast<uintptr_t>(w.to) % kLine);
      const int64_t begin = part == 0 ? 0 : boundary(w.bytes + lead, part, parts) - lead;
      const int64_t end = boundary(w.bytes + lead, part + 1, parts) - lead;
      if (begin < end) stream_copy(w.to + begin, w.from + begin, end - begin);
    }
  }

 private:
  static constexpr int64_t kLine = 64;
  static constexpr int kMaxFetches = 8, kMaxWrites = 4;
  struct Fetch {
    const char* from;
    int64_t bytes;
  };
  struct Write {
    char* to;
    const char* from;
    int64_t bytes;
  };

  // Where a part begins: at whole lines.
  static NAGARE_INLINE int64_t boundary(int64_t bytes, int64_t part, int64_t parts) {
    return part == parts ? bytes : bytes / kLine * part / parts * kLine;
  }

  Fetch fetch_[kMaxFetches];
  Write write_[kMaxWrites];
  int fetches_ = 0, writes_ = 0;
};

}  // namespace nagare::NAGARE_ISA
