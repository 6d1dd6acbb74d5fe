// SplitRing: one virtqueue in guest memory, as the device sees it (virtio 1.2, 2.7).
//
// Everything in it is written by a guest that may be hostile and may write while we read: each value is read once and
// checked before it is used, and every loop is bounded. What does not fit is an Error, after which the device needs a
// reset. Belongs to one thread.
#pragma once

#include <sys/uio.h>

#include "emu/mem/dma.h"
#include "emu/migrate/state.h"

namespace rhea::virtio {

// Where the driver put the three parts.
struct RingPlace {
  unsigned size = 0;  // a power of two for modern and legacy drivers alike
  std::uint64_t descriptors = 0;
  std::uint64_t available = 0;
  std::uint64_t used = 0;
};

// A request: the driver's buffers as host memory, those to read first. Mapped until clear().
class Chain {
 public:
  std::uint16_t head() const { return head_; }
  std::span<const iovec> readable() const { return {pieces_.data(), readable_}; }
  std::span<const iovec> writable() const { return {pieces_.data() + readable_, pieces_.size() - readable_}; }
  std::uint64_t readableBytes() const { return readableBytes_; }
  std::uint64_t writableBytes() const { return writableBytes_; }
  // The first `bytes` of the writable part hold something new. Without this all of it counts as written.
  void setWritten(std::uint64_t bytes);
  void clear();

 private:
  friend class SplitRing;
  std::uint16_t head_ = 0;
  std::vector<iovec> pieces_;
  std::vector<mem::DmaMapping> mappings_;  // one for each piece
  std::size_t readable_ = 0;               // pieces
  std::uint64_t readableBytes_ = 0;
  std::uint64_t writableBytes_ = 0;
};

class SplitRing {
 public:
  // Error: a part that is not in memory, or not where it may begin.
  static Result<SplitRing> map(const mem::AddressSpace& space, const RingPlace& place, std::uint64_t features);

  // The next request of the driver into `to`; false: there is none. Error: what does not fit.
  Result<bool> pop(const mem::AddressSpace& space, Chain& to);
  // A request that was popped before the state was saved.
  Result<void> read(const mem::AddressSpace& space, std::uint16_t head, Chain& to);
  // Hands a chain back; the driver sees it after publish().
  void push(std::uint16_t head, std::uint32_t written);
  // Whether the driver wants an interrupt for what has been pushed since the last call.
  bool publish();

  // Whether the driver need not notify; turning it off tells whether requests came meanwhile.
  bool suppressNotifications(bool suppress);

  std::uint16_t nextAvailable() const { return nextAvailable_; }
  std::uint16_t nextUsed() const { return nextUsed_; }
  // Of a queue that goes on: saved state, or a reset of the device's side only.
  void resume(std::uint16_t nextAvailable, std::uint16_t nextUsed);

 private:
  struct Descriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t flags;
    std::uint16_t next;
  };
  SplitRing(unsigned size, std::uint64_t features, mem::DmaMapping descriptors, mem::DmaMapping available,
            mem::DmaMapping used)
      : size_(size),
        features_(features),
        descriptors_(std::move(descriptors)),
        available_(std::move(available)),
        used_(std::move(used)) {}

  std::uint16_t load16(const mem::DmaMapping& part, std::size_t offset) const;
  void storeUsed16(std::size_t offset, std::uint16_t value);
  Result<void> walk(const mem::FlatView& view, const std::byte* table, unsigned entries, std::uint16_t first, Chain& to,
                    bool isIndirect);
  Result<void> walkIndirect(const mem::FlatView& view, const Descriptor& descriptor, Chain& to);
  static Result<void> addSegment(const mem::FlatView& view, const Descriptor& descriptor, Chain& to);

  unsigned size_;
  std::uint64_t features_;
  mem::DmaMapping descriptors_;
  mem::DmaMapping available_;
  mem::DmaMapping used_;
  std::uint16_t nextAvailable_ = 0;
  std::uint16_t nextUsed_ = 0;
  std::uint16_t published_ = 0;   // nextUsed_ when the driver was last told
  std::vector<std::byte> table_;  // an indirect table's copy, when it is not in one piece
};

}  // namespace rhea::virtio
