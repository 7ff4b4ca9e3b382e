// The steps of matrix products: the product, with what is done to each result while it is in the cache, and the layout of a factor that
// stays the same from run to run.
#include "aligned.h"
#include "chain_reader.h"
#include "epilogue_operands.h"
#include "steps.h"
#include "tile_plan.h"

namespace nagare {
namespace {

// Products whose factors have the dtype of their sums.
template <typename T>
class PlainProduct {
 public:
  void run(const Kernels& kernels, const GemmParams& p, const void* a, const void* b, void* c, const void* bias, const Parallel& parallel,
           void* scratch) const {
    table(kernels).gemm(p, static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(c), static_cast<const T*>(bias), parallel,
                        scratch);
  }
  size_t scratch_bytes(const Kernels& kernels, const GemmParams& p, int threads) const { return table(kernels).gemmScratchBytes(p, threads); }

  static const MatrixKernels<T>& table(const Kernels& kernels) {
    if constexpr (std::is_same_v<T, float>) return kernels.matrixF32;
    else if constexpr (std::is_same_v<T, double>) return kernels.matrixF64;
    else if constexpr (std::is_same_v<T, int32_t>) return kernels.matrixI32;
    else return kernels.matrixI64;
  }
};

// Products whose factors are narrower.
class NarrowProduct {
 public:
  explicit NarrowProduct(DType factors) : factors_(factors) {}
  void run(const Kernels& kernels, const GemmParams& p, const void* a, const void* b, void* c, const void* bias, const Parallel& parallel,
           void* scratch) const {
    kernels.matrixNarrow.gemm(p, factors_, a, b, c, bias, parallel, scratch);
  }
  size_t scratch_bytes(const Kernels& kernels, const GemmParams& p, int threads) const {
    return kernels.matrixNarrow.gemmScratchBytes(p, factors_, threads);
  }

 private:
  DType factors_;
};

// An elementwise chain that reads the sums of a product, among other operands, and replaces them.
class FinishingChain {
 public:
  // `loads` has kNone for the sums.
  FinishingChain(const ElementwiseChain& chain, const Kernels& kernels, std::vector<Operand> loads)
      : plan_(chain, kernels, TileShape::withinRows), loads_(std::move(loads)), range_(kernels.elementwiseRange) {
    inputs_.resize(loads_.size());
    for (const int64_t& bits : plan_.constants()) inputs_.push_back(&bits);
    finish_.cost += 2 * cost_of(chain);
    finish_.context = this;
    finish_.run = [](const void* context, int worker, int64_t first, int64_t last) {
      const FinishingChain& own = *static_cast<const FinishingChain*>(context);
      own.range_(own.plan_.program(), own.inputs_.data(), &own.sums_, first, last, worker, own.scratch_);
    };
  }

  // For this run: sums at `sums`, and scratch memory of its own.
  void prepare(const RunContext& c, void* sums, void* scratch) const {
    for (size_t i = 0; i < loads_.size(); i++) inputs_[i] = loads_[i].base < 0 ? sums : c.at<const char>(loads_[i]);
    sums_ = sums;
    scratch_ = scratch;
  }
  const Finish* finish() const { return &finish_; }
  size_t scratch_bytes(int threads) const {
    return static_cast<size_t>(plan_.program().scratchPerWorker) * static_cast<size_t>(threads);
  }

