#include "attention.h"

#include "attention_block.h"
#include "row_exponentials.h"
#include "row_maximum.h"
#include "rows.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {
namespace {

constexpr int kVector = kLanes<float>;

// As many queries meet each key only once: then packing a key takes longer than its products do.
constexpr int64_t kFewQueries = kVector;

// Scratch memory of one thread, in floats.
struct Scratch {
  int64_t keys, values, queries, scores, total;

  explicit Scratch(const AttentionParams& p) {
    const int64_t block = min64(p.keys, kKeyBlock);
    keys = 0;
    values = keys + round_up(panel_elements(block, p.depth), 16);
    queries = values + block * block_stride(p.valueDepth);
    scores = queries + kQueryBlock * block_stride(p.depth);
    total = scores + kQueryBlock * kScoreStride;
    static_assert(kQueryBlock % kVector == 0, "what is kept for each query of a block is whole vectors");
    static_assert(kFewQueries * (kScoreStride + kKeyBlock) <= kQueryBlock * kScoreStride, "few queries' scores, twice, fit");
  }
};

NAGARE_INLINE void add_logarithms(const float* x, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + kVector <= count; i += kVector) store(to + i, load(to + i) + log(load(x + i)));
  for (; i < count; i++) to[i] += log(splat<float>(x[i]))[0];
}

NAGARE_INLINE void prefetch_rows(const float* from, int64_t stride, int64_t rows, int64_t depth) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < depth; i += 16) __builtin_prefetch(from + r * stride + i);
}

NAGARE_INLINE void scale_row(float* row, int64_t count, float factor) {
  int64_t i = 0;
  for (; i + kVector <= count; i += kVector) store(row + i, load(row + i) * factor);
  for (; i < count; i++) row[i] *= factor;
}

// One head, queries [begin, end): block after block of keys, in each block of keys block after block of queries. What was averaged over
// the keys so far lies in y, weighted by exp(score − largest so far).
class Head {
 public:
  Head(const AttentionParams& p, const void* mask, int64_t batch, int64_t head, float* scratch)
      : p_(p), mask_(p, mask, batch, head), parts_(p), scratch_(scratch) {}

  void run(const float* q, const float* k, const float* v, float* y, float* largest, float* sums, int64_t begin, int64_t end) const {
    const int64_t yStride = p_.heads * p_.valueDepth;
    const bool few = p_.queries <= kFewQueries;
    if (few) pack_few(q);
    for (int64_t j = 0; j < p_.keys; j += kKeyBlock) {
      // No query of the range sees this block, nor any later one.
      if (p_.causal && j > 0 && j >= end) break;
      const int64_t count = min64(kKeyBlock, p_.keys - j);
      const float *const keys = k + j * p_.k.rowStride, *const values = v + j * p_.v.rowStride;
      if (few) {
        score_few(keys, values, count);
        // Rows of whole vectors can be read where they are.
        const bool whole = p_.valueDepth % kVector == 0;
        if (!whole) copy_values(values, count);
        add_block(0, p_.queries, j, count, whole ? Values{values, p_.v.rowStride} : copied_values(), y, yStride, largest, sums);
        continue;
      }
      pack_columns(keys, p_.k.rowStride, count, p_.depth, scratch_ + parts_.keys);
      copy_values(values, count);
      const int64_t first = p_.causal ? max64(begin, j / kQueryBlock * kQueryBlock) : begin;
      for (int64_t i = first; i < end; i += kQueryBlock) {
        const int64_t rows = min64(kQueryBlock, end - i);
        copy_block(q + i * p_.q.rowStride, p_.q.rowStride, rows, p_.depth, p_.scale, scratch_ + parts_.queries);
        score_block(p_, scratch_ + parts_.queries, block_stride(p_.depth), p_.depth, scratch_ + parts_.keys, i, rows, j, count,
                    scratch_ + parts_.scores);
        add_block(i, rows, j, count, copied_values(), y + i * yStride, yStride, largest, sums);
      }
    }
    for (int64_t i = begin; i < end; i++) scale_row(y + i * yStride, p_.valueDepth, sums[i] == 0 ? 0 : 1 / sums[i]);
  }

 private:
  struct Values {
    const float* rows;
    int64_t stride;
  };
  void copy_values(const float* v, int64_t count) const {
    copy_block(v, p_.v.rowStride, count, p_.valueDepth, 1, scratch_ + parts_.values);
  }
  Values copied_values() const { return {scratch_ + parts_.values, block_stride(p_.valueDepth)}; }

  // Few queries as columns, where otherwise packed keys are.
  void pack_few(const float* q) const {
    float* const scaled = scratch_ + parts_.queries;
    copy_block(q, p_.q.rowStride, p_.queries, p_.depth, p_.scale, scaled);
    pack_columns(scaled, block_stride(p_.depth), p_.queries, p_.depth, scratch_ + parts_.keys);
  }

