#include "block/tool/prove/promise.h"

namespace rhea::block::prove {

Promise promiseOf(CacheSwitches mode, bool keepsMetadata) {
  Promise promise;
  promise.usable = {true, !mode.noFlush};
  if (!mode.writeback && !mode.noFlush) {
    promise.kept = {Kept::kWritten, Kept::kWritten};
  } else {
    promise.kept = {keepsMetadata ? Kept::kFlushed : Kept::kWritten, mode.noFlush ? Kept::kNothing : Kept::kFlushed};
  }
  return promise;
}

Promise weaker(const Promise& one, const Promise& two) {
  Promise both;
  for (std::size_t cut = 0; cut < kCuts; ++cut) {
    both.kept[cut] = std::min(one.kept[cut], two.kept[cut]);
    both.usable[cut] = one.usable[cut] && two.usable[cut];
  }
  return both;
}

}  // namespace rhea::block::prove
