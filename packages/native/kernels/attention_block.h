// What attention and its derivative share: blocks of sequences in scratch memory, products of blocks, masked rows of scores.
#pragma once

#include "attention.h"
#include "blocking.h"
#include "elementary.h"
#include "gemm_pack.h"
#include "gemm_tile.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {

// Keys for each block. Scores of one block of queries stay in the first-level cache, packed keys and values in the second.
constexpr int64_t kKeyBlock = 128;
constexpr int64_t kQueryBlock = 48;
// Rows of scores follow each other at an odd number of cache lines, so that columns spread over the cache's sets.
constexpr int64_t kScoreStride = kKeyBlock + 16;

constexpr float kMinusInfinity = -__builtin_inff();

// Columns of a row-major block: whole tiles, at an odd number of cache lines.
constexpr int64_t block_stride(int64_t depth) {
  const int64_t lines = round_up(depth, kTileColumns<float>) / 16 + 1;
  return (lines | 1) * 16;
}

// Elements of `count` rows packed across: panels of tile width.
constexpr int64_t panel_elements(int64_t count, int64_t depth) { return round_up(count, kTileColumns<float>) * depth; }

// Copies rows of a sequence, times `factor`; columns up to a whole tile are 0.
inline void copy_block(const float* from, int64_t stride, int64_t rows, int64_t depth, float factor, float* to) {
  constexpr int lanes = kLanes<float>;
  const int64_t width = round_up(depth, kTileColumns<float>), toStride = block_stride(depth);
  for (int64_t r = 0; r < rows; r++) {
    const float* source = from + r * stride;
    float* target = to + r * toStride;
    int64_t i = 0;
    for (; i + lanes <= depth; i += lanes) store(target + i, load(source + i) * factor);
    for (; i < depth; i++) target[i] = source[i] * factor;
    for (; i < width; i++) target[i] = 0;
  }
}

// Columns of each tile that `columns` of them are divided into evenly: 64 = 32 + 32 keeps the multiply-add units busy, 48 + 16 does not.
NAGARE_INLINE int64_t tile_width(int64_t columns) {
  return round_up(even_block(columns, kTileColumns<float>, kLanes<float>), kLanes<float>);
}

// Packs rows so that they are the columns of a factor: panel after panel of tile_width(rows), depth · width elements each.
inline void pack_columns(const float* from, int64_t stride, int64_t rows, int64_t depth, float* to) {
  const int64_t width = tile_width(rows);
  for (int64_t j = 0; j < rows; j += width) pack_across(from + j * stride, stride, min64(width, rows - j), depth, to + j * depth, width);
}

// Where a product of blocks goes.
struct BlockOutput {
  float* data;
  int64_t stride;
  int64_t rows, columns;  // that exist
  bool accumulate;
};

// Rows of `out` from `first` on: the product of `rows` (Rows, as multiply_tile knows them) and the panel b, at most `width` columns.
template <typename Rows>
NAGARE_INLINE void multiply_rows(const Rows& rows, int count, const float* b, int64_t bStride, int64_t depth, const BlockOutput& out,
                                 int64_t first, int64_t column, int64_t width) {
  TileOutput<float> tile{};
  tile.c = out.data + first * out.stride + column;
  tile.stride = out.stride;
  tile.columns = min64(width, out.columns - column);
  tile.accumulate = out.accumulate;
  tile_function<float, Rows>(count, tile_vectors<float>(tile.columns))(rows, b, bStride, depth, tile);
}

// Keys [0, n) of a block that query `query` may see when the block starts at key `firstKey`.
NAGARE_INLINE int64_t visible_keys(const AttentionParams& p, int64_t query, int64_t firstKey, int64_t blockKeys) {
  if (!p.causal) return blockKeys;
  return max64(0, min64(blockKeys, query + 1 - firstKey));
}

// Products of the queries of a block with packed keys, tile by tile; what no query of a tile may see is left out.
inline void score_block(const AttentionParams& p, const float* queries, int64_t queryStride, int64_t depth, const float* packedKeys,
                        int64_t firstQuery, int64_t queryCount, int64_t firstKey, int64_t keyCount, float* scores) {
  const SubnormalsAsZero mode;
  const int64_t width = tile_width(keyCount);
  const BlockOutput out{scores, kScoreStride, queryCount, round_up(keyCount, kLanes<float>), false};
  for (int64_t j = 0; j < keyCount; j += width) {
    for (int64_t m = 0; m < queryCount;) {
      const int count = next_tile_rows(queryCount - m);
      if (j < visible_keys(p, firstQuery + m + count - 1, firstKey, keyCount)) {
        const UnitRows<float> rows{queries + m * queryStride, queryStride};
        multiply_rows(rows, count, packedKeys + j * depth, width, depth, out, m, j, width);
      }
      m += count;
    }
  }
}

// Sums over keys: out += weights (rows of scores) · block (rows of keys). What a tile's last query may not see is left out: there weights are 0.
inline void average_block(const AttentionParams& p, const float* weights, const float* block, int64_t blockStride, int64_t firstQuery,
                          int64_t firstKey, int64_t keyCount, const BlockOutput& out) {
  const SubnormalsAsZero mode;
  const int64_t width = tile_width(out.columns);
  for (int64_t column = 0; column < out.columns; column += width) {
    for (int64_t m = 0; m < out.rows;) {
      const int count = next_tile_rows(out.rows - m);
      const int64_t depth = visible_keys(p, firstQuery + m + count - 1, firstKey, keyCount);
      if (depth > 0 || !out.accumulate) {
        const UnitRows<float> rows{weights + m * kScoreStride, kScoreStride};
        multiply_rows(rows, count, block + column, blockStride, depth, out, m, column, width);
      }
      m += count;
    }
  }
}

// The mask of one head.
struct HeadMask {
  MaskKind kind;
  const char* data;
  int64_t query, key;

  HeadMask(const AttentionParams& p, const void* mask, int64_t batch, int64_t head)
      : kind(p.mask), data(static_cast<const char*>(mask)), query(p.maskQuery), key(p.maskKey) {
    const int64_t first = batch * p.maskBatch + head * p.maskHead;
    if (kind != MaskKind::none) data += kind == MaskKind::added ? first * static_cast<int64_t>(sizeof(float)) : first;
  }

  // Masks `count` scores of one query, from key `firstKey` on.
  void apply(float* scores, int64_t atQuery, int64_t firstKey, int64_t count) const {
    if (kind == MaskKind::none) return;
    const int64_t at = atQuery * query + firstKey * key;
    if (kind == MaskKind::added) {
      const float* added = reinterpret_cast<const float*>(data) + at;
      for (int64_t i = 0; i < count; i++) scores[i] += added[i * key];
    } else {
      const char* visible = data + at;
      for (int64_t i = 0; i < count; i++) scores[i] = visible[i * key] ? scores[i] : kMinusInfinity;
    }
  }
};

// Makes a row of scores whole vectors: what the query may not see, up to `end`, is −∞.
NAGARE_INLINE void hide_scores(float* scores, int64_t visible, int64_t end) {
  for (int64_t i = visible; i < end; i++) scores[i] = kMinusInfinity;
}

// A sequence's rows of one head.
NAGARE_INLINE int64_t head_offset(const AttentionLayout& layout, int64_t batch, int64_t head, int64_t depth) {
  return batch * layout.batchStride + head * depth;
}

}  // namespace nagare::NAGARE_ISA
