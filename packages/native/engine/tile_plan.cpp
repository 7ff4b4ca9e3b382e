#include "tile_plan.h"

#include <algorithm>
#include <cstring>

#include "aligned.h"
#include "reader.h"
#include "tile_functions.h"
#include "tile_joins.h"
#include "tile_registers.h"

namespace nagare {
namespace {

// Rows at least this long are cut into tiles; shorter ones are taken several to a tile.
constexpr int64_t kLongRow = 256;
// Elements of a tile that keeps nothing in registers.
constexpr int64_t kElementsWithoutRegisters = 2048;
// Work of one task, in elements times cost: some tens of microseconds.
constexpr int64_t kTaskWork = 1 << 16;

// The bits of a constant as an element of its register.
int64_t constant_bits(const ElementwiseChain::Constant& constant) {
  int64_t bits = constant.bits;
  if (register_of(constant.dtype) == Register::f32) {
    double wide;
    std::memcpy(&wide, &bits, 8);
    const float value = static_cast<float>(wide);
    bits = 0;
    std::memcpy(&bits, &value, 4);
  }
  return bits;
}

// Works out the parts of a TileProgram in the order of the methods.
class Planner {
 public:
  Planner(const ElementwiseChain& given, const Kernels& kernels, TileShape shape)
      : chain(given), shape_(shape), kernels_(kernels), functions_(given, values_, kernels), registers_(registerOffsets) {
    collapse(chain);
    choose_tiles(kTileElements);
    cost = static_cast<int64_t>(chain.loads.size() + chain.stores.size());
    plan_loads();
    plan_constants();
    plan_instructions();
    place_operands();
    choose_stores();
    for (size_t i = 0; i < planned_.size(); i++) write(static_cast<int32_t>(i));
    write_stores();
    if (shape_ <= TileShape::members && registerOffsets.empty()) choose_tiles(kElementsWithoutRegisters);
    settle_slots();
  }

  ElementwiseChain chain;
  int64_t rowsPerTile, tile;
  int64_t cost = 0;  // of an element
  std::vector<int64_t> registerOffsets;
  std::vector<TileLoad> loads;
  std::vector<TileStore> stores;
  std::vector<TileInstruction> once_, row_, tiles_;
  std::vector<int32_t> places;
  std::vector<int64_t> constantBits;
  int32_t memorySlots = 0;
  bool beyondCaches = false, alone = false;
  TileFunction streamed = nullptr;

  int64_t register_bytes() const { return registers_.bytes(); }

 private:
  PlannedValue& value(int32_t number) { return values_[static_cast<size_t>(number)]; }
  // Slots of memory come after all registers, whose number is not known yet: counted from −2 downwards until then.
  int32_t memory_slot() { return -2 - memorySlots++; }

  void choose_tiles(int64_t most) {
    const int64_t length = chain.dims[chain.rank - 1];
    const bool joinsRows = (shape_ == TileShape::wholeRows || shape_ == TileShape::pieces) && chain.rank > 1;
    rowsPerTile = joinsRows && length > 0 && length < kLongRow ? most / length : 0;
    const int64_t pieces = length > 0 ? (length + most - 1) / most : 1;
    // Pieces of equal size, in whole vectors.
    tile = ((length + pieces - 1) / pieces + 15) / 16 * 16;
    if (tile == 0) tile = 16;
  }

  // Which rows of a load are the same again: those along the innermost axis that it does not step along. Tiles then take whole periods.
  void find_repetition(TileLoad& load) {
    int32_t last = chain.rank - 2;
    load.period = 1;
    while (last >= 0 && load.strides[last] != 0) load.period *= chain.dims[last--];
    if (last < 0 || load.period > rowsPerTile) return;
    load.span = load.period;
    while (last >= 0 && load.strides[last] == 0) load.span *= chain.dims[last--];
    rowsPerTile -= rowsPerTile % load.period;
  }

  // Whether the memory that is walked is more than the caches hold.
  void choose_stores() {
    int64_t bytes = 0, elements = 1;  // bytes read and written for an element
    for (int32_t axis = 0; axis < chain.rank; axis++) elements *= chain.dims[axis];
    for (size_t i = 0; i < chain.loads.size(); i++) {
      if (loads[i].access == Access::contiguous) bytes += dtype_bytes(loads[i].dtype);
    }
    // Pieces stay in the cache.
    if (shape_ != TileShape::pieces) {
      for (const int32_t number : chain.stores) bytes += dtype_bytes(value(number).dtype);
    }
    if (shape_ == TileShape::withinRows || bytes * elements < (chain.leaves ? kLeavingStreamBytes : kStreamBytes)) return;
    if (shape_ != TileShape::pieces && is_alone()) {
      streamed = planned_[0].group ? nullptr : functions_.of(planned_[0], true);
      alone = planned_[0].group || streamed;
    }
    // Beside arithmetic that takes longer than memory, what is asked for ahead and written past the caches holds it up, but in one loop
    // with it. An addition takes about as long as a byte.
    beyondCaches = alone || shape_ == TileShape::pieces || cost_of(chain) < bytes;
    streams_ = beyondCaches && shape_ == TileShape::wholeRows;
  }

