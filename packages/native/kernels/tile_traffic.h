// Memory traffic of a tile program that runs beside its arithmetic. Left to itself, a tile would wait for its operands, compute while
// memory rests, and then wait for its results to leave; so the operands of a later tile are fetched, and the results of the last one
// written, a part of each between two instructions of this one.
#pragma once

#include "elementwise.h"
#include "stream.h"

namespace nagare::NAGARE_ISA {

class TileTraffic {
 public:
  // Elements that a later tile reads.
  NAGARE_INLINE void fetch(const char* from, int64_t bytes) {
    if (fetches_ < kMaxFetches) fetch_[fetches_++] = {from, from + bytes, 0};
  }
  // Results that go to memory past the caches. False when there is no room: then they must be written at once.
  NAGARE_INLINE bool write(char* to, const char* from, int64_t bytes) {
    if (writes_ == kMaxWrites) return false;
    write_[writes_++] = {to, from, bytes, 0};
    // The line that this tile's results share with the next one's goes through the cache, and is there when it is written.
    __builtin_prefetch(to + bytes, 1);
    return true;
  }

  // Cuts what was announced into parts, of whole lines.
  NAGARE_INLINE void divide(int parts) {
    for (int i = 0; i < fetches_; i++) fetch_[i].step = step(fetch_[i].end - fetch_[i].at, parts);
    for (int i = 0; i < writes_; i++) write_[i].step = step(write_[i].bytes, parts);
  }
  // Carries out a part.
  NAGARE_INLINE void advance() {
    for (int i = 0; i < fetches_; i++) {
      Fetch& f = fetch_[i];
      const char* const end = f.end - f.at < f.step ? f.end : f.at + f.step;
      for (; f.at < end; f.at += kLine) __builtin_prefetch(f.at);
    }
    for (int i = 0; i < writes_; i++) {
      Write& w = write_[i];
      // Cut where lines end in memory.
      const int64_t lead = static_cast<int64_t>(reinterpret_cast<uintptr_t>(w.to) % kLine);
      if (w.step - lead < w.bytes) put(w, w.step - lead);
      else put(w, w.bytes);
    }
  }
  // Carries out what is left.
  NAGARE_INLINE void finish() {
    for (int i = 0; i < writes_; i++) put(write_[i], write_[i].bytes);
    fetches_ = writes_ = 0;
  }

 private:
  static constexpr int kMaxFetches = 8, kMaxWrites = 4;
  struct Fetch {
    const char *at, *end;
    int64_t step;
  };
  struct Write {
    char* to;
    const char* from;
    int64_t bytes, step;
  };

  static NAGARE_INLINE int64_t step(int64_t bytes, int parts) {
    const uint32_t lines = static_cast<uint32_t>(bytes / kLine) + 1, whole = static_cast<uint32_t>(parts);
    return static_cast<int64_t>((lines + whole - 1) / whole) * kLine;
  }
  static NAGARE_INLINE void put(Write& w, int64_t bytes) {
    if (bytes <= 0) return;
    stream_copy(w.to, w.from, bytes);
    w.to += bytes;
    w.from += bytes;
    w.bytes -= bytes;
  }

  Fetch fetch_[kMaxFetches];
  Write write_[kMaxWrites];
  int fetches_ = 0, writes_ = 0;
};

}  // namespace nagare::NAGARE_ISA
