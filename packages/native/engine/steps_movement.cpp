// Steps that move elements, count them out or draw them.
#include <cstring>

#include "steps.h"

namespace nagare {
namespace {

class CopyStep : public Step {
 public:
  CopyStep(const CopyParams& params, Operand from, Operand to) : params_(params), from_(from), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.copy(params_, c.at<char>(from_), c.at<char>(to_), c.parallel);
    return true;
  }

 private:
  CopyParams params_;
  Operand from_, to_;
};

// Drops dimensions of size 1 and merges neighbours that are contiguous on both sides.
void merge_dimensions(CopyParams& p) {
  int32_t rank = 0;
  for (int32_t axis = 0; axis < p.rank; axis++) {
    const int64_t size = p.dims[axis], from = p.fromStrides[axis], to = p.toStrides[axis];
    if (size == 1) continue;
    if (rank > 0 && p.fromStrides[rank - 1] == from * size && p.toStrides[rank - 1] == to * size) {
      p.dims[rank - 1] *= size;
      p.fromStrides[rank - 1] = from;
      p.toStrides[rank - 1] = to;
      continue;
    }
    p.dims[rank] = size;
    p.fromStrides[rank] = from;
    p.toStrides[rank] = to;
    rank++;
  }
  if (rank == 0) {
    p.dims[0] = p.fromStrides[0] = p.toStrides[0] = 1;
    rank = 1;
  }
  p.rank = rank;
}

class FillStep : public Step {
 public:
  FillStep(int32_t bytes, int64_t value, int64_t count, Operand to) : bytes_(bytes), value_(value), count_(count), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.fill(bytes_, &value_, c.at<char>(to_), count_, c.parallel);
    return true;
  }

 private:
  int32_t bytes_;
  int64_t value_;
  int64_t count_;
  Operand to_;
};

class IotaStep : public Step {
 public:
  IotaStep(DType dtype, int64_t outer, int64_t n, int64_t inner, Operand to) : dtype_(dtype), outer_(outer), n_(n), inner_(inner), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.iota(dtype_, outer_, n_, inner_, c.at<char>(to_), c.parallel);
    return true;
  }

 private:
  DType dtype_;
  int64_t outer_, n_, inner_;
  Operand to_;
};

class RandomStep : public Step {
 public:
  RandomStep(int64_t keys, int64_t n, Operand from, Operand to) : keys_(keys), n_(n), from_(from), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.randomBits(c.at<int32_t>(from_), keys_, n_, c.at<int32_t>(to_), c.parallel);
    return true;
  }

 private:
  int64_t keys_, n_;
  Operand from_, to_;
};

}  // namespace

// dtype, rank, then size, stride in x and stride in y (elements) for each dimension; from, to
std::unique_ptr<Step> decode_copy(Reader& r, const Kernels&) {
  CopyParams p{};
  const int32_t bytes = dtype_bytes(r.dtype());
  p.elementBytes = bytes;
  p.rank = r.index(kMaxRank + 1, "a rank");
  int64_t first[2] = {0, 0}, last[2] = {0, 0};
  int64_t count = 1;
  for (int32_t axis = 0; axis < p.rank; axis++) {
    p.dims[axis] = r.size();
    p.fromStrides[axis] = r.next64();
    p.toStrides[axis] = r.next64();
    const int64_t reach[2] = {checked_product(p.dims[axis] - 1, p.fromStrides[axis]), checked_product(p.dims[axis] - 1, p.toStrides[axis])};
    for (int side = 0; side < 2; side++) (reach[side] < 0 ? first : last)[side] += reach[side];
    count = checked_product(count, p.dims[axis]);
  }
  const Operand from = r.span(bytes, count ? first[0] : 0, count ? last[0] : -1, Use::read);
  const Operand to = r.span(bytes, count ? first[1] : 0, count ? last[1] : -1, Use::write);
  if (count == 0) return nullptr;
  if (count > last[1] - first[1] + 1) throw InvalidProgram("elements that are written twice");
  merge_dimensions(p);
  return std::make_unique<CopyStep>(p, from, to);
}

// dtype, count, the element's bits; to
std::unique_ptr<Step> decode_fill(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t count = r.size(), value = r.next64();
  const Operand to = r.operand(dtype, count, Use::write);
  if (count == 0) return nullptr;
  return std::make_unique<FillStep>(dtype_bytes(dtype), value, count, to);
}

// dtype, outer, n, inner; to
std::unique_ptr<Step> decode_iota(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t outer = r.size(), n = r.size(), inner = r.size();
  const int64_t count = checked_product(checked_product(outer, n), inner);
  const Operand to = r.operand(dtype, count, Use::write);
  if (count == 0) return nullptr;
  return std::make_unique<IotaStep>(dtype, outer, n, inner, to);
}

// keys, bits for each key; from, to
std::unique_ptr<Step> decode_random_bits(Reader& r, const Kernels&) {
  const int64_t keys = r.size(), n = r.size();
  const Operand from = r.operand(DType::int32, checked_product(keys, 2), Use::read);
  const Operand to = r.operand(DType::int32, checked_product(keys, n), Use::write);
  if (keys == 0 || n == 0) return nullptr;
  return std::make_unique<RandomStep>(keys, n, from, to);
}

}  // namespace nagare
