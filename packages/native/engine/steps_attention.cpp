// Steps of attention.
#include "steps.h"

namespace nagare {
namespace {

// A sequence's first element in its operand, which may pack several.
struct Sequence {
  Operand operand;
  int64_t first = 0;

  template <typename T>
  T* at(const RunContext& c) const {
    return c.at<T>(operand) + first;
  }
};

struct Sequences {
  Sequence q, k, v;
};

class AttentionStep : public Step {
 public:
  AttentionStep(const AttentionParams& params, const Sequences& from, Operand mask, Operand y, Operand logSums)
      : params_(params), from_(from), mask_(mask), y_(y), logSums_(logSums) {}
  bool run(RunContext& c) const override {
    const void* mask = params_.mask == MaskKind::none ? nullptr : c.at<const void>(mask_);
    c.kernels.attention(params_, from_.q.at<const float>(c), from_.k.at<const float>(c), from_.v.at<const float>(c), mask, c.at<float>(y_),
                        c.at<float>(logSums_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override { return kernels.attentionScratchBytes(params_, threads); }

 private:
  AttentionParams params_;
  Sequences from_;
  Operand mask_, y_, logSums_;
};

class AttentionGradientStep : public Step {
 public:
  AttentionGradientStep(const AttentionParams& params, const Sequences& from, Operand mask, Operand y, Operand logSums, Operand dy,
                        const Sequences& to)
      : params_(params), from_(from), to_(to), mask_(mask), y_(y), logSums_(logSums), dy_(dy) {}
  bool run(RunContext& c) const override {
    const void* mask = params_.mask == MaskKind::none ? nullptr : c.at<const void>(mask_);
    c.kernels.attentionGradient(params_, from_.q.at<const float>(c), from_.k.at<const float>(c), from_.v.at<const float>(c), mask,
                                c.at<const float>(y_), c.at<const float>(logSums_), c.at<const float>(dy_), to_.q.at<float>(c),
                                to_.k.at<float>(c), to_.v.at<float>(c), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return kernels.attentionGradientScratchBytes(params_, threads);
  }

 private:
  AttentionParams params_;
  Sequences from_, to_;
  Operand mask_, y_, logSums_, dy_;
};

// What the operands of these instructions are made of.
class AttentionReader {
 public:
  explicit AttentionReader(Reader& r) : r_(r) {
    AttentionParams& p = params_;
    p.batch = r.size(), p.heads = r.size(), p.queries = r.size(), p.keys = r.size(), p.depth = r.size(), p.valueDepth = r.size();
    if (p.keys < 1 || p.depth < 1 || p.valueDepth < 1) throw InvalidProgram("attention without keys, or to vectors without elements");
    packed_ = r.flag();
    if (packed_ && (p.queries != p.keys || p.depth != p.valueDepth)) throw InvalidProgram("packed sequences of several sizes");
    p.scale = static_cast<float>(r.real());
    p.causal = r.flag();
    rowOfQ_ = checked_product(p.heads, packed_ ? checked_product(3, p.depth) : p.depth);
    rowOfV_ = packed_ ? rowOfQ_ : checked_product(p.heads, p.valueDepth);
    p.q = {checked_product(p.queries, rowOfQ_), rowOfQ_};
    p.k = {checked_product(p.keys, rowOfQ_), rowOfQ_};
    p.v = {checked_product(p.keys, rowOfV_), rowOfV_};
    read_mask_shape();
  }

  const AttentionParams& params() const { return params_; }

  // Where there are no queries, heads or batch there is nothing to attend to, but keys and values still have gradients.
  bool empty() const { return params_.batch == 0 || params_.heads == 0; }

  // Queries, keys and values, or what packs them.
  Sequences sequences(Use use) {
    const AttentionParams& p = params_;
    const Operand q = sequence(p.q, use);
    if (packed_) {
      const int64_t part = p.heads * p.depth;
      return {{q, 0}, {q, part}, {q, 2 * part}};
    }
    const Operand k = sequence(p.k, use);
    return {{q}, {k}, {sequence(p.v, use)}};
  }

  Operand mask() {
    if (params_.mask == MaskKind::none) return {0, 0};
    return r_.operand(params_.mask == MaskKind::added ? DType::float32 : DType::boolean, maskCount_, Use::read);
  }
  // [batch, queries, heads, valueDepth]
  Operand averages(Use use) {
    return r_.operand(DType::float32, checked_product(checked_product(params_.batch, params_.queries), of_heads(params_.valueDepth)), use);
  }
  // [batch, heads, queries]
  Operand log_sums(Use use) {
    return r_.operand(DType::float32, checked_product(params_.batch, of_heads(params_.queries)), use);
  }

 private:
  int64_t of_heads(int64_t n) const { return checked_product(params_.heads, n); }

  Operand sequence(const AttentionLayout& layout, Use use) {
    return r_.operand(DType::float32, checked_product(params_.batch, layout.batchStride), use);
  }

  // The mask's kind, then for each axis of [batch, heads, queries, keys] whether the mask has it or is repeated along it.
  void read_mask_shape() {
    AttentionParams& p = params_;
    p.mask = static_cast<MaskKind>(r_.index(3, "a kind of mask"));
    if (p.mask == MaskKind::none) return;
    const int64_t extents[4] = {p.batch, p.heads, p.queries, p.keys};
    int64_t* const strides[4] = {&p.maskBatch, &p.maskHead, &p.maskQuery, &p.maskKey};
    bool has[4];
    for (bool& axis : has) axis = r_.flag();
    maskCount_ = 1;
    for (int axis = 3; axis >= 0; axis--) {
      *strides[axis] = has[axis] ? maskCount_ : 0;
      if (has[axis]) maskCount_ = checked_product(maskCount_, extents[axis]);
    }
  }

  Reader& r_;
  AttentionParams params_{};
  bool packed_;
  int64_t rowOfQ_, rowOfV_, maskCount_ = 0;
};

}  // namespace

// Both: batch, heads, queries, keys, depth, depth of values; packed?; scale; causal?; the kind of mask (0 none,
// 1 bools, 2 floats to add) and, if there is one, which of the axes batch, heads, queries, keys it has; then the operands, then the results.
// Brackets: where there is one. What is packed is one operand in the place of q, k and v.

// q, k, v, [mask]; y, logSums
std::unique_ptr<Step> decode_attention(Reader& reader, const Kernels&) {
  AttentionReader r(reader);
  const Sequences from = r.sequences(Use::read);
  const Operand mask = r.mask(), y = r.averages(Use::write), logSums = r.log_sums(Use::write);
  if (r.empty() || r.params().queries == 0) return nullptr;
  return std::make_unique<AttentionStep>(r.params(), from, mask, y, logSums);
}

// q, k, v, [mask], y, logSums, dy; dq, dk, dv
std::unique_ptr<Step> decode_attention_grad(Reader& reader, const Kernels&) {
  AttentionReader r(reader);
  const Sequences from = r.sequences(Use::read);
  const Operand mask = r.mask(), y = r.averages(Use::read), logSums = r.log_sums(Use::read), dy = r.averages(Use::read);
  const Sequences to = r.sequences(Use::write);
  if (r.empty()) return nullptr;
  return std::make_unique<AttentionGradientStep>(r.params(), from, mask, y, logSums, dy, to);
}

}  // namespace nagare
