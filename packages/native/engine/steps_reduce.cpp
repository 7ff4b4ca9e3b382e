// The steps of reductions, of memory or of what an elementwise chain makes.
#include "aligned.h"
#include "chain_reader.h"
#include "steps.h"
#include "tile_plan.h"

namespace nagare {
namespace {

class ReduceStep : public Step {
 public:
  ReduceStep(const ReduceParams& params, Operand from, Operand to) : params_(params), from_(from), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.reduce(params_, {c.at<char>(from_), nullptr, nullptr, nullptr}, c.at<char>(to_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override { return kernels.reduceScratchBytes(params_, threads); }

 private:
  ReduceParams params_;
  Operand from_, to_;
};

class ReduceChainStep : public Step {
 public:
  ReduceChainStep(const ReduceParams& params, const ElementwiseChain& chain, const Kernels& kernels, std::vector<Operand> loads, Operand to)
      : params_(params), plan_(chain, kernels, TileShape::pieces), loads_(std::move(loads)), to_(to) {
    inputs_.resize(loads_.size());
    for (const int64_t& bits : plan_.constants()) inputs_.push_back(&bits);
    params_.cost += cost_of(chain);
  }
  bool run(RunContext& c) const override {
    for (size_t i = 0; i < loads_.size(); i++) inputs_[i] = c.at<const char>(loads_[i]);
    char* const behind = static_cast<char*>(c.scratch) + own_scratch_bytes(c.kernels, c.parallel.threads);
    c.kernels.reduce(params_, {nullptr, &plan_.program(), inputs_.data(), behind}, c.at<char>(to_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return own_scratch_bytes(kernels, threads) + static_cast<size_t>(plan_.program().scratchPerWorker) * static_cast<size_t>(threads);
  }

 private:
  size_t own_scratch_bytes(const Kernels& kernels, int threads) const { return align_up(kernels.reduceScratchBytes(params_, threads)); }

  ReduceParams params_;
  TilePlan plan_;
  std::vector<Operand> loads_;
  Operand to_;
  // Addresses of this run; runs come one at a time.
  mutable std::vector<const void*> inputs_;
};

}  // namespace

// which reduction, dtype, outer, n, inner; to; whether a chain makes the elements. If not, from. If so, rank and sizes; the number of
// loads, then each; what is computed; the value that is reduced.
std::unique_ptr<Step> decode_reduce(Reader& r, const Kernels& kernels) {
  ReduceParams p{};
  p.op = static_cast<ReduceOp>(r.index(6, "a reduction"));
  p.dtype = r.dtype();
  p.outer = r.size();
  p.n = r.size();
  p.inner = r.size();
  const bool position = p.op == ReduceOp::argMax || p.op == ReduceOp::argMin;
  const int64_t results = checked_product(p.outer, p.inner), elements = checked_product(results, p.n);
  if (p.op != ReduceOp::sum && p.op != ReduceOp::prod && p.n == 0 && results > 0) throw InvalidProgram("the extreme of no elements");
  if (position && p.n > INT32_MAX) throw InvalidProgram("positions beyond int32");
  const Operand to = r.operand(position ? DType::int32 : p.dtype, results, Use::write);
  if (!r.flag()) {
    const Operand from = r.operand(p.dtype, elements, Use::read);
    if (results == 0) return nullptr;
    return std::make_unique<ReduceStep>(p, from, to);
  }
  if (position) throw InvalidProgram("positions of what a chain makes");
  ElementwiseChain chain{};
  if (read_space(r, chain) != elements) throw InvalidProgram("a chain over other elements than those of the reduction");
  std::vector<Operand> loads;
  for (int32_t n = r.index(kMaxValues, "a number of loads"); n > 0; n--) loads.push_back(read_load(r, chain, elements));
  read_computation(r, chain);
  if (read_store(r, chain) != p.dtype) throw InvalidProgram("a chain of another dtype than that of the reduction");
  if (results == 0) return nullptr;
  // Of no elements nothing is read.
  if (elements == 0) return std::make_unique<ReduceStep>(p, to, to);
  return std::make_unique<ReduceChainStep>(p, chain, kernels, std::move(loads), to);
}

}  // namespace nagare
