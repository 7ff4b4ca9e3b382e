// Steps that move elements, count them out or draw them.
#include <cstring>

#include "steps.h"

namespace nagare {
namespace {

// Whether what a step reads and writes leaves the program and is more than a cache keeps.
bool streams(const Operand& to, int64_t bytes) { return to.base != 0 && bytes >= kStreamBytes; }

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

// A walk whose source is one element: `fromStrides` are 0.
class FillStep : public Step {
 public:
  FillStep(const CopyParams& params, int64_t value, Operand to) : params_(params), value_(value), to_(to) {}
  bool run(RunContext& c) const override {
    if (params_.rank == 1 && params_.toStrides[0] == 1) {
      c.kernels.fill(params_.elementBytes, &value_, c.at<char>(to_), params_.dims[0], params_.streams, c.parallel);
    } else {
      c.kernels.copy(params_, &value_, c.at<char>(to_), c.parallel);
    }
    return true;
  }

 private:
  CopyParams params_;
  int64_t value_;
  Operand to_;
};

class PadStep : public Step {
 public:
  PadStep(const PadParams& params, Operand from, Operand to) : params_(params), from_(from), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.pad(params_, c.at<char>(from_), c.at<char>(to_), c.parallel);
    return true;
  }

 private:
  PadParams params_;
  Operand from_, to_;
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

// Merges what can be, once the walk is known to write no element twice.
void finish_walk(CopyParams& p, const Reach& written, int64_t count, const Operand& to) {
  if (count > written.last - written.first + 1) throw InvalidProgram("elements that are written twice");
  merge_dimensions(p);
  p.streams = streams(to, 2 * count * p.elementBytes);
}

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
  finish_walk(p, written, count, to);
  return std::make_unique<CopyStep>(p, from, to);
}

// dtype, the element's bits, rank, then size and stride (elements) for each dimension; to
std::unique_ptr<Step> decode_fill(Reader& r, const Kernels&) {
  CopyParams p{};
  p.elementBytes = dtype_bytes(r.dtype());
  const int64_t value = r.next64();
  p.rank = r.index(kMaxRank + 1, "a rank");
  Reach written;
  int64_t count = 1;
  for (int32_t axis = 0; axis < p.rank; axis++) {
    p.dims[axis] = r.size();
    p.toStrides[axis] = r.next64();
    written.add(p.dims[axis], p.toStrides[axis]);
    count = checked_product(count, p.dims[axis]);
  }
  const Operand to = written.span(r, p.elementBytes, count, Use::write);
  if (count == 0) return nullptr;
  finish_walk(p, written, count, to);
  return std::make_unique<FillStep>(p, value, to);
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
