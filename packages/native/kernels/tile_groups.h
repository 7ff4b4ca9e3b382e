// What groups of operations are written in: leaves, operations on trees, and the loop that computes a group's values.
#pragma once

#include "elementwise.h"
#include "tile_loops.h"
#include "tile_operators.h"

namespace nagare::NAGARE_ISA {

// What the leaves of trees stand for, at N vectors side by side.
template <int N>
struct GroupValues {
  Several<float, N> operands[kMaxGroupOperands], made[kMaxGroupMade];
  const F32* uniforms;
};

template <TileGroupNode::Kind kind, int number>
struct Leaf {
  static constexpr TileGroupNode nodes[] = {{kind, ScalarOp::count, number, 1}};
  template <int N>
  static NAGARE_INLINE Several<float, N> of(const GroupValues<N>& values) {
    if constexpr (kind == TileGroupNode::operand) return values.operands[number];
    else if constexpr (kind == TileGroupNode::made) return values.made[number];
    else return each<float, N>([&](int) __attribute__((always_inline)) { return values.uniforms[number]; });
  }
};
// An operand that varies, one that is the same for all elements of a tile, such as a constant, and a value that the group has made before.
template <int number>
using Varying = Leaf<TileGroupNode::operand, number>;
template <int number>
using Uniform = Leaf<TileGroupNode::uniform, number>;
template <int number>
using Made = Leaf<TileGroupNode::made, number>;
// The constant of these bits, for groups whose loop knows it.
template <int32_t bits>
using Constant = Leaf<TileGroupNode::constant, bits>;
constexpr int32_t bits_of(float value) { return __builtin_bit_cast(int32_t, value); }

template <typename A>
constexpr int32_t kNodes = static_cast<int32_t>(sizeof(A::nodes) / sizeof(TileGroupNode));

// The nodes of a tree, and those of its branches behind it.
template <int32_t count>
struct NodeList {
  TileGroupNode at[count];
};
template <typename... Branches>
constexpr auto list_nodes(ScalarOp op) {
  NodeList<(1 + ... + kNodes<Branches>)> list{};
  int32_t n = 0;
  list.at[n++] = {TileGroupNode::operation, op, 0, (1 + ... + kNodes<Branches>)};
  const auto append = [&](const auto& nodes) {
    for (const TileGroupNode& node : nodes) list.at[n++] = node;
  };
  (append(Branches::nodes), ...);
  return list;
}

template <ScalarOp op, typename Op, typename A>
struct Unary {
  static constexpr auto list = list_nodes<A>(op);
  static constexpr auto& nodes = list.at;
  template <int N>
  static NAGARE_INLINE Several<float, N> of(const GroupValues<N>& values) {
    const Several<float, N> a = A::of(values);
    if constexpr (Op::paired) return Op::template apply<float>(a);
    else return each<float, N>([&](int i) __attribute__((always_inline)) { return Op::template apply<float>(a.v[i]); });
  }
};
template <ScalarOp op, typename Op, typename A, typename B>
struct Binary {
  static constexpr auto list = list_nodes<A, B>(op);
  static constexpr auto& nodes = list.at;
  template <int N>
  static NAGARE_INLINE Several<float, N> of(const GroupValues<N>& values) {
    const Several<float, N> a = A::of(values), b = B::of(values);
    return each<float, N>([&](int i) __attribute__((always_inline)) { return Op::template apply<float>(a.v[i], b.v[i]); });
  }
};
template <typename A, typename B>
using Plus = Binary<ScalarOp::add, Add, A, B>;
template <typename A, typename B>
using Minus = Binary<ScalarOp::sub, Sub, A, B>;
template <typename A, typename B>
using Times = Binary<ScalarOp::mul, Mul, A, B>;
template <typename A, typename B>
using Over = Binary<ScalarOp::div, Div, A, B>;
template <typename A>
using SqrtOf = Unary<ScalarOp::sqrt, Sqrt, A>;
template <typename A>
using ErfOf = Unary<ScalarOp::erf, Erf, A>;
template <typename A>
using TanhOf = Unary<ScalarOp::tanh, Tanh, A>;
template <typename A>
using SigmoidOf = Unary<ScalarOp::sigmoid, Sigmoid, A>;

// A group of so many operands that vary and uniform ones: the values it makes, one after another, the last of which are its results.
template <int Operands, int Uniforms, int Results, typename... Trees>
struct Group {
  static constexpr int operands = Operands, uniforms = Uniforms, results = Results, made = sizeof...(Trees);
  // Vectors side by side.
  static constexpr int side = 2;
  static_assert(operands <= kMaxGroupOperands && uniforms <= kMaxGroupUniforms && made <= kMaxGroupMade && results <= kMaxGroupResults);
  template <int N>
  static NAGARE_INLINE void make(GroupValues<N>& values) {
    int next = 0;
    ((values.made[next++] = Trees::of(values)), ...);
  }
  static constexpr TileGroup with(TileGroup::Function function, TileGroup::Function fetching, TileGroup::Function streamed) {
    return {operands, uniforms, made, results, {Trees::nodes...}, function, fetching, streamed};
  }
};

enum class GroupTraffic { none, fetches, streams };
// Bytes of all operands that are under way.
constexpr int64_t kFetchedBytes = 8 << 10;

template <typename G, GroupTraffic traffic>
struct GroupLoop {
  static constexpr int N = kLanes<float>;
  static constexpr bool streams = traffic == GroupTraffic::streams;
  static constexpr int64_t ahead = kFetchedBytes / G::operands / static_cast<int64_t>(sizeof(float));

