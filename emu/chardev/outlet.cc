#include "emu/chardev/outlet.h"

namespace rhea::chardev {

Outlet::Outlet(Loop& loop) : loop_(loop), buffer_(new char[kReadSize]) { loop_.addRoundEnd(*this); }

Outlet::~Outlet() { loop_.removeRoundEnd(*this); }

void Outlet::endOfRound() {
  if (dirty_.empty()) return;
  // A flush may tell a session that it can go on, which then writes again: those belong to the same round.
  for (int turn = 0; turn < 2 && !dirty_.empty(); ++turn) {
    flushing_.swap(dirty_);
    for (const std::shared_ptr<Flushable>& stream : flushing_) stream->flush();
    flushing_.clear();
  }
  if (!dirty_.empty()) loop_.post([] {});  // wakes the loop for one more round
}

}  // namespace rhea::chardev
