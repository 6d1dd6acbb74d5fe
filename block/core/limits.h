// Limits: what a driver can take in one request. All sizes in bytes; 0 = no limit unless said otherwise.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

struct Limits {
  // Offset and length of reads and writes must be multiples; a power of two, 1 = any. Above 1 the core does
  // read-modify-write under a range lock. A driver on top of children normally says 1: the child's node aligns.
  std::uint32_t requestAlignment = 1;
  // Address and length of each piece of memory must be multiples; a power of two, 1 = any. The core bounces.
  std::uint32_t memoryAlignment = 1;
  std::uint64_t optimalTransfer = 0;
  std::uint64_t maxTransfer = 0;   // per read or write; the core splits
  std::uint32_t maxPieces = 1024;  // iovecs per request (IOV_MAX); never 0
  std::uint64_t discardAlignment = 1;
  std::uint64_t maxDiscard = 0;
  std::uint64_t zeroAlignment = 1;
  std::uint64_t maxZero = 0;

  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace rhea::block
