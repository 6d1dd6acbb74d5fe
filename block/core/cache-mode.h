// The three switches of a cache mode and their five names; see docs/design/cache-modes.md.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

struct CacheSwitches {
  constexpr CacheSwitches() = default;
  constexpr CacheSwitches(bool back, bool bypass, bool never) : writeback(back), direct(bypass), noFlush(never) {}

  bool writeback = true;  // the guest sees a volatile cache; off: a write completes only on stable storage
  bool direct = false;    // the host page cache is bypassed (O_DIRECT)
  bool noFlush = false;   // no fdatasync is ever issued

  friend constexpr bool operator==(CacheSwitches, CacheSwitches) = default;
};

// "writeback", "none", "writethrough", "directsync", "unsafe", or for combinations without a name the switches that
// differ from writeback, as "direct+no-flush".
std::string describe(CacheSwitches switches);
// The name's switches. Error: names the five.
Result<CacheSwitches> cacheSwitchesOf(std::string_view mode);
// Write-back off together with no-flush promises what it cannot keep. Error: says so and what to choose.
Result<void> checkHostChoice(CacheSwitches switches);

}  // namespace rhea::block
