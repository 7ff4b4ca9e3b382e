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

// Where a run says when its instructions ran and, of each, when the threads were at work on it: `threadCount` spans for each
// instruction, in order. Spans of what did not happen stay as they are. Without `instructions`, nothing is said.
struct RunTimes {
  Span* instructions = nullptr;
  Span* threads = nullptr;
  int threadCount = 0;
};

}  // namespace nagare
