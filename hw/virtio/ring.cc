#include "hw/virtio/ring.h"

#include "hw/virtio/features.h"

namespace rhea::virtio {

namespace {

constexpr std::uint16_t kNext = 1;
constexpr std::uint16_t kWrite = 2;
constexpr std::uint16_t kTable = 4;
constexpr std::uint16_t kNoInterrupt = 1;  // in available's flags
constexpr std::uint16_t kNoNotify = 1;     // in used's flags
constexpr std::size_t kDescriptorSize = 16;
constexpr std::size_t kUsedSize = 8;
constexpr std::size_t kHeader = 4;  // flags and index
// What a chain may hold in all: far beyond what any device takes, and no sum of it overflows.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;

Result<mem::DmaMapping> mapWhole(const mem::AddressSpace& space, std::string_view what, std::uint64_t address,
                                 std::uint64_t length, std::uint64_t alignment) {
  if (address % alignment != 0) {
    return Error(fmt::format("the {} of a queue is at {:#x}, which is no multiple of {}", what, address, alignment));
  }
  const auto direction = what == "used ring" ? mem::DmaDirection::kToGuest : mem::DmaDirection::kFromGuest;
  std::optional<mem::DmaMapping> mapping = mem::DmaMapping::map(space, address, length, direction);
  if (!mapping || mapping->data().size() < length) {
    if (mapping) mapping->setWritten(0);
    return Error(fmt::format("the {} of a queue, {} bytes at {:#x}, is not all in memory", what, length, address));
  }
  mapping->setWritten(0);
  return std::move(*mapping);
}

}  // namespace

void Chain::setWritten(std::uint64_t bytes) {
  for (std::size_t i = readable_; i < mappings_.size(); ++i) {
    const std::uint64_t here = std::min<std::uint64_t>(bytes, pieces_[i].iov_len);
    mappings_[i].setWritten(here);
    bytes -= here;
  }
}

void Chain::clear() {
  mappings_.clear();
  pieces_.clear();
  readable_ = 0;
  readableBytes_ = 0;
  writableBytes_ = 0;
}

Result<SplitRing> SplitRing::map(const mem::AddressSpace& space, const RingPlace& place, std::uint64_t features) {
  if (place.size == 0 || place.size > kMostQueueSize) return Error(fmt::format("a queue of {} entries", place.size));
  const std::uint64_t event = (features & kEventIndex) != 0 ? 2 : 0;
  RHEA_TRY(mem::DmaMapping descriptors,
           mapWhole(space, "descriptor table", place.descriptors, kDescriptorSize * place.size, 16));
  RHEA_TRY(mem::DmaMapping available,
           mapWhole(space, "available ring", place.available, kHeader + 2 * std::uint64_t{place.size} + event, 2));
  RHEA_TRY(mem::DmaMapping used, mapWhole(space, "used ring", place.used, kHeader + kUsedSize * place.size + event, 4));
  return SplitRing(place.size, features, std::move(descriptors), std::move(available), std::move(used));
}

std::uint16_t SplitRing::load16(const mem::DmaMapping& part, std::size_t offset) const {
  return std::atomic_ref(*reinterpret_cast<std::uint16_t*>(part.data().data() + offset))
      .load(std::memory_order_acquire);
}

void SplitRing::storeUsed16(std::size_t offset, std::uint16_t value) {
  std::atomic_ref(*reinterpret_cast<std::uint16_t*>(used_.data().data() + offset))
      .store(value, std::memory_order_release);
  used_.wrote(offset, 2);
}

void SplitRing::resume(std::uint16_t nextAvailable, std::uint16_t nextUsed) {
  nextAvailable_ = nextAvailable;
  nextUsed_ = nextUsed;
  published_ = nextUsed;
}

Result<bool> SplitRing::pop(const mem::AddressSpace& space, Chain& to) {
  const std::uint16_t index = load16(available_, 2);
  const auto waiting = static_cast<std::uint16_t>(index - nextAvailable_);
  if (waiting == 0) return false;
  if (waiting > size_) {
    return Error(
        fmt::format("the driver's index is {} and ours {}, with {} entries in the ring", index, nextAvailable_, size_));
  }
  const std::uint16_t head = load16(available_, kHeader + 2 * std::size_t{nextAvailable_ % size_});
  ++nextAvailable_;
  RHEA_CHECK(read(space, head, to));
  return true;
}

Result<void> SplitRing::read(const mem::AddressSpace& space, std::uint16_t head, Chain& to) {
  to.clear();
  to.head_ = head;
  const mem::FlatViewPtr view = space.view();
  Result<void> walked = walk(*view, descriptors_.data().data(), size_, head, to, false);
  if (!walked.ok()) {
    to.setWritten(0);
    to.clear();
  }
  return walked;
}

Result<void> SplitRing::walk(const mem::FlatView& view, const std::byte* table, unsigned entries, std::uint16_t first,
                             Chain& to, bool isIndirect) {
  std::uint16_t at = first;
  for (unsigned count = 0; count < entries; ++count) {
    if (at >= entries) return Error(fmt::format("descriptor {} of a table of {}", at, entries));
    Descriptor descriptor;
    std::memcpy(&descriptor, table + kDescriptorSize * at, sizeof descriptor);
    if ((descriptor.flags & kTable) != 0) {
      if (isIndirect) return Error("an indirect descriptor in an indirect table");
      if ((features_ & kIndirect) == 0) return Error("an indirect descriptor, which was not negotiated");
      if ((descriptor.flags & kNext) != 0) return Error("an indirect descriptor with another one after it");
      return walkIndirect(view, descriptor, to);
    }
    RHEA_CHECK(addSegment(view, descriptor, to));
    if ((descriptor.flags & kNext) == 0) return success();
    at = descriptor.next;
  }
  return Error("a chain of descriptors without an end");
}

Result<void> SplitRing::walkIndirect(const mem::FlatView& view, const Descriptor& descriptor, Chain& to) {
  const unsigned entries = descriptor.length / kDescriptorSize;
  if (descriptor.length % kDescriptorSize != 0 || entries == 0 || entries > kMostSegments) {
    return Error(fmt::format("an indirect table of {} bytes", descriptor.length));
  }
  std::vector<mem::DmaMapping> pieces;
  std::size_t done = 0;
  while (done < descriptor.length) {
    std::optional<mem::DmaMapping> piece =
        mem::DmaMapping::map(view, descriptor.address + done, descriptor.length - done, mem::DmaDirection::kFromGuest);
    if (!piece) return Error(fmt::format("an indirect table at {:#x}, which is not memory", descriptor.address + done));
    if (done == 0 && piece->data().size() == descriptor.length) {
      return walk(view, piece->data().data(), entries, 0, to, true);
    }
    table_.resize(descriptor.length);
    std::ranges::copy(piece->data(), table_.begin() + static_cast<std::ptrdiff_t>(done));
    done += piece->data().size();
  }
  return walk(view, table_.data(), entries, 0, to, true);
}

Result<void> SplitRing::addSegment(const mem::FlatView& view, const Descriptor& descriptor, Chain& to) {
  const bool writes = (descriptor.flags & kWrite) != 0;
  if (!writes && to.readable_ != to.pieces_.size()) return Error("a buffer to read after one to write");
  std::uint64_t& bytes = writes ? to.writableBytes_ : to.readableBytes_;
  bytes += descriptor.length;
  if (bytes > kMostBytes) return Error("a request of more than 4 GiB");
  std::uint64_t done = 0;
  while (done < descriptor.length) {
    // Pieces of one descriptor are many only where a guest points at the seams of its memory map.
    if (to.pieces_.size() >= 2 * std::size_t{kMostSegments}) return Error("a request of too many pieces");
    std::optional<mem::DmaMapping> piece =
        mem::DmaMapping::map(view, descriptor.address + done, descriptor.length - done,
                             writes ? mem::DmaDirection::kToGuest : mem::DmaDirection::kFromGuest);
    if (!piece) {
      return Error(fmt::format("a buffer at {:#x}, which is not {}memory", descriptor.address + done,
                               writes ? "writable " : ""));
    }
    to.pieces_.push_back({piece->data().data(), piece->data().size()});
    done += piece->data().size();
    to.mappings_.push_back(std::move(*piece));
    if (!writes) ++to.readable_;
  }
  return success();
}

void SplitRing::push(std::uint16_t head, std::uint32_t written) {
  const std::size_t at = kHeader + kUsedSize * (nextUsed_ % size_);
  const std::array<std::uint32_t, 2> element = {head, written};
  std::memcpy(used_.data().data() + at, element.data(), sizeof element);
  used_.wrote(at, sizeof element);
  ++nextUsed_;
}

bool SplitRing::publish() {
  const std::uint16_t before = std::exchange(published_, nextUsed_);
  if (before == nextUsed_) return false;
  storeUsed16(2, nextUsed_);
  // The driver writes what it wants and then looks at our index; we the other way round.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if ((features_ & kEventIndex) == 0) return (load16(available_, 0) & kNoInterrupt) == 0;
  const std::uint16_t event = load16(available_, kHeader + 2 * std::size_t{size_});
  return static_cast<std::uint16_t>(nextUsed_ - event - 1) < static_cast<std::uint16_t>(nextUsed_ - before);
}

bool SplitRing::suppressNotifications(bool suppress) {
  if ((features_ & kEventIndex) != 0) {
    // The index that we wait for; while suppressed it stays behind, and the driver sees no reason.
    if (!suppress) storeUsed16(kHeader + kUsedSize * size_, nextAvailable_);
  } else {
    storeUsed16(0, suppress ? kNoNotify : 0);
  }
  if (suppress) return false;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return load16(available_, 2) != nextAvailable_;
}

}  // namespace rhea::virtio