  const float* x[G::operands];
  float* y[G::results];
  F32 uniforms[G::uniforms + 1];

  NAGARE_INLINE GroupLoop(void* const* slots, const int32_t* places) {
#pragma GCC unroll 8
    for (auto& to : y) to = static_cast<float*>(slots[*places++]);
#pragma GCC unroll 8
    for (auto& from : x) from = static_cast<const float*>(slots[*places++]);
#pragma GCC unroll 8
    for (int k = 0; k < G::uniforms; k++) uniforms[k] = splat(*static_cast<const float*>(slots[*places++]));
  }

  // Whether lines begin at the same elements of all results.
  bool even() const {
    for (const float* to : y) {
      if (bytes_to_line(to) != bytes_to_line(y[0])) return false;
    }
    return true;
  }

  template <int Vectors>
  NAGARE_INLINE void whole(int64_t i) const {
    GroupValues<Vectors> values;
    values.uniforms = uniforms;
#pragma GCC unroll 8
    for (int k = 0; k < G::operands; k++) {
      if constexpr (traffic != GroupTraffic::none) {
        const char* const next = reinterpret_cast<const char*>(x[k] + i + ahead);
        for (int b = 0; b < Vectors * kVectorBytes; b += kLine) __builtin_prefetch(next + b);
      }
      values.operands[k] = each<float, Vectors>([&](int v) __attribute__((always_inline)) { return load(x[k] + i + v * N); });
    }
    G::make(values);
#pragma GCC unroll 8
    for (int k = 0; k < G::results; k++) {
      const auto& result = values.made[G::made - G::results + k];
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; v++) put<N, streams>(y[k] + i + v * N, result.v[v]);
    }
  }
  NAGARE_INLINE void part(int64_t i, int64_t count) const {
    GroupValues<1> values;
    values.uniforms = uniforms;
#pragma GCC unroll 8
    for (int k = 0; k < G::operands; k++) values.operands[k] = {{load_part<float, N>(x[k] + i, count)}};
    G::make(values);
#pragma GCC unroll 8
    for (int k = 0; k < G::results; k++) store_part<float, N>(y[k] + i, values.made[G::made - G::results + k].v[0], count);
  }
};

template <typename G, GroupTraffic traffic>
void group_tile(void* const* slots, const int32_t* places, int64_t n) {
  const GroupLoop<G, traffic> loop(slots, places);
  constexpr int64_t N = kLanes<float>;
  constexpr bool streams = traffic == GroupTraffic::streams;
  int64_t i = 0;
  if constexpr (streams) {
    if (!loop.even()) return group_tile<G, GroupTraffic::fetches>(slots, places, n);
    const int64_t head = elements_to_line(loop.y[0], n);
    for (; i < head; i += N) loop.part(i, head - i < N ? head - i : N);
    i = head;
  }
  const int64_t end = i + elements_of_lines<streams, float>(n - i);
  for (; i + G::side * N <= end; i += G::side * N) loop.template whole<G::side>(i);
  if constexpr (G::side > 2) {
    for (; i + 2 * N <= end; i += 2 * N) loop.template whole<2>(i);
  }
  for (; i < n; i += N) loop.part(i, n - i < N ? n - i : N);
}

template <typename G>
constexpr TileGroup group() {
  return G::with(group_tile<G, GroupTraffic::none>, group_tile<G, GroupTraffic::fetches>, group_tile<G, GroupTraffic::streams>);
}

}  // namespace nagare::NAGARE_ISA
