// Steps that move elements, count them out or draw them.
#include <algorithm>
#include <utility>
#include <vector>

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

// A copy, with where it reads, and the element of the result at which it begins to write.
struct Copy {
  CopyParams params;
  Operand from;
  int64_t start;

  // To `y`, all of it, or rows [first, first + count) of its first dimension.
  void run(const RunContext& c, char* y) const {
    c.kernels.copy(params, c.at<char>(from), y + start * params.elementBytes, c.parallel);
  }
  void run_rows(const RunContext& c, char* y, int64_t first, int64_t count) const {
    CopyParams rows = params;
    rows.dims[0] = count;
    const char* const x = c.at<char>(from) + first * params.fromStrides[0] * params.elementBytes;
    c.kernels.copy(rows, x, y + (start + first * params.toStrides[0]) * params.elementBytes, {c.parallel.run, c.parallel.pool, 1});
  }
};

// Copies of parts of one tensor that do not overlap, such as those of a concatenation. Where each writes a piece of the same short rows,
// they take turns after a few rows, whose lines of memory are then in the cache for the next one.
class CopiesStep : public Step {
 public:
  CopiesStep(std::vector<Copy> copies, Operand to) : copies_(std::move(copies)), to_(to) {
    const CopyParams& p = copies_[0].params;
    const int64_t row = p.toStrides[0] * p.elementBytes;
    if (copies_.size() < 2 || row <= 0 || row > kShortRow) return;
    for (const Copy& other : copies_) {
      if (other.params.dims[0] != p.dims[0] || other.params.toStrides[0] != p.toStrides[0]) return;
    }
    rowsPerTurn_ = kTurn / row;
  }
  bool run(RunContext& c) const override {
    if (rowsPerTurn_ == 0) {
      for (const Copy& copy : copies_) copy.run(c, c.at<char>(to_));
      return true;
    }
    const int64_t turns = (copies_[0].params.dims[0] + rowsPerTurn_ - 1) / rowsPerTurn_;
    Turns all{*this, c};
    if (turns == 1 || c.parallel.threads == 1) {
      for (int64_t turn = 0; turn < turns; turn++) take_turn(&all, turn, 0);
    } else {
      c.parallel.run(c.parallel.pool, turns, take_turn, &all);
    }
    return true;
  }

 private:
  // Bytes of rows that are short, and of those between two turns.
  static constexpr int64_t kShortRow = 1 << 12, kTurn = 1 << 15;
  struct Turns {
    const CopiesStep& step;
    const RunContext& context;
  };
  static void take_turn(void* context, int64_t turn, int) {
    const Turns& all = *static_cast<const Turns*>(context);
    const int64_t first = turn * all.step.rowsPerTurn_, left = all.step.copies_[0].params.dims[0] - first;
    char* const y = all.context.at<char>(all.step.to_);
    for (const Copy& copy : all.step.copies_) copy.run_rows(all.context, y, first, std::min(left, all.step.rowsPerTurn_));
  }

  std::vector<Copy> copies_;
  Operand to_;
  int64_t rowsPerTurn_ = 0;  // 0: one copy after the other
};

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

// rank, then size, stride in x and stride in y (elements) for each dimension, where in y it starts; from. False where there is nothing to
// copy.
bool read_copy(Reader& r, int32_t elementBytes, int64_t whole, Copy& copy) {
  CopyParams& p = copy.params = {};
  p.elementBytes = elementBytes;
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
  copy.start = r.size();
  copy.from = read.span(r, p.elementBytes, count, Use::read);
  if (count == 0) return false;
  if (copy.start + written.first < 0 || copy.start >= whole || written.last >= whole - copy.start) {
    throw InvalidProgram("elements beyond the result");
  }
  bool twice = count > written.last - written.first + 1;
  for (int32_t axis = 0; axis < p.rank; axis++) twice |= p.dims[axis] > 1 && p.toStrides[axis] == 0;
  if (twice) throw InvalidProgram("elements that are written twice");
  merge_dimensions(p);
  return true;
}

}  // namespace

// dtype, elements of y, how many copies, each as `read_copy` has it; to
std::unique_ptr<Step> decode_copy(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int32_t bytes = dtype_bytes(dtype);
  const int64_t whole = r.size();
  std::vector<Copy> copies;
  for (int64_t left = r.size(); left > 0; left--) {
    Copy copy;
    if (read_copy(r, bytes, whole, copy)) copies.push_back(copy);
  }
  const Operand to = r.operand(dtype, whole, Use::write);
  if (copies.empty()) return nullptr;
  for (Copy& copy : copies) copy.params.streams = streams(to, 2 * whole * bytes);
  return std::make_unique<CopiesStep>(std::move(copies), to);
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
