// Loops of the tile interpreter whose results are bytes as memory has them: a bool or a narrow integer that only passes through would
// take four times its size in a register.
#pragma once

#include "elementwise.h"

#ifdef NAGARE_ISA
namespace nagare::NAGARE_ISA {

// An operation of bools that gives bools, all bytes of 0 and 1; `convert` copies. Bit i of `scalars` as with find_tile_function. Null when
// there is none.
TileFunction find_byte_function(ScalarOp op, int scalars);
// A conversion from a register to bytes in memory; null when there is none.
TileFunction find_narrowing(DType from, DType to);

}  // namespace nagare::NAGARE_ISA
#endif
