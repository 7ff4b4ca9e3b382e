#include "tile_plan.h"

#include <cstring>

#include "aligned.h"
#include "reader.h"

namespace nagare {
namespace {

// Rows at least this long are cut into tiles; shorter ones are taken several to a tile.
constexpr int64_t kLongRow = 256;
// Work of one task, in elements times cost: some tens of microseconds.
constexpr int64_t kTaskWork = 1 << 16;

// How a value varies over the index space.
enum Level { once, eachRow, eachTile };

struct PlannedValue {
  DType dtype;
  Level level;
  int32_t slot = -1;
  int32_t lastUse = -1;  // the last tile instruction that reads it, or kStored
};
constexpr int32_t kStored = INT32_MAX;

int64_t cost_of(ScalarOp op) {
  switch (op) {
    case ScalarOp::exp:
    case ScalarOp::expm1:
    case ScalarOp::log:
    case ScalarOp::log1p:
    case ScalarOp::sin:
    case ScalarOp::cos:
    case ScalarOp::tanh:
    case ScalarOp::sigmoid:
    case ScalarOp::erf:
      return 8;
    case ScalarOp::pow:
    case ScalarOp::remainder:
      return 24;
    case ScalarOp::div:
    case ScalarOp::sqrt:
    case ScalarOp::rsqrt:
      return 3;
    default:
      return 1;
  }
}

// Merges neighbouring dimensions over which every operand steps evenly (results are dense and always do).
void collapse(ElementwiseChain& chain) {
  int32_t rank = 0;
  for (int32_t axis = 0; axis < chain.rank; axis++) {
    if (chain.dims[axis] == 1) continue;
    bool merges = rank > 0;
    for (const auto& load : chain.loads) merges = merges && load.strides[rank - 1] == load.strides[axis] * chain.dims[axis];
    if (merges) rank--;
    chain.dims[rank] = merges ? chain.dims[rank] * chain.dims[axis] : chain.dims[axis];
    for (auto& load : chain.loads) load.strides[rank] = load.strides[axis];
    rank++;
  }
  if (rank == 0) {
    chain.dims[0] = 1;
    for (auto& load : chain.loads) load.strides[0] = 0;
    rank = 1;
  }
  chain.rank = rank;
}

Access access_of(const ElementwiseChain& chain, const ElementwiseChain::Load& load, bool wholeRows) {
  const int32_t inner = chain.rank - 1;
  bool contiguous = true, outerFixed = true;
  int64_t dense = 1;
  for (int32_t axis = inner; axis >= 0; axis--) {
    contiguous = contiguous && load.strides[axis] == dense;
    dense *= chain.dims[axis];
    if (axis < inner) outerFixed = outerFixed && load.strides[axis] == 0;
  }
  const int64_t step = load.strides[inner];
  if (outerFixed && step == 0) return Access::uniform;
  if (contiguous) return Access::contiguous;
  if (wholeRows) return outerFixed ? Access::repeated : Access::gathered;
  if (step == 0) return Access::perRow;
  return step == 1 ? Access::withinRow : Access::gathered;
}

// Registers of two sizes, given back when the value in them has been read for the last time.
class Registers {
 public:
  explicit Registers(std::vector<int64_t>& offsets) : offsets_(offsets) {}

  int32_t add(int64_t bytes) {
    offsets_.push_back(used_);
    used_ += static_cast<int64_t>(align_up(static_cast<size_t>(bytes)));
    return static_cast<int32_t>(offsets_.size()) - 1;
  }
  int32_t take(int elementBytes) {
    std::vector<int32_t>& free = elementBytes == 8 ? wide_ : narrow_;
    if (free.empty()) return add(kTileElements * elementBytes);
    const int32_t slot = free.back();
    free.pop_back();
    return slot;
  }
  void give_back(int32_t slot, int elementBytes) { (elementBytes == 8 ? wide_ : narrow_).push_back(slot); }
  int64_t bytes() const { return used_; }

