// From the instructions of an elementwise chain to a program of the tile interpreter: registers, access to memory, order of stores.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"
#include "elementwise_chain.h"

namespace nagare {

// Short rows are taken several to a tile where the whole space is walked, at once or in pieces; ranges of elements want tiles that lie
// within rows. What a range or a member of a group replaces is in the cache already, so that nothing goes past it; what pieces and members
// are made of may come from beyond.
enum class TileShape { wholeRows, members, withinRows, pieces };

// A TileProgram with the memory it points to. Constants are further uniform inputs, after the loads.
class TilePlan {
 public:
  // Results of chains of whole rows that walk at least kStreamBytes, or kLeavingStreamBytes where they leave, go past the caches.
  // Throws InvalidProgram where operands and operations do not fit together.
  TilePlan(const ElementwiseChain& chain, const Kernels& kernels, TileShape shape = TileShape::wholeRows);

  const TileProgram& program() const { return program_; }
  const std::vector<int64_t>& constants() const { return constantBits_; }

 private:
  TileProgram program_{};
  std::vector<int64_t> registerOffsets_;
  std::vector<TileLoad> loads_;
  std::vector<TileStore> stores_;
  std::vector<TileInstruction> once_, row_, tiles_;
  std::vector<int32_t> places_;
  std::vector<int64_t> constantBits_;  // each an element as its register holds it
};

}  // namespace nagare
