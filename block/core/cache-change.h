// A change of cache mode while requests run: what is asked, what came of it.
#pragma once

#include "block/core/cache-mode.h"
#include "block/core/durability.h"
#include "emu/base/base.h"
#include "emu/io/loop.h"

namespace rhea::block {

struct CacheRequest {
  // A mode's name sets all three switches; single switches leave the others. Not both.
  std::optional<std::string> mode;
  std::optional<bool> writeback;
  std::optional<bool> direct;
  std::optional<bool> noFlush;
  bool force = false;  // switch write-back on although the guest cannot be told; shown in the durability verdict
};

struct CacheChange {
  std::string disk;  // "" for a node without a disk
  std::string nodeName;
  CacheSwitches from;
  CacheSwitches to;  // what holds now; differs from what was asked where pendingGuest
  GuestView guest = GuestView::kNoGuest;
  bool guestTold = false;              // the guest knows of the new state
  bool guestNotified = false;          // it was announced to a guest that keeps its promise whether it looks or not
  bool pendingGuest = false;           // write-back takes effect at the guest's next reset or own toggle
  std::uint64_t requestsInFlight = 0;  // at the switch
  Duration took{};
};

}  // namespace rhea::block
