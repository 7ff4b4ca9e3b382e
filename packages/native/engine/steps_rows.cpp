// Steps that work row by row: softmax, cross-entropy, layer normalization, and their derivatives.
#include <cstring>

#include "row_steps.h"

namespace nagare {
namespace {

struct Rows {
  DType dtype;
  int64_t rows, n, count;
};
Rows read_rows(Reader& r) {
  const DType dtype = r.dtype();
  const int64_t rows = r.size(), n = r.size();
  return {dtype, rows, n, checked_product(rows, n)};
}

// One operand of rows, one result of rows.
template <typename T>
class OneOperandStep : public Step {
 public:
  using Kernel = void (*RowKernels<T>::*)(const T*, T*, int64_t, int64_t, const Parallel&);
  OneOperandStep(Kernel kernel, const Rows& rows, Operand x, Operand y) : kernel_(kernel), rows_(rows), x_(x), y_(y) {}
  bool run(RunContext& c) const override {
    (row_kernels<T>(c.kernels).*kernel_)(c.at<const T>(x_), c.at<T>(y_), rows_.rows, rows_.n, c.parallel);
    return true;
  }

 private:
  Kernel kernel_;
  Rows rows_;
  Operand x_, y_;
};

// Two operands of rows, one result of rows.
template <typename T>
class TwoOperandStep : public Step {
 public:
  using Kernel = void (*RowKernels<T>::*)(const T*, const T*, T*, int64_t, int64_t, const Parallel&);
  TwoOperandStep(Kernel kernel, const Rows& rows, Operand a, Operand b, Operand y) : kernel_(kernel), rows_(rows), a_(a), b_(b), y_(y) {}
  bool run(RunContext& c) const override {
    (row_kernels<T>(c.kernels).*kernel_)(c.at<const T>(a_), c.at<const T>(b_), c.at<T>(y_), rows_.rows, rows_.n, c.parallel);
    return true;
  }

 private:
  Kernel kernel_;
  Rows rows_;
  Operand a_, b_, y_;
};

// dtype, rows, elements of each; x, y
std::unique_ptr<Step> decode_one_operand(Reader& r, OneOperandStep<float>::Kernel single, OneOperandStep<double>::Kernel wide) {
  const Rows rows = read_rows(r);
  const Operand x = r.operand(rows.dtype, rows.count, Use::read), y = r.operand(rows.dtype, rows.count, Use::overwrite);
  if (rows.count == 0) return nullptr;
  if (rows.dtype == DType::float32) return std::make_unique<OneOperandStep<float>>(single, rows, x, y);
  if (rows.dtype == DType::float64) return std::make_unique<OneOperandStep<double>>(wide, rows, x, y);
  throw InvalidProgram("rows are of float32 or float64");
}

// dtype, rows, elements of each; a, b, y
std::unique_ptr<Step> decode_two_operands(Reader& r, TwoOperandStep<float>::Kernel single, TwoOperandStep<double>::Kernel wide) {
  const Rows rows = read_rows(r);
  const Operand a = r.operand(rows.dtype, rows.count, Use::read), b = r.operand(rows.dtype, rows.count, Use::read);
  const Operand y = r.operand(rows.dtype, rows.count, Use::overwrite);
  if (rows.count == 0) return nullptr;
  if (rows.dtype == DType::float32) return std::make_unique<TwoOperandStep<float>>(single, rows, a, b, y);
  if (rows.dtype == DType::float64) return std::make_unique<TwoOperandStep<double>>(wide, rows, a, b, y);
  throw InvalidProgram("rows are of float32 or float64");
}

template <typename T>
class CrossEntropyStep : public Step {
 public:
  CrossEntropyStep(const CrossEntropyParams& params, Operand logits, Operand labels, Operand losses, Operand normalizers)
      : params_(params), logits_(logits), labels_(labels), losses_(losses), normalizers_(normalizers) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).crossEntropy(params_, c.at<const T>(logits_), c.at<const void>(labels_), c.at<T>(losses_),
                                           c.at<T>(normalizers_), c.parallel);
    return true;
  }

 private:
  CrossEntropyParams params_;
  Operand logits_, labels_, losses_, normalizers_;
};

template <typename T>
class CrossEntropyGradientStep : public Step {
 public:
  CrossEntropyGradientStep(const CrossEntropyParams& params, Operand logits, Operand labels, Operand normalizers, Operand dlosses,
                           Operand dlogits)
      : params_(params), logits_(logits), labels_(labels), normalizers_(normalizers), dlosses_(dlosses), dlogits_(dlogits) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).crossEntropyGradient(params_, c.at<const T>(logits_), c.at<const void>(labels_), c.at<const T>(normalizers_),
                                                   c.at<const T>(dlosses_), c.at<T>(dlogits_), c.parallel);
    return true;
  }

 private:
  CrossEntropyParams params_;
  Operand logits_, labels_, normalizers_, dlosses_, dlogits_;
};

template <typename T>
class LayerNormStep : public Step {
 public:
  LayerNormStep(const LayerNormParams& params, Operand x, Operand scale, Operand offset, Operand y, Operand means, Operand inverses)
      : params_(params), x_(x), scale_(scale), offset_(offset), y_(y), means_(means), inverses_(inverses) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).layerNorm(params_, c.at<const T>(x_), c.at<const T>(scale_), c.at<const T>(offset_), c.at<T>(y_),
                                        c.at<T>(means_), c.at<T>(inverses_), c.parallel);
    return true;
  }

 private:
  LayerNormParams params_;
  Operand x_, scale_, offset_, y_, means_, inverses_;
};

