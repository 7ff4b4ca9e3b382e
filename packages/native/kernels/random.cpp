#include "random.h"

#include "lanes.h"

namespace nagare::NAGARE_ISA {
namespace {

// Blocks worked on at once, so that the compiler has whole vectors to fill.
constexpr int kBlocks = kLanes<uint32_t>;
constexpr int64_t kBlocksPerTask = 4096;

// Products of the even 32-bit lanes with m, 64 bits each.
NAGARE_INLINE U64 wide_product(U64 a, uint32_t m) {
#if defined(__AVX512F__)
  return (U64)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi32(static_cast<int>(m)));
#elif defined(__AVX2__)
  return (U64)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi32(static_cast<int>(m)));
#elif defined(__SSE4_1__)
  return (U64)_mm_mul_epu32((__m128i)a, _mm_set1_epi32(static_cast<int>(m)));
#else
  return (a & 0xffffffffu) * static_cast<uint64_t>(m);
#endif
}

// The upper and the lower halves of a · m, lane by lane.
struct Product {
  U32 high, low;
};
NAGARE_INLINE Product product(U32 a, uint32_t m) {
  const U64 pairs = reinterpret_cast<U64>(a);
  const U64 even = wide_product(pairs, m), odd = wide_product(pairs >> 32, m);
  return {reinterpret_cast<U32>((even >> 32) | (odd & 0xffffffff00000000u)),
          reinterpret_cast<U32>((even & 0xffffffffu) | (odd << 32))};
}

// Four words of each of kBlocks blocks from `first` on.
NAGARE_INLINE void philox(uint32_t first, uint32_t key0, uint32_t key1, U32 words[4]) {
  U32 c0{}, c1{}, c2{}, c3{};
  for (int i = 0; i < kBlocks; i++) c0[i] = first + static_cast<uint32_t>(i);
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    const Product first = product(c0, 0xd2511f53u), second = product(c2, 0xcd9e8d57u);
    c0 = second.high ^ c1 ^ key0;
    c1 = second.low;
    c2 = first.high ^ c3 ^ key1;
    c3 = first.low;
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
        // Words j of all blocks to words 4·block + j: two rounds of interleaving.
        for (int half = 0; half < 2; half++) {
          constexpr int H = kBlocks / 2;
          using Half = HalfVec<uint32_t>;
          auto part = [&](int j) __attribute__((always_inline)) -> Half {
            return half == 0 ? low_half<uint32_t>(words[j]) : high_half<uint32_t>(words[j]);
          };
          const Half a = part(0), b = part(1), c = part(2), d = part(3);
          for (int i = 0; i < H; i++) {
            const VectorOf<uint32_t, 4>::type four = {a[i], b[i], c[i], d[i]};
            store<uint32_t, 4>(reinterpret_cast<uint32_t*>(to) + 4 * (half * H + i), four);
          }
        }
      } else {
        for (int64_t i = 0; i < left; i++) to[i] = static_cast<int32_t>(words[i % 4][i / 4]);
      }
    }
  });
}

}  // namespace nagare::NAGARE_ISA
