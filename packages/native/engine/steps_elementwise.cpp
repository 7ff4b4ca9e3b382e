// The steps of the tile interpreter.
#include <algorithm>

#include "chain_reader.h"
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

// One chain over the operands of many members, as an optimizer updates all parameters.
class GroupStep : public Step {
 public:
  struct Member {
    int64_t elements;
    std::vector<Operand> operands;  // loads, then stores
  };

  GroupStep(const ElementwiseChain& chain, const Kernels& kernels, std::vector<Member> members)
      : plan_(chain, kernels, TileShape::members), loads_(chain.loads.size()), stores_(chain.stores.size()), members_(std::move(members)) {
    const size_t inputs = loads_ + plan_.constants().size();
    inputs_.resize(members_.size() * inputs);
    outputs_.resize(members_.size() * stores_);
    for (size_t m = 0; m < members_.size(); m++) {
      const void** const own = inputs_.data() + m * inputs;
      for (size_t i = loads_; i < inputs; i++) own[i] = &plan_.constants()[i - loads_];
      tileMembers_.push_back({own, outputs_.data() + m * stores_, members_[m].elements, tiles_});
      tiles_ += (members_[m].elements + plan_.program().tile - 1) / plan_.program().tile;
    }
  }

  bool run(RunContext& c) const override {
    const size_t inputs = loads_ + plan_.constants().size();
    for (size_t m = 0; m < members_.size(); m++) {
      const std::vector<Operand>& operands = members_[m].operands;
      for (size_t i = 0; i < loads_; i++) inputs_[m * inputs + i] = c.at<const char>(operands[i]);
      for (size_t i = 0; i < stores_; i++) outputs_[m * stores_ + i] = c.at<char>(operands[loads_ + i]);
    }
    c.kernels.elementwiseGroup(plan_.program(), tileMembers_.data(), static_cast<int64_t>(members_.size()), tiles_, c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels&, int threads) const override {
    return static_cast<size_t>(plan_.program().scratchPerWorker) * static_cast<size_t>(threads);
  }

 private:
  TilePlan plan_;
  size_t loads_, stores_;
  std::vector<Member> members_;
  int64_t tiles_ = 0;
  // Addresses of this run, those of one member after those of another; runs come one at a time.
  mutable std::vector<const void*> inputs_;
  mutable std::vector<void*> outputs_;
  std::vector<TileMember> tileMembers_;
};

}  // namespace

// rank and sizes; the number of loads, then each; what is computed; the number of stores, then value and operand of each.
std::unique_ptr<Step> decode_elementwise(Reader& r, const Kernels& kernels) {
  ElementwiseChain chain{};
  const int64_t count = read_space(r, chain);
  std::vector<Operand> loads, stores;
  for (int32_t n = r.index(kMaxValues, "a number of loads"); n > 0; n--) loads.push_back(read_load(r, chain, count));
  read_computation(r, chain);
  for (int32_t n = r.index(kMaxValues, "a number of stores"); n > 0; n--) {
    const DType dtype = read_store(r, chain);
    stores.push_back(r.operand(dtype, count, Use::overwrite));
  }
  if (stores.empty() || count == 0) return nullptr;
  chain.leaves = std::all_of(stores.begin(), stores.end(), [](const Operand& to) { return to.leaves(); });
  return std::make_unique<ElementwiseStep>(chain, kernels, std::move(loads), std::move(stores));
}

// The number of loads, then dtype of each and whether it is one element for each of the result, or one for all; what is computed; the
// number of stores, then value of each; the number of members, then for each its elements, the operands of its loads and of its stores.
std::unique_ptr<Step> decode_elementwise_group(Reader& r, const Kernels& kernels) {
  ElementwiseChain chain{};
  chain.rank = 1;
  chain.dims[0] = 0;
  for (int32_t n = r.index(kMaxValues, "a number of loads"); n > 0; n--) {
    ElementwiseChain::Load load{};
    load.dtype = r.dtype();
    load.strides[0] = r.flag() ? 1 : 0;
    chain.loads.push_back(load);
  }
  read_computation(r, chain);
  std::vector<DType> stored;
  for (int32_t n = r.index(kMaxValues, "a number of stores"); n > 0; n--) stored.push_back(read_store(r, chain));
  std::vector<GroupStep::Member> members;
  for (int32_t n = r.index(kMaxValues, "a number of members"); n > 0; n--) {
    GroupStep::Member member{r.size(), {}};
    for (const auto& load : chain.loads) {
      member.operands.push_back(r.operand(load.dtype, load.strides[0] ? member.elements : 1, Use::read));
    }
    for (const DType dtype : stored) member.operands.push_back(r.operand(dtype, member.elements, Use::overwrite));
    // Members have sizes of their own: a chain as long as all of them is planned.
    chain.dims[0] += member.elements;
    if (member.elements > 0) members.push_back(std::move(member));
  }
  if (stored.empty() || members.empty()) return nullptr;
  return std::make_unique<GroupStep>(chain, kernels, std::move(members));
}

}  // namespace nagare
