// ByteQueue: bytes that come at one end and go at the other, in one piece of memory. It grows by remapping pages where
// the host can, so that a long message is not copied again and again, and its memory can be given away.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>

#include "emu/base/base.h"

namespace rhea {

struct FreeMemory {
  void operator()(char* memory) const noexcept { std::free(memory); }
};
using Memory = std::unique_ptr<char, FreeMemory>;

class ByteQueue {
 public:
  ByteQueue() = default;

  std::size_t size() const { return size_; }
  char operator[](std::size_t at) const { return memory_.get()[at]; }
  std::string_view view() const { return {memory_.get(), size_}; }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    grow(size_ + bytes.size());
    std::memcpy(memory_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // Moves the rest to the front.
  void dropFront(std::size_t count) {
    size_ -= count;
    if (size_ > 0) std::memmove(memory_.get(), memory_.get() + count, size_);
    constexpr std::size_t kKept = std::size_t{1} << 20;
    if (size_ == 0 && capacity_ > kKept) *this = ByteQueue();
  }
  // Gives the memory away with all that is in it, and keeps a copy of what stands behind the first `count` bytes.
  Memory takeFront(std::size_t count) {
    ByteQueue rest;
    rest.append(view().substr(count));
    Memory taken = std::move(memory_);
    *this = std::move(rest);
    return taken;
  }

 private:
  void grow(std::size_t needed) {
    if (needed <= capacity_) return;
    const std::size_t capacity = std::max({needed, capacity_ * 2, std::size_t{4096}});
    char* const larger = static_cast<char*>(std::realloc(memory_.get(), capacity));
    if (larger == nullptr) throw std::bad_alloc();
    static_cast<void>(memory_.release());
    memory_.reset(larger);
    capacity_ = capacity;
  }

  Memory memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace rhea
