// Steps of batch normalization.
#include <cstring>

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
  if (params.n == 0) return nullptr;
  if (params.rows == 0) throw InvalidProgram("channels without numbers have no mean");
  return make_row_step<S>("batch normalization is", dtype, params, operands);
}

}  // namespace

// dtype, rows, channels; x, means, variances
std::unique_ptr<Step> decode_channel_moments(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t rows = r.size(), n = r.size();
  MomentsOperands at;
  at.x = r.operand(dtype, checked_product(rows, n), Use::read);
  at.means = r.operand(dtype, n, Use::write);
  at.variances = r.operand(dtype, n, Use::write);
  return make_step<ChannelMomentsStep>(dtype, {rows, n, 0}, at);
}

// dtype, rows, channels, epsilon as the bits of a double; dy, x, scale, means, variances, dx, dscale, doffset
std::unique_ptr<Step> decode_batch_norm_grad(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t rows = r.size(), n = r.size(), bits = r.next64(), count = checked_product(rows, n);
  BatchNormParams params{rows, n, 0};
  std::memcpy(&params.epsilon, &bits, sizeof bits);
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
