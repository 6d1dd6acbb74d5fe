// IoHandler: what answers where an address is not memory: device registers, in guest memory or in the port space.
#pragma once

#include "emu/base/base.h"

namespace rhea::mem {

class IoHandler {
 public:
  virtual ~IoHandler() = default;
  // `offset` is within the region, `size` 1, 2, 4 or 8 bytes, within accessSizes(); the value is little-endian in the
  // low bytes. Called on the accessing vCPU's thread, or on whichever does DMA there: a handler guards its own state,
  // and returns soon. What it must not do while it holds its lock: write to guest memory that may be its own registers.
  virtual std::uint64_t read(std::uint64_t offset, unsigned size) = 0;
  virtual void write(std::uint64_t offset, std::uint64_t value, unsigned size) = 0;

  // The sizes that read() and write() see. A narrower access is answered out of one of `least` bytes where that can be
  // done for reads (writes arrive as they are, zero-extended to `least` at the offset rounded down); a wider one comes
  // in pieces of `most`, the lowest address first.
  struct AccessSizes {
    std::uint8_t least = 1;
    std::uint8_t most = 4;
  };
  virtual AccessSizes accessSizes() const { return {}; }
};

}  // namespace rhea::mem
