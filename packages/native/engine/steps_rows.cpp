// Steps that work row by row: softmax, cross-entropy, layer and RMS normalization, and their derivatives.
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

// Softmax, or its logarithm.
template <typename T>
class SoftmaxStep : public Step {
 public:
  using Kernel = void (*RowKernels<T>::*)(const SoftmaxParams&, const T*, T*, const Parallel&);
  SoftmaxStep(Kernel kernel, const SoftmaxParams& params, Operand x, Operand y) : kernel_(kernel), params_(params), x_(x), y_(y) {}
  bool run(RunContext& c) const override {
    (row_kernels<T>(c.kernels).*kernel_)(params_, c.at<const T>(x_), c.at<T>(y_), c.parallel);
    return true;
  }

 private:
  Kernel kernel_;
  SoftmaxParams params_;
  Operand x_, y_;
};

// The derivative of either.
template <typename T>
class SoftmaxGradientStep : public Step {
 public:
  using Kernel = void (*RowKernels<T>::*)(const SoftmaxParams&, const T*, const T*, T*, const Parallel&);
  SoftmaxGradientStep(Kernel kernel, const SoftmaxParams& params, Operand y, Operand dy, Operand dx)
      : kernel_(kernel), params_(params), y_(y), dy_(dy), dx_(dx) {}
  bool run(RunContext& c) const override {
    (row_kernels<T>(c.kernels).*kernel_)(params_, c.at<const T>(y_), c.at<const T>(dy_), c.at<T>(dx_), c.parallel);
    return true;
  }

 private:
  Kernel kernel_;
  SoftmaxParams params_;
  Operand y_, dy_, dx_;
};

struct SoftmaxRows {
  DType dtype;
  SoftmaxParams params;
  int64_t count;
};
// dtype; elements before, along and behind the axis
SoftmaxRows read_softmax_rows(Reader& r) {
  const DType dtype = r.dtype();
  const int64_t outer = r.size(), n = r.size(), inner = r.size();
  if (inner != 1 && n > kMaxColumnLength) throw InvalidProgram("columns of more elements than are kept together");
  return {dtype, {outer, n, inner}, checked_product(checked_product(outer, n), inner)};
}

// What read_softmax_rows reads; x, y
std::unique_ptr<Step> decode_softmax_of(Reader& r, SoftmaxStep<float>::Kernel single, SoftmaxStep<double>::Kernel wide) {
  const SoftmaxRows rows = read_softmax_rows(r);
  const Operand x = r.operand(rows.dtype, rows.count, Use::read), y = r.operand(rows.dtype, rows.count, Use::overwrite);
  if (rows.count == 0) return nullptr;
  if (rows.dtype == DType::float32) return std::make_unique<SoftmaxStep<float>>(single, rows.params, x, y);
  if (rows.dtype == DType::float64) return std::make_unique<SoftmaxStep<double>>(wide, rows.params, x, y);
  throw InvalidProgram("rows are of float32 or float64");
}

// What read_softmax_rows reads; y, dy, dx
std::unique_ptr<Step> decode_softmax_gradient_of(Reader& r, SoftmaxGradientStep<float>::Kernel single, SoftmaxGradientStep<double>::Kernel wide) {
  const SoftmaxRows rows = read_softmax_rows(r);
  const Operand y = r.operand(rows.dtype, rows.count, Use::read), dy = r.operand(rows.dtype, rows.count, Use::read);
  const Operand dx = r.operand(rows.dtype, rows.count, Use::overwrite);
  if (rows.count == 0) return nullptr;
  if (rows.dtype == DType::float32) return std::make_unique<SoftmaxGradientStep<float>>(single, rows.params, y, dy, dx);
  if (rows.dtype == DType::float64) return std::make_unique<SoftmaxGradientStep<double>>(wide, rows.params, y, dy, dx);
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

template <typename T>
class RmsNormStep : public Step {
 public:
  RmsNormStep(const LayerNormParams& params, Operand x, Operand scale, Operand y, Operand inverses)
      : params_(params), x_(x), scale_(scale), y_(y), inverses_(inverses) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).rmsNorm(params_, c.at<const T>(x_), c.at<const T>(scale_), c.at<T>(y_), c.at<T>(inverses_), c.parallel);
    return true;
  }

 private:
  LayerNormParams params_;
  Operand x_, scale_, y_, inverses_;
};

