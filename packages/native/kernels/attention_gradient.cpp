// With P = exp(scale·q·kᵀ + mask − logSums) and d = Σ dy·y for each query (Dao et al. 2022, algorithm 4):
//   dv = Pᵀ·dy,  dS = P∘(dy·vᵀ − d),  dq = scale·dS·k,  dk = scale·dSᵀ·q.
#include "attention.h"

#include "attention_block.h"
#include "row_exponentials.h"
#include "row_passes.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int kVector = kLanes<float>;

// Scratch memory of one thread, in floats.
struct Scratch {
  int64_t packedKeys, packedValues, keys, queries, cotangents, weights, dScores, means, total;

  explicit Scratch(const AttentionParams& p) {
    const int64_t block = min64(p.keys, kKeyBlock);
    packedKeys = 0;
    packedValues = packedKeys + round_up(panel_elements(block, p.depth), 16);
    keys = packedValues + round_up(panel_elements(block, p.valueDepth), 16);
    queries = keys + block * block_stride(p.depth);
    cotangents = queries + kQueryBlock * block_stride(p.depth);
    weights = cotangents + kQueryBlock * block_stride(p.valueDepth);
    dScores = weights + kQueryBlock * kScoreStride;
    means = dScores + kQueryBlock * kScoreStride;
    total = means + kQueryBlock;
  }
};

NAGARE_INLINE float dot(const float* a, const float* b, int64_t count) {
  F32 sum = {};
  int64_t i = 0;
  for (; i + kVector <= count; i += kVector) sum += load(a + i) * load(b + i);
  float total = sum_lanes<float>(sum);
  for (; i < count; i++) total += a[i] * b[i];
  return total;
}

// Sums over queries: out += scoresᵀ (columns of scores) · block (rows of queries). What a tile's first key is not seen by is left out.
inline void transposed_block(const AttentionParams& p, const float* scores, const float* block, int64_t blockStride, int64_t firstQuery,
                             int64_t queryCount, int64_t firstKey, const BlockOutput& out) {
  const SubnormalsAsZero mode;
  const int64_t width = tile_width(out.columns);
  for (int64_t column = 0; column < out.columns; column += width) {
    for (int64_t m = 0; m < out.rows;) {
      const int count = next_tile_rows(out.rows - m);
      const int64_t unseen = p.causal ? min64(queryCount, max64(0, firstKey + m - firstQuery)) : 0;
      if (unseen < queryCount || !out.accumulate) {
        const PackedRows<float> rows{scores + unseen * kScoreStride + m, kScoreStride};
        multiply_rows(rows, count, block + unseen * blockStride + column, blockStride, queryCount - unseen, out, m, column,
                      width);
      }
      m += count;
    }
  }
}

// One head: the gradients of queries, or of keys and values, or of all.
class Head {
 public:
  Head(const AttentionParams& p, int64_t batch, int64_t head, const float* q, const float* k, const float* v, const void* mask,
       const float* y, const float* logSums, const float* dy, float* dq, float* dk, float* dv, float* scratch)
      : p_(p), mask_(p, mask, batch, head), parts_(p), scratch_(scratch), yStride_(p.heads * p.valueDepth) {
    const int64_t ofQ = head_offset(p.q, batch, head, p.depth), ofK = head_offset(p.k, batch, head, p.depth);
    const int64_t ofV = head_offset(p.v, batch, head, p.valueDepth), ofY = (batch * p.queries * p.heads + head) * p.valueDepth;
    q_ = q + ofQ, k_ = k + ofK, v_ = v + ofV, y_ = y + ofY, dy_ = dy + ofY;
    dq_ = dq + ofQ, dk_ = dk + ofK, dv_ = dv + ofV;
    logSums_ = logSums + (batch * p.heads + head) * p.queries;
  }

  // Queries [begin, end) and keys [first, last). Gradients are stored by the first block that adds to them.
  void run(int64_t begin, int64_t end, int64_t first, int64_t last, bool ofQueries, bool ofKeys) const {
    for (int64_t j = first; j < last; j += kKeyBlock) {
      const int64_t keys = min64(kKeyBlock, last - j);
      const int64_t firstQuery = p_.causal ? max64(begin, j / kQueryBlock * kQueryBlock) : begin;
      if (firstQuery >= end) {
        if (ofKeys) clear_keys(j, keys);
        continue;
      }
      pack_columns(k_ + j * p_.k.rowStride, p_.k.rowStride, keys, p_.depth, scratch_ + parts_.packedKeys);
      pack_columns(v_ + j * p_.v.rowStride, p_.v.rowStride, keys, p_.valueDepth, scratch_ + parts_.packedValues);
      if (ofQueries) copy_block(k_ + j * p_.k.rowStride, p_.k.rowStride, keys, p_.depth, p_.scale, scratch_ + parts_.keys);
      for (int64_t i = firstQuery; i < end; i += kQueryBlock) {
        const int64_t rows = min64(kQueryBlock, end - i);
        make_scores(i, rows, j, keys);
        if (ofKeys) {
          const bool adds = i > firstQuery;
          transposed_block(p_, scratch_ + parts_.weights, scratch_ + parts_.cotangents, block_stride(p_.valueDepth), i, rows, j,
                           {dv_ + j * p_.v.rowStride, p_.v.rowStride, keys, p_.valueDepth, adds});
          transposed_block(p_, scratch_ + parts_.dScores, scratch_ + parts_.queries, block_stride(p_.depth), i, rows, j,
                           {dk_ + j * p_.k.rowStride, p_.k.rowStride, keys, p_.depth, adds});
        }
        if (ofQueries) {
          average_block(p_, scratch_ + parts_.dScores, scratch_ + parts_.keys, block_stride(p_.depth), i, j, keys,
                        {dq_ + i * p_.q.rowStride, p_.q.rowStride, rows, p_.depth, j > 0});
        }
      }
    }
  }

