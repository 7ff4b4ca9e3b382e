#include "chain_reader.h"

namespace nagare {
namespace {

// Of one key: its counter has 32 bits, and each of its values four words.
constexpr int64_t kMaxWords = int64_t(1) << 34;

}  // namespace

int64_t read_space(Reader& r, ElementwiseChain& chain) {
  chain.rank = r.index(kMaxRank + 1, "a rank");
  int64_t count = 1;
  for (int32_t axis = 0; axis < chain.rank; axis++) {
    chain.dims[axis] = r.size();
    count = checked_product(count, chain.dims[axis]);
  }
  return count;
}

ElementwiseChain::Load dense_load(DType dtype, const ElementwiseChain& chain) {
  ElementwiseChain::Load load{};
  load.dtype = dtype;
  int64_t stride = 1;
  for (int32_t axis = chain.rank - 1; axis >= 0; axis--) {
    load.strides[axis] = stride;
    stride *= chain.dims[axis];
  }
  return load;
}

Operand read_load(Reader& r, ElementwiseChain& chain, int64_t count) {
  if (r.flag()) {
    ElementwiseChain::Load draw = dense_load(DType::int32, chain);
    draw.drawn = true;
    draw.first = r.size();
    if (draw.first > kMaxWords - count) throw InvalidProgram("more random words than a key has");
    chain.loads.push_back(draw);
    return r.operand(DType::int32, 2, Use::read);
  }
  ElementwiseChain::Load load{};
  load.dtype = r.dtype();
  // Operands come before their strides; their extent is known only after them.
  const int32_t base = r.next();
  const int64_t offset = r.next64();
  int64_t first = 0, last = 0;
  for (int32_t axis = 0; axis < chain.rank; axis++) {
    load.strides[axis] = r.next64();
    const int64_t reach = checked_product(chain.dims[axis] - 1, load.strides[axis]);
    (reach < 0 ? first : last) += reach;
  }
  chain.loads.push_back(load);
  return r.span_at(base, offset, dtype_bytes(load.dtype), count ? first : 0, count ? last : -1, Use::read);
}

void read_computation(Reader& r, ElementwiseChain& chain) {
  for (int32_t n = r.index(kMaxValues, "a number of constants"); n > 0; n--) {
    const DType dtype = r.dtype();
    chain.constants.push_back({dtype, r.next64()});
  }
  for (int32_t n = r.index(kMaxValues, "a number of instructions"); n > 0; n--) {
    ElementwiseChain::Instruction instruction{};
    instruction.op = static_cast<ScalarOp>(r.index(static_cast<int32_t>(ScalarOp::count), "an operation"));
    instruction.dtype = r.dtype();
    for (int32_t& value : instruction.values) value = r.next();
    chain.instructions.push_back(instruction);
  }
}

DType read_store(Reader& r, ElementwiseChain& chain) {
  const int32_t loads = static_cast<int32_t>(chain.loads.size()), known = loads + static_cast<int32_t>(chain.constants.size());
  const int32_t value = r.next();
  if (value < 0 || value >= known + static_cast<int32_t>(chain.instructions.size())) throw InvalidProgram("a store of no value");
  chain.stores.push_back(value);
  if (value < loads) return chain.loads[static_cast<size_t>(value)].dtype;
  if (value < known) return chain.constants[static_cast<size_t>(value - loads)].dtype;
  return chain.instructions[static_cast<size_t>(value - known)].dtype;
}

}  // namespace nagare
