// Reading the parts of an elementwise chain.
#pragma once

#include "elementwise_chain.h"
#include "reader.h"

namespace nagare {

constexpr int32_t kMaxValues = 1 << 16;

// Rank and sizes. Returns the number of elements.
int64_t read_space(Reader& r, ElementwiseChain& chain);

// A load of elements in the order of the index space.
ElementwiseChain::Load dense_load(DType dtype, const ElementwiseChain& chain);

// A load over `count` elements, which enters the chain: whether it is drawn. If so, the first word; the key. If not, dtype, operand and a
// stride (in elements) for each dimension.
Operand read_load(Reader& r, ElementwiseChain& chain, int64_t count);

// The number of constants, then dtype and bits of each; the number of instructions, then operation, dtype of the result and three values
// of each.
void read_computation(Reader& r, ElementwiseChain& chain);

// The value of a store, which enters the chain, and its dtype.
DType read_store(Reader& r, ElementwiseChain& chain);

}  // namespace nagare
