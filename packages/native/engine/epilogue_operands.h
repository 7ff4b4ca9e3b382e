// What matrix products and convolutions have in common: a bias that may be there, and an activation.
#pragma once

#include "program.h"

namespace nagare {

// An operand that is not there.
constexpr Operand kNone{-1, 0};

template <typename T>
const T* optional(const RunContext& c, const Operand& operand) {
  return operand.base < 0 ? nullptr : c.at<const T>(operand);
}

// One of the first `known` activations.
inline Activation read_activation(Reader& r, int32_t known) { return static_cast<Activation>(r.index(known, "an activation")); }

}  // namespace nagare