  // Scores of few queries: keys, read where they are, are the rows of the product, and its result is turned around. Rows of other heads lie
  // between, over which the processor does not look ahead by itself.
  void score_few(const float* k, const float* v, int64_t keys) const {
    const SubnormalsAsZero mode;
    constexpr int64_t ahead = 3 * kTileRows;
    prefetch_rows(k, p_.k.rowStride, min64(ahead, keys), p_.depth);
    float *const scores = scratch_ + parts_.scores, *const turned = scores + kFewQueries * kScoreStride;
    const BlockOutput out{turned, kFewQueries, keys, kFewQueries, false};
    for (int64_t m = 0; m < keys;) {
      const int count = next_tile_rows(keys - m);
      if (m + ahead < keys) {
        prefetch_rows(k + (m + ahead) * p_.k.rowStride, p_.k.rowStride, min64(count, keys - m - ahead), p_.depth);
      }
      prefetch_rows(v + m * p_.v.rowStride, p_.v.rowStride, count, p_.valueDepth);
      const UnitRows<float> rows{k + m * p_.k.rowStride, p_.k.rowStride};
      multiply_rows(rows, count, scratch_ + parts_.keys, tile_width(p_.queries), p_.depth, out, m, 0, kFewQueries);
      m += count;
    }
    for (int64_t i = 0; i < p_.queries; i++)
      for (int64_t j = 0; j < keys; j++) scores[i * kScoreStride + j] = turned[j * kFewQueries + i];
  }

  // Adds a block of keys, whose scores are there, to the averages. In steps over all queries: what one query's step waits for, the next
  // one's does not.
  void add_block(int64_t query, int64_t rows, int64_t key, int64_t keys, const Values& values, float* y, int64_t yStride, float* largest,
                 float* sums) const {
    float* const scores = scratch_ + parts_.scores;
    int64_t ends[kQueryBlock];
    float before[kQueryBlock] = {}, shifts[kQueryBlock] = {}, decays[kQueryBlock];
    for (int64_t m = 0; m < rows;) {
      const int count = next_tile_rows(rows - m);
      // The tile's last query sees the most; the rows of the others are filled up to there.
      const int64_t end = round_up(visible_keys(p_, query + m + count - 1, key, keys), kVector);
      for (int r = 0; r < count; r++, m++) {
        ends[m] = end;
        if (end == 0) continue;
        float* const row = scores + m * kScoreStride;
        const int64_t at = query + m, visible = visible_keys(p_, at, key, keys);
        mask_.apply(row, at, key, visible);
        hide_scores(row, visible, end);
        before[m] = key == 0 ? kMinusInfinity : largest[at];
        const float here = row_maximum(row, end), now = here > before[m] ? here : before[m];
        largest[at] = now;
        shifts[m] = now == kMinusInfinity ? 0 : now;
      }
    }
    for (int64_t m = 0; m < rows; m += kVector) store(decays + m, exp_nonpositive(load(before + m) - load(shifts + m)));
    for (int64_t m = 0; m < rows; m++) {
      if (ends[m] == 0) continue;
      float* const row = scores + m * kScoreStride;
      const float sum = sum_row<float>(ends[m], KeptExponentials<float>{{row, shifts[m]}, row});
      float& total = sums[query + m];
      total = key == 0 ? sum : total * decays[m] + sum;
      if (key > 0 && decays[m] != 1) scale_row(y + m * yStride, p_.valueDepth, decays[m]);
    }
    average_block(p_, scores, values.rows, values.stride, query, key, keys, {y, yStride, rows, p_.valueDepth, key > 0});
  }

  const AttentionParams& p_;
  HeadMask mask_;
  Scratch parts_;
  float* scratch_;
};

// Heads are worked on side by side; where there are few, so are ranges of their queries. Which does not change what is computed.
int64_t rows_per_task(const AttentionParams& p, int threads) {
  const int64_t heads = max64(1, p.batch * p.heads);
  const int64_t ranges = threads == 1 ? 1 : divide_up(4 * int64_t(threads), heads);
  return max64(kQueryBlock, round_up(divide_up(p.queries, ranges), kQueryBlock));
}

}  // namespace

void attention(const AttentionParams& p, const float* q, const float* k, const float* v, const void* mask, float* y, float* logSums,
               const Parallel& parallel, void* scratch) {
  const int64_t perTask = rows_per_task(p, parallel.threads), ranges = divide_up(p.queries, perTask), heads = p.batch * p.heads;
  const int64_t perWorker = Scratch(p).total;
  float* const sums = static_cast<float*>(scratch);
  float* const workers = sums + round_up(heads * p.queries, 16);
  parallel_for(parallel, heads * ranges, [&](int64_t task, int worker) {
    // The last ranges first: with a causal mask they are the longest.
    const int64_t index = task / ranges, batch = index / p.heads, head = index % p.heads;
    const int64_t begin = (ranges - 1 - task % ranges) * perTask, end = min64(p.queries, begin + perTask);
    float *const ofHead = sums + index * p.queries, *const largest = logSums + index * p.queries;
    Head(p, mask, batch, head, workers + worker * perWorker)
        .run(q + head_offset(p.q, batch, head, p.depth), k + head_offset(p.k, batch, head, p.depth),
             v + head_offset(p.v, batch, head, p.valueDepth), y + (batch * p.queries * p.heads + head) * p.valueDepth, largest, ofHead, begin,
             end);
    add_logarithms(ofHead + begin, largest + begin, end - begin);
  });
}

size_t attention_scratch_bytes(const AttentionParams& p, int threads) {
  return static_cast<size_t>(round_up(p.batch * p.heads * p.queries, 16) + threads * Scratch(p).total) * sizeof(float);
}

}  // namespace nagare::NAGARE_ISA
