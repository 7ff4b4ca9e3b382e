// The tile interpreter: a chain of elementwise operations in one pass over memory.
//
// The output's index space is walked in tiles of up to kTileElements elements, small enough that every intermediate value stays in the
// first-level cache. For each tile every instruction runs over the whole tile, so that its cost of dispatch is paid once in 512 elements.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "parallel.h"

namespace nagare {

constexpr int64_t kTileElements = 512;
constexpr int kMaxRank = 8;
// Operands and results of at least this many bytes push each other out of the last cache.
constexpr int64_t kStreamBytes = int64_t(20) << 20;
// Results that leave a program go to memory that other results have had since it was last touched: writing over it fetches it from
// beyond the caches, and pushes the operands out of them, much sooner.
constexpr int64_t kLeavingStreamBytes = int64_t(10) << 20;

// name, operands. The names are those of the scalar vocabulary of the TypeScript side, which learns the codes from here.
#define NAGARE_SCALAR_OPS(X)                                                                                          \
  X(neg, 1) X(abs, 1) X(sign, 1) X(exp, 1) X(expm1, 1) X(log, 1) X(log1p, 1) X(sqrt, 1) X(rsqrt, 1) X(sin, 1)         \
  X(cos, 1) X(tanh, 1) X(sigmoid, 1) X(erf, 1) X(floor, 1) X(ceil, 1) X(round, 1) X(isNan, 1) X(logicalNot, 1)        \
  X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(pow, 2) X(maximum, 2) X(minimum, 2) X(remainder, 2)                       \
  X(shiftRightLogical, 2) X(bitwiseAnd, 2) X(bitwiseXor, 2) X(equal, 2) X(notEqual, 2) X(less, 2) X(lessEqual, 2)     \
  X(greater, 2) X(greaterEqual, 2) X(logicalAnd, 2) X(logicalOr, 2) X(select, 3) X(convert, 1)

enum class ScalarOp : int32_t {
#define NAGARE_NAME(name, arity) name,
  NAGARE_SCALAR_OPS(NAGARE_NAME)
#undef NAGARE_NAME
      count
};

// What a tile register holds. Narrow dtypes are widened when they are loaded: int8, uint8 and bool to i32, the halves to f32.
enum class Register : int32_t { f32, f64, i32, i64 };

constexpr Register register_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return Register::f64;
    case DType::int64:
      return Register::i64;
    case DType::int8:
    case DType::uint8:
    case DType::int32:
    case DType::boolean:
      return Register::i32;
    default:
      return Register::f32;
  }
}
constexpr int register_element_bytes(Register r) { return r == Register::f64 || r == Register::i64 ? 8 : 4; }
// Whether memory of this dtype can be used as a register without conversion.
constexpr bool stored_as_register(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::int32 || dtype == DType::int64;
}

// One instruction over a tile: d[i] = f(a[i], b[i], c[i]) for i in [0, n). d may be a, b or c when their elements have the same size.
using TileFunction = void (*)(void* d, const void* a, const void* b, const void* c, int64_t n);

// A product and what takes it: a·b + c, a·b − c, c − a·b, (a·b)·c.
enum class ProductThen : int32_t { plus, minus, from, times };

// A node of a tree of float32 operations; its branches follow it.
struct TileGroupNode {
  // An operand that varies, one that is the same for all elements of a tile, a value that the group makes, a number.
  enum Kind : int32_t { operation, operand, uniform, made, constant };
  Kind kind;
  ScalarOp op;     // of an operation
  int32_t number;  // of a leaf: which of its kind, or the constant's bits
  int32_t nodes;   // of the tree that begins here
};

constexpr int kMaxGroupOperands = 6, kMaxGroupUniforms = 8, kMaxGroupMade = 4, kMaxGroupResults = 3;

// Operations that are computed together, value after value in vector registers. `places`: the slots of the results, the operands and the
// uniforms, in this order.
struct TileGroup {
  using Function = void (*)(void* const* slots, const int32_t* places, int64_t n);

  int32_t operands, uniforms, made, results;
  // The tree of each value that the group makes. The results are the last of them; what the others are is known to the group only.
  const TileGroupNode* trees[kMaxGroupMade];
  // `fetching` asks for operands ahead of the tile; `streamed` does, and its results go past the caches.
  Function function, fetching, streamed;
};
struct TileGroups {
  const TileGroup* groups;
  int32_t count;
};

// A function over a tile, or a group.
struct TileInstruction {
  TileFunction function;
  int32_t d, a, b, c;  // slots; of a group, d is where its places begin
  const TileGroup* group;
};

// How an operand is found for a tile.
enum class Access : int32_t {
  contiguous,  // in the order of the index space
  withinRow,   // contiguous along the row only (tiles lie within rows)
  perRow,      // one element for each row (tiles lie within rows)
  uniform,     // one element for the whole run
  gathered,    // any strides: copied row by row into a register, anew where the last tile's rows are not the same
  drawn,       // random words of a key, which is the operand, in the order of the index space: made in a register
};

