// BlkDevice: features, configuration registers, and what the guest believes about its cache.
#include "hw/virtio/blk/blk-device.h"
#include "hw/virtio/blk/blk-layout.h"

namespace rhea::virtio {

std::uint64_t BlkDevice::features() const {
  std::uint64_t features = blk::kSegMax | blk::kBlockSize | blk::kTopology | blk::kFlush;
  if (disk_->isReadOnly()) {
    features |= blk::kReadOnly;
  } else {
    if (options_.configWce) features |= blk::kConfigWce;
    if (options_.discard) features |= blk::kDiscard;
    if (options_.writeZeroes) features |= blk::kWriteZeroes;
  }
  if (options_.queues > 1) features |= blk::kMultiQueue;
  return features;
}

unsigned BlkDevice::configSize() const { return blk::kConfigSize; }

// What the guest may believe: that its cache is volatile, and has to be flushed.
bool BlkDevice::writebackNow() const {
  return hostWriteback_.load(std::memory_order_acquire) && guestWriteback_.load(std::memory_order_acquire);
}

std::uint64_t BlkDevice::readConfig(unsigned offset, unsigned size) {
  std::array<std::byte, blk::kConfigSize> image{};
  const auto put = [&image](unsigned at, auto value) { std::memcpy(&image[at], &value, sizeof value); };
  put(blk::kCapacity, disk_->length() / blk::kSector);
  put(blk::kSegMaxAt, std::uint32_t{options_.queueSize} - 2);
  put(blk::kBlockSizeAt, options_.logicalBlock);
  put(blk::kPhysicalExponent,
      static_cast<std::uint8_t>(std::countr_zero(options_.physicalBlock / options_.logicalBlock)));
  put(blk::kMinIoSize, static_cast<std::uint16_t>(options_.minIo / options_.logicalBlock));
  put(blk::kOptIoSize, options_.optIo / options_.logicalBlock);
  const bool writeback = writebackNow();
  put(blk::kWriteback, static_cast<std::uint8_t>(writeback ? 1 : 0));
  put(blk::kQueues, options_.queues);
  put(blk::kMostDiscardSectors, blk::kMostRangeSectors);
  put(blk::kMostDiscardSegments, blk::kMostRanges);
  put(blk::kDiscardAlignment, static_cast<std::uint32_t>(options_.physicalBlock / blk::kSector));
  put(blk::kMostZeroesSectors, blk::kMostRangeSectors);
  put(blk::kMostZeroesSegments, blk::kMostRanges);
  put(blk::kZeroesMayUnmap, std::uint8_t{1});
  if (offset <= blk::kWriteback && blk::kWriteback < offset + size) looked(writeback);
  return readBytes(image, offset, size);
}

// The guest has read what its cache is. One that had believed in write-through knows better from here on: a write-back
// that waits for the guest has waited long enough.
void BlkDevice::looked(bool writeback) {
  const bool knew = told_.exchange(writeback, std::memory_order_acq_rel);
  if (writeback && !knew && features_.load(std::memory_order_acquire) != 0) followGuest();
}

void BlkDevice::writeConfig(unsigned offset, std::uint64_t value, unsigned /*size*/) {
  const bool negotiated = (features_.load(std::memory_order_acquire) & blk::kConfigWce) != 0;
  if (offset == blk::kWriteback && negotiated) changeWriteback((value & 1) != 0);
}

void BlkDevice::changeWriteback(bool writeback) {
  guestWriteback_.store(writeback, std::memory_order_release);
  told_.store(writebackNow(), std::memory_order_release);
  followGuest();
}

void BlkDevice::followGuest() {
  auto change = [](BlkDevice& self) -> Task<void> {
    // The choice as it is by then: of several changes in a row the last one holds.
    const bool choice = self.guestWriteback_.load(std::memory_order_acquire);
    // A flush that fails leaves the disk in its old mode; the guest's writes are stable by themselves all the same.
    (void)co_await self.graph_->guestSetWriteback(self.disk_, choice);
  };
  changes_.spawnOn(*main_, change(*this));
}

void BlkDevice::negotiated(std::uint64_t features) {
  features_.store(features, std::memory_order_release);
  told_.store(false, std::memory_order_release);
  if (features == 0) return;
  // Whether the guest can flush decides on the disk's effective mode.
  followGuest();
}

Task<void> BlkDevice::deviceReset() {
  co_await changes_.join();
  guestWriteback_.store(true, std::memory_order_release);
  (void)co_await graph_->guestReset(disk_);
}

Task<void> BlkDevice::settle() {
  co_await changes_.join();
  (void)co_await disk_->gate().waitUntilEmpty(CancelToken());
}

bool BlkDevice::canFlush() const {
  return (features_.load(std::memory_order_acquire) & (blk::kFlush | blk::kConfigWce)) != 0;
}

bool BlkDevice::believesVolatile() const {
  const std::uint64_t features = features_.load(std::memory_order_acquire);
  if ((features & blk::kConfigWce) != 0) return told_.load(std::memory_order_acquire);
  return (features & blk::kFlush) != 0;
}

// A driver reads the register when it starts, and again only when it has written to it: it cannot be told at once.
bool BlkDevice::tell(bool writeback) {
  hostWriteback_.store(writeback, std::memory_order_release);
  if (transport() != nullptr) transport()->configChanged();
  return false;
}

void BlkDevice::resized() {
  if (transport() != nullptr) transport()->configChanged();
}

void BlkDevice::save(migrate::StateWriter& to) const {
  to.put("guest-writeback", guestWriteback_);
  to.put("told", told_);
}

Result<void> BlkDevice::load(migrate::StateReader& from) {
  RHEA_CHECK(from.get("guest-writeback", guestWriteback_));
  RHEA_CHECK(from.get("told", told_));
  return from.finish();
}

}  // namespace rhea::virtio
