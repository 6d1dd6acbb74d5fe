// Back ends without a host file: null, and the ring buffer that clients read with ringbuf-read.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/options.h"

namespace rhea::chardev {

// Keeps the newest bytes written.
class RingBuffer {
 public:
  explicit RingBuffer(std::size_t size) : bytes_(size) {}
  void write(std::string_view bytes);
  // Takes up to `most` of the oldest bytes out.
  std::string read(std::size_t most);
  std::size_t count() const { return count_; }

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
};

std::unique_ptr<Backend> makeNull();
// Error: the size is no power of two, or beyond what is sensible.
Result<std::unique_ptr<Backend>> makeRingbuf(const RingbufOptions& options);

}  // namespace rhea::chardev
