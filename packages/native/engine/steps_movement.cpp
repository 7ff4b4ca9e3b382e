// Steps that move elements, count them out or draw them.
#include <cstring>

#include "steps.h"

namespace nagare {
namespace {

// Whether what a step reads and writes leaves the program and is more than a cache keeps.
bool streams(const Operand& to, int64_t bytes) { return to.leaves() && bytes >= kLeavingStreamBytes; }

// What a kernel moves from one operand to another.
template <typename Params, void (*Kernels::*move)(const Params&, const void*, void*, const Parallel&)>
class MoveStep : public Step {
 public:
  MoveStep(const Params& params, Operand from, Operand to) : params_(params), from_(from), to_(to) {}
  bool run(RunContext& c) const override {
    (c.kernels.*move)(params_, c.at<char>(from_), c.at<char>(to_), c.parallel);
    return true;
  }

 private:
  Params params_;
  Operand from_, to_;
};
using CopyStep = MoveStep<CopyParams, &Kernels::copy>;
using PadStep = MoveStep<PadParams, &Kernels::pad>;

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
  FillStep(int32_t elementBytes, int64_t value, int64_t count, Operand to)
      : elementBytes_(elementBytes), value_(value), count_(count), to_(to), streams_(streams(to, 2 * count * elementBytes)) {}
  bool run(RunContext& c) const override {
    c.kernels.fill(elementBytes_, &value_, c.at<char>(to_), count_, streams_, c.parallel);
    return true;
  }

 private:
  int32_t elementBytes_;
  int64_t value_, count_;
  Operand to_;
  bool streams_;
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

namespace {

// How far a walk reaches on one side of its first element and on the other.
struct Reach {
  int64_t first = 0, last = 0;
  void add(int64_t size, int64_t stride) {
    const int64_t reach = checked_product(size - 1, stride);
    (reach < 0 ? first : last) += reach;
  }
  Operand span(Reader& r, int32_t bytes, int64_t count, Use use) const { return r.span(bytes, count ? first : 0, count ? last : -1, use); }
};

}  // namespace

// dtype, rank, then size, stride in x and stride in y (elements) for each dimension; from, to
std::unique_ptr<Step> decode_copy(Reader& r, const Kernels&) {
  CopyParams p{};
  p.elementBytes = dtype_bytes(r.dtype());
  p.rank = r.index(kMaxRank + 1, "a rank");
  Reach read, written;
  int64_t count = 1;
  for (int32_t axis = 0; axis < p.rank; axis++) {
    p.dims[axis] = r.size();
    p.fromStrides[axis] = r.next64();
    p.toStrides[axis] = r.next64();
    read.add(p.dims[axis], p.fromStrides[axis]);
    written.add(p.dims[axis], p.toStrides[axis]);
    count = checked_product(count, p.dims[axis]);
  }
  const Operand from = read.span(r, p.elementBytes, count, Use::read);
  const Operand to = written.span(r, p.elementBytes, count, Use::write);
  if (count == 0) return nullptr;
  bool twice = count > written.last - written.first + 1;
  for (int32_t axis = 0; axis < p.rank; axis++) twice |= p.dims[axis] > 1 && p.toStrides[axis] == 0;
  if (twice) throw InvalidProgram("elements that are written twice");
  merge_dimensions(p);
  p.streams = streams(to, 2 * count * p.elementBytes);
  return std::make_unique<CopyStep>(p, from, to);
}

// dtype, the element's bits, how many; to
std::unique_ptr<Step> decode_fill(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t value = r.next64(), count = r.size();
  const Operand to = r.operand(dtype, count, Use::write);
  if (count == 0) return nullptr;
  return std::make_unique<FillStep>(dtype_bytes(dtype), value, count, to);
}

// dtype, the bits of the elements around, rank, then size in x, elements before and size in y for each dimension; from, to
std::unique_ptr<Step> decode_pad(Reader& r, const Kernels&) {
  PadParams p{};
  const DType dtype = r.dtype();
  p.elementBytes = dtype_bytes(dtype);
  p.value = r.next64();
  const int32_t rank = r.index(kMaxRank + 1, "a rank");
  int64_t read = 1, written = 1;
  for (int32_t k = 0; k < rank; k++) {
    const int64_t size = r.size(), low = r.size(), whole = r.size();
    if (low > whole || size > whole - low) throw InvalidProgram("elements beyond what is put around them");
    read = checked_product(read, size);
    written = checked_product(written, whole);
    // What nothing is put around is a part of the element before it.
    const bool isPart = p.rank > 0 && size == whole;
    const int32_t axis = isPart ? p.rank - 1 : p.rank++;
    p.dims[axis] = isPart ? checked_product(p.dims[axis], size) : size;
    p.low[axis] = isPart ? checked_product(p.low[axis], size) : low;
    p.sizes[axis] = isPart ? checked_product(p.sizes[axis], size) : whole;
  }
  if (p.rank == 0) p.rank = 1, p.dims[0] = p.sizes[0] = 1;
  const Operand from = r.operand(dtype, read, Use::read);
  const Operand to = r.operand(dtype, written, Use::write);
  if (written == 0) return nullptr;
  p.streams = streams(to, (read + written) * p.elementBytes);
  return std::make_unique<PadStep>(p, from, to);
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
