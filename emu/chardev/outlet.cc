#include "emu/chardev/outlet.h"

namespace rhea::chardev {

Outlet::Outlet(Loop& loop) : loop_(loop), buffer_(new char[kReadSize]) { loop_.addRoundEnd(*this); }

Outlet::~Outlet() { loop_.removeRoundEnd(*this); }

void Outlet::endOfRound() {
  flushing_.swap(dirty_);
  for (const std::shared_ptr<Flushable>& stream : flushing_) stream->flush();
  flushing_.clear();
}

}  // namespace rhea::chardev
