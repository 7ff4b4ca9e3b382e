// Steps of recurrent layers.
#include "steps.h"

namespace nagare {
namespace {

template <typename T>
const RecurrentKernels<T>& recurrent_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.recurrentF32;
  else return kernels.recurrentF64;
}

enum class Recurrence { lstm, lstmGradient, gru, gruGradient };

constexpr int kMaxOperands = 9;

// An operand that is not there.
constexpr Operand kNone{-1, 0};

template <typename T>
class RecurrentStep : public Step {
 public:
  RecurrentStep(Recurrence kind, const RecurrentParams& params, const Operand (&operands)[kMaxOperands]) : kind_(kind), params_(params) {
    for (int i = 0; i < kMaxOperands; i++) operands_[i] = operands[i];
  }

  bool run(RunContext& c) const override {
    const RecurrentKernels<T>& k = recurrent_kernels<T>(c.kernels);
    // In the order in which the kernels' structures name them.
    T* at[kMaxOperands];
    for (int i = 0; i < kMaxOperands; i++) at[i] = operands_[i].base < 0 ? nullptr : c.at<T>(operands_[i]);
    switch (kind_) {
      case Recurrence::lstm:
        k.lstm(params_, {at[0], at[1], at[2], at[3], at[4], at[5], at[6]}, c.parallel, c.scratch);
        break;
      case Recurrence::lstmGradient:
        k.lstmGradient(params_, {at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8]}, c.parallel, c.scratch);
        break;
      case Recurrence::gru:
        k.gru(params_, {at[0], at[1], at[2], at[3], at[4], at[5]}, c.parallel, c.scratch);
        break;
      case Recurrence::gruGradient:
        k.gruGradient(params_, {at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]}, c.parallel, c.scratch);
        break;
    }
    return true;
  }

  size_t scratch_bytes(const Kernels& kernels, int threads) const override {
    const bool isLstm = kind_ == Recurrence::lstm || kind_ == Recurrence::lstmGradient;
    const bool backward = kind_ == Recurrence::lstmGradient || kind_ == Recurrence::gruGradient;
    return recurrent_kernels<T>(kernels).scratchBytes(params_, isLstm ? 4 : 3, backward, threads);
  }

 private:
  Recurrence kind_;
  RecurrentParams params_;
  Operand operands_[kMaxOperands];
};

// What the operands of these instructions are made of.
class RecurrentReader {
 public:
  explicit RecurrentReader(Reader& r) : r_(r), dtype_(r.dtype()) {
    if (dtype_ != DType::float32 && dtype_ != DType::float64) throw InvalidProgram("recurrent layers are of float32 or float64");
    params_.batch = r.size(), params_.time = r.size(), params_.units = r.size();
    if (params_.time < 1 || params_.units < 1) throw InvalidProgram("a recurrent layer without steps or units");
    hasState_ = r.flag();
  }

  // [batch, time, n·units]
  Operand steps(int64_t n, Use use) {
    return r_.operand(dtype_, checked_product(checked_product(params_.batch, params_.time), checked_product(n, params_.units)), use);
  }
  // [units, n·units]
  Operand kernel(int64_t n) { return r_.operand(dtype_, checked_product(params_.units, checked_product(n, params_.units)), Use::read); }
  Operand bias(int64_t n) { return r_.operand(dtype_, checked_product(n, params_.units), Use::read); }
  // [batch, units], where there is a state before the first step
  Operand state(Use use) { return hasState_ ? r_.operand(dtype_, checked_product(params_.batch, params_.units), use) : kNone; }

  std::unique_ptr<Step> step(Recurrence kind, const Operand (&operands)[kMaxOperands]) const {
    if (params_.batch == 0) return nullptr;
    if (dtype_ == DType::float32) return std::make_unique<RecurrentStep<float>>(kind, params_, operands);
    return std::make_unique<RecurrentStep<double>>(kind, params_, operands);
  }

 private:
  Reader& r_;
  DType dtype_;
  RecurrentParams params_{};
  bool hasState_ = false;
};

}  // namespace

// All of them: dtype; batch, time, units; state?; the operands; the results. Brackets: where there is a state.

// x, recurrent, [h0, c0]; hidden, cells, gates
std::unique_ptr<Step> decode_lstm(Reader& reader, const Kernels&) {
  RecurrentReader r(reader);
  const Operand x = r.steps(4, Use::read), recurrent = r.kernel(4), h0 = r.state(Use::read), c0 = r.state(Use::read);
  const Operand hidden = r.steps(1, Use::write), cells = r.steps(1, Use::write), gates = r.steps(4, Use::write);
  return r.step(Recurrence::lstm, {x, recurrent, h0, c0, hidden, cells, gates, kNone, kNone});
}

// recurrent, cells, gates, dHidden, dCells, [c0]; dx, [dh0, dc0]
std::unique_ptr<Step> decode_lstm_grad(Reader& reader, const Kernels&) {
  RecurrentReader r(reader);
  const Operand recurrent = r.kernel(4), cells = r.steps(1, Use::read), gates = r.steps(4, Use::read);
  const Operand dHidden = r.steps(1, Use::read), dCells = r.steps(1, Use::read), c0 = r.state(Use::read);
  const Operand dx = r.steps(4, Use::write), dh0 = r.state(Use::write), dc0 = r.state(Use::write);
  return r.step(Recurrence::lstmGradient, {recurrent, cells, gates, dHidden, dCells, c0, dx, dh0, dc0});
}

// x, recurrent, bias, [h0]; hidden, gates
std::unique_ptr<Step> decode_gru(Reader& reader, const Kernels&) {
  RecurrentReader r(reader);
  const Operand x = r.steps(3, Use::read), recurrent = r.kernel(3), bias = r.bias(3), h0 = r.state(Use::read);
  const Operand hidden = r.steps(1, Use::write), gates = r.steps(4, Use::write);
  return r.step(Recurrence::gru, {x, recurrent, bias, h0, hidden, gates, kNone, kNone, kNone});
}

// recurrent, hidden, gates, dHidden, [h0]; dx, dProduct, [dh0]
std::unique_ptr<Step> decode_gru_grad(Reader& reader, const Kernels&) {
  RecurrentReader r(reader);
  const Operand recurrent = r.kernel(3), hidden = r.steps(1, Use::read), gates = r.steps(4, Use::read);
  const Operand dHidden = r.steps(1, Use::read), h0 = r.state(Use::read);
  const Operand dx = r.steps(3, Use::write), dProduct = r.steps(3, Use::write), dh0 = r.state(Use::write);
  return r.step(Recurrence::gruGradient, {recurrent, hidden, gates, dHidden, h0, dx, dProduct, dh0, kNone});
}

}  // namespace nagare
