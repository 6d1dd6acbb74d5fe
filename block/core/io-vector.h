// IoVector: a view of the caller's memory for one request, in pieces, that can be cut without allocating.
//
// It owns nothing: the memory, and the iovec array where there are several pieces, live until the request completes.
// Reads write through it and writes read from it; the direction is the operation's, as with iovec itself.
#pragma once

#include <sys/uio.h>

#include "emu/base/base.h"

namespace rhea::block {

class IoVector {
 public:
  IoVector() = default;
  IoVector(void* base, std::size_t length) : first_{base, length}, length_(length) {}
  // A buffer that is only read from (a write request).
  IoVector(const void* base, std::size_t length) : IoVector(const_cast<void*>(base), length) {}
  explicit IoVector(std::span<std::byte> memory) : IoVector(memory.data(), memory.size()) {}
  explicit IoVector(std::span<const std::byte> memory) : IoVector(memory.data(), memory.size()) {}
  // Pieces; the array must live as long as the view.
  explicit IoVector(std::span<const iovec> pieces);

  std::uint64_t length() const { return length_; }
  bool empty() const { return length_ == 0; }
  bool isContiguous() const { return length_ <= first_.iov_len; }
  // The memory, where isContiguous().
  std::byte* data() const { return static_cast<std::byte*>(first_.iov_base); }

  // `bytes` bytes from `skip` on; both within length().
  IoVector slice(std::uint64_t skip, std::uint64_t bytes) const;

  // Calls visit(std::byte* memory, std::size_t bytes) for each piece in order.
  template <class Visit>
  void forEach(Visit visit) const {
    std::uint64_t left = length_;
    iovec piece = first_;
    for (std::size_t next = 0; left > 0; ++next) {
      const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(piece.iov_len, left));
      if (bytes > 0) visit(static_cast<std::byte*>(piece.iov_base), bytes);
      left -= bytes;
      if (left > 0) piece = rest_[next];
    }
  }

  std::size_t pieces() const;
  // Every piece begins at, and is, a multiple of `alignment` (a power of two).
  bool isAligned(std::size_t alignment) const;
  bool isZero() const;
  void fill(std::byte value) const;
  // Copies min(length(), bytes) bytes.
  void copyFrom(const std::byte* from, std::size_t bytes) const;
  void copyTo(std::byte* to, std::size_t bytes) const;

 private:
  iovec first_{nullptr, 0};      // head, already cut
  const iovec* rest_ = nullptr;  // pieces after the head
  std::uint64_t length_ = 0;     // cuts the tail
};

// The iovec array of a view, as system calls want it. No allocation up to kInline pieces.
class IovecArray {
 public:
  explicit IovecArray(const IoVector& view);
  IovecArray(const IovecArray&) = delete;
  IovecArray& operator=(const IovecArray&) = delete;
  std::span<const iovec> pieces() const { return {many_ ? many_.get() : few_.data(), count_}; }

 private:
  static constexpr std::size_t kInline = 4;
  std::array<iovec, kInline> few_;
  std::unique_ptr<iovec[]> many_;
  std::size_t count_ = 0;
};

}  // namespace rhea::block
