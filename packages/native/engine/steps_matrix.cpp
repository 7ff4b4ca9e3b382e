// Steps of sums: reductions, matrix products, convolutions, pooling.
#include "steps.h"

namespace nagare {
namespace {

class ReduceStep : public Step {
 public:
  ReduceStep(const ReduceParams& params, Operand from, Operand to) : params_(params), from_(from), to_(to) {}
  bool run(RunContext& c) const override {
    c.kernels.reduce(params_, c.at<char>(from_), c.at<char>(to_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override { return kernels.reduceScratchBytes(params_, threads); }

 private:
  ReduceParams params_;
  Operand from_, to_;
};

template <typename T>
const MatrixKernels<T>& matrix_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.matrixF32;
  else if constexpr (std::is_same_v<T, double>) return kernels.matrixF64;
  else if constexpr (std::is_same_v<T, int32_t>) return kernels.matrixI32;
  else return kernels.matrixI64;
}

template <typename T>
const ImageKernels<T>& image_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.imageF32;
  else return kernels.imageF64;
}

// A bias that is not there.
constexpr Operand kNone{-1, 0};

template <typename T>
const T* optional(const RunContext& c, const Operand& operand) {
  return operand.base < 0 ? nullptr : c.at<const T>(operand);
}

template <typename T>
class MatmulStep : public Step {
 public:
  MatmulStep(const GemmParams& params, Operand a, Operand b, Operand c, Operand bias) : params_(params), a_(a), b_(b), c_(c), bias_(bias) {}
  bool run(RunContext& c) const override {
    matrix_kernels<T>(c.kernels).gemm(params_, c.at<const T>(a_), c.at<const T>(b_), c.at<T>(c_), optional<T>(c, bias_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return matrix_kernels<T>(kernels).gemmScratchBytes(params_, threads);
  }

 private:
  GemmParams params_;
  Operand a_, b_, c_, bias_;
};

// Positions along an axis of windows are sums that must not overflow, whatever sizes of 0 say about the memory.
void check_axis(int64_t outputs, int64_t stride, int64_t pad, int64_t taps, int64_t dilation) {
  constexpr int64_t longest = int64_t{1} << 31;
  if (checked_product(outputs, stride) + checked_product(taps, dilation) + pad > longest) throw InvalidProgram("an axis beyond 2^31");
}

Activation read_activation(Reader& r, int32_t known) { return static_cast<Activation>(r.index(known, "an activation")); }

enum class Convolution { forward, inputGrad, filterGrad };

struct EpilogueOperands {
  Operand scale = kNone, bias = kNone, residual = kNone;
};

template <typename T>
class ConvolutionStep : public Step {
 public:
  ConvolutionStep(Convolution kind, const Conv2dParams& params, Operand a, Operand b, Operand y, const EpilogueOperands& epilogue)
      : kind_(kind), params_(params), a_(a), b_(b), y_(y), epilogue_(epilogue) {}
  bool run(RunContext& c) const override {
    const ImageKernels<T>& k = image_kernels<T>(c.kernels);
    const T *a = c.at<const T>(a_), *b = c.at<const T>(b_);
    T* y = c.at<T>(y_);
    const ConvEpilogue<T> epilogue = {optional<T>(c, epilogue_.scale), optional<T>(c, epilogue_.bias), optional<T>(c, epilogue_.residual)};
    if (kind_ == Convolution::forward) k.conv2d(params_, a, b, epilogue, y, c.parallel, c.scratch);
    else if (kind_ == Convolution::inputGrad) k.conv2dInputGradient(params_, a, b, y, c.parallel, c.scratch);
    else k.conv2dFilterGradient(params_, a, b, y, c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    const ImageKernels<T>& k = image_kernels<T>(kernels);
    if (kind_ == Convolution::forward) return k.conv2dScratchBytes(params_, threads);
    if (kind_ == Convolution::inputGrad) return k.conv2dInputGradientScratchBytes(params_, threads);
    return k.conv2dFilterGradientScratchBytes(params_, threads);
  }

 private:
  Convolution kind_;
  Conv2dParams params_;
  Operand a_, b_, y_;
  EpilogueOperands epilogue_;
};

// dtype; batch, inH, inW, inC, outH, outW, outC, kH, kW, strideH, strideW, padTop, padLeft, dilationH, dilationW, groups;
// activation, scale?, bias?, residual?; the two operands (x and w, ct and w, x and ct), the result, and those of the three that there are.
std::unique_ptr<Step> decode_convolution(Reader& r, Convolution kind) {
  const DType dtype = r.dtype();
  Conv2dParams p{};
  for (int64_t* size : {&p.batch, &p.inH, &p.inW, &p.inC, &p.outH, &p.outW, &p.outC, &p.kH, &p.kW, &p.strideH, &p.strideW, &p.padTop,
                        &p.padLeft, &p.dilationH, &p.dilationW, &p.groups}) {
    *size = r.size();
  }
  if (p.groups < 1 || p.inC % p.groups || p.outC % p.groups) throw InvalidProgram("channels that do not divide into the groups");
  if (p.strideH < 1 || p.strideW < 1 || p.dilationH < 1 || p.dilationW < 1) throw InvalidProgram("a stride or dilation below 1");
  check_axis(p.outH, p.strideH, p.padTop, p.kH, p.dilationH);
  check_axis(p.outW, p.strideW, p.padLeft, p.kW, p.dilationW);
  p.activation = read_activation(r, 3);
  const bool hasScale = r.flag(), hasBias = r.flag(), hasResidual = r.flag();
  const int64_t x = checked_product(checked_product(p.batch, p.inH), checked_product(p.inW, p.inC));
  const int64_t w = checked_product(checked_product(p.kH, p.kW), checked_product(p.inC / p.groups, p.outC));
  const int64_t y = checked_product(checked_product(p.batch, p.outH), checked_product(p.outW, p.outC));
  const int64_t counts[3][3] = {{x, w, y}, {y, w, x}, {x, y, w}};
  const int64_t* count = counts[static_cast<int>(kind)];
  const Operand a = r.operand(dtype, count[0], Use::read), b = r.operand(dtype, count[1], Use::read);
  const Operand result = r.operand(dtype, count[2], Use::write);
  EpilogueOperands epilogue;
  if (hasScale) epilogue.scale = r.operand(dtype, p.outC, Use::read);
  if (hasBias) epilogue.bias = r.operand(dtype, p.outC, Use::read);
  if (hasResidual) epilogue.residual = r.operand(dtype, y, Use::read);
  if (count[2] == 0) return nullptr;
  // Without filters there is nothing to sum, however many taps there are.
  if (w == 0) p.kH = p.kW = 1, (kind == Convolution::forward ? p.inC : p.outC) = 0;
  if (dtype == DType::float32) return std::make_unique<ConvolutionStep<float>>(kind, p, a, b, result, epilogue);
  if (dtype == DType::float64) return std::make_unique<ConvolutionStep<double>>(kind, p, a, b, result, epilogue);
  throw InvalidProgram("convolutions are of float32 or float64");
}

enum class Pooling { max, select, scatter, average, averageGrad };

template <typename T>
class PoolingStep : public Step {
 public:
  PoolingStep(Pooling kind, const Pool2dParams& params, Operand x, Operand other, Operand y)
      : kind_(kind), params_(params), x_(x), other_(other), y_(y) {}
  bool run(RunContext& c) const override {
    const ImageKernels<T>& k = image_kernels<T>(c.kernels);
    const T *x = c.at<const T>(x_), *other = optional<T>(c, other_);
    T* y = c.at<T>(y_);
    switch (kind_) {
      case Pooling::max:
        k.maxPool(params_, x, y, c.parallel);
        break;
      case Pooling::select:
        k.maxPoolSelect(params_, x, other, y, c.parallel);
        break;
      case Pooling::scatter:
        k.maxPoolScatter(params_, x, other, y, c.parallel);
        break;
      case Pooling::average:
        k.avgPool(params_, x, y, c.parallel);
        break;
      case Pooling::averageGrad:
        k.avgPoolGrad(params_, x, y, c.parallel);
        break;
    }
    return true;
  }

 private:
  Pooling kind_;
  Pool2dParams params_;
  Operand x_, other_, y_;
};

// dtype; batch, inH, inW, channels, outH, outW, windowH, windowW, strideH, strideW, padTop, padLeft; count padding?;
// the operands (x; x and dx; x and ct; x; ct) and the result
std::unique_ptr<Step> decode_pooling(Reader& r, Pooling kind) {
  const DType dtype = r.dtype();
  Pool2dParams p{};
  for (int64_t* size : {&p.batch, &p.inH, &p.inW, &p.channels, &p.outH, &p.outW, &p.windowH, &p.windowW, &p.strideH, &p.strideW, &p.padTop,
                        &p.padLeft}) {
    *size = r.size();
  }
  if (p.strideH < 1 || p.strideW < 1 || p.windowH < 1 || p.windowW < 1) throw InvalidProgram("a stride or window below 1");
  check_axis(p.outH, p.strideH, p.padTop, p.windowH, 1);
  check_axis(p.outW, p.strideW, p.padLeft, p.windowW, 1);
  p.countIncludePad = r.flag();
  const int64_t images = checked_product(p.batch, p.channels);
  const int64_t x = checked_product(images, checked_product(p.inH, p.inW)), y = checked_product(images, checked_product(p.outH, p.outW));
  const bool wide = kind != Pooling::averageGrad, backwards = kind == Pooling::scatter || kind == Pooling::averageGrad;
  const Operand first = r.operand(dtype, wide ? x : y, Use::read);
  Operand second = kNone;
  if (kind == Pooling::select) second = r.operand(dtype, x, Use::read);
  if (kind == Pooling::scatter) second = r.operand(dtype, y, Use::read);
  const Operand result = r.operand(dtype, backwards ? x : y, Use::write);
  if ((backwards ? x : y) == 0) return nullptr;
  if (y == 0) p.outH = p.outW = 0;
  if (dtype == DType::float32) return std::make_unique<PoolingStep<float>>(kind, p, first, second, result);
  if (dtype == DType::float64) return std::make_unique<PoolingStep<double>>(kind, p, first, second, result);
  throw InvalidProgram("pooling is of float32 or float64");
}

}  // namespace

// which reduction, dtype, outer, n, inner; from, to
std::unique_ptr<Step> decode_reduce(Reader& r, const Kernels&) {
  ReduceParams p{};
  p.op = static_cast<ReduceOp>(r.index(6, "a reduction"));
  p.dtype = r.dtype();
  p.outer = r.size();
  p.n = r.size();
  p.inner = r.size();
  const bool position = p.op == ReduceOp::argMax || p.op == ReduceOp::argMin;
  const int64_t results = checked_product(p.outer, p.inner);
  if (p.op != ReduceOp::sum && p.op != ReduceOp::prod && p.n == 0 && results > 0) throw InvalidProgram("the extreme of no elements");
  if (position && p.n > INT32_MAX) throw InvalidProgram("positions beyond int32");
  const Operand from = r.operand(p.dtype, checked_product(results, p.n), Use::read);
  const Operand to = r.operand(position ? DType::int32 : p.dtype, results, Use::write);
  if (results == 0) return nullptr;
  return std::make_unique<ReduceStep>(p, from, to);
}

// Elements from the first to the last of all matrices: rows × columns each, `distance` between rows, in two loops. Rows apart from one
// another mean that memory bounds the work.
int64_t reach(int64_t rows, int64_t columns, int64_t distance, int64_t batch, int64_t stride, int64_t outerBatch, int64_t outerStride) {
  if (rows == 0 || columns == 0 || batch == 0 || outerBatch == 0) return 0;
  if (rows > 1 && distance < columns) throw InvalidProgram("rows of a matrix that lie on one another");
  return checked_product(rows - 1, distance) + columns + checked_product(batch - 1, stride) + checked_product(outerBatch - 1, outerStride);
}

// dtype; m, n, k, transposeA, transposeB; elements between the rows of a, b and c as they are stored; batch and the strides of a, b and c
// (0 repeats a factor); outer batch and its strides; activation, bias?; a, b, c, and the bias if there is one.
std::unique_ptr<Step> decode_matmul(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  GemmParams p{};
  p.m = r.size();
  p.n = r.size();
  p.k = r.size();
  p.transposeA = r.flag();
  p.transposeB = r.flag();
  for (int64_t* size : {&p.lda, &p.ldb, &p.ldc, &p.batch, &p.strideA, &p.strideB, &p.strideC, &p.outerBatch, &p.outerStrideA,
                        &p.outerStrideB, &p.outerStrideC}) {
    *size = r.size();
  }
  p.activation = read_activation(r, 2);
  const bool hasBias = r.flag();
  const int64_t matrices = checked_product(p.batch, p.outerBatch), c = checked_product(p.m, p.n);
  const auto operand = [&](int64_t rows, int64_t columns, int64_t distance, int64_t stride, int64_t outerStride, Use use) {
    return r.operand(dtype, reach(rows, columns, distance, p.batch, stride, p.outerBatch, outerStride), use);
  };
  const Operand a = operand(p.transposeA ? p.k : p.m, p.transposeA ? p.m : p.k, p.lda, p.strideA, p.outerStrideA, Use::read);
  const Operand b = operand(p.transposeB ? p.n : p.k, p.transposeB ? p.k : p.n, p.ldb, p.strideB, p.outerStrideB, Use::read);
  const Operand y = operand(p.m, p.n, p.ldc, p.strideC, p.outerStrideC, Use::write);
  if (checked_product(matrices, c) > reach(p.m, p.n, p.ldc, p.batch, p.strideC, p.outerBatch, p.outerStrideC)) {
    throw InvalidProgram("elements that are written twice");
  }
  const Operand bias = hasBias ? r.operand(dtype, p.n, Use::read) : kNone;
  if (matrices == 0 || c == 0) return nullptr;
  switch (dtype) {
    case DType::float32:
      return std::make_unique<MatmulStep<float>>(p, a, b, y, bias);
    case DType::float64:
      return std::make_unique<MatmulStep<double>>(p, a, b, y, bias);
    case DType::int32:
      return std::make_unique<MatmulStep<int32_t>>(p, a, b, y, bias);
    case DType::int64:
      return std::make_unique<MatmulStep<int64_t>>(p, a, b, y, bias);
    default:
      throw InvalidProgram("matrix products are of float32, float64, int32 or int64");
  }
}

std::unique_ptr<Step> decode_conv2d(Reader& r, const Kernels&) { return decode_convolution(r, Convolution::forward); }
std::unique_ptr<Step> decode_conv2d_input_grad(Reader& r, const Kernels&) { return decode_convolution(r, Convolution::inputGrad); }
std::unique_ptr<Step> decode_conv2d_filter_grad(Reader& r, const Kernels&) { return decode_convolution(r, Convolution::filterGrad); }
std::unique_ptr<Step> decode_max_pool(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::max); }
std::unique_ptr<Step> decode_max_pool_select(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::select); }
std::unique_ptr<Step> decode_max_pool_scatter(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::scatter); }
std::unique_ptr<Step> decode_avg_pool(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::average); }
std::unique_ptr<Step> decode_avg_pool_grad(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::averageGrad); }

}  // namespace nagare
