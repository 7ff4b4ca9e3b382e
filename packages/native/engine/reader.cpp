#include "reader.h"

#include <cstring>

namespace nagare {
namespace {

constexpr int64_t kLargest = int64_t{1} << 53;

}  // namespace

int64_t checked_product(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product) || product > kLargest || product < -kLargest) {
    throw InvalidProgram("a size exceeds 2^53");
  }
  return product;
}

void Reader::finish() const {
  if (at_ != end_) throw InvalidProgram("it is too long");
  for (const Range& written : ranges_) {
    if (written.use != Use::write) continue;
    for (const Range& other : ranges_) {
      if (&other == &written || other.base != written.base || other.end <= written.begin || other.begin >= written.end) continue;
      throw InvalidProgram("a result that overlaps another operand");
    }
  }
}

int32_t Reader::next() {
  if (at_ == end_) throw InvalidProgram("it is too short");
  return *at_++;
}

int64_t Reader::next64() {
  const uint32_t low = static_cast<uint32_t>(next());
  return static_cast<int64_t>(static_cast<uint64_t>(static_cast<uint32_t>(next())) << 32 | low);
}

double Reader::real() {
  const int64_t bits = next64();
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

int64_t Reader::size() {
  const int64_t value = next64();
  if (value < 0 || value > kLargest) throw InvalidProgram("a size of " + std::to_string(value));
  return value;
}

int32_t Reader::index(int32_t limit, const char* what) {
  const int32_t value = next();
  if (value < 0 || value >= limit) {
    throw InvalidProgram(std::string(what) + " of " + std::to_string(value) + " where the limit is " + std::to_string(limit));
  }
  return value;
}

DType Reader::dtype() { return static_cast<DType>(index(kDTypes, "a dtype")); }

Operand Reader::operand(DType dtype, int64_t count, Use use) {
  return span(dtype_bytes(dtype), 0, count - 1, use);
}

Operand Reader::span(int64_t elementBytes, int64_t first, int64_t last, Use use) {
  const int32_t base = next();
  return span_at(base, next64(), elementBytes, first, last, use);
}

Operand Reader::span_at(int32_t base, int64_t offset, int64_t elementBytes, int64_t first, int64_t last, Use use) {
  if (base < 0 || static_cast<size_t>(base) >= needs_.size()) throw InvalidProgram("no memory has the number " + std::to_string(base));
  if (offset < 0 || offset > kLargest || offset % elementBytes != 0) throw InvalidProgram("an offset of " + std::to_string(offset));
  const int64_t begin = offset + checked_product(first, elementBytes);
  const int64_t end = offset + checked_product(last + 1, elementBytes);
  if (begin < 0) throw InvalidProgram("an operand that starts before its memory");
  BaseNeeds& needs = needs_[static_cast<size_t>(base)];
  if (end > needs.bytes) needs.bytes = end;
  if (elementBytes > needs.alignment) needs.alignment = elementBytes;
  if (use != Use::read) needs.written = true;
  if (begin < end) ranges_.push_back({base, begin, end, use});
  return {base, offset};
}

}  // namespace nagare
