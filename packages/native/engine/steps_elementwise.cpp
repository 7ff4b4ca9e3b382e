// The step of the tile interpreter.
#include "steps.h"
#include "tile_plan.h"

namespace nagare {
namespace {

class ElementwiseStep : public Step {
 public:
  ElementwiseStep(const ElementwiseChain& chain, const Kernels& kernels, std::vector<Operand> loads, std::vector<Operand> stores)
      : plan_(chain, kernels), loads_(std::move(loads)), stores_(std::move(stores)) {
    inputs_.resize(loads_.size());
    for (const int64_t& bits : plan_.constants()) inputs_.push_back(&bits);
    outputs_.resize(stores_.size());
  }

  bool run(RunContext& c) const override {
    for (size_t i = 0; i < loads_.size(); i++) inputs_[i] = c.at<const char>(loads_[i]);
    for (size_t i = 0; i < stores_.size(); i++) outputs_[i] = c.at<char>(stores_[i]);
    c.kernels.elementwise(plan_.program(), inputs_.data(), outputs_.data(), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels&, int threads) const override {
    return static_cast<size_t>(plan_.program().scratchPerWorker) * static_cast<size_t>(threads);
  }

 private:
  TilePlan plan_;
  std::vector<Operand> loads_, stores_;
  // Addresses of this run; runs come one at a time.
  mutable std::vector<const void*> inputs_;
  mutable std::vector<void*> outputs_;
};

constexpr int32_t kMaxValues = 1 << 16;

}  // namespace

// rank and sizes; the number of loads, then dtype, operand and a stride (in elements) for each dimension of each; the number of
// constants, then dtype and bits of each; the number of instructions, then operation, dtype of the result and three values of each;
// the number of stores, then value and operand of each.
std::unique_ptr<Step> decode_elementwise(Reader& r, const Kernels& kernels) {
  ElementwiseChain chain{};
  chain.rank = r.index(kMaxRank + 1, "a rank");
  int64_t count = 1;
  for (int32_t axis = 0; axis < chain.rank; axis++) {
    chain.dims[axis] = r.size();
    count = checked_product(count, chain.dims[axis]);
  }
  std::vector<Operand> loads, stores;
  for (int32_t n = r.index(kMaxValues, "a number of loads"); n > 0; n--) {
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
    loads.push_back(r.span_at(base, offset, dtype_bytes(load.dtype), count ? first : 0, count ? last : -1, Use::read));
    chain.loads.push_back(load);
  }
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
  const int32_t known = static_cast<int32_t>(chain.loads.size() + chain.constants.size());
  for (int32_t n = r.index(kMaxValues, "a number of stores"); n > 0; n--) {
    const int32_t value = r.next();
    if (value < 0 || value >= known + static_cast<int32_t>(chain.instructions.size())) throw InvalidProgram("a store of no value");
    const DType dtype = value < static_cast<int32_t>(chain.loads.size()) ? chain.loads[static_cast<size_t>(value)].dtype
                        : value < known ? chain.constants[static_cast<size_t>(value) - chain.loads.size()].dtype
                                        : chain.instructions[static_cast<size_t>(value - known)].dtype;
    chain.stores.push_back(value);
    stores.push_back(r.operand(dtype, count, Use::overwrite));
  }
  if (stores.empty() || count == 0) return nullptr;
  return std::make_unique<ElementwiseStep>(chain, kernels, std::move(loads), std::move(stores));
}

}  // namespace nagare