struct TileLoad {
  Access access;
  DType dtype;
  int32_t slot;               // of a register, or of memory when elements are used where they lie
  int32_t operand;            // index into the inputs
  int64_t strides[kMaxRank];  // in elements, for each dimension of the index space
  int64_t first;              // when drawn: which of the key's words is the first
  // When gathered: `span` rows on end, from multiples of it on, are the same `period` rows again and again. 0 where none are.
  int64_t period, span;
  int32_t held;               // when gathered: slot of what the register holds
  TileFunction convert;       // from memory to register; null when stored as a register
};

struct TileStore {
  int32_t operand;  // index into the outputs
  int32_t slot;
  int32_t elementBytes;
  bool direct;           // an instruction writes straight to memory through `slot`
  TileFunction convert;  // from register to memory (a copy when stored as a register); unused when direct
  int32_t from;          // slot of the value when not direct
  int32_t spare;         // register to take turns with `from` while results are streamed, or −1
};

// A prepared program. Slots are pointers: registers first (each `registerOffset` bytes into the worker's scratch), then memory.
struct TileProgram {
  int32_t rank;
  int64_t dims[kMaxRank];  // collapsed; the last is the row
  int64_t rowsPerTile;     // ≥ 1: tiles are whole rows; 0: rows are cut into tiles of `tile` elements
  int64_t tile;
  int64_t tilesPerTask;
  int32_t slots, registers;
  const int64_t* registerOffsets;
  int64_t scratchPerWorker;  // registers and slot table, a multiple of 64
  int32_t loads, stores;
  const TileLoad* load;
  const TileStore* store;
  // Operands are asked for ahead, and the results of whole runs go past the caches unless they overwrite operands.
  bool beyondCaches;
  // Beyond the caches, whether the only instruction reads memory and writes memory, past the caches by `streamed` if it is no group.
  bool alone;
  TileFunction streamed;
  const int32_t* places;  // of the groups
  // Instructions over uniform values, over one element for each row, and over tiles.
  int32_t onceCount, rowCount, tileCount;
  const TileInstruction *once, *row, *tiles;
};

// Operands and results of one member of a group, with the program's strides: a load is contiguous or uniform.
struct TileMember {
  const void* const* inputs;
  void* const* outputs;
  int64_t elements;   // at least 1
  int64_t firstTile;  // the number of tiles of the members before
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// The function for an operation over registers of class `r`; bit i of `scalars` says that operand i is one element for the whole tile.
// If `streams`, its results go past the caches. Null when there is none (such as sin of integers, or, streamed, what is not a few
// instructions on floats).
TileFunction find_tile_function(ScalarOp op, Register r, int scalars, bool streams);
// A product and what takes it, of floats, in one pass over the tile; null for integers. Only b and c may be scalars.
TileFunction find_product_then(ProductThen kind, Register r, int scalars, bool streams);
// A comparison, whose result is 0 or 1 of float32; null for other operations.
TileFunction find_truth_as_float(ScalarOp op, Register r, int scalars, bool streams);
// Trees of operations that there is one loop for.
TileGroups tile_groups();
// Conversion between registers that hold dtypes: floats to integers saturate, NaN becomes 0, integers wrap, bool is ≠ 0.
TileFunction find_conversion(DType from, DType to);
// Brings an int32 register back into the range of int8 or uint8 after arithmetic.
TileFunction find_wrap(DType dtype);
TileFunction find_load(DType dtype);
TileFunction find_store(DType dtype);
TileFunction find_splat(Register r);

// Runs the program. In-place safe: an output may be an input of the same layout. scratch: threads · scratchPerWorker bytes.
void elementwise(const TileProgram& program, const void* const* inputs, void* const* outputs, const Parallel& parallel, void* scratch);

// The program for elements [first, last) of its index space, as one worker; tiles must lie within rows. An output may be an input of the
// same layout.
void elementwise_range(const TileProgram& program, const void* const* inputs, void* const* outputs, int64_t first, int64_t last, int worker,
                       void* scratch);

// Elements [first, last) of the program's results, each to its `to`, by a worker whose slots are ready. Slots stay ready until the worker
// runs another program. Operands beyond the caches are asked for `ahead` elements before they are read, unless that is 0.
void elementwise_ready(const TileProgram& program, const void* const* inputs, int worker, void* scratch);
void elementwise_fill(const TileProgram& program, const void* const* inputs, void* const* to, int64_t first, int64_t last, int64_t ahead,
                      int worker, void* scratch);

// The program of rank 1 for each member, whose elements take the place of the program's only dimension. `count` is at least 1, `tiles` the
// number of tiles of all. No member writes what another reads.
void elementwise_group(const TileProgram& program, const TileMember* members, int64_t count, int64_t tiles, const Parallel& parallel,
                       void* scratch);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
