#include "elementwise.h"

#include "random.h"
#include "row_counter.h"
#include "tile_traffic.h"

namespace nagare::NAGARE_ISA {
namespace {

// Makes `count` elements, at least a vector, by whole vectors, the last of which has some of the one before it.
template <typename T, typename Vector>
NAGARE_INLINE void make_whole_vectors(T* y, int64_t count, const Vector& vector) {
  constexpr int64_t N = kLanes<T>;
  for (int64_t i = 0; i + N <= count; i += N) store(y + i, vector(i));
  if (count % N != 0) store(y + count - N, vector(count - N));
}

// Copies `count` elements that are `stride` elements apart.
template <typename T>
NAGARE_INLINE void gather_row(T* y, const T* x, int64_t stride, int64_t count) {
  if (stride == 0) {
    const T value = *x;
    if (count >= kLanes<T>) return make_whole_vectors(y, count, [v = splat<T>(value)](int64_t) __attribute__((always_inline)) { return v; });
    for (int64_t i = 0; i < count; i++) y[i] = value;
  } else if (stride == 1) {
    if (count >= kLanes<T>) return make_whole_vectors(y, count, [x](int64_t i) __attribute__((always_inline)) { return load(x + i); });
    for (int64_t i = 0; i < count; i++) y[i] = x[i];
  } else {
    for (int64_t i = 0; i < count; i++) y[i] = x[i * stride];
  }
}

// Elements before a row of a load.
int64_t offset_of(const TileProgram& p, const RowCounter& counter, const int64_t* strides) {
  int64_t sum = 0;
  for (int axis = 0; axis < p.rank - 1; axis++) sum += counter.at[axis] * strides[axis];
  return sum;
}

// Copies `rows` rows of `length` elements of a load, from the counter's on.
template <typename T>
void gather_rows(const TileProgram& p, const TileLoad& load, const void* from, void* to, RowCounter counter, int64_t rows, int64_t length) {
  T* y = static_cast<T*>(to);
  T* const end = y + rows * length;
  const int second = p.rank - 2;
  const int64_t stride = load.strides[p.rank - 1], step = second >= 0 ? load.strides[second] : 0;
  while (rows > 0) {
    const int64_t left = second >= 0 ? p.dims[second] - counter.at[second] : 1, count = rows < left ? rows : left;
    const T* x = static_cast<const T*>(from) + offset_of(p, counter, load.strides);
    for (int64_t row = 0; row < count; row++, x += step, y += length) {
      // A few equal elements as a whole vector, the rest of which the next rows cover.
      if (stride == 0 && length <= kLanes<T> && y + kLanes<T> <= end) store(y, splat<T>(*x));
      else gather_row<T>(y, x, stride, length);
    }
    counter.next(p.rank, p.dims, count);
    rows -= count;
  }
}

// What a load's register holds, in elements: the first `count` of a span from its `phase` on, while tiles lie in the span [begin, end).
struct Held {
  int64_t count, begin, end, phase;
};

// Instead of a distance to what is asked for ahead: that of two tiles.
constexpr int64_t kTwoTiles = -1;

struct Worker {
  const TileProgram& p;
  const void* const* inputs;
  void* const* outputs;
  void** slots;  // at the end of the worker's scratch
  bool streams;
  TileTraffic& traffic;
  int64_t origin = 0;         // the element at which the outputs begin
  int64_t ahead = kTwoTiles;  // elements from a tile to those that are asked for meanwhile

  NAGARE_INLINE const char* element(const TileLoad& load, int64_t index) const {
    return static_cast<const char*>(inputs[load.operand]) + index * dtype_bytes(load.dtype);
  }

