// Checks kernels where there is neither JavaScript's engine addon nor a C library: in a WebAssembly module of nothing but the kernels.
// The generated tests are the thorough ones; this says that what was compiled computes.
#include "../kernels/kernels.h"

namespace nagare::NAGARE_ISA {
namespace {

void run_alone(void*, int64_t tasks, void (*task)(void*, int64_t, int), void* context) {
  for (int64_t index = 0; index < tasks; index++) task(context, index, 0);
}
const Parallel alone = {run_alone, nullptr, 1};

constexpr int64_t kSize = 70;
template <typename T>
T left[kSize * kSize];
template <typename T>
T right[kSize * kSize];
template <typename T>
T product[kSize * kSize];
alignas(64) char scratch[1 << 20];

template <typename T>
bool gemm_is_right() {
  const MatrixKernels<T>& table = [] {
    if constexpr (sizeof(T) == 4) return kernels.matrixF32;
    else return kernels.matrixF64;
  }();
  // Small whole numbers: every order of summation gives the same sum.
  for (int64_t i = 0; i < kSize * kSize; i++) {
    left<T>[i] = static_cast<T>(i * 7 % 11 - 5);
    right<T>[i] = static_cast<T>(i * 5 % 13 - 6);
  }
  constexpr int64_t sizes[] = {1, 9, kSize};
  for (const int64_t size : sizes) {
    for (int transposes = 0; transposes < 4; transposes++) {
      const bool ta = transposes & 1, tb = transposes & 2;
      GemmParams params{};
      params.m = params.n = params.k = size;
      params.transposeA = ta, params.transposeB = tb;
      params.lda = params.ldb = params.ldc = size;
      params.batch = params.outerBatch = 1;
      if (table.gemmScratchBytes(params, 1) > sizeof scratch) return false;
      table.gemm(params, left<T>, right<T>, product<T>, nullptr, alone, scratch);
      for (int64_t i = 0; i < size; i++) {
        for (int64_t j = 0; j < size; j++) {
          T sum = 0;
          for (int64_t p = 0; p < size; p++) sum += left<T>[ta ? p * size + i : i * size + p] * right<T>[tb ? j * size + p : p * size + j];
          if (product<T>[i * size + j] != sum) return false;
        }
      }
    }
  }
  return true;
}

bool reduce_is_right() {
  for (int64_t i = 0; i < kSize * kSize; i++) left<float>[i] = static_cast<float>(i * 7 % 11 - 5);
  constexpr ReduceOp ops[] = {ReduceOp::sum, ReduceOp::max};
  for (const ReduceOp op : ops) {
    const ReduceParams params = {op, DType::float32, 1, kSize, kSize};
    if (kernels.reduceScratchBytes(params, 1) > sizeof scratch) return false;
    void* const to = product<float>;
    kernels.reduce(params, {left<float>, nullptr, nullptr, nullptr}, &to, alone, scratch);
    for (int64_t column = 0; column < kSize; column++) {
      float expected = left<float>[column];
      for (int64_t row = 1; row < kSize; row++) {
        const float x = left<float>[row * kSize + column];
        if (op == ReduceOp::sum) expected += x;
        else expected = x > expected ? x : expected;
      }
      if (product<float>[column] != expected) return false;
    }
  }
  return true;
}

template <typename T>
bool functions_are_right(Register register_, T tolerance) {
  const struct {
    ScalarOp op;
    T x, y;
  } values[] = {{ScalarOp::exp, 1, T(2.718281828459045)},     {ScalarOp::exp, -20, T(2.061153622438558e-9)},
                {ScalarOp::log, 10, T(2.302585092994046)},    {ScalarOp::tanh, T(0.5), T(0.46211715726000973)},
                {ScalarOp::erf, T(0.5), T(0.5204998778130465)}, {ScalarOp::sin, 1, T(0.8414709848078965)},
                {ScalarOp::cos, 1, T(0.5403023058681398)},    {ScalarOp::sigmoid, 1, T(0.7310585786300049)},
                {ScalarOp::sqrt, 2, T(1.4142135623730951)},   {ScalarOp::floor, T(-1.5), -2},
                {ScalarOp::ceil, T(-1.5), -1},                {ScalarOp::round, T(2.5), 2}};
  for (const auto& [op, x, y] : values) {
    const TileFunction function = kernels.findTileFunction(op, register_, 0, false);
    if (!function) return false;
    // Whole vectors and a rest.
    constexpr int64_t count = 19;
    for (int64_t i = 0; i < count; i++) left<T>[i] = x;
    function(product<T>, left<T>, nullptr, nullptr, count);
    for (int64_t i = 0; i < count; i++) {
      const T difference = product<T>[i] - y, size = y < 0 ? -y : y;
      if (!(difference <= tolerance * size && -difference <= tolerance * size)) return false;
    }
  }
  return true;
}

bool conversions_are_right() {
  // 1, −2.5, the largest, the smallest normal and the smallest of all, infinity.
  const uint16_t halves[] = {0x3c00, 0xc100, 0x7bff, 0x0400, 0x0001, 0x7c00};
  const float floats[] = {1.0f, -2.5f, 65504.0f, 0x1p-14f, 0x1p-24f, __builtin_inff()};
  constexpr int64_t count = sizeof halves / sizeof *halves;
  uint16_t back[count];
  float widened[count];
  kernels.findLoad(DType::float16)(widened, halves, nullptr, nullptr, count);
  kernels.findStore(DType::float16)(back, widened, nullptr, nullptr, count);
  for (int64_t i = 0; i < count; i++) {
    if (widened[i] != floats[i] || back[i] != halves[i]) return false;
  }
  return true;
}

bool random_bits_are_right() {
  const int32_t key[2] = {0, 0};
  const uint32_t expected[4] = {1713891541u, 3781805453u, 3159862348u, 2600524760u};
  int32_t bits[4];
  kernels.randomBits(key, 1, 4, bits, alone);
  for (int i = 0; i < 4; i++) {
    if (static_cast<uint32_t>(bits[i]) != expected[i]) return false;
  }
  return true;
}

const char* failing_check() {
  if (!gemm_is_right<float>()) return "gemm of float32";
  if (!gemm_is_right<double>()) return "gemm of float64";
  if (!reduce_is_right()) return "reduce";
  if (!functions_are_right<float>(Register::f32, 4e-7f)) return "functions of float32";
  if (!functions_are_right<double>(Register::f64, 1e-15)) return "functions of float64";
  if (!conversions_are_right()) return "conversions";
  if (!random_bits_are_right()) return "random bits";
  return "";
}

}  // namespace
}  // namespace nagare::NAGARE_ISA

// The name of the first check that fails, or an empty string.
extern "C" __attribute__((export_name("failingCheck"))) const char* nagare_failing_check() {
  return nagare::NAGARE_ISA::failing_check();
}