  // Whether the only instruction writes memory; it reads memory, or what was gathered or repeated for it. What is widened or drawn for
  // every tile wants its operands fetched ahead, which only the other way does.
  bool is_alone() {
    const auto isMade = [](const TileLoad& load) {
      return load.access == Access::drawn || (load.access == Access::contiguous && load.slot >= 0);
    };
    if (planned_.size() != 1 || std::any_of(loads.begin(), loads.end(), isMade)) return false;
    const PlannedInstruction& t = planned_[0];
    if (static_cast<size_t>(t.resultCount) != chain.stores.size()) return false;
    return std::all_of(t.results, t.results + t.resultCount, [&](int32_t result) {
      const bool isStored = std::count(chain.stores.begin(), chain.stores.end(), result) == 1;
      return isStored && value(result).level == eachTile && stored_as_register(value(result).dtype);
    });
  }

  void plan_loads() {
    for (const auto& load : chain.loads) {
      TileLoad planned{};
      planned.access = access_of(chain, load, rowsPerTile > 0);
      planned.dtype = load.dtype;
      planned.operand = static_cast<int32_t>(loads.size());
      for (int32_t axis = 0; axis < chain.rank; axis++) planned.strides[axis] = load.strides[axis];
      planned.convert = functions_.load(load.dtype);
      const Level level = planned.access == Access::uniform ? once : planned.access == Access::perRow ? eachRow : eachTile;
      const bool gathers = planned.access == Access::gathered;
      if (gathers) {
        find_repetition(planned);
        planned.held = registers_.add(64);
      }
      if (gathers && planned.span == 0) cost += 4;
      if (load.drawn) cost += kDrawCost;
      planned.first = load.first;
      planned.slot = -1;
      if (planned.convert || gathers || load.drawn) {
        // Narrow elements are gathered behind their register.
        const int64_t bytes = kTileElements * element_bytes(load.dtype) * (gathers && planned.convert ? 2 : 1);
        planned.slot = registers_.add(level < eachTile ? 64 : bytes);
      }
      loads.push_back(planned);
      values_.push_back({load.dtype, level, planned.slot});
    }
  }

  void plan_constants() {
    for (const auto& constant : chain.constants) {
      TileLoad planned{};
      planned.access = Access::uniform;
      planned.dtype = register_dtype(constant.dtype);
      planned.operand = static_cast<int32_t>(loads.size());
      planned.slot = -1;
      constantBits.push_back(constant_bits(constant));
      loads.push_back(planned);
      values_.push_back({constant.dtype, once});
      values_.back().constant = constantBits.back();
    }
  }

  void check_operand(const ElementwiseChain::Instruction& instruction, int32_t k) {
    const int32_t number = instruction.values[k];
    if (number < 0 || static_cast<size_t>(number) >= values_.size()) throw InvalidProgram("an operand that is not computed yet");
    const bool free = gives_bool(instruction.op) || instruction.op == ScalarOp::convert;
    const DType expected = k == 0 && instruction.op == ScalarOp::select ? DType::boolean
                           : free                                      ? value(instruction.values[0]).dtype
                                                                       : instruction.dtype;
    if (value(number).dtype != expected) throw InvalidProgram(std::string(scalar_op_name(instruction.op)) + " of operands of mixed dtypes");
  }

  void plan_instructions() {
    firstResult_ = static_cast<int32_t>(values_.size());
    for (const auto& instruction : chain.instructions) {
      Level level = once;
      const int32_t arity = scalar_op_arity(instruction.op);
      for (int32_t k = 0; k < arity; k++) {
        check_operand(instruction, k);
        PlannedValue& operand = value(instruction.values[k]);
        if (operand.level > level) level = operand.level;
        operand.uses++;
      }
      if (gives_bool(instruction.op) && instruction.dtype != DType::boolean) throw InvalidProgram("a comparison that is not bool");
      if (level == eachTile) cost += cost_of(instruction.op);
      const int32_t result = static_cast<int32_t>(values_.size());
      values_.push_back({instruction.dtype, level});
      const int32_t* from = instruction.values;
      planned_.push_back({instruction.op, false, ProductThen::plus, arity, {from[0], from[1], from[2]}, {result}});
    }
    for (const int32_t number : chain.stores) {
      if (number < 0 || static_cast<size_t>(number) >= values_.size()) throw InvalidProgram("a store of a value that is not computed");
      value(number).uses++;
    }
    join_instructions(planned_, values_, kernels_.tileGroups());
    for (size_t i = 0; i < planned_.size(); i++) {
      for (int32_t k = 0; k < planned_[i].arity; k++) value(planned_[i].values[k]).lastUse = static_cast<int32_t>(i);
    }
    for (const int32_t number : chain.stores) value(number).lastUse = kStored;
  }

