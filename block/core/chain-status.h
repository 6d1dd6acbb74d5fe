// What is where in a disk, through its format, its backing chain and the file below.
#pragma once

#include "block/core/node.h"

namespace rhea::block {

struct ChainStatus {
  std::uint64_t length = 0;
  bool present = false;  // some layer of the chain holds the range (it is not merely beyond all of them)
  bool data = false;     // stored bytes have to be read
  bool zero = false;     // reads as zeroes
  bool compressed = false;
  bool beyond = false;  // not present because a layer of the chain ends before
  unsigned depth = 0;   // of the layer that answers, or behind which nothing is; 0 is the top
  std::optional<std::uint64_t>
      offset;            // in `file`, where the range is stored one to one, or would be: space kept for it
  Node* file = nullptr;  // the lowest node that stores it; with `offset`

  // Whether `next`, which follows, can be told in one range with this.
  bool continuesWith(const ChainStatus& next) const;
};

// The length is at least 1 and at most the extent's, which lies within the disk. `layers`: how far down the chain to
// ask; 1: the top alone.
Task<Result<ChainStatus>> chainStatus(Node& top, Extent at, unsigned layers = UINT_MAX);
// As above, joined while neighbours are alike: the longest range of one kind.
Task<Result<ChainStatus>> longestStatus(Node& top, Extent at, unsigned layers = UINT_MAX);

// The node of the layer behind a node, through filters; null: none.
Node* backingOf(Node& node);
// The node below filters that has content of its own, or is raw.
Node& layerOf(Node& node);

}  // namespace rhea::block
