#include "block/driver/file/cache-sides.h"

namespace rhea::block {

CacheSides::Hold CacheSides::tryEnter(Side side) {
  const std::uint64_t before = word_.fetch_add(oneOf(side));
  if ((before & (kWaited | countOf(opposite(side)))) == 0) [[likely]]
    return {*this, side};
  leave(side);
  return {};
}

void CacheSides::leave(Side side) {
  if ((word_.fetch_sub(oneOf(side)) & kWaited) != 0) left_.set();
}

Task<CacheSides::Hold> CacheSides::enter(Side side) {
  const Mutex::Lock turn = co_await turn_.lock();
  word_.fetch_or(kWaited);
  for (;;) {
    left_.reset();  // before the look: who leaves after it sets it again
    if ((word_.load() & countOf(opposite(side))) == 0) break;
    static_cast<void>(co_await left_.wait());
  }
  word_.fetch_add(oneOf(side));
  // Those who wait for their turn set it again; who slips in before them is of this side.
  word_.fetch_and(~kWaited);
  co_return Hold(*this, side);
}

}  // namespace rhea::block
