#include "probe.h"

#include "stream.h"

namespace nagare::NAGARE_ISA {
namespace {

// A fused multiplication and addition takes 4 or 5 cycles and two begin in each: 10 chains are the least, and two registers are needed
// for the factor and the addend.
constexpr int kChains = kVectorRegisters - 4;

constexpr int64_t kPieceBytes = 1 << 20;

template <bool Bypass>
void copy_piece(const float* x, float* y, int64_t count) {
  constexpr int lanes = kLanes<float>;
  for (int64_t i = 0; i < count; i += 4 * lanes) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
      const F32 value = load(x + i + v * lanes);
      if constexpr (Bypass) stream(y + i + v * lanes, value);
      else store(y + i + v * lanes, value);
    }
  }
  if constexpr (Bypass) finish_streaming();
}

}  // namespace

int64_t arithmetic_probe(int64_t rounds, float* sink) {
  F32 sums[kChains];
  // The factor is below 1: sums neither grow beyond all bounds nor become denormal. Where they begin comes from memory: a compiler that knows
  // it sees that 1 stays 1, and leaves that chain out.
  const F32 factor = splat<float>(0.999f), addend = splat<float>(0.001f);
  const float begin = *sink;
#pragma GCC unroll 32
  for (int i = 0; i < kChains; i++) sums[i] = splat<float>(begin + static_cast<float>(i));
  for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; i++) sums[i] = sums[i] * factor + addend;
  }
  F32 all = sums[0];
#pragma GCC unroll 32
  for (int i = 1; i < kChains; i++) all += sums[i];
  float total = 0;
  for (int lane = 0; lane < kLanes<float>; lane++) total += all[lane];
  *sink = total;
  return rounds * kChains * kLanes<float> * 2;
}

void copy_probe(const char* x, char* y, int64_t bytes, bool bypass, const Parallel& parallel) {
  const int64_t pieces = (bytes + kPieceBytes - 1) / kPieceBytes;
  parallel_for(parallel, pieces, [&](int64_t piece, int) {
    const int64_t first = piece * kPieceBytes;
    const int64_t count = (first + kPieceBytes <= bytes ? kPieceBytes : bytes - first) / static_cast<int64_t>(sizeof(float));
    const float* from = reinterpret_cast<const float*>(x + first);
    float* to = reinterpret_cast<float*>(y + first);
    if (bypass) copy_piece<true>(from, to, count);
    else copy_piece<false>(from, to, count);
  });
}

}  // namespace nagare::NAGARE_ISA