  void run(const TileInstruction* list, int count, int64_t n) const {
    for (int i = 0; i < count; i++) run(list[i], n);
  }
  NAGARE_INLINE void run(const TileInstruction& t, int64_t n) const {
    if (t.group) t.group->function(slots, p.places + t.d, n);
    else t.function(slots[t.d], slots[t.a], slots[t.b], slots[t.c], n);
  }
  // The only instruction, from memory to memory.
  NAGARE_INLINE void run_alone(const TileInstruction& t, int64_t n) const {
    if (streams) {
      for (int i = 0; i < p.stores; i++) touch_pages_ahead(slots[p.store[i].slot], n * p.store[i].elementBytes);
    }
    if (t.group) (streams ? t.group->streamed : t.group->fetching)(slots, p.places + t.d, n);
    else (streams ? p.streamed : t.function)(slots[t.d], slots[t.a], slots[t.b], slots[t.c], n);
  }

  // Brings `count` contiguous elements into the load's slot.
  NAGARE_INLINE void take(const TileLoad& load, const char* from, int64_t count) const {
    if (load.convert) load.convert(slots[load.slot], from, nullptr, nullptr, count);
    else slots[load.slot] = const_cast<char*>(from);
  }

  // Copies whole rows, from the counter's on, into the load's register.
  void gather(const TileLoad& load, RowCounter counter, int64_t rows, int64_t first, int64_t length) const {
    const int bytes = dtype_bytes(load.dtype);
    // Narrow elements are gathered behind the register, which is twice as large for it, and widened into it.
    char* target = static_cast<char*>(slots[load.slot]);
    char* packed = load.convert ? target + kTileElements * register_element_bytes(register_of(load.dtype)) : target;
    const char* from = element(load, first * load.strides[p.rank - 1]);
    switch (bytes) {
      case 1:
        gather_rows<uint8_t>(p, load, from, packed, counter, rows, length);
        break;
      case 2:
        gather_rows<uint16_t>(p, load, from, packed, counter, rows, length);
        break;
      case 4:
        gather_rows<uint32_t>(p, load, from, packed, counter, rows, length);
        break;
      default:
        gather_rows<uint64_t>(p, load, from, packed, counter, rows, length);
    }
    if (load.convert) load.convert(target, packed, nullptr, nullptr, rows * length);
  }

  // The same unless they are there already: what is one number for each group, or for each channel, is mostly that of the last tile.
  NAGARE_INLINE void hold(const TileLoad& load, const RowCounter& counter, int64_t rows, int64_t first, int64_t length, int64_t index) const {
    Held& held = *static_cast<Held*>(slots[load.held]);
    const int64_t n = rows * length;
    if (n <= held.count && index >= held.begin && index + n <= held.end && phase_of(load, index - held.begin) == held.phase) return;
    gather(load, counter, rows, first, length);
    held.count = 0;
    if (load.span == 0 || length < p.dims[p.rank - 1]) return;
    const int64_t span = load.span * length, begin = index / span * span;
    if (index + n <= begin + span) held = {n, begin, begin + span, phase_of(load, index - begin)};
  }
  // Where in its period a load is, after so many elements of a span.
  NAGARE_INLINE int64_t phase_of(const TileLoad& load, int64_t elements) const {
    return elements % (load.period * p.dims[p.rank - 1]);
  }

  void begin() const {
    for (int i = 0; i < p.loads; i++) {
      const TileLoad& load = p.load[i];
      if (load.access == Access::uniform) take(load, element(load, 0), 1);
      if (load.access == Access::gathered) static_cast<Held*>(slots[load.held])->count = 0;
    }
    run(p.once, p.onceCount, 1);
  }

