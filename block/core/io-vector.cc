#include "block/core/io-vector.h"

namespace rhea::block {

IoVector::IoVector(std::span<const iovec> pieces) {
  for (const iovec& piece : pieces) length_ += piece.iov_len;
  if (pieces.empty()) return;
  first_ = pieces.front();
  rest_ = pieces.data() + 1;
}

IoVector IoVector::slice(std::uint64_t skip, std::uint64_t bytes) const {
  IoVector cut = *this;
  cut.length_ = bytes;
  while (skip >= cut.first_.iov_len && bytes > 0) {
    skip -= cut.first_.iov_len;
    cut.first_ = *cut.rest_++;
  }
  cut.first_.iov_base = static_cast<std::byte*>(cut.first_.iov_base) + skip;
  cut.first_.iov_len -= std::min<std::size_t>(cut.first_.iov_len, static_cast<std::size_t>(skip));
  return cut;
}

std::size_t IoVector::pieces() const {
  if (isContiguous()) return length_ == 0 ? 0 : 1;
  std::size_t count = 0;
  forEach([&count](const std::byte*, std::size_t) { ++count; });
  return count;
}

bool IoVector::isAligned(std::size_t alignment) const {
  std::uintptr_t bits = 0;
  forEach([&bits](const std::byte* memory, std::size_t bytes) {
    bits |= reinterpret_cast<std::uintptr_t>(memory) | bytes;
  });
  return (bits & (alignment - 1)) == 0;
}

namespace {

// memcmp of the buffer with itself, shifted: all bytes equal the first one.
bool isZeroMemory(const std::byte* memory, std::size_t bytes) {
  if (bytes == 0) return true;
  constexpr std::size_t kHead = 16;  // most data shows itself early
  for (std::size_t i = 0; i < std::min(bytes, kHead); ++i) {
    if (memory[i] != std::byte{0}) return false;
  }
  return bytes <= kHead || std::memcmp(memory, memory + kHead, bytes - kHead) == 0;
}

}  // namespace

bool IoVector::isZero() const {
  bool zero = true;
  forEach([&zero](const std::byte* memory, std::size_t bytes) { zero = zero && isZeroMemory(memory, bytes); });
  return zero;
}

void IoVector::fill(std::byte value) const {
  forEach([value](std::byte* memory, std::size_t bytes) { std::memset(memory, std::to_integer<int>(value), bytes); });
}

void IoVector::copyFrom(const std::byte* from, std::size_t bytes) const {
  forEach([&](std::byte* memory, std::size_t size) {
    const std::size_t part = std::min(size, bytes);
    std::memcpy(memory, from, part);
    from += part;
    bytes -= part;
  });
}

void IoVector::copyTo(std::byte* to, std::size_t bytes) const {
  forEach([&](const std::byte* memory, std::size_t size) {
    const std::size_t part = std::min(size, bytes);
    std::memcpy(to, memory, part);
    to += part;
    bytes -= part;
  });
}

IovecArray::IovecArray(const IoVector& view) {
  iovec* out = few_.data();
  if (const std::size_t pieces = view.pieces(); pieces > kInline) {
    many_ = std::make_unique<iovec[]>(pieces);
    out = many_.get();
  }
  view.forEach([&](std::byte* memory, std::size_t bytes) { out[count_++] = iovec{memory, bytes}; });
}

}  // namespace rhea::block