  void place_operands() {
    for (size_t i = 0; i < loads.size(); i++) {
      if (loads[i].slot >= 0) continue;
      loads[i].slot = values_[i].slot = memory_slot();
      if (values_[i].level != eachTile) continue;
      if (values_[i].lastUse == kStored) copiesMemory_ = true;
      else if (values_[i].lastUse > lastMemoryRead_) lastMemoryRead_ = values_[i].lastUse;
    }
  }

  // The store that a result may be written to directly, or −1: nothing may be read from memory afterwards, because an output may be an
  // input. Bytes go through the caches in any case.
  int32_t direct_store(int32_t at, int32_t result, bool narrows) {
    const bool isBytes = narrows || functions_.bytes();
    if (!isBytes && ((streams_ && !alone) || !stored_as_register(value(result).dtype))) return -1;
    // Pieces go to memory of their own.
    if (shape_ != TileShape::pieces && (copiesMemory_ || at < lastMemoryRead_)) return -1;
    for (size_t s = 0; s < chain.stores.size(); s++) {
      if (chain.stores[s] == result) return static_cast<int32_t>(s);
    }
    return -1;
  }

  void write(int32_t at) {
    const PlannedInstruction& t = planned_[static_cast<size_t>(at)];
    const Level level = value(t.results[0]).level;
    TileFunction function = t.group ? nullptr : functions_.of(t, false);
    const TileFunction narrowing = functions_.narrowing_of(t);
    if (!function && !t.group) throw InvalidProgram(std::string(scalar_op_name(t.op)) + " is not defined for this dtype");
    std::vector<int32_t> from;
    for (int32_t k = 0; k < t.arity; k++) from.push_back(value(t.values[k]).slot);
    if (level == eachTile) {
      for (int32_t k = 0; k < t.arity; k++) release(t.values[k], at);
    }
    for (int32_t k = 0; k < t.resultCount; k++) place_result(at, t.results[k], narrowing != nullptr);
    std::vector<TileInstruction>& list = level == once ? once_ : level == eachRow ? row_ : tiles_;
    if (t.group) {
      list.push_back({nullptr, static_cast<int32_t>(places.size()), 0, 0, 0, t.group});
      for (int32_t k = 0; k < t.resultCount; k++) places.push_back(value(t.results[k]).slot);
      places.insert(places.end(), from.begin(), from.end());
    } else {
      const int32_t slot = value(t.results[0]).slot;
      if (narrowing && slot < 0) function = narrowing;
      from.resize(3);
      list.push_back({function, slot, from[0], from[1], from[2], nullptr});
      const TileFunction wrap = may_overflow(t.op) ? kernels_.findWrap(value(t.results[0]).dtype) : nullptr;
      if (wrap) list.push_back({wrap, slot, slot, 0, 0, nullptr});
    }
    // A result that nothing reads was still computed; its register is free again.
    for (int32_t k = 0; k < t.resultCount; k++) {
      if (value(t.results[k]).lastUse == -1) release(t.results[k], -1);
    }
  }

  // Where a result of instruction `at` goes.
  void place_result(int32_t at, int32_t number, bool narrows) {
    PlannedValue& result = value(number);
    if (result.level < eachTile) {
      result.slot = registers_.add(64);
      return;
    }
    const int32_t target = direct_store(at, number, narrows);
    result.slot = target >= 0 ? memory_slot() : registers_.take(element_bytes(result.dtype));
    if (target >= 0) stores.push_back({target, result.slot, dtype_bytes(result.dtype), true, nullptr, 0, -1});
  }

  // Gives the register of a computed value back if instruction `at` is the last to read it.
  void release(int32_t number, int32_t at) {
    PlannedValue& operand = value(number);
    if (number < firstResult_ || operand.level != eachTile || operand.slot < 0 || operand.lastUse != at) return;
    operand.lastUse = kStored;  // an operand that stands twice is given back once
    registers_.give_back(operand.slot, element_bytes(operand.dtype));
  }