 private:
  std::vector<int64_t>& offsets_;
  std::vector<int32_t> narrow_, wide_;
  int64_t used_ = 0;
};

int element_bytes(DType dtype) { return register_element_bytes(register_of(dtype)); }

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

// Operations whose result may leave the range of int8 and uint8.
bool may_overflow(ScalarOp op) {
  return op == ScalarOp::neg || op == ScalarOp::abs || (op >= ScalarOp::add && op <= ScalarOp::pow);
}

}  // namespace

int32_t scalar_op_arity(ScalarOp op) {
  static constexpr int32_t arities[] = {
#define NAGARE_ARITY(name, arity) arity,
      NAGARE_SCALAR_OPS(NAGARE_ARITY)
#undef NAGARE_ARITY
  };
  return arities[static_cast<int>(op)];
}

const char* scalar_op_name(ScalarOp op) {
  static constexpr const char* names[] = {
#define NAGARE_NAME(name, arity) #name,
      NAGARE_SCALAR_OPS(NAGARE_NAME)
#undef NAGARE_NAME
  };
  return names[static_cast<int>(op)];
}

bool gives_bool(ScalarOp op) {
  return (op >= ScalarOp::equal && op <= ScalarOp::logicalOr) || op == ScalarOp::isNan || op == ScalarOp::logicalNot;
}

TilePlan::TilePlan(const ElementwiseChain& given, const Kernels& kernels) {
  ElementwiseChain chain = given;
  collapse(chain);
  const int64_t length = chain.dims[chain.rank - 1];
  const bool wholeRows = chain.rank > 1 && length < kLongRow;
  program_.rank = chain.rank;
  for (int32_t axis = 0; axis < chain.rank; axis++) program_.dims[axis] = chain.dims[axis];
  program_.rowsPerTile = wholeRows && length > 0 ? kTileElements / length : 0;
  const int64_t pieces = length > 0 ? (length + kTileElements - 1) / kTileElements : 1;
  // Pieces of equal size, in whole vectors.
  program_.tile = ((length + pieces - 1) / pieces + 15) / 16 * 16;
  if (program_.tile == 0) program_.tile = 16;

  std::vector<PlannedValue> values;
  Registers registers(registerOffsets_);
  int64_t cost = static_cast<int64_t>(chain.loads.size() + chain.stores.size());

  for (const auto& load : chain.loads) {
    TileLoad planned{};
    planned.access = access_of(chain, load, wholeRows);
    planned.dtype = load.dtype;
    planned.operand = static_cast<int32_t>(loads_.size());
    for (int32_t axis = 0; axis < chain.rank; axis++) planned.strides[axis] = load.strides[axis];
    planned.convert = kernels.findLoad(load.dtype);
    const Level level = planned.access == Access::uniform ? once : planned.access == Access::perRow ? eachRow : eachTile;
    const bool gathers = planned.access == Access::gathered || planned.access == Access::repeated;
    if (gathers) cost += 4;
    planned.slot = -1;
    if (planned.convert || gathers) {
      const int64_t bytes = level < eachTile ? 64 : kTileElements * element_bytes(load.dtype) * (gathers && planned.convert ? 2 : 1);
      planned.slot = registers.add(bytes);
    }
    loads_.push_back(planned);
    values.push_back({load.dtype, level, planned.slot});
  }
  for (const auto& constant : chain.constants) {
    TileLoad planned{};
    planned.access = Access::uniform;
    // As its register holds it: an element that needs no conversion.
    planned.dtype = register_of(constant.dtype) == Register::f32   ? DType::float32
                    : register_of(constant.dtype) == Register::f64 ? DType::float64
                    : register_of(constant.dtype) == Register::i32 ? DType::int32
                                                                   : DType::int64;
    planned.operand = static_cast<int32_t>(loads_.size());
    planned.slot = -1;
    constantBits_.push_back(constant_bits(constant));
    loads_.push_back(planned);
    values.push_back({constant.dtype, once, -1});
  }

  const size_t firstInstruction = values.size();
  for (size_t i = 0; i < chain.instructions.size(); i++) {
    const auto& instruction = chain.instructions[i];
    Level level = once;
    const int32_t arity = scalar_op_arity(instruction.op);
    for (int32_t k = 0; k < arity; k++) {
      const int32_t value = instruction.values[k];
      if (value < 0 || static_cast<size_t>(value) >= values.size()) throw InvalidProgram("an operand that is not computed yet");
      const DType expected = k == 0 && instruction.op == ScalarOp::select ? DType::boolean
                             : gives_bool(instruction.op) || instruction.op == ScalarOp::convert
                                 ? values[static_cast<size_t>(instruction.values[0])].dtype
                                 : instruction.dtype;
      PlannedValue& operand = values[static_cast<size_t>(value)];
      if (operand.dtype != expected) throw InvalidProgram(std::string(scalar_op_name(instruction.op)) + " of operands of mixed dtypes");
      if (operand.level > level) level = operand.level;
      operand.lastUse = static_cast<int32_t>(i);
    }
    if (gives_bool(instruction.op) && instruction.dtype != DType::boolean) throw InvalidProgram("a comparison that is not bool");
    if (level == eachTile) cost += cost_of(instruction.op);
    values.push_back({instruction.dtype, level});
  }
  int32_t lastMemoryRead = -1;  // the last tile instruction that reads memory through a slot
  bool copiesMemory = false;
  for (const int32_t value : chain.stores) {
    if (value < 0 || static_cast<size_t>(value) >= values.size()) throw InvalidProgram("a store of a value that is not computed");
    values[static_cast<size_t>(value)].lastUse = kStored;
  }

  // Slots of memory come after all registers, whose number is not known yet: counted from −2 downwards until then.
  int32_t memorySlots = 0;
  auto memory_slot = [&] { return -2 - memorySlots++; };
  for (size_t i = 0; i < loads_.size(); i++) {
    if (loads_[i].slot >= 0) continue;
    loads_[i].slot = values[i].slot = memory_slot();
    if (values[i].level != eachTile) continue;
    if (values[i].lastUse == kStored) copiesMemory = true;
    else if (values[i].lastUse > lastMemoryRead) lastMemoryRead = values[i].lastUse;
  }

  for (size_t i = 0; i < chain.instructions.size(); i++) {
    const auto& instruction = chain.instructions[i];
    PlannedValue& result = values[firstInstruction + i];
    const int32_t arity = scalar_op_arity(instruction.op);
    const int bytes = element_bytes(result.dtype);
    int scalars = 0;
    int32_t slots[3] = {0, 0, 0};
    for (int32_t k = 0; k < arity; k++) {
      PlannedValue& operand = values[static_cast<size_t>(instruction.values[k])];
      slots[k] = operand.slot;
      if (result.level == eachTile && operand.level < eachTile) scalars |= 1 << k;
    }
    const Register computed = register_of(values[static_cast<size_t>(instruction.values[instruction.op == ScalarOp::select ? 1 : 0])].dtype);
    const TileFunction function = instruction.op == ScalarOp::convert
                                      ? kernels.findConversion(values[static_cast<size_t>(instruction.values[0])].dtype, result.dtype)
                                      : kernels.findTileFunction(instruction.op, computed, scalars);
    if (!function) throw InvalidProgram(std::string(scalar_op_name(instruction.op)) + " is not defined for this dtype");

    std::vector<TileInstruction>& list = result.level == once ? once_ : result.level == eachRow ? row_ : tiles_;
    const TileFunction wrap = may_overflow(instruction.op) ? kernels.findWrap(result.dtype) : nullptr;
    if (result.level < eachTile) {
      result.slot = registers.add(64);
    } else {
      // A result may be written where it belongs as soon as nothing will be read from memory again: an output may be an input.
      int32_t target = -1;
      for (size_t s = 0; s < chain.stores.size() && target == -1; s++) {
        const bool own = static_cast<size_t>(chain.stores[s]) == firstInstruction + i;
        if (own && stored_as_register(result.dtype) && !copiesMemory && static_cast<int32_t>(i) >= lastMemoryRead) {
          target = static_cast<int32_t>(s);
        }
      }
      for (int32_t k = 0; k < arity; k++) {
        PlannedValue& operand = values[static_cast<size_t>(instruction.values[k])];
        const bool last = operand.level == eachTile && operand.slot >= 0 && operand.lastUse == static_cast<int32_t>(i);
        if (!last || static_cast<size_t>(instruction.values[k]) < firstInstruction) continue;
        operand.lastUse = -1;  // an operand that stands twice is given back once
        registers.give_back(operand.slot, element_bytes(operand.dtype));
      }
      if (target >= 0) {
        result.slot = memory_slot();
        stores_.push_back({target, result.slot, dtype_bytes(result.dtype), true, nullptr, 0});
      } else {
        result.slot = registers.take(bytes);
      }
    }
    list.push_back({function, result.slot, slots[0], slots[1], slots[2]});
    if (wrap) list.push_back({wrap, result.slot, result.slot, 0, 0});
    // A result that nothing reads was still computed; its register is free again.
    if (result.level == eachTile && result.lastUse == -1 && result.slot >= 0) registers.give_back(result.slot, bytes);
  }

  for (size_t s = 0; s < chain.stores.size(); s++) {
    bool written = false;
    for (const TileStore& store : stores_) written = written || (store.direct && store.operand == static_cast<int32_t>(s));
    if (written) continue;
    PlannedValue& value = values[static_cast<size_t>(chain.stores[s])];
    if (value.level < eachTile) {
      const int32_t whole = registers.take(element_bytes(value.dtype));
      tiles_.push_back({kernels.findSplat(register_of(value.dtype)), whole, value.slot, 0, 0});
      value.slot = whole;
      value.level = eachTile;
    }
    stores_.push_back({static_cast<int32_t>(s), memory_slot(), dtype_bytes(value.dtype), false, kernels.findStore(value.dtype), value.slot});
  }

  const int32_t registerCount = static_cast<int32_t>(registerOffsets_.size());
  auto settle = [&](int32_t& slot) { slot = slot < 0 ? registerCount - 2 - slot : slot; };
  for (TileLoad& load : loads_) settle(load.slot);
  for (TileStore& store : stores_) {
    settle(store.slot);
    settle(store.from);
  }
  for (std::vector<TileInstruction>* list : {&once_, &row_, &tiles_}) {
    for (TileInstruction& t : *list) {
      for (int32_t* slot : {&t.d, &t.a, &t.b, &t.c}) settle(*slot);
    }
  }
  program_.registers = registerCount;
  program_.slots = registerCount + memorySlots;
  const int64_t table = static_cast<int64_t>(align_up(static_cast<size_t>(program_.slots) * sizeof(void*)));
  for (int64_t& offset : registerOffsets_) offset += table;
  program_.scratchPerWorker = table + registers.bytes();
  const int64_t tile = program_.rowsPerTile ? program_.rowsPerTile * length : program_.tile;
  program_.tilesPerTask = kTaskWork / (tile * cost + 1) + 1;
  program_.registerOffsets = registerOffsets_.data();
  program_.load = loads_.data();
  program_.loads = static_cast<int32_t>(loads_.size());
  program_.store = stores_.data();
  program_.stores = static_cast<int32_t>(stores_.size());
  program_.once = once_.data();
  program_.onceCount = static_cast<int32_t>(once_.size());
  program_.row = row_.data();
  program_.rowCount = static_cast<int32_t>(row_.size());
  program_.tiles = tiles_.data();
  program_.tileCount = static_cast<int32_t>(tiles_.size());
}

}  // namespace nagare
