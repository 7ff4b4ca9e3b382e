// Short trees of operations that are computed in one pass over a tile, with the values between them in vector registers: one load and one
// store where each operation by itself has its own, and arithmetic that lies evenly beside memory's traffic.
// A tree is written once, as a type: what the planner looks for and what is computed both follow from it.
#include "elementwise.h"
#include "tile_loops.h"
#include "tile_operators.h"

namespace nagare::NAGARE_ISA {
namespace {

// The operand that varies.
struct X {
  static constexpr TileGroupNode nodes[] = {{ScalarOp::count, 1, TileGroupNode::kOperand}};
  template <typename V>
  static NAGARE_INLINE V of(V x, const float*) {
    return x;
  }
};

// A constant. Each stands in 8 bytes.
template <int number>
struct Constant {
  static constexpr TileGroupNode nodes[] = {{ScalarOp::count, 1, number}};
  template <typename V>
  static NAGARE_INLINE V of(V, const float* constants) {
    V y;
    for (auto& v : y.v) v = splat<float>(constants[2 * number]);
    return y;
  }
};

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
  list.at[n++] = {op, (1 + ... + kNodes<Branches>), TileGroupNode::kOperation};
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
  template <typename V>
  static NAGARE_INLINE V of(V x, const float* constants) {
    return Op::template apply<float>(A::of(x, constants));
  }
};
template <ScalarOp op, typename Op, typename A, typename B>
struct Binary {
  static constexpr auto list = list_nodes<A, B>(op);
  static constexpr auto& nodes = list.at;
  template <int N>
  static NAGARE_INLINE Several<float, N> of(Several<float, N> x, const float* constants) {
    const Several<float, N> a = A::of(x, constants), b = B::of(x, constants);
    return each<float, N>([&](int i) __attribute__((always_inline)) { return Op::template apply<float>(a.v[i], b.v[i]); });
  }
};
template <typename A, typename B>
using Plus = Binary<ScalarOp::add, Add, A, B>;
template <typename A, typename B>
using Times = Binary<ScalarOp::mul, Mul, A, B>;
template <typename A>
using ErfOf = Unary<ScalarOp::erf, Erf, A>;
template <typename A>
using TanhOf = Unary<ScalarOp::tanh, Tanh, A>;

// x·c₀·(f + c₁).
template <typename F>
using Gate = Times<Times<X, Constant<0>>, Plus<F, Constant<1>>>;
// gelu by the error function, and by tanh of (x + c₃·x³)·c₂ in two ways to write it.
using Gelu = Gate<ErfOf<Times<X, Constant<2>>>>;
using GeluByTanh = Gate<TanhOf<Times<Plus<X, Times<Times<Times<X, X>, X>, Constant<3>>>, Constant<2>>>>;
using GeluByTanhOfScaled = Gate<TanhOf<Times<Plus<X, Times<Times<Times<X, Constant<3>>, X>, X>>, Constant<2>>>>;

template <typename Tree, bool streams>
void group_tile(void* d, const void* a, const void* b, const void*, int64_t n) {
  constexpr int N = kLanes<float>;
  const float *x = static_cast<const float*>(a), *constants = static_cast<const float*>(b);
  make_pairs<N, streams>(
      static_cast<float*>(d), n,
      [&](int64_t i) __attribute__((always_inline)) { return Tree::of(Several<float, 2>{{load(x + i), load(x + i + N)}}, constants); },
      [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        return Tree::of(Several<float, 1>{{load_part<float, N>(x + i, count)}}, constants).v[0];
      });
}

template <typename Tree>
constexpr TileGroup group() {
  return {Tree::nodes, group_tile<Tree, false>, group_tile<Tree, true>};
}
constexpr TileGroup kGroups[] = {group<Gelu>(), group<GeluByTanh>(), group<GeluByTanhOfScaled>()};

}  // namespace

TileGroups tile_groups() { return {kGroups, static_cast<int32_t>(sizeof(kGroups) / sizeof(TileGroup))}; }

}  // namespace nagare::NAGARE_ISA
