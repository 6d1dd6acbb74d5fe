#include "block/core/bounce.h"

#include <cstdlib>

namespace rhea::block {

BounceBuffer::BounceBuffer(std::uint64_t bytes, std::size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), static_cast<std::size_t>(bytes)) == 0) {
    memory_.reset(static_cast<std::byte*>(memory));
  }
}

void BounceBuffer::Free::operator()(std::byte* memory) const { std::free(memory); }

}  // namespace rhea::block