  void write_stores() {
    std::vector<bool> written(chain.stores.size(), false);
    for (const TileStore& store : stores) written[static_cast<size_t>(store.operand)] = true;
    for (size_t s = 0; s < chain.stores.size(); s++) {
      if (written[s]) continue;
      PlannedValue& stored = value(chain.stores[s]);
      if (stored.level < eachTile) {
        const int32_t whole = registers_.take(element_bytes(stored.dtype));
        tiles_.push_back({functions_.splat(stored.dtype), whole, stored.slot, 0, 0, nullptr});
        stored.slot = whole;
        stored.level = eachTile;
      }
      stores.push_back({static_cast<int32_t>(s), memory_slot(), dtype_bytes(stored.dtype), false, functions_.store(stored.dtype),
                        stored.slot, spare_of(chain.stores[s])});
    }
  }

  // A second register for a result that is streamed from its own: memory takes the one while the next tile fills the other. Where a
  // value is stored twice, its register can take turns with one other only.
  int32_t spare_of(int32_t number) {
    const PlannedValue& stored = value(number);
    if (!streams_ || number < firstResult_ || dtype_bytes(stored.dtype) < 4) return -1;
    for (const TileStore& store : stores) {
      if (store.from == stored.slot) return -1;
    }
    return registers_.add(kTileElements * element_bytes(stored.dtype));
  }

  void settle_slots() {
    const int32_t count = static_cast<int32_t>(registerOffsets.size());
    auto settle = [&](int32_t& slot) { slot = slot < 0 ? count - 2 - slot : slot; };
    for (TileLoad& load : loads) settle(load.slot);
    for (TileStore& store : stores) {
      settle(store.slot);
      settle(store.from);
    }
    for (std::vector<TileInstruction>* list : {&once_, &row_, &tiles_}) {
      for (TileInstruction& t : *list) {
        if (t.group) continue;
        for (int32_t* slot : {&t.d, &t.a, &t.b, &t.c}) settle(*slot);
      }
    }
    for (int32_t& slot : places) settle(slot);
  }

  TileShape shape_;
  bool streams_ = false;  // results go past the caches
  const Kernels& kernels_;
  TileFunctions functions_;
  Registers registers_;
  std::vector<PlannedValue> values_;
  std::vector<PlannedInstruction> planned_;
  int32_t firstResult_ = 0;
  int32_t lastMemoryRead_ = -1;  // the last instruction that reads memory through a slot
  bool copiesMemory_ = false;    // a store takes its elements straight from a load
};

}  // namespace

TilePlan::TilePlan(const ElementwiseChain& chain, const Kernels& kernels, TileShape shape) {
  Planner planner(chain, kernels, shape);
  registerOffsets_ = std::move(planner.registerOffsets);
  loads_ = std::move(planner.loads);
  stores_ = std::move(planner.stores);
  once_ = std::move(planner.once_);
  row_ = std::move(planner.row_);
  tiles_ = std::move(planner.tiles_);
  places_ = std::move(planner.places);
  constantBits_ = std::move(planner.constantBits);

  const ElementwiseChain& collapsed = planner.chain;
  program_.rank = collapsed.rank;
  for (int32_t axis = 0; axis < collapsed.rank; axis++) program_.dims[axis] = collapsed.dims[axis];
  program_.rowsPerTile = planner.rowsPerTile;
  program_.tile = planner.tile;
  const int64_t elements = planner.rowsPerTile ? planner.rowsPerTile * collapsed.dims[collapsed.rank - 1] : planner.tile;
  program_.tilesPerTask = kTaskWork / (elements * planner.cost + 1) + 1;
  program_.registers = static_cast<int32_t>(registerOffsets_.size());
  program_.slots = program_.registers + planner.memorySlots;
  const int64_t table = static_cast<int64_t>(align_up(static_cast<size_t>(program_.slots) * sizeof(void*)));
  for (int64_t& offset : registerOffsets_) offset += table;
  program_.scratchPerWorker = table + planner.register_bytes();
  program_.registerOffsets = registerOffsets_.data();
  program_.load = loads_.data();
  program_.loads = static_cast<int32_t>(loads_.size());
  program_.store = stores_.data();
  program_.stores = static_cast<int32_t>(stores_.size());
  program_.beyondCaches = planner.beyondCaches;
  program_.alone = planner.alone;
  program_.streamed = planner.streamed;
  program_.places = places_.data();
  program_.once = once_.data();
  program_.onceCount = static_cast<int32_t>(once_.size());
  program_.row = row_.data();
  program_.rowCount = static_cast<int32_t>(row_.size());
  program_.tiles = tiles_.data();
  program_.tileCount = static_cast<int32_t>(tiles_.size());
}

}  // namespace nagare
