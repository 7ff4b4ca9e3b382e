// The registers of a tile program: places in a worker's scratch memory.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/elementwise.h"
#include "aligned.h"

namespace nagare {

// Bytes of an element in the register of a dtype.
inline int element_bytes(DType dtype) { return register_element_bytes(register_of(dtype)); }

// The dtype whose elements are stored as this dtype's registers hold them.
inline DType register_dtype(DType dtype) {
  switch (register_of(dtype)) {
    case Register::f32:
      return DType::float32;
    case Register::f64:
      return DType::float64;
    case Register::i32:
      return DType::int32;
    default:
      return DType::int64;
  }
}

// Registers of two sizes, given back when the value in them has been read for the last time.
class Registers {
 public:
  explicit Registers(std::vector<int64_t>& offsets) : offsets_(offsets) {}

  int32_t add(int64_t bytes) {
    offsets_.push_back(used_);
    used_ += static_cast<int64_t>(align_up(static_cast<size_t>(bytes)));
    return static_cast<int32_t>(offsets_.size()) - 1;
  }
  int32_t take(int elementBytes) {
    std::vector<int32_t>& free = elementBytes == 8 ? wide_ : narrow_;
    if (free.empty()) return add(kTileElements * elementBytes);
    const int32_t slot = free.back();
    free.pop_back();
    return slot;
  }
  void give_back(int32_t slot, int elementBytes) { (elementBytes == 8 ? wide_ : narrow_).push_back(slot); }
  int64_t bytes() const { return used_; }

 private:
  std::vector<int64_t>& offsets_;
  std::vector<int32_t> narrow_, wide_;
  int64_t used_ = 0;
};

}  // namespace nagare
