// The loops that carry out a chain's planned instructions.
#pragma once

#include <algorithm>
#include <vector>

#include "elementwise_chain.h"
#include "tile_joins.h"

namespace nagare {

class TileFunctions {
 public:
  // `values` are those of the planner, which it goes on adding to.
  TileFunctions(const ElementwiseChain& chain, const std::vector<PlannedValue>& values, const Kernels& kernels)
      : values_(values), kernels_(kernels), bytes_(is_of_bools(chain)) {}

  // Whether registers hold bools as memory does.
  bool bytes() const { return bytes_; }

  // The loop of an instruction that is no group; null where there is none.
  TileFunction of(const PlannedInstruction& t, bool streams) const {
    // A condition is bool; what it selects says which registers are read.
    const Register computed = register_of(value(t.values[t.op == ScalarOp::select ? 1 : 0]).dtype);
    const int scalars = scalars_of(t);
    if (bytes_) return streams ? nullptr : kernels_.findByteFunction(t.op, scalars);
    if (t.truthAsFloat) return kernels_.findTruthAsFloat(t.op, computed, scalars, streams);
    if (t.hasProduct) return kernels_.findProductThen(t.kind, computed, scalars, streams);
    if (t.op != ScalarOp::convert) return kernels_.findTileFunction(t.op, computed, scalars, streams);
    return streams ? nullptr : kernels_.findConversion(value(t.values[0]).dtype, value(t.results[0]).dtype);
  }

  // The loop that converts to bytes in memory, where a conversion's result is wanted nowhere else; or null.
  TileFunction narrowing_of(const PlannedInstruction& t) const {
    const PlannedValue& result = value(t.results[0]);
    if (t.group || bytes_ || t.op != ScalarOp::convert || result.level != eachTile || result.lastUse != kStored || result.uses != 1) {
      return nullptr;
    }
    return kernels_.findNarrowing(value(t.values[0]).dtype, result.dtype);
  }

  // From memory to a register, null when memory holds elements as registers do; back; and from one element to a register.
  TileFunction load(DType dtype) const { return bytes_ ? nullptr : kernels_.findLoad(dtype); }
  TileFunction store(DType dtype) const { return bytes_ ? kernels_.findByteFunction(ScalarOp::convert, 0) : kernels_.findStore(dtype); }
  TileFunction splat(DType dtype) const {
    return bytes_ ? kernels_.findByteFunction(ScalarOp::convert, 1) : kernels_.findSplat(register_of(dtype));
  }

 private:
  const PlannedValue& value(int32_t number) const { return values_[static_cast<size_t>(number)]; }

  // Which operands of an instruction over tiles are one element for all of a tile.
  int scalars_of(const PlannedInstruction& t) const {
    int scalars = 0;
    for (int32_t k = 0; k < t.arity; k++) scalars |= value(t.values[k]).level < value(t.results[0]).level ? 1 << k : 0;
    return value(t.results[0]).level == eachTile ? scalars : 0;
  }

  // Whether nothing but bools is read, computed and stored, by operations that take bytes.
  bool is_of_bools(const ElementwiseChain& chain) const {
    const auto isBool = [](const auto& one) { return one.dtype == DType::boolean; };
    return !chain.instructions.empty() && std::all_of(chain.constants.begin(), chain.constants.end(), isBool) &&
           std::all_of(chain.loads.begin(), chain.loads.end(), [&](const auto& load) { return isBool(load) && !load.drawn; }) &&
           std::all_of(chain.instructions.begin(), chain.instructions.end(),
                       [&](const auto& one) { return isBool(one) && kernels_.findByteFunction(one.op, 0); });
  }

  const std::vector<PlannedValue>& values_;
  const Kernels& kernels_;
  bool bytes_;
};

}  // namespace nagare
