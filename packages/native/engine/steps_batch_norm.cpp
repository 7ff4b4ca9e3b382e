// Steps of the normalizations by channels: of a batch, and of groups.
#include "row_steps.h"

namespace nagare {
namespace {

struct MomentsOperands {
  Operand x, means, variances;
};

template <typename T>
class ChannelMomentsStep : public Step {
 public:
  ChannelMomentsStep(const BatchNormParams& params, const MomentsOperands& operands) : params_(params), at_(operands) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).channelMoments(params_, c.at<const T>(at_.x), c.at<T>(at_.means), c.at<T>(at_.variances), c.parallel,
                                             c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return row_kernels<T>(kernels).batchNormScratchBytes(params_, threads);
  }

 private:
  BatchNormParams params_;
  MomentsOperands at_;
};

struct ProductsOperands {
  Operand dy, x, centers, sums, products;
};

template <typename T>
class ChannelProductsStep : public Step {
 public:
  ChannelProductsStep(const BatchNormParams& params, const ProductsOperands& operands) : params_(params), at_(operands) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).channelProducts(params_, c.at<const T>(at_.dy), c.at<const T>(at_.x), c.at<const T>(at_.centers),
                                              c.at<T>(at_.sums), c.at<T>(at_.products), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return row_kernels<T>(kernels).batchNormScratchBytes(params_, threads);
  }

 private:
  BatchNormParams params_;
  ProductsOperands at_;
};

struct GradientOperands {
  Operand dy, x, scale, means, variances, dx, dscale, doffset;
};

template <typename T>
class BatchNormGradientStep : public Step {
 public:
  BatchNormGradientStep(const BatchNormParams& params, const GradientOperands& operands) : params_(params), at_(operands) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).batchNormGradient(params_, c.at<const T>(at_.dy), c.at<const T>(at_.x), c.at<const T>(at_.scale),
                                                c.at<const T>(at_.means), c.at<const T>(at_.variances), c.at<T>(at_.dx),
                                                c.at<T>(at_.dscale), c.at<T>(at_.doffset), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    return row_kernels<T>(kernels).batchNormScratchBytes(params_, threads);
  }

 private:
  BatchNormParams params_;
  GradientOperands at_;
};

template <template <typename> class S, typename Operands>
std::unique_ptr<Step> make_step(DType dtype, const BatchNormParams& params, const Operands& operands) {
  if (params.examples == 0 || params.n == 0) return nullptr;
  if (params.rows == 0) throw InvalidProgram("channels without numbers have no mean");
  return make_row_step<S>("normalization by channels is", dtype, params, operands);
}

// examples, rows, channels
BatchNormParams read_examples(Reader& r) {
  const int64_t examples = r.size(), rows = r.size(), n = r.size();
  return {examples, rows, n, 0};
}

int64_t elements_of(const BatchNormParams& p) { return checked_product(p.examples, checked_product(p.rows, p.n)); }

}  // namespace

// dtype, examples, rows, channels; x, means, variances
std::unique_ptr<Step> decode_channel_moments(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const BatchNormParams params = read_examples(r);
  const int64_t statistics = checked_product(params.examples, params.n);
  MomentsOperands at;
  at.x = r.operand(dtype, elements_of(params), Use::read);
  at.means = r.operand(dtype, statistics, Use::write);
  at.variances = r.operand(dtype, statistics, Use::write);
  return make_step<ChannelMomentsStep>(dtype, params, at);
}

// dtype, examples, rows, channels; dy, x, centers, sums, products
std::unique_ptr<Step> decode_channel_products(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const BatchNormParams params = read_examples(r);
  const int64_t statistics = checked_product(params.examples, params.n);
  ProductsOperands at;
  at.dy = r.operand(dtype, elements_of(params), Use::read);
  at.x = r.operand(dtype, elements_of(params), Use::read);
  at.centers = r.operand(dtype, statistics, Use::read);
  at.sums = r.operand(dtype, statistics, Use::write);
  at.products = r.operand(dtype, statistics, Use::write);
  return make_step<ChannelProductsStep>(dtype, params, at);
}

// dtype, rows, channels, epsilon; dy, x, scale, means, variances, dx, dscale, doffset
std::unique_ptr<Step> decode_batch_norm_grad(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t rows = r.size(), n = r.size();
  const BatchNormParams params{1, rows, n, r.real()};
  const int64_t count = checked_product(rows, n);
  GradientOperands at;
  at.dy = r.operand(dtype, count, Use::read);
  at.x = r.operand(dtype, count, Use::read);
  for (Operand* perChannel : {&at.scale, &at.means, &at.variances}) *perChannel = r.operand(dtype, n, Use::read);
  at.dx = r.operand(dtype, count, Use::overwrite);
  at.dscale = r.operand(dtype, n, Use::write);
  at.doffset = r.operand(dtype, n, Use::write);
  return make_step<BatchNormGradientStep>(dtype, params, at);
}

}  // namespace nagare
