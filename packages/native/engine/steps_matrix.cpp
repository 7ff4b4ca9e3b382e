// Steps of sums: convolutions, pooling.
#include "epilogue_operands.h"
#include "steps.h"

namespace nagare {
namespace {

template <typename T>
const ImageKernels<T>& image_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.imageF32;
  else return kernels.imageF64;
}

// Positions along an axis of windows are sums that must not overflow, whatever sizes of 0 say about the memory.
void check_axis(int64_t outputs, int64_t stride, int64_t pad, int64_t taps, int64_t dilation) {
  constexpr int64_t longest = int64_t{1} << 31;
  if (checked_product(outputs, stride) + checked_product(taps, dilation) + pad > longest) throw InvalidProgram("an axis beyond 2^31");
}

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

void check_groups(const Conv2dParams& p) {
  if (p.groups < 1 || p.inC % p.groups || p.outC % p.groups) throw InvalidProgram("channels that do not divide into the groups");
}

// batch, inH, inW, inC, outH, outW, outC, kH, kW, strideH, strideW, padTop, padLeft, dilationH, dilationW, groups
Conv2dParams read_convolution(Reader& r) {
  Conv2dParams p{};
  for (int64_t* size : {&p.batch, &p.inH, &p.inW, &p.inC, &p.outH, &p.outW, &p.outC, &p.kH, &p.kW, &p.strideH, &p.strideW, &p.padTop,
                        &p.padLeft, &p.dilationH, &p.dilationW, &p.groups}) {
    *size = r.size();
  }
  check_groups(p);
  if (p.strideH < 1 || p.strideW < 1 || p.dilationH < 1 || p.dilationW < 1) throw InvalidProgram("a stride or dilation below 1");
  check_axis(p.outH, p.strideH, p.padTop, p.kH, p.dilationH);
  check_axis(p.outW, p.strideW, p.padLeft, p.kW, p.dilationW);
  return p;
}

int64_t filter_elements(const Conv2dParams& p) {
  return checked_product(checked_product(p.kH, p.kW), checked_product(p.inC / p.groups, p.outC));
}

// How filters are laid out, and how many elements they then are.
int64_t read_filters(Reader& r, const Kernels& kernels, DType dtype, Conv2dParams& p) {
  p.filters = static_cast<FilterLayout>(r.index(3, "a layout of filters"));
  const int64_t plain = filter_elements(p);
  if (p.filters == FilterLayout::plain) return plain;
  const bool small = p.kH == 3 && p.kW == 3 && p.strideH == 1 && p.strideW == 1 && p.dilationH == 1 && p.dilationW == 1;
  if (p.filters == FilterLayout::points && (!small || dtype != DType::float32)) throw InvalidProgram("filters at points that are not 3 x 3");
  if (plain == 0 || (dtype != DType::float32 && dtype != DType::float64)) throw InvalidProgram("a layout of no filters");
  checked_product(plain, 1 << 10);
  return dtype == DType::float32 ? kernels.imageF32.conv2dPackedElements(p) : kernels.imageF64.conv2dPackedElements(p);
}

// dtype; the convolution; the layout of its filters, which is plain for gradients; activation, scale?, bias?, residual?; the two operands
// (x and w, ct and w, x and ct), the result, and those of the three that there are.
std::unique_ptr<Step> decode_convolution(Reader& r, const Kernels& kernels, Convolution kind) {
  const DType dtype = r.dtype();
  Conv2dParams p = read_convolution(r);
  const int64_t w = read_filters(r, kernels, dtype, p);
  if (kind != Convolution::forward && p.filters != FilterLayout::plain) throw InvalidProgram("a gradient with a layout of filters");
  p.activation = read_activation(r, 3);
  const bool hasScale = r.flag(), hasBias = r.flag(), hasResidual = r.flag();
  const int64_t x = checked_product(checked_product(p.batch, p.inH), checked_product(p.inW, p.inC));
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

template <typename T>
class PackFiltersStep : public Step {
 public:
  PackFiltersStep(const Conv2dParams& params, Operand filters, Operand packed) : params_(params), filters_(filters), packed_(packed) {}
  bool run(RunContext& c) const override {
    image_kernels<T>(c.kernels).conv2dPack(params_, c.at<const T>(filters_), c.at<T>(packed_), c.parallel);
    return true;
  }

 private:
  Conv2dParams params_;
  Operand filters_, packed_;
};

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

// dtype; kH, kW, inC, outC, groups; the layout, which is not plain; the filters, and where they go.
std::unique_ptr<Step> decode_pack_filters(Reader& r, const Kernels& kernels) {
  const DType dtype = r.dtype();
  Conv2dParams p{};
  for (int64_t* size : {&p.kH, &p.kW, &p.inC, &p.outC, &p.groups}) *size = r.size();
  check_groups(p);
  p.strideH = p.strideW = p.dilationH = p.dilationW = 1;
  const int64_t packed = read_filters(r, kernels, dtype, p);
  if (p.filters == FilterLayout::plain) throw InvalidProgram("filters that stay as they are");
  const Operand filters = r.operand(dtype, filter_elements(p), Use::read), to = r.operand(dtype, packed, Use::write);
  if (dtype == DType::float32) return std::make_unique<PackFiltersStep<float>>(p, filters, to);
  return std::make_unique<PackFiltersStep<double>>(p, filters, to);
}

FilterLayout filter_layout(const Kernels& kernels, const int32_t* begin, const int32_t* end) {
  std::vector<BaseNeeds> none;
  Reader r(begin, end, none);
  const DType dtype = r.dtype();
  const Conv2dParams p = read_convolution(r);
  r.finish();
  checked_product(filter_elements(p), 1 << 10);
  checked_product(checked_product(p.batch, p.outH), checked_product(p.outW, p.outC));
  if (dtype == DType::float32) return kernels.imageF32.conv2dFilterLayout(p);
  if (dtype == DType::float64) return kernels.imageF64.conv2dFilterLayout(p);
  return FilterLayout::plain;
}

std::unique_ptr<Step> decode_conv2d(Reader& r, const Kernels& kernels) { return decode_convolution(r, kernels, Convolution::forward); }
std::unique_ptr<Step> decode_conv2d_input_grad(Reader& r, const Kernels& kernels) {
  return decode_convolution(r, kernels, Convolution::inputGrad);
}
std::unique_ptr<Step> decode_conv2d_filter_grad(Reader& r, const Kernels& kernels) {
  return decode_convolution(r, kernels, Convolution::filterGrad);
}
std::unique_ptr<Step> decode_max_pool(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::max); }
std::unique_ptr<Step> decode_max_pool_select(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::select); }
std::unique_ptr<Step> decode_max_pool_scatter(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::scatter); }
std::unique_ptr<Step> decode_avg_pool(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::average); }
std::unique_ptr<Step> decode_avg_pool_grad(Reader& r, const Kernels&) { return decode_pooling(r, Pooling::averageGrad); }

}  // namespace nagare