  void tile(const RowCounter& counter, int64_t rows, int64_t first, int64_t length, int64_t index) const {
    const int64_t n = rows * length;
    for (int i = 0; i < p.loads; i++) {
      const TileLoad& load = p.load[i];
      switch (load.access) {
        case Access::contiguous:
          take(load, element(load, index), n);
          break;
        case Access::withinRow:
          take(load, element(load, offset_of(p, counter, load.strides) + first), n);
          break;
        case Access::perRow:
          take(load, element(load, offset_of(p, counter, load.strides)), 1);
          break;
        case Access::gathered:
          hold(load, counter, rows, first, length, index);
          break;
        case Access::drawn:
          random_words(static_cast<const int32_t*>(inputs[load.operand]), load.first + index, n, static_cast<int32_t*>(slots[load.slot]));
          break;
        case Access::uniform:
          break;
      }
    }
    for (int i = 0; i < p.stores; i++) {
      const TileStore& store = p.store[i];
      slots[store.slot] = static_cast<char*>(outputs[store.operand]) + (index - origin) * store.elementBytes;
    }
    run(p.row, p.rowCount, 1);
    if (p.alone) return run_alone(p.tiles[0], n);
    if (!p.beyondCaches || ahead == 0) {
      run(p.tiles, p.tileCount, n);
      for (int i = 0; i < p.stores; i++) {
        const TileStore& store = p.store[i];
        if (!store.direct) store.convert(slots[store.slot], slots[store.from], nullptr, nullptr, n);
      }
      return;
    }
    // The traffic so far is that of the last tile's results, to which comes that of the operands of the next tile but one: the last part
    // of what the next one reads would still be on its way.
    const int64_t fetched = index + (ahead == kTwoTiles ? 2 * n : ahead);
    for (int i = 0; i < p.loads; i++) {
      const TileLoad& load = p.load[i];
      if (load.access == Access::contiguous) traffic.fetch(element(load, fetched), n * dtype_bytes(load.dtype));
    }
    traffic.divide(p.tileCount);
    for (int i = 0; i < p.tileCount; i++) {
      run(p.tiles[i], n);
      traffic.advance();
    }
    traffic.finish();
    for (int i = 0; i < p.stores; i++) {
      if (!p.store[i].direct) write(p.store[i], n);
    }
  }

