// Reading instructions that came from JavaScript: nothing in them is trusted.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "../kernels/dtype.h"

namespace nagare {

// A program that does not make sense; the message says why.
struct InvalidProgram : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A place in one of the program's memories: base 0 is the arena, then come the constants, then what each run is given.
struct Operand {
  int32_t base;
  int64_t offset;  // bytes
  // Whether it is not in the arena, so that what is written to it leaves the program.
  bool leaves() const { return base != 0; }
};

// What a program needs of one base.
struct BaseNeeds {
  int64_t bytes = 0;
  int64_t alignment = 1;
  bool written = false;
};

// What an instruction does with an operand. `overwrite` may replace, element by element, what the same instruction reads; `write` may not
// touch it.
enum class Use { read, write, overwrite };

// A cursor over the numbers of one instruction. Every operand it hands out is entered into the needs of its base, so that a run can
// check all accesses of the program by one comparison for each base.
class Reader {
 public:
  Reader(const int32_t* begin, const int32_t* end, std::vector<BaseNeeds>& needs) : at_(begin), end_(end), needs_(needs) {}

  // Checks that all numbers were read, and that nothing is written over what is read.
  void finish() const;
  int32_t next();
  int64_t next64();
  // The bits of a double.
  double real();
  // A count or an extent: 0 or more, and so small that products with element sizes do not overflow.
  int64_t size();
  int32_t index(int32_t limit, const char* what);
  bool flag() { return index(2, "a flag") == 1; }
  DType dtype();

  // `count` elements from the operand's offset on.
  Operand operand(DType dtype, int64_t count, Use use);
  // Elements from `first` (≤ 0) to `last` (≥ 0) around the operand's offset.
  Operand span(int64_t elementBytes, int64_t first, int64_t last, Use use);
  // The same for an operand that was read before.
  Operand span_at(int32_t base, int64_t offset, int64_t elementBytes, int64_t first, int64_t last, Use use);

 private:
  // Bytes [begin, end) of a base.
  struct Range {
    int32_t base;
    int64_t begin, end;
    Use use;
  };

  const int32_t* at_;
  const int32_t* end_;
  std::vector<Range> ranges_;
  std::vector<BaseNeeds>& needs_;
};

// a · b for sizes; throws InvalidProgram where it would exceed 2^53.
int64_t checked_product(int64_t a, int64_t b);

}  // namespace nagare
