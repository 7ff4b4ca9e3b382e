// The steps of reductions, of memory or of what an elementwise chain makes.
#include "aligned.h"
#include "chain_reader.h"
#include "steps.h"
#include "tile_plan.h"

namespace nagare {
namespace {

// Where the results of this run go.
struct Results {
  void* at[kMaxReductions];

  Results(RunContext& c, const std::vector<Operand>& to) {
    for (size_t k = 0; k < to.size(); k++) at[k] = c.at<char>(to[k]);
  }
};

class ReduceStep : public Step {
 public:
  ReduceStep(const ReduceParams& params, Operand from, std::vector<Operand> to) : params_(params), from_(from), to_(std::move(to)) {}
  bool run(RunContext& c) const override {
    const Results to(c, to_);
    c.kernels.reduce(params_, {c.at<char>(from_), nullptr, nullptr, nullptr}, to.at, c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override { return kernels.reduceScratchBytes(params_, threads); }

 private:
  ReduceParams params_;
  Operand from_;
  std::vector<Operand> to_;
};

class ReduceChainStep : public Step {
 public:
  ReduceChainStep(const ReduceParams& params, const ElementwiseChain& chain, const Kernels& kernels, std::vector<Operand> loads,
                  std::vector<Operand> to)
      : params_(params), plan_(chain, kernels, TileShape::pieces), loads_(std::move(loads)), to_(std::move(to)) {
    inputs_.resize(loads_.size());
    for (const int64_t& bits : plan_.constants()) inputs_.push_back(&bits);
    params_.cost += cost_of(chain) + params.results - 1;
  }
  bool run(RunContext& c) const override {
    for (size_t i = 0; i < loads_.size(); i++) inputs_[i] = c.at<const char>(loads_[i]);
    char* const behind = static_cast<char*>(c.scratch) + own_scratch_bytes(c.kernels, c.parallel.threads);
    const Results to(c, to_);
    c.kernels.reduce(params_, {nullptr, &plan_.program(), inputs_.data(), behind}, to.at, c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return own_scratch_bytes(kernels, threads) + static_cast<size_t>(plan_.program().scratchPerWorker) * static_cast<size_t>(threads);
  }

 private:
  size_t own_scratch_bytes(const Kernels& kernels, int threads) const { return align_up(kernels.reduceScratchBytes(params_, threads)); }

  ReduceParams params_;
  TilePlan plan_;
  std::vector<Operand> loads_, to_;
  // Addresses of this run; runs come one at a time.
  mutable std::vector<const void*> inputs_;
};

}  // namespace

// which reduction, dtype, outer, n, inner; the number of results, then where each goes; whether a chain makes the elements. If not, from.
// If so, rank and sizes; the number of loads, then each; what is computed; for each result the value that is reduced.
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
  p.results = r.index(kMaxReductions + 1, "a number of reductions");
  std::vector<Operand> to;
  for (int32_t k = 0; k < p.results; k++) to.push_back(r.operand(position ? DType::int32 : p.dtype, results, Use::write));
  if (to.empty()) throw InvalidProgram("a reduction without results");
  if (!r.flag()) {
    if (to.size() > 1) throw InvalidProgram("several results of the same elements");
    const Operand from = r.operand(p.dtype, elements, Use::read);
    if (results == 0) return nullptr;
    return std::make_unique<ReduceStep>(p, from, std::move(to));
  }
  if (position) throw InvalidProgram("positions of what a chain makes");
  ElementwiseChain chain{};
  if (read_space(r, chain) != elements) throw InvalidProgram("a chain over other elements than those of the reduction");
  std::vector<Operand> loads;
  for (int32_t n = r.index(kMaxValues, "a number of loads"); n > 0; n--) loads.push_back(read_load(r, chain, elements));
  read_computation(r, chain);
  for (size_t k = 0; k < to.size(); k++) {
    if (read_store(r, chain) != p.dtype) throw InvalidProgram("a chain of another dtype than that of the reduction");
  }
  if (results == 0) return nullptr;
  // Of no elements nothing is read.
  if (elements == 0) return std::make_unique<ReduceStep>(p, to[0], to);
  return std::make_unique<ReduceChainStep>(p, chain, kernels, std::move(loads), std::move(to));
}

}  // namespace nagare