 private:
  // Weights and the scores' gradients of one block.
  void make_scores(int64_t query, int64_t rows, int64_t key, int64_t keys) const {
    float *const queries = scratch_ + parts_.queries, *const cotangents = scratch_ + parts_.cotangents;
    float *const weights = scratch_ + parts_.weights, *const dScores = scratch_ + parts_.dScores;
    copy_block(q_ + query * p_.q.rowStride, p_.q.rowStride, rows, p_.depth, p_.scale, queries);
    copy_block(dy_ + query * yStride_, yStride_, rows, p_.valueDepth, 1, cotangents);
    score_block(p_, queries, block_stride(p_.depth), p_.depth, scratch_ + parts_.packedKeys, query, rows, key, keys, weights);
    score_block(p_, cotangents, block_stride(p_.valueDepth), p_.valueDepth, scratch_ + parts_.packedValues, query, rows, key, keys, dScores);
    for (int64_t m = 0; m < rows;) {
      const int count = next_tile_rows(rows - m);
      const int64_t end = round_up(visible_keys(p_, query + m + count - 1, key, keys), kVector);
      for (int r = 0; r < count; r++, m++) {
        const int64_t at = query + m, visible = visible_keys(p_, at, key, keys);
        float *const w = weights + m * kScoreStride, *const d = dScores + m * kScoreStride;
        mask_.apply(w, at, key, visible);
        hide_scores(w, visible, end);
        const float shift = logSums_[at] == kMinusInfinity ? 0 : logSums_[at];
        const float mean = dot(dy_ + at * yStride_, y_ + at * yStride_, p_.valueDepth);
        make_row(w, end, RowExponentials<float>{w, shift});
        for (int64_t i = 0; i < end; i += kVector) {
          const F32 weight = load(w + i);
          // What lies beyond the keys is not a number that counts, and perhaps none at all.
          store(d + i, weight == 0.0f ? F32{} : weight * (load(d + i) - mean));
        }
        // Every key's column is summed.
        for (int64_t i = end; i < keys; i += kVector) store(w + i, F32{}), store(d + i, F32{});
      }
    }
  }

  // Keys that no query sees.
  void clear_keys(int64_t key, int64_t keys) const {
    for (int64_t j = key; j < key + keys; j++) {
      for (int64_t i = 0; i < p_.depth; i++) dk_[j * p_.k.rowStride + i] = 0;
      for (int64_t i = 0; i < p_.valueDepth; i++) dv_[j * p_.v.rowStride + i] = 0;
    }
  }

  const AttentionParams& p_;
  HeadMask mask_;
  Scratch parts_;
  float* scratch_;
  const float *q_, *k_, *v_, *y_, *logSums_, *dy_;
  float *dq_, *dk_, *dv_;
  int64_t yStride_;
};

}  // namespace

void attention_gradient(const AttentionParams& p, const float* q, const float* k, const float* v, const void* mask, const float* y,
                        const float* logSums, const float* dy, float* dq, float* dk, float* dv, const Parallel& parallel, void* scratch) {
  const int64_t heads = p.batch * p.heads, perWorker = Scratch(p).total;
  auto head = [&](int64_t index, int worker) {
    return Head(p, index / p.heads, index % p.heads, q, k, v, mask, y, logSums, dy, dq, dk, dv,
                static_cast<float*>(scratch) + worker * perWorker);
  };
  if (parallel.threads == 1 || heads >= 2 * parallel.threads) {
    parallel_for(parallel, heads, [&](int64_t task, int worker) { head(task, worker).run(0, p.queries, 0, p.keys, true, true); });
    return;
  }
  // Few heads: ranges of queries and ranges of keys side by side. The scores are made twice, and every sum is the same.
  const int64_t queryRanges = divide_up(p.queries, kQueryBlock), keyRanges = divide_up(p.keys, kKeyBlock);
  parallel_for(parallel, heads * (queryRanges + keyRanges), [&](int64_t task, int worker) {
    const int64_t range = task / heads;
    const Head one = head(task % heads, worker);
    if (range < keyRanges) {
      const int64_t first = range * kKeyBlock;
      one.run(0, p.queries, first, min64(p.keys, first + kKeyBlock), false, true);
    } else {
      const int64_t first = (range - keyRanges) * kQueryBlock;
      one.run(first, min64(p.queries, first + kQueryBlock), 0, p.keys, true, false);
    }
  });
}

size_t attention_gradient_scratch_bytes(const AttentionParams& p, int threads) {
  return static_cast<size_t>(threads * Scratch(p).total) * sizeof(float);
}

}  // namespace nagare::NAGARE_ISA
