// VirtioPci: the registers of before virtio 1.0, in a port window (virtio 1.2, 4.1.4.10). A driver that uses them
// settles features without version 1, gives a queue's place as one page number, and resets without waiting.
#include "hw/virtio/virtio-pci-layout.h"
#include "hw/virtio/virtio-pci.h"

namespace rhea::virtio {

namespace {

enum LegacyRegister : std::uint8_t {
  kHostFeatures = 0,
  kGuestFeatures = 4,
  kQueuePage = 8,
  kQueueEntries = 12,
  kQueueNumber = 14,
  kQueueNotify = 16,
  kStatus = 18,
  kIsr = 19,
  kChangeVector = 20,  // these two where MSI-X is on; what is the device's own follows
  kRingVector = 22,
  kEnd = 24,
};
constexpr unsigned kPageBits = 12;
constexpr std::uint64_t kPageMask = (std::uint64_t{1} << kPageBits) - 1;

}  // namespace

bool VirtioPci::isTransitional() const {
  if (pciOptions_.disableLegacy != qapi::OnOffAuto::auto_) return pciOptions_.disableLegacy == qapi::OnOffAuto::off;
  // Behind a port of PCI Express there may be no ports to be had.
  return pciBus().above() == nullptr;
}

std::uint16_t VirtioPci::transitionalId(std::uint16_t deviceType) {
  // 5.0's numbers have gaps: network, block, entropy.
  constexpr std::uint16_t kFirst = 0x1000;
  switch (deviceType) {
    case 1:
      return kFirst;
    case 2:
      return kFirst + 1;
    case 4:
      return kFirst + 5;
    default:
      return static_cast<std::uint16_t>(kModernDevice + deviceType);
  }
}

void VirtioPci::addLegacyWindow() {
  const std::uint32_t size = std::bit_ceil(kEnd + device_->configSize());
  addBar(kLegacyBar, pci::BarKind::kIo, size);
  addBarPart(kLegacyBar, fmt::format("{} legacy", type().name), 0, size, mem::Target::io(legacy_));
}

// Features beyond the first 32, version 1 among them, cannot be seen there.
std::uint64_t VirtioPci::legacyOffered() const { return (offered() | kAnyLayout) & 0xffffffff; }

unsigned VirtioPci::legacyConfigAt() const { return usesMsix() ? kEnd : kChangeVector; }

std::uint64_t VirtioPci::readLegacy(unsigned offset, unsigned size) {
  const unsigned config = legacyConfigAt();
  if (offset >= config) return readDevice(offset - config, size);
  if (offset == kIsr) return readIsr(0, size);
  std::array<std::byte, kEnd> image{};
  const auto put = [&image](unsigned at, auto value) { std::memcpy(&image[at], &value, sizeof value); };
  const std::lock_guard lock(guard_);
  put(kHostFeatures, static_cast<std::uint32_t>(legacyOffered()));
  put(kGuestFeatures, static_cast<std::uint32_t>(driverFeatures_));
  put(kQueueNumber, queueSelect_);
  put(kStatus, status_);
  put(kChangeVector, configVector_);
  put(kRingVector, kNoVector);
  if (const QueueRegisters* queue = selected(); queue != nullptr) {
    put(kQueuePage, static_cast<std::uint32_t>(queue->descriptors >> kPageBits));
    put(kQueueEntries, queue->size);
    put(kRingVector, queue->vector);
  }
  return readBytes(image, offset, size);
}

void VirtioPci::writeLegacy(unsigned offset, std::uint64_t value, unsigned size) {
  const unsigned config = legacyConfigAt();
  if (offset >= config) return writeDevice(offset - config, value, size);
  if (offset == kQueueNotify) {
    if (value < queues_.size()) queues_[value]->kick();
    return;
  }
  std::unique_lock lock(guard_);
  if (resetting_) return;
  switch (offset) {
    case kGuestFeatures:
      if ((status_ & kDriverOk) == 0) driverFeatures_ = value & legacyOffered();
      break;
    case kQueuePage:
      setLegacyQueue(static_cast<std::uint32_t>(value));
      break;
    case kQueueNumber:
      setCommonRegister(kQueueSelect, static_cast<std::uint32_t>(value));
      break;
    case kStatus:
      setLegacyStatus(static_cast<std::uint8_t>(value));
      // Such a driver takes the device for reset when its write has ended.
      if (value == 0) resetDone_.wait(lock, [this] { return !resetting_; });
      break;
    case kChangeVector:
      setCommonRegister(kConfigVector, static_cast<std::uint32_t>(value));
      break;
    case kRingVector:
      setCommonRegister(kQueueVector, static_cast<std::uint32_t>(value));
      break;
    default:
      break;
  }
}

// Three parts in a row, the used ring at a page of its own (2.7.2).
void VirtioPci::setLegacyQueue(std::uint32_t page) {
  QueueRegisters* const queue = selected();
  if (queue == nullptr) return;
  if (page == 0) {
    if (queue->enabled) beginReset();
    return;
  }
  if (queue->enabled) return;
  queue->descriptors = std::uint64_t{page} << kPageBits;
  queue->available = queue->descriptors + 16 * std::uint64_t{queue->size};
  queue->used = (queue->available + 4 + 2 * std::uint64_t{queue->size} + 2 + kPageMask) & ~kPageMask;
  queue->enabled = true;
  if ((status_ & kDriverOk) != 0) startQueue(queueSelect_);
}

void VirtioPci::setLegacyStatus(std::uint8_t value) {
  if (value == 0) return setStatus(0);
  const bool begins = (value & kDriverOk & ~status_) != 0;
  status_ = value & static_cast<std::uint8_t>(~(kNeedsReset | kFeaturesOk));
  if (begins) beginDriving();
}

}  // namespace rhea::virtio
