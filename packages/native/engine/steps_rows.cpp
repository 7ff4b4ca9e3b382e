// Steps that work row by row: softmax and its derivative.
#include "steps.h"

namespace nagare {
namespace {

template <typename T>
const RowKernels<T>& row_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.rowsF32;
  else return kernels.rowsF64;
}

template <typename T>
class SoftmaxStep : public Step {
 public:
  SoftmaxStep(int64_t rows, int64_t n, Operand x, Operand y) : rows_(rows), n_(n), x_(x), y_(y) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).softmax(c.at<const T>(x_), c.at<T>(y_), rows_, n_, c.parallel);
    return true;
  }

 private:
  int64_t rows_, n_;
  Operand x_, y_;
};

template <typename T>
class SoftmaxGradientStep : public Step {
 public:
  SoftmaxGradientStep(int64_t rows, int64_t n, Operand y, Operand dy, Operand dx) : rows_(rows), n_(n), y_(y), dy_(dy), dx_(dx) {}
  bool run(RunContext& c) const override {
    row_kernels<T>(c.kernels).softmaxGradient(c.at<const T>(y_), c.at<const T>(dy_), c.at<T>(dx_), rows_, n_, c.parallel);
    return true;
  }

 private:
  int64_t rows_, n_;
  Operand y_, dy_, dx_;
};

// The step for float32 or float64.
template <template <typename> class S, typename... A>
std::unique_ptr<Step> make_step(DType dtype, A... arguments) {
  if (dtype == DType::float32) return std::make_unique<S<float>>(arguments...);
  if (dtype == DType::float64) return std::make_unique<S<double>>(arguments...);
  throw InvalidProgram("rows are of float32 or float64");
}

}  // namespace

// dtype, rows, elements of each; x, y
std::unique_ptr<Step> decode_softmax(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t rows = r.size(), n = r.size(), count = checked_product(rows, n);
  const Operand x = r.operand(dtype, count, Use::read), y = r.operand(dtype, count, Use::overwrite);
  if (count == 0) return nullptr;
  return make_step<SoftmaxStep>(dtype, rows, n, x, y);
}

// dtype, rows, elements of each; y, dy, dx
std::unique_ptr<Step> decode_softmax_grad(Reader& r, const Kernels&) {
  const DType dtype = r.dtype();
  const int64_t rows = r.size(), n = r.size(), count = checked_product(rows, n);
  const Operand y = r.operand(dtype, count, Use::read), dy = r.operand(dtype, count, Use::read);
  const Operand dx = r.operand(dtype, count, Use::overwrite);
  if (count == 0) return nullptr;
  return make_step<SoftmaxGradientStep>(dtype, rows, n, y, dy, dx);
}

}  // namespace nagare
