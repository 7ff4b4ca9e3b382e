#include "random.h"

#include "lanes.h"

namespace nagare::NAGARE_ISA {
namespace {

// Blocks worked on at once, so that the compiler has whole vectors to fill.
constexpr int kBlocks = kLanes<uint32_t>;
constexpr int64_t kBlocksPerTask = 4096;

// The upper halves of a · m, lane by lane: products of the even and the odd lanes, as the instruction sets have them.
NAGARE_INLINE U32 upper_product(U32 a, uint32_t m) {
  const U64 pairs = reinterpret_cast<U64>(a);
  const U64 even = (pairs & 0xffffffffu) * static_cast<uint64_t>(m);
  const U64 odd = (pairs >> 32) * static_cast<uint64_t>(m);
  return reinterpret_cast<U32>((even >> 32) | (odd & 0xffffffff00000000u));
}

// Four words of each of kBlocks blocks from `first` on.
NAGARE_INLINE void philox(uint32_t first, uint32_t key0, uint32_t key1, U32 words[4]) {
  U32 c0{}, c1{}, c2{}, c3{};
  for (int i = 0; i < kBlocks; i++) c0[i] = first + static_cast<uint32_t>(i);
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    const U32 high0 = upper_product(c0, 0xd2511f53u), low0 = c0 * 0xd2511f53u;
    const U32 high1 = upper_product(c2, 0xcd9e8d57u), low1 = c2 * 0xcd9e8d57u;
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

}  // namespace

void random_bits(const int32_t* keys, int64_t count, int64_t n, int32_t* bits, const Parallel& parallel) {
  const int64_t blocks = (n + 3) / 4, pieces = (blocks + kBlocksPerTask - 1) / kBlocksPerTask;
  parallel_for(parallel, count * pieces, [&](int64_t task, int) {
    const int64_t key = task / pieces, first = task % pieces * kBlocksPerTask;
    const int64_t last = blocks - first < kBlocksPerTask ? blocks : first + kBlocksPerTask;
    for (int64_t block = first; block < last; block += kBlocks) {
      U32 words[4];
      philox(static_cast<uint32_t>(block), static_cast<uint32_t>(keys[2 * key]), static_cast<uint32_t>(keys[2 * key + 1]), words);
      int32_t* to = bits + key * n + 4 * block;
      const int64_t left = n - 4 * block;
      if (left >= 4 * kBlocks) {
        for (int i = 0; i < kBlocks; i++) {
          for (int j = 0; j < 4; j++) to[4 * i + j] = static_cast<int32_t>(words[j][i]);
        }
      } else {
        for (int64_t i = 0; i < left; i++) to[i] = static_cast<int32_t>(words[i % 4][i / 4]);
      }
    }
  });
}

}  // namespace nagare::NAGARE_ISA
