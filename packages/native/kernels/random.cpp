#include "random.h"

#include "lanes.h"

namespace nagare::NAGARE_ISA {
namespace {

// Blocks in one vector.
constexpr int kBlocks = kLanes<uint32_t>;
constexpr int64_t kWordsPerTask = 16384;

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

// In-register interleaving works within groups of four lanes. So that its results come out in order, lane i of group g holds block
// i · groups + g.
constexpr int kGroups = kBlocks / 4;

#define NAGARE_LOWER_32(g) g, g + kBlocks, g + 1, g + 1 + kBlocks
#define NAGARE_UPPER_32(g) g + 2, g + 2 + kBlocks, g + 3, g + 3 + kBlocks
#define NAGARE_LOWER_64(g) g, g + 1, g + kBlocks, g + 1 + kBlocks
#define NAGARE_UPPER_64(g) g + 2, g + 3, g + 2 + kBlocks, g + 3 + kBlocks
#if defined(__AVX512F__)
#define NAGARE_GROUPS(pick) pick(0), pick(4), pick(8), pick(12)
#elif defined(__AVX2__)
#define NAGARE_GROUPS(pick) pick(0), pick(4)
#else
#define NAGARE_GROUPS(pick) pick(0)
#endif
#define NAGARE_INTERLEAVE(a, b, pick) __builtin_shufflevector(a, b, NAGARE_GROUPS(pick))

// The upper and the lower halves of a · m, lane by lane.
struct Product {
  U32 high, low;
};
#define NAGARE_UPPER_HALVES(g) g + 1, g + 1 + kBlocks, g + 3, g + 3 + kBlocks
#define NAGARE_LOWER_HALVES(g) g, g + kBlocks, g + 2, g + 2 + kBlocks
NAGARE_INLINE Product product(U32 a, uint32_t m) {
  const U64 pairs = reinterpret_cast<U64>(a);
  const U32 even = reinterpret_cast<U32>(wide_product(pairs, m)), odd = reinterpret_cast<U32>(wide_product(pairs >> 32, m));
#if defined(__AVX512F__)
  // Half of the lanes stay where they are, which says more than the general way lets the compiler see.
  return {(U32)_mm512_mask_shuffle_epi32((__m512i)odd, 0x5555, (__m512i)even, _MM_PERM_DDBB),
          (U32)_mm512_mask_shuffle_epi32((__m512i)even, 0xaaaa, (__m512i)odd, _MM_PERM_CCAA)};
#else
  return {NAGARE_INTERLEAVE(even, odd, NAGARE_UPPER_HALVES), NAGARE_INTERLEAVE(even, odd, NAGARE_LOWER_HALVES)};
#endif
}

// The four words of each of kAtOnce blocks from `first` on, in the order of the blocks. Several vectors take turns, because one alone
// would wait for its own products.
constexpr int kVectors = 4;
constexpr int kAtOnce = kVectors * kBlocks;
NAGARE_INLINE void philox(uint32_t first, uint32_t key0, uint32_t key1, uint32_t* to) {
  U32 c0[kVectors], c1[kVectors], c2[kVectors], c3[kVectors];
  uint32_t counters[kBlocks];
  for (int lane = 0; lane < kBlocks; lane++) counters[lane] = first + static_cast<uint32_t>(lane % 4 * kGroups + lane / 4);
  for (int v = 0; v < kVectors; v++) {
    c0[v] = load(counters) + static_cast<uint32_t>(v * kBlocks);
    c1[v] = c2[v] = c3[v] = U32{};
  }
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      const Product one = product(c0[v], 0xd2511f53u), two = product(c2[v], 0xcd9e8d57u);
      c0[v] = two.high ^ c1[v] ^ key0;
      c1[v] = two.low;
      c2[v] = one.high ^ c3[v] ^ key1;
      c3[v] = one.low;
    }
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  for (int v = 0; v < kVectors; v++, to += 4 * kBlocks) {
    const U32 lower01 = NAGARE_INTERLEAVE(c0[v], c1[v], NAGARE_LOWER_32), upper01 = NAGARE_INTERLEAVE(c0[v], c1[v], NAGARE_UPPER_32);
    const U32 lower23 = NAGARE_INTERLEAVE(c2[v], c3[v], NAGARE_LOWER_32), upper23 = NAGARE_INTERLEAVE(c2[v], c3[v], NAGARE_UPPER_32);
    store(to, NAGARE_INTERLEAVE(lower01, lower23, NAGARE_LOWER_64));
    store(to + kBlocks, NAGARE_INTERLEAVE(lower01, lower23, NAGARE_UPPER_64));
    store(to + 2 * kBlocks, NAGARE_INTERLEAVE(upper01, upper23, NAGARE_LOWER_64));
    store(to + 3 * kBlocks, NAGARE_INTERLEAVE(upper01, upper23, NAGARE_UPPER_64));
  }
}

}  // namespace

void random_words(const int32_t* key, int64_t first, int64_t n, int32_t* words) {
  const uint32_t key0 = static_cast<uint32_t>(key[0]), key1 = static_cast<uint32_t>(key[1]);
  uint32_t* to = reinterpret_cast<uint32_t*>(words);
  uint32_t* const end = to + n;
  int64_t skipped = first % 4;
  for (int64_t block = first / 4; to < end; block += kAtOnce, skipped = 0) {
    const int64_t made = 4 * kAtOnce - skipped, taken = end - to < made ? end - to : made;
    uint32_t some[4 * kAtOnce];
    const bool all = taken == 4 * kAtOnce;
    philox(static_cast<uint32_t>(block), key0, key1, all ? to : some);
    if (!all) {
      for (int64_t i = 0; i < taken; i++) to[i] = some[skipped + i];
    }
    to += taken;
  }
}

void random_bits(const int32_t* keys, int64_t count, int64_t n, int32_t* bits, const Parallel& parallel) {
  const int64_t pieces = (n + kWordsPerTask - 1) / kWordsPerTask;
  parallel_for(parallel, count * pieces, [&](int64_t task, int) {
    const int64_t key = task / pieces, first = task % pieces * kWordsPerTask;
    const int64_t words = n - first < kWordsPerTask ? n - first : kWordsPerTask;
    random_words(keys + 2 * key, first, words, bits + key * n + first);
  });
}

}  // namespace nagare::NAGARE_ISA
