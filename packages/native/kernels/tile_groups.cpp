// Operations that are computed together in one pass over a tile, with the values between them in vector registers: one load of each operand
// and one store of each result where each operation by itself has its own, and arithmetic that lies evenly beside memory's traffic.
// A group is written once, as a type: what the planner looks for and what is computed both follow from it.
#include "tile_groups.h"

#include "math_gelu.h"

namespace nagare::NAGARE_ISA {
namespace {

using X = Varying<0>;
using Y = Varying<1>;

// x·½·(f + 1), computed as x·Φ(x).
template <typename F, typename Tail>
struct Gelu : Group<1, 0, 1, Times<Times<X, Constant<bits_of(0.5f)>>, Plus<F, Constant<bits_of(1.0f)>>>> {
  // One polynomial without a branch: four of them fit into 16 registers, and take a sixth less time than two.
  static constexpr int side = 4;
  template <int N>
  static NAGARE_INLINE void make(GroupValues<N>& values) {
    values.made[0] = times_distribution<Tail>(values.operands[0]);
  }
};
using GeluByErf = Gelu<ErfOf<Times<X, Constant<bits_of(0.70710678f)>>>, NormalTail>;
// By tanh of (x + 0.044715·x³)·√(2/π), in two ways to write the cube.
template <typename Cube>
using GeluByTanh = Gelu<TanhOf<Times<Plus<X, Cube>, Constant<bits_of(0.79788456f)>>>, TanhTail>;
using Cubic = Constant<bits_of(0.044715f)>;
using GeluByScaledCube = GeluByTanh<Times<Times<Times<X, X>, X>, Cubic>>;
using GeluByCubeOfScaled = GeluByTanh<Times<Times<Times<X, Cubic>, X>, X>>;

// x·sigmoid x, and as a gate of another operand.
using Silu = Group<1, 0, 1, Times<X, SigmoidOf<X>>>;
using GatedSilu = Group<2, 0, 1, Times<Times<X, SigmoidOf<X>>, Y>>;

// (x − y)² and (x − u₀)², of squared errors and variances.
using SquaredDifference = Group<2, 0, 1, Minus<X, Y>, Times<Made<0>, Made<0>>>;
using SquaredDeviation = Group<1, 1, 1, Minus<X, Uniform<0>>, Times<Made<0>, Made<0>>>;

// (x − mean)·r·scale + offset, of normalizations: mean and r = 1/√variance for each element of a tile, or one for all.
using Normalized = Group<5, 0, 1, Plus<Times<Times<Minus<X, Y>, Varying<2>>, Varying<3>>, Varying<4>>>;
using NormalizedRow = Group<3, 2, 1, Plus<Times<Times<Minus<X, Uniform<0>>, Uniform<1>>, Y>, Varying<2>>>;
// The same with one factor, and the derivative by x: dy·factor − level − (x − mean)·slope.
using Centered = Group<4, 0, 1, Plus<Times<Minus<X, Y>, Varying<2>>, Varying<3>>>;
using CenteredGradient = Group<6, 0, 1, Minus<Minus<Times<X, Y>, Varying<2>>, Times<Minus<Varying<3>, Varying<4>>, Varying<5>>>>;

// Adam's moments of the gradient y, x₂ and x₃, and the weight x less s·m / (√v·u₅ + u₆), s = u₄; with weight decay less u₇·x beside.
using Moment = Plus<Times<Varying<2>, Uniform<0>>, Times<Y, Uniform<1>>>;
using SquareMoment = Plus<Times<Varying<3>, Uniform<2>>, Times<Times<Y, Y>, Uniform<3>>>;
using Change = Over<Times<Made<0>, Uniform<4>>, Plus<Times<SqrtOf<Made<1>>, Uniform<5>>, Uniform<6>>>;
using Adam = Group<4, 7, 3, Moment, SquareMoment, Minus<X, Change>>;
using AdamWithDecay = Group<4, 8, 3, Moment, SquareMoment, Minus<X, Plus<Change, Times<X, Uniform<7>>>>>;

// Those that hold others come before them.
constexpr TileGroup kGroups[] = {group<GeluByErf>(), group<GeluByScaledCube>(), group<GeluByCubeOfScaled>(), group<GatedSilu>(),
                                 group<Silu>(), group<Adam>(), group<AdamWithDecay>(), group<SquaredDifference>(),
                                 group<SquaredDeviation>(), group<Normalized>(), group<NormalizedRow>(),
                                 group<Centered>(), group<CenteredGradient>()};

}  // namespace

TileGroups tile_groups() { return {kGroups, static_cast<int32_t>(sizeof(kGroups) / sizeof(TileGroup))}; }

}  // namespace nagare::NAGARE_ISA
