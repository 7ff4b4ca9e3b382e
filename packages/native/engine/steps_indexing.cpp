// Steps whose operands say where elements are.
#include "steps.h"

namespace nagare {
namespace {

// Whether the indices are apart from the `resultBytes` of the result; sets the error where they are not. The caller may have given one
// memory twice. Indices that change after they were checked would point anywhere.
bool check_apart(RunContext& c, const char* name, const GatherParams& p, const Operand& at, const Operand& to, int64_t resultBytes) {
  const char *indices = c.at<char>(at), *result = c.at<char>(to);
  const int64_t indexBytes = p.batch * p.count * (p.wideIndices ? 8 : 4);
  if (result >= indices + indexBytes || indices >= result + resultBytes) return true;
  c.error = std::string(name) + ": expected a result apart from the indices; received memory that holds both.";
  return false;
}

// Sets the error of the index at position `bad`, if that is one; false then.
bool check_index(RunContext& c, const char* name, const GatherParams& p, const Operand& at, int64_t bad) {
  if (bad < 0) return true;
  const int64_t index = p.wideIndices ? c.at<const int64_t>(at)[bad] : c.at<const int32_t>(at)[bad];
  c.error = std::string(name) + ": expected indices from 0 to " + std::to_string(p.n - 1) + " for an axis of size " + std::to_string(p.n) +
            "; received " + std::to_string(index) + ".";
  return false;
}

// Whether a kernel may rely on the indices while it writes `resultBytes` of the result; sets the error where it may not.
bool check_indices(RunContext& c, const char* name, const GatherParams& p, const Operand& at, const Operand& to, int64_t resultBytes) {
  return check_apart(c, name, p, at, to, resultBytes) &&
         check_index(c, name, p, at, c.kernels.firstBadIndex(p, c.at<char>(at), c.parallel));
}

class GatherStep : public Step {
 public:
  GatherStep(const GatherParams& params, int64_t resultBytes, Operand from, Operand indices, Operand to)
      : params_(params), resultBytes_(resultBytes), from_(from), indices_(indices), to_(to) {}
  bool run(RunContext& c) const override {
    if (!check_apart(c, "gather", params_, indices_, to_, resultBytes_)) return false;
    const int64_t bad = c.kernels.gather(params_, c.at<char>(from_), c.at<char>(indices_), c.at<char>(to_), c.parallel);
    return check_index(c, "gather", params_, indices_, bad);
  }

 private:
  GatherParams params_;
  int64_t resultBytes_;
  Operand from_, indices_, to_;
};

class ScatterAddStep : public Step {
 public:
  ScatterAddStep(const GatherParams& params, int64_t resultBytes, Operand from, Operand indices, Operand to)
      : params_(params), resultBytes_(resultBytes), from_(from), indices_(indices), to_(to) {}
  bool run(RunContext& c) const override {
    if (!check_indices(c, "scatterAdd", params_, indices_, to_, resultBytes_)) return false;
    c.kernels.scatterAdd(params_, c.at<char>(from_), c.at<char>(indices_), c.at<char>(to_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int) const override { return kernels.scatterAddScratchBytes(params_); }

 private:
  GatherParams params_;
  int64_t resultBytes_;
  Operand from_, indices_, to_;
};

template <typename T>
const IndexKernels<T>& index_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.indexF32;
  else return kernels.indexF64;
}

template <typename T>
class SubtractRowsStep : public Step {
 public:
  SubtractRowsStep(const GatherParams& params, Operand x, Operand indices, Operand updates, Operand rate, Operand to)
      : params_(params), x_(x), indices_(indices), updates_(updates), rate_(rate), to_(to) {}
  bool run(RunContext& c) const override {
    const int64_t elements = params_.n * params_.inner;
    if (!check_indices(c, "subtractRows", params_, indices_, to_, elements * static_cast<int64_t>(sizeof(T)))) return false;
    T* const result = c.at<T>(to_);
    if (c.at<T>(x_) != result) {
      CopyParams whole{};
      whole.elementBytes = sizeof(T);
      whole.rank = 1;
      whole.dims[0] = elements;
      whole.fromStrides[0] = whole.toStrides[0] = 1;
      c.kernels.copy(whole, c.at<T>(x_), result, c.parallel);
    }
    index_kernels<T>(c.kernels).subtractRows(params_, result, c.at<char>(indices_), c.at<T>(updates_), c.at<T>(rate_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int) const override { return kernels.subtractRowsScratchBytes(params_); }

 private:
  GatherParams params_;
  Operand x_, indices_, updates_, rate_, to_;
};

// dtype, int64 indices?, batch, outer, n, inner, count; from, indices, to
std::unique_ptr<Step> decode_rows(Reader& r, bool scatter) {
  GatherParams p{};
  p.dtype = r.dtype();
  p.wideIndices = r.flag();
  for (int64_t* size : {&p.batch, &p.outer, &p.n, &p.inner, &p.count}) *size = r.size();
  const int64_t rows = checked_product(p.batch, p.outer);
  const int64_t whole = checked_product(checked_product(rows, p.n), p.inner);
  const int64_t picked = checked_product(checked_product(rows, p.count), p.inner);
  const Operand from = r.operand(p.dtype, scatter ? picked : whole, Use::read);
  const Operand indices = r.operand(p.wideIndices ? DType::int64 : DType::int32, checked_product(p.batch, p.count), Use::read);
  const int64_t results = scatter ? whole : picked;
  const Operand to = r.operand(p.dtype, results, Use::write);
  const int64_t bytes = results * dtype_bytes(p.dtype);
  if (scatter) return std::make_unique<ScatterAddStep>(p, bytes, from, indices, to);
  return std::make_unique<GatherStep>(p, bytes, from, indices, to);
}

}  // namespace

std::unique_ptr<Step> decode_gather(Reader& r, const Kernels&) { return decode_rows(r, false); }
std::unique_ptr<Step> decode_scatter_add(Reader& r, const Kernels&) { return decode_rows(r, true); }

// dtype, int64 indices?, n, inner, count; x, indices, updates, rate; the result, which may be x
std::unique_ptr<Step> decode_subtract_rows(Reader& r, const Kernels&) {
  GatherParams p{};
  p.batch = p.outer = 1;
  p.dtype = r.dtype();
  p.wideIndices = r.flag();
  for (int64_t* size : {&p.n, &p.inner, &p.count}) *size = r.size();
  if (p.count > INT32_MAX || p.n > INT32_MAX) throw InvalidProgram("rows or updates beyond int32");
  const int64_t whole = checked_product(p.n, p.inner);
  const Operand x = r.operand(p.dtype, whole, Use::read);
  const Operand indices = r.operand(p.wideIndices ? DType::int64 : DType::int32, p.count, Use::read);
  const Operand updates = r.operand(p.dtype, checked_product(p.count, p.inner), Use::read);
  const Operand rate = r.operand(p.dtype, 1, Use::read);
  const Operand to = r.operand(p.dtype, whole, Use::overwrite);
  if (whole == 0) return nullptr;
  if (p.dtype == DType::float32) return std::make_unique<SubtractRowsStep<float>>(p, x, indices, updates, rate, to);
  if (p.dtype == DType::float64) return std::make_unique<SubtractRowsStep<double>>(p, x, indices, updates, rate, to);
  throw InvalidProgram("rows are subtracted from float32 or float64");
}

}  // namespace nagare