struct LayerNormGradientOperands {
  Operand dy, x, scale, means, inverses, dx, dscale, doffset;
};

template <typename T>
class LayerNormGradientStep : public Step {
 public:
  LayerNormGradientStep(const LayerNormParams& params, const LayerNormGradientOperands& operands) : params_(params), at_(operands) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).layerNormGradient(params_, c.at<const T>(at_.dy), c.at<const T>(at_.x), c.at<const T>(at_.scale),
                                                c.at<const T>(at_.means), c.at<const T>(at_.inverses), c.at<T>(at_.dx),
                                                c.at<T>(at_.dscale), c.at<T>(at_.doffset), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return row_kernels<T>(kernels).layerNormGradientScratchBytes(params_, threads);
  }

 private:
  LayerNormParams params_;
  LayerNormGradientOperands at_;
};

}  // namespace

std::unique_ptr<Step> decode_softmax(Reader& r, const Kernels&) {
  return decode_one_operand(r, &RowKernels<float>::softmax, &RowKernels<double>::softmax);
}
std::unique_ptr<Step> decode_softmax_grad(Reader& r, const Kernels&) {
  return decode_two_operands(r, &RowKernels<float>::softmaxGradient, &RowKernels<double>::softmaxGradient);
}
std::unique_ptr<Step> decode_log_softmax(Reader& r, const Kernels&) {
  return decode_one_operand(r, &RowKernels<float>::logSoftmax, &RowKernels<double>::logSoftmax);
}
std::unique_ptr<Step> decode_log_softmax_grad(Reader& r, const Kernels&) {
  return decode_two_operands(r, &RowKernels<float>::logSoftmaxGradient, &RowKernels<double>::logSoftmaxGradient);
}

// dtype, rows, classes, whether labels are int64; logits, labels, losses, normalizers
std::unique_ptr<Step> decode_softmax_cross_entropy(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  const CrossEntropyParams params{rows.rows, rows.n, r.flag()};
  const Operand logits = r.operand(rows.dtype, rows.count, Use::read);
  const Operand labels = r.operand(params.wideLabels ? DType::int64 : DType::int32, rows.rows, Use::read);
  const Operand losses = r.operand(rows.dtype, rows.rows, Use::write), normalizers = r.operand(rows.dtype, rows.rows, Use::write);
  if (rows.rows == 0) return nullptr;
  if (rows.n == 0) throw InvalidProgram("there are no classes");
  return make_row_step<CrossEntropyStep>("rows are", rows.dtype, params, logits, labels, losses, normalizers);
}

// dtype, rows, classes, whether labels are int64; logits, labels, normalizers, dlosses, dlogits
std::unique_ptr<Step> decode_softmax_cross_entropy_grad(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  const CrossEntropyParams params{rows.rows, rows.n, r.flag()};
  const Operand logits = r.operand(rows.dtype, rows.count, Use::read);
  const Operand labels = r.operand(params.wideLabels ? DType::int64 : DType::int32, rows.rows, Use::read);
  const Operand normalizers = r.operand(rows.dtype, rows.rows, Use::read), dlosses = r.operand(rows.dtype, rows.rows, Use::read);
  const Operand dlogits = r.operand(rows.dtype, rows.count, Use::overwrite);
  if (rows.count == 0) return nullptr;
  return make_row_step<CrossEntropyGradientStep>("rows are", rows.dtype, params, logits, labels, normalizers, dlosses, dlogits);
}

// dtype, rows, elements of each, epsilon as the bits of a double; x, scale, offset, y, means, inverses
std::unique_ptr<Step> decode_layer_norm(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  const int64_t bits = r.next64();
  LayerNormParams params{rows.rows, rows.n, 0};
  std::memcpy(&params.epsilon, &bits, sizeof bits);
  const Operand x = r.operand(rows.dtype, rows.count, Use::read);
  const Operand scale = r.operand(rows.dtype, rows.n, Use::read), offset = r.operand(rows.dtype, rows.n, Use::read);
  const Operand y = r.operand(rows.dtype, rows.count, Use::write);
  const Operand means = r.operand(rows.dtype, rows.rows, Use::write), inverses = r.operand(rows.dtype, rows.rows, Use::write);
  if (rows.rows == 0) return nullptr;
  if (rows.n == 0) throw InvalidProgram("rows without elements have no mean");
  return make_row_step<LayerNormStep>("rows are", rows.dtype, params, x, scale, offset, y, means, inverses);
}

// dtype, rows, elements of each; dy, x, scale, means, inverses, dx, dscale, doffset
std::unique_ptr<Step> decode_layer_norm_grad(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  LayerNormGradientOperands at;
  at.dy = r.operand(rows.dtype, rows.count, Use::read);
  at.x = r.operand(rows.dtype, rows.count, Use::read);
  at.scale = r.operand(rows.dtype, rows.n, Use::read);
  at.means = r.operand(rows.dtype, rows.rows, Use::read);
  at.inverses = r.operand(rows.dtype, rows.rows, Use::read);
  at.dx = r.operand(rows.dtype, rows.count, Use::write);
  at.dscale = r.operand(rows.dtype, rows.n, Use::write);
  at.doffset = r.operand(rows.dtype, rows.n, Use::write);
  if (rows.n == 0) return nullptr;
  return make_row_step<LayerNormGradientStep>("rows are", rows.dtype, LayerNormParams{rows.rows, rows.n, 0}, at);
}

}  // namespace nagare