 private:
  TilePlan plan_;
  std::vector<Operand> loads_;
  void (*range_)(const TileProgram&, const void* const*, void* const*, int64_t, int64_t, int, void*);
  Finish finish_{};
  // Addresses of this run; runs come one at a time.
  mutable std::vector<const void*> inputs_;
  mutable void* sums_ = nullptr;
  mutable void* scratch_ = nullptr;
};

template <typename Product>
class MatmulStep : public Step {
 public:
  MatmulStep(Product product, const GemmParams& params, Operand a, Operand b, Operand c, Operand bias,
             std::unique_ptr<FinishingChain> chain)
      : product_(product), params_(params), a_(a), b_(b), c_(c), bias_(bias), chain_(std::move(chain)) {
    if (chain_) params_.finish = chain_->finish();
  }
  bool run(RunContext& c) const override {
    char* const result = c.at<char>(c_);
    if (chain_) {
      const size_t own = align_up(product_.scratch_bytes(c.kernels, params_, c.parallel.threads));
      chain_->prepare(c, result, static_cast<char*>(c.scratch) + own);
    }
    product_.run(c.kernels, params_, c.at<const char>(a_), c.at<const char>(b_), result, optional<char>(c, bias_), c.parallel, c.scratch);
    return true;
  }
  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    const size_t own = align_up(product_.scratch_bytes(kernels, params_, threads));
    return own + (chain_ ? chain_->scratch_bytes(threads) : 0);
  }

 private:
  Product product_;
  GemmParams params_;
  Operand a_, b_, c_, bias_;
  std::unique_ptr<FinishingChain> chain_;
};

template <typename T>
class PackMatrixStep : public Step {
 public:
  PackMatrixStep(const GemmParams& params, Operand matrix, Operand packed) : params_(params), matrix_(matrix), packed_(packed) {}
  bool run(RunContext& c) const override {
    PlainProduct<T>::table(c.kernels).gemmPack(params_, c.at<const T>(matrix_), c.at<T>(packed_), c.parallel);
    return true;
  }

 private:
  GemmParams params_;
  Operand matrix_, packed_;
};

int64_t packed_elements(const Kernels& kernels, DType dtype, const GemmParams& p) {
  if (dtype != DType::float32 && dtype != DType::float64) throw InvalidProgram("packed matrices are of float32 or float64");
  checked_product(p.k, checked_product(p.n, 64));
  return dtype == DType::float32 ? kernels.matrixF32.gemmPackedElements(p.k, p.n) : kernels.matrixF64.gemmPackedElements(p.k, p.n);
}

// Elements from the first to the last of all matrices: rows × columns each, `distance` between rows, in two loops. Rows apart from one
// another mean that memory bounds the work.
int64_t reach(int64_t rows, int64_t columns, int64_t distance, int64_t batch, int64_t stride, int64_t outerBatch, int64_t outerStride) {
  if (rows == 0 || columns == 0 || batch == 0 || outerBatch == 0) return 0;
  if (rows > 1 && distance < columns) throw InvalidProgram("rows of a matrix that lie on one another");
  return checked_product(rows - 1, distance) + columns + checked_product(batch - 1, stride) + checked_product(outerBatch - 1, outerStride);
}

// rank and sizes; the number of loads, then for each whether it is the sums, or else the load; what is computed; the
// value that replaces the sums.
std::unique_ptr<FinishingChain> read_finishing_chain(Reader& r, const Kernels& kernels, DType dtype, int64_t elements) {
  ElementwiseChain chain{};
  const int64_t count = read_space(r, chain);
  if (count != elements) throw InvalidProgram("a chain over other elements than those of the product");
  std::vector<Operand> loads;
  for (int32_t n = r.index(kMaxValues, "a number of loads"); n > 0; n--) {
    if (r.flag()) {
      chain.loads.push_back(dense_load(dtype, chain));
      loads.push_back(kNone);
    } else {
      loads.push_back(read_load(r, chain, count));
    }
  }
  read_computation(r, chain);
  if (read_store(r, chain) != dtype) throw InvalidProgram("a chain that changes the dtype of a product");
  return count ? std::make_unique<FinishingChain>(chain, kernels, std::move(loads)) : nullptr;
}

}  // namespace

