#include "emu/io/frame-pool.h"

namespace rhea::detail {

// Out of line: it makes the thread's end known, which needs more than the lists' plain memory.
void* FramePool::takeNew(std::size_t place) {
  static thread_local AtThreadEnd atThreadEnd;
  static_cast<void>(atThreadEnd);
  return ::operator new((place + 1) * kStep);
}

FramePool::AtThreadEnd::~AtThreadEnd() {
  for (List& list : lists_) {
    while (list.first != nullptr) {
      Free* const next = list.first->next;
      ::operator delete(list.first);
      list.first = next;
    }
    list.count = kMost;
  }
}

}  // namespace rhea::detail
