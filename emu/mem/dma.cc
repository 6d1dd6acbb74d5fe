#include "emu/mem/dma.h"

namespace rhea::mem {

std::optional<DmaMapping> DmaMapping::map(const AddressSpace& space, GuestAddress address, std::uint64_t length,
                                          DmaDirection direction) {
  return map(*space.view(), address, length, direction);
}

std::optional<DmaMapping> DmaMapping::map(const FlatView& view, GuestAddress address, std::uint64_t length,
                                          DmaDirection direction) {
  const FlatRange* range = view.find(address);
  if (length == 0 || range == nullptr || range->isIo() || (direction == DmaDirection::kToGuest && !range->isRam())) {
    return std::nullopt;
  }
  const std::uint64_t bytes = std::min(length - 1, range->last - address) + 1;
  return DmaMapping(range->target.block, range->offsetOf(address), bytes, direction);
}

DmaMapping& DmaMapping::operator=(DmaMapping&& other) noexcept {
  if (this == &other) return *this;
  release();
  block_ = std::move(other.block_);
  offset_ = other.offset_;
  length_ = other.length_;
  written_ = other.written_;
  return *this;
}

void DmaMapping::release() {
  if (block_ != nullptr && written_ > 0) block_->written(offset_, std::min(written_, length_));
  block_.reset();
}

}  // namespace rhea::mem