// dtype of the factors; m, n, k, transposeA, transposeB, whether b is packed; elements between the rows of a, b and c as they are stored;
// batch and the strides of a, b and c (0 repeats a factor); outer batch and its strides; activation, bias?; a, b, c, and the bias if there is one; whether a chain
// follows, and then that chain.
std::unique_ptr<Step> decode_matmul(Reader& r, const Kernels& kernels) {
  const DType factors = r.dtype(), dtype = sum_dtype(factors);
  GemmParams p{};
  p.m = r.size();
  p.n = r.size();
  p.k = r.size();
  p.transposeA = r.flag();
  p.transposeB = r.flag();
  p.packedB = r.flag();
  for (int64_t* size : {&p.lda, &p.ldb, &p.ldc, &p.batch, &p.strideA, &p.strideB, &p.strideC, &p.outerBatch, &p.outerStrideA,
                        &p.outerStrideB, &p.outerStrideC}) {
    *size = r.size();
  }
  p.activation = read_activation(r, 2);
  const bool hasBias = r.flag();
  const int64_t matrices = checked_product(p.batch, p.outerBatch), c = checked_product(p.m, p.n);
  const auto operand = [&](DType dtype, int64_t rows, int64_t columns, int64_t distance, int64_t stride, int64_t outerStride, Use use) {
    return r.operand(dtype, reach(rows, columns, distance, p.batch, stride, p.outerBatch, outerStride), use);
  };
  const Operand a = operand(factors, p.transposeA ? p.k : p.m, p.transposeA ? p.m : p.k, p.lda, p.strideA, p.outerStrideA, Use::read);
  if (p.packedB && (p.strideB != 0 || p.outerStrideB != 0)) throw InvalidProgram("a stack of packed matrices");
  const Operand b = p.packedB
                        ? r.operand(factors, packed_elements(kernels, factors, p), Use::read)
                        : operand(factors, p.transposeB ? p.n : p.k, p.transposeB ? p.k : p.n, p.ldb, p.strideB, p.outerStrideB, Use::read);
  const Operand y = operand(dtype, p.m, p.n, p.ldc, p.strideC, p.outerStrideC, Use::write);
  if (checked_product(matrices, c) > reach(p.m, p.n, p.ldc, p.batch, p.strideC, p.outerBatch, p.outerStrideC)) {
    throw InvalidProgram("elements that are written twice");
  }
  const Operand bias = hasBias ? r.operand(dtype, p.n, Use::read) : kNone;
  std::unique_ptr<FinishingChain> chain;
  if (r.flag()) {
    const bool inner = p.batch <= 1 || p.strideC == c, outer = p.outerBatch <= 1 || p.outerStrideC == checked_product(p.batch, c);
    const bool dense = p.ldc == p.n && inner && outer;
    if (!dense || !is_float(dtype)) throw InvalidProgram("a chain after a product that is not of dense floats");
    chain = read_finishing_chain(r, kernels, dtype, checked_product(matrices, c));
  }
  if (matrices == 0 || c == 0) return nullptr;
  const auto step = [&](auto product) -> std::unique_ptr<Step> {
    return std::make_unique<MatmulStep<decltype(product)>>(product, p, a, b, y, bias, std::move(chain));
  };
  switch (factors) {
    case DType::float32:
      return step(PlainProduct<float>());
    case DType::float64:
      return step(PlainProduct<double>());
    case DType::int32:
      return step(PlainProduct<int32_t>());
    case DType::int64:
      return step(PlainProduct<int64_t>());
    case DType::boolean:
      throw InvalidProgram("matrix products are of numbers");
    default:
      return step(NarrowProduct(factors));
  }
}

// dtype; k, n, whether the matrix is stored n × k, elements between its rows; the matrix, and where it goes.
std::unique_ptr<Step> decode_pack_matrix(Reader& r, const Kernels& kernels) {
  const DType dtype = r.dtype();
  GemmParams p{};
  p.k = r.size();
  p.n = r.size();
  p.transposeB = r.flag();
  p.ldb = r.size();
  const int64_t packed = packed_elements(kernels, dtype, p);
  const Operand matrix = r.operand(dtype, reach(p.transposeB ? p.n : p.k, p.transposeB ? p.k : p.n, p.ldb, 1, 0, 1, 0), Use::read);
  const Operand to = r.operand(dtype, packed, Use::write);
  if (packed == 0) return nullptr;
  if (dtype == DType::float32) return std::make_unique<PackMatrixStep<float>>(p, matrix, to);
  return std::make_unique<PackMatrixStep<double>>(p, matrix, to);
}

}  // namespace nagare
