// DmaMapping: a stretch of guest memory that a device reads or writes by itself, as host memory.
//
// It pins the memory until it is destroyed. Where the device wrote, the pages' writes are then made known (dirty log,
// code). Any thread.
#pragma once

#include "emu/mem/address-space.h"

namespace rhea::mem {

enum class DmaDirection : std::uint8_t { kFromGuest, kToGuest };

class DmaMapping {
 public:
  // The memory from `address` on, as far as it is in one piece of host memory: data().size() is at least 1 and at most
  // `length`. Nothing where the address is not RAM (or not writable, for kToGuest): registers are no DMA target here.
  static std::optional<DmaMapping> map(const AddressSpace& space, GuestAddress address, std::uint64_t length,
                                       DmaDirection direction);
  // The same by a view that the caller looked up before; for several mappings in a row.
  static std::optional<DmaMapping> map(const FlatView& view, GuestAddress address, std::uint64_t length,
                                       DmaDirection direction);
  DmaMapping(DmaMapping&& other) noexcept = default;
  DmaMapping& operator=(DmaMapping&& other) noexcept;
  ~DmaMapping() { release(); }

  std::span<std::byte> data() const { return {block_->host() + offset_, length_}; }
  // Only the first `bytes` were written (kToGuest); all of it otherwise.
  void setWritten(std::uint64_t bytes) { written_ = bytes; }
  // For mappings that are kept: makes a write known at once.
  void wrote(std::uint64_t offset, std::uint64_t bytes) const { block_->written(offset_ + offset, bytes); }

 private:
  DmaMapping(RamBlockPtr block, std::uint64_t offset, std::uint64_t length, DmaDirection direction)
      : block_(std::move(block)),
        offset_(offset),
        length_(length),
        written_(direction == DmaDirection::kToGuest ? length : 0) {}
  void release();

  RamBlockPtr block_;
  std::uint64_t offset_;
  std::uint64_t length_;
  std::uint64_t written_;
};

}  // namespace rhea::mem