struct RmsNormGradientOperands {
  Operand dy, x, scale, inverses, dx, dscale;
};

template <typename T>
class RmsNormGradientStep : public Step {
 public:
  RmsNormGradientStep(const LayerNormParams& params, const RmsNormGradientOperands& operands) : params_(params), at_(operands) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).rmsNormGradient(params_, c.at<const T>(at_.dy), c.at<const T>(at_.x), c.at<const T>(at_.scale),
                                              c.at<const T>(at_.inverses), c.at<T>(at_.dx), c.at<T>(at_.dscale), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return row_kernels<T>(kernels).layerNormGradientScratchBytes(params_, threads);
  }

 private:
  LayerNormParams params_;
  RmsNormGradientOperands at_;
};

}  // namespace

std::unique_ptr<Step> decode_softmax(Reader& r, const Kernels&) {
  return decode_softmax_of(r, &RowKernels<float>::softmax, &RowKernels<double>::softmax);
}
std::unique_ptr<Step> decode_softmax_grad(Reader& r, const Kernels&) {
  return decode_softmax_gradient_of(r, &RowKernels<float>::softmaxGradient, &RowKernels<double>::softmaxGradient);
}
std::unique_ptr<Step> decode_log_softmax(Reader& r, const Kernels&) {
  return decode_softmax_of(r, &RowKernels<float>::logSoftmax, &RowKernels<double>::logSoftmax);
}
std::unique_ptr<Step> decode_log_softmax_grad(Reader& r, const Kernels&) {
  return decode_softmax_gradient_of(r, &RowKernels<float>::logSoftmaxGradient, &RowKernels<double>::logSoftmaxGradient);
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

// dtype, rows, elements of each, epsilon; x, scale, offset, y, means, inverses
std::unique_ptr<Step> decode_layer_norm(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  const LayerNormParams params{rows.rows, rows.n, r.real()};
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

// dtype, rows, elements of each, epsilon; x, scale, y, inverses
std::unique_ptr<Step> decode_rms_norm(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  const LayerNormParams params{rows.rows, rows.n, r.real()};
  const Operand x = r.operand(rows.dtype, rows.count, Use::read), scale = r.operand(rows.dtype, rows.n, Use::read);
  const Operand y = r.operand(rows.dtype, rows.count, Use::write), inverses = r.operand(rows.dtype, rows.rows, Use::write);
  if (rows.rows == 0) return nullptr;
  if (rows.n == 0) throw InvalidProgram("rows without elements have no mean");
  return make_row_step<RmsNormStep>("rows are", rows.dtype, params, x, scale, y, inverses);
}

// dtype, rows, elements of each; dy, x, scale, inverses, dx, dscale
std::unique_ptr<Step> decode_rms_norm_grad(Reader& r, const Kernels&) {
  const Rows rows = read_rows(r);
  RmsNormGradientOperands at;
  at.dy = r.operand(rows.dtype, rows.count, Use::read);
  at.x = r.operand(rows.dtype, rows.count, Use::read);
  at.scale = r.operand(rows.dtype, rows.n, Use::read);
  at.inverses = r.operand(rows.dtype, rows.rows, Use::read);
  at.dx = r.operand(rows.dtype, rows.count, Use::write);
  at.dscale = r.operand(rows.dtype, rows.n, Use::write);
  if (rows.n == 0) return nullptr;
  return make_row_step<RmsNormGradientStep>("rows are", rows.dtype, LayerNormParams{rows.rows, rows.n, 0}, at);
}

}  // namespace nagare