  // Leaves a result of `n` elements to the traffic, in memory that the next tile does not touch, if it is streamed.
  void write(const TileStore& store, int64_t n) const {
    char* to = static_cast<char*>(slots[store.slot]);
    if (!streams || store.elementBytes < 4) {
      store.convert(to, slots[store.from], nullptr, nullptr, n);
      return;
    }
    const char* from = static_cast<const char*>(slots[store.from]);
    if (store.spare < 0 || !traffic.write(to, from, n * store.elementBytes)) {
      stream_copy(to, from, n * store.elementBytes);
      return;
    }
    void* spare = slots[store.spare];
    slots[store.spare] = slots[store.from];
    slots[store.from] = spare;
  }
};

void** slots_of(const TileProgram& p, void* scratch, int worker) {
  return reinterpret_cast<void**>(static_cast<char*>(scratch) + worker * p.scratchPerWorker);
}

// The worker's slots, with the registers in their places.
void** prepare_slots(const TileProgram& p, void* scratch, int worker) {
  void** slots = slots_of(p, scratch, worker);
  char* memory = reinterpret_cast<char*>(slots);
  for (int i = 0; i < p.registers; i++) slots[i] = memory + p.registerOffsets[i];
  return slots;
}

// Elements [first, last): whole rows together where tiles are, and other parts of rows apart.
void walk(const Worker& worker, int64_t first, int64_t last) {
  const TileProgram& p = worker.p;
  const int64_t length = p.dims[p.rank - 1];
  RowCounter counter(p.rank, p.dims, first / length);
  for (int64_t at = first % length; first < last;) {
    const int64_t left = length - at < last - first ? length - at : last - first;
    if (p.rowsPerTile && left == length) {
      const int64_t whole = (last - first) / length, rows = whole < p.rowsPerTile ? whole : p.rowsPerTile;
      worker.tile(counter, rows, 0, length, first);
      counter.next(p.rank, p.dims, rows);
      first += rows * length;
      continue;
    }
    const int64_t count = left < p.tile ? left : p.tile;
    worker.tile(counter, 1, at, count, first);
    first += count;
    at += count;
    if (at == length) {
      at = 0;
      counter.next(p.rank, p.dims);
    }
  }
}

// Overwritten operands are in the cache already.
bool overwrites(const TileProgram& p, const void* const* inputs, void* const* outputs) {
  for (int i = 0; i < p.loads; i++) {
    for (int k = 0; k < p.stores; k++) {
      if (inputs[p.load[i].operand] == outputs[p.store[k].operand]) return true;
    }
  }
  return false;
}

}  // namespace

void elementwise(const TileProgram& p, const void* const* inputs, void* const* outputs, const Parallel& parallel, void* scratch) {
  const int64_t length = p.dims[p.rank - 1];
  int64_t rows = 1;
  for (int axis = 0; axis < p.rank - 1; axis++) rows *= p.dims[axis];
  const int64_t tilesPerRow = p.rowsPerTile ? 1 : (length + p.tile - 1) / p.tile;
  const int64_t tiles = p.rowsPerTile ? (rows + p.rowsPerTile - 1) / p.rowsPerTile : rows * tilesPerRow;
  if (tiles == 0 || length == 0) return;
  const bool streams = p.beyondCaches && !overwrites(p, inputs, outputs);
  parallel_ranges(parallel, tiles, p.tilesPerTask, [&](int64_t tile, int64_t last, int index) {
    TileTraffic traffic;
    const Worker worker{p, inputs, outputs, prepare_slots(p, scratch, index), streams, traffic};
    worker.begin();
    if (p.rowsPerTile) {
      int64_t row = tile * p.rowsPerTile;
      RowCounter counter(p.rank, p.dims, row);
      for (; tile < last; tile++) {
        const int64_t count = rows - row < p.rowsPerTile ? rows - row : p.rowsPerTile;
        worker.tile(counter, count, 0, length, row * length);
        counter.next(p.rank, p.dims, count);
        row += count;
      }
    } else {
      int64_t row = tile / tilesPerRow, first = tile % tilesPerRow * p.tile;
      RowCounter counter(p.rank, p.dims, row);
      for (; tile < last; tile++) {
        const int64_t count = length - first < p.tile ? length - first : p.tile;
        worker.tile(counter, 1, first, count, row * length + first);
        first += count;
        if (first == length) {
          first = 0;
          row++;
          counter.next(p.rank, p.dims);
        }
      }
    }
    if (streams) {
      traffic.finish();
      finish_streaming();
    }
  });
}

void elementwise_range(const TileProgram& p, const void* const* inputs, void* const* outputs, int64_t first, int64_t last, int worker,
                       void* scratch) {
  TileTraffic traffic;
  const Worker own{p, inputs, outputs, prepare_slots(p, scratch, worker), false, traffic};
  own.begin();
  walk(own, first, last);
}

void elementwise_ready(const TileProgram& p, const void* const* inputs, int worker, void* scratch) {
  TileTraffic traffic;
  Worker{p, inputs, nullptr, prepare_slots(p, scratch, worker), false, traffic}.begin();
}

void elementwise_fill(const TileProgram& p, const void* const* inputs, void* const* to, int64_t first, int64_t last, int64_t ahead,
                      int worker, void* scratch) {
  TileTraffic traffic;
  walk(Worker{p, inputs, to, slots_of(p, scratch, worker), false, traffic, first, ahead}, first, last);
}

void elementwise_group(const TileProgram& p, const TileMember* members, int64_t count, int64_t tiles, const Parallel& parallel,
                       void* scratch) {
  // Tasks take as many tiles as those of one chain do, however few each member has.
  parallel_ranges(parallel, tiles, p.tilesPerTask, [&](int64_t tile, int64_t last, int index) {
    void** const slots = prepare_slots(p, scratch, index);
    TileTraffic traffic;
    int64_t at = 0;
    for (int64_t step = count; step > 0; step /= 2) {
      while (at + step < count && members[at + step].firstTile <= tile) at += step;
    }
    for (; tile < last; at++) {
      const TileMember& member = members[at];
      const Worker worker{p, member.inputs, member.outputs, slots, false, traffic};
      worker.begin();
      const int64_t own = at + 1 < count ? members[at + 1].firstTile : tiles;
      for (const int64_t end = own < last ? own : last; tile < end; tile++) {
        const int64_t first = (tile - member.firstTile) * p.tile, left = member.elements - first;
        worker.tile(RowCounter(p.rank, p.dims, 0), 1, first, left < p.tile ? left : p.tile, first);
      }
    }
  });
}

}  // namespace nagare::NAGARE_ISA
