// The clock of profiles.
#pragma once

#include <chrono>

namespace nagare {

// Milliseconds of a clock that never goes back.
inline double milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// When something ran.
struct Span {
  double start, end;
};

}  // namespace nagare
