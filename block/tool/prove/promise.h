// What a cache mode promises: the contract of docs/design/cache-modes.md as a function.
#pragma once

#include "block/core/cache-mode.h"

namespace rhea::block::prove {

// What is certain to be there afterwards; each includes those before it.
enum class Kept : std::uint8_t {
  kNothing,
  kFlushed,  // what a completed flush covers
  kWritten,  // every completed write
};

// What can happen: the program is killed and the host goes on, or the host loses power.
enum class Cut : std::uint8_t { kKill, kPower };
constexpr std::size_t kCuts = 2;

struct Promise {
  std::array<Kept, kCuts> kept{};
  std::array<bool, kCuts> usable{};  // whether the image can be opened and checks clean

  Kept keptAfter(Cut cut) const { return kept[static_cast<std::size_t>(cut)]; }
  bool usableAfter(Cut cut) const { return usable[static_cast<std::size_t>(cut)]; }
};

// keepsMetadata: the format holds metadata in memory until a flush (all but raw).
Promise promiseOf(CacheSwitches mode, bool keepsMetadata);

// What both promise: while a change from one to the other is under way.
Promise weaker(const Promise& one, const Promise& two);

}  // namespace rhea::block::prove
