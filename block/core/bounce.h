// BounceBuffer: aligned memory of the core's own, for requests whose memory or extent the host does not take as it is.
#pragma once

#include "block/core/io-vector.h"
#include "emu/base/base.h"

namespace rhea::block {

class BounceBuffer {
 public:
  // Not initialised. Null where memory is short: check ok().
  BounceBuffer(std::uint64_t bytes, std::size_t alignment);
  bool ok() const { return memory_ != nullptr; }
  std::byte* data() const { return memory_.get(); }
  IoVector view(std::uint64_t skip, std::uint64_t bytes) const { return {memory_.get() + skip, bytes}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace rhea::block
