// VirtioPci: the registers that a driver reads and writes.
#include "hw/virtio/virtio-pci-layout.h"
#include "hw/virtio/virtio-pci.h"

namespace rhea::virtio {

std::uint64_t VirtioPci::offered() const {
  std::uint64_t features = device_->features() | kVersion1;
  if (pciOptions_.indirect) features |= kIndirect;
  if (pciOptions_.eventIndex) features |= kEventIndex;
  return features;
}

VirtioPci::QueueRegisters* VirtioPci::selected() {
  return queueSelect_ < registers_.size() ? &registers_[queueSelect_] : nullptr;
}

RingPlace VirtioPci::placeOf(const QueueRegisters& registers) {
  RingPlace place;
  place.size = registers.size;
  place.descriptors = registers.descriptors;
  place.available = registers.available;
  place.used = registers.used;
  return place;
}

// --- common configuration

std::uint64_t VirtioPci::readCommon(unsigned offset, unsigned size) {
  std::array<std::byte, kCommonSize> image{};
  const auto put = [&image](unsigned at, auto value) { std::memcpy(&image[at], &value, sizeof value); };
  const std::lock_guard lock(guard_);
  put(kDeviceFeatureSelect, deviceFeatureSelect_);
  put(kDeviceFeature, deviceFeatureSelect_ > 1 ? std::uint32_t{0}
                                               : static_cast<std::uint32_t>(offered() >> (32 * deviceFeatureSelect_)));
  put(kDriverFeatureSelect, driverFeatureSelect_);
  put(kDriverFeature, driverFeatureSelect_ > 1
                          ? std::uint32_t{0}
                          : static_cast<std::uint32_t>(driverFeatures_ >> (32 * driverFeatureSelect_)));
  put(kConfigVector, configVector_);
  put(kQueueCount, static_cast<std::uint16_t>(registers_.size()));
  put(kDeviceStatus, static_cast<std::uint8_t>(status_ | (needsReset_ ? kNeedsReset : 0)));
  put(kConfigGeneration, generation_);
  put(kQueueSelect, queueSelect_);
  put(kQueueVector, kNoVector);
  if (const QueueRegisters* queue = selected(); queue != nullptr) {
    put(kQueueSize, queue->size);
    put(kQueueVector, queue->vector);
    put(kQueueEnable, static_cast<std::uint16_t>(queue->enabled ? 1 : 0));
    put(kQueueNotifyOffset, queueSelect_);
    put(kQueueDescriptors, queue->descriptors);
    put(kQueueAvailable, queue->available);
    put(kQueueUsed, queue->used);
  }
  return readBytes(image, offset, size);
}

void VirtioPci::writeCommon(unsigned offset, std::uint64_t value, unsigned size) {
  const std::lock_guard lock(guard_);
  if (resetting_) return;
  setCommonRegister(offset, static_cast<std::uint32_t>(value));
  if (size == 8) setCommonRegister(offset + 4, static_cast<std::uint32_t>(value >> 32));
}

std::uint16_t VirtioPci::checkedVector(std::uint32_t value) const {
  const unsigned vectors =
      const_cast<VirtioPci*>(this)->msix() == nullptr ? 0 : const_cast<VirtioPci*>(this)->msix()->vectors();
  return value < vectors ? static_cast<std::uint16_t>(value) : kNoVector;
}

void VirtioPci::setCommonRegister(unsigned offset, std::uint32_t value) {
  QueueRegisters* const queue = selected();
  // What a queue is made of cannot be changed once it is enabled.
  QueueRegisters* const open = queue != nullptr && !queue->enabled ? queue : nullptr;
  const auto half = [value](std::uint64_t& whole, bool high) {
    whole = high ? (whole & 0xffffffff) | (std::uint64_t{value} << 32) : (whole & ~std::uint64_t{0xffffffff}) | value;
  };
  switch (offset) {
    case kDeviceFeatureSelect:
      deviceFeatureSelect_ = value;
      break;
    case kDriverFeatureSelect:
      driverFeatureSelect_ = value;
      break;
    case kDriverFeature:
      setFeatures(value);
      break;
    case kConfigVector:
      configVector_ = checkedVector(value & 0xffff);
      sharedConfigVector_.store(configVector_, std::memory_order_release);
      break;
    case kDeviceStatus:
      setStatus(static_cast<std::uint8_t>(value));
      break;
    case kQueueSelect:
      queueSelect_ = static_cast<std::uint16_t>(value);
      break;
    case kQueueSize: {
      const auto wanted = static_cast<std::uint16_t>(value);
      const bool fits =
          open != nullptr && wanted > 0 && wanted <= shapes_[queueSelect_].size && (wanted & (wanted - 1)) == 0;
      if (fits) open->size = wanted;
      break;
    }
    case kQueueVector:
      if (queue == nullptr) break;
      queue->vector = checkedVector(value & 0xffff);
      vectors_[queueSelect_].store(queue->vector, std::memory_order_release);
      break;
    case kQueueEnable:
      if (open == nullptr || (value & 0xffff) != 1) break;
      open->enabled = true;
      if ((status_ & kDriverOk) != 0) startQueue(queueSelect_);
      break;
    case kQueueDescriptors:
    case kQueueDescriptors + 4:
      if (open != nullptr) half(open->descriptors, offset != kQueueDescriptors);
      break;
    case kQueueAvailable:
    case kQueueAvailable + 4:
      if (open != nullptr) half(open->available, offset != kQueueAvailable);
      break;
    case kQueueUsed:
    case kQueueUsed + 4:
      if (open != nullptr) half(open->used, offset != kQueueUsed);
      break;
    default:
      break;
  }
}

void VirtioPci::setFeatures(std::uint32_t value) {
  if ((status_ & kFeaturesOk) != 0 || driverFeatureSelect_ > 1) return;
  const unsigned shift = 32 * driverFeatureSelect_;
  driverFeatures_ = (driverFeatures_ & ~(std::uint64_t{0xffffffff} << shift)) | (std::uint64_t{value} << shift);
}

void VirtioPci::setStatus(std::uint8_t value) {
  if (value == 0) {
    if (status_ != 0 || needsReset_) beginReset();
    if (!resetting_) clearRegisters();
    return;
  }
  std::uint8_t next = value & ~kNeedsReset;
  if ((next & kFeaturesOk & ~status_) != 0) {
    // Refused: the driver sees that the bit does not stay.
    const bool fits = (driverFeatures_ & ~offered()) == 0 && (driverFeatures_ & kVersion1) != 0;
    if (fits) {
      device_->negotiated(driverFeatures_);
    } else {
      next &= static_cast<std::uint8_t>(~kFeaturesOk);
    }
  }
  if ((next & kFeaturesOk) == 0) next &= static_cast<std::uint8_t>(~kDriverOk);
  const bool begins = (next & kDriverOk & ~status_) != 0;
  status_ = next;
  if (begins) beginDriving();
}

void VirtioPci::beginDriving() {
  // A driver of before 1.0 has no other moment at which its features are settled.
  if ((status_ & kFeaturesOk) == 0) device_->negotiated(driverFeatures_);
  for (unsigned i = 0; i < registers_.size(); ++i) {
    if (registers_[i].enabled) startQueue(i);
  }
}

void VirtioPci::startQueue(unsigned index) { queues_[index]->start(placeOf(registers_[index]), driverFeatures_); }

// --- the other windows

std::uint64_t VirtioPci::readIsr(unsigned offset, unsigned /*size*/) {
  if (offset != 0) return 0;
  const std::lock_guard lock(isrGuard_);
  setIntx(false);
  return std::exchange(isr_, 0);
}

void VirtioPci::writeIsr(unsigned /*offset*/, std::uint64_t /*value*/, unsigned /*size*/) {}

std::uint64_t VirtioPci::readDevice(unsigned offset, unsigned size) {
  const std::lock_guard lock(guard_);
  return offset < device_->configSize() ? device_->readConfig(offset, size) : 0;
}

void VirtioPci::writeDevice(unsigned offset, std::uint64_t value, unsigned size) {
  const std::lock_guard lock(guard_);
  if (!resetting_ && offset < device_->configSize()) device_->writeConfig(offset, value, size);
}

std::uint64_t VirtioPci::readNotify(unsigned /*offset*/, unsigned /*size*/) { return 0; }

void VirtioPci::writeNotify(unsigned offset, std::uint64_t /*value*/, unsigned /*size*/) {
  const unsigned index = offset / kNotifyStep;
  if (index < queues_.size()) queues_[index]->kick();
}

// --- the windows through configuration space (4.1.4.9)

mem::IoHandler* VirtioPci::windowAt(std::uint64_t& offset) {
  if (offset < kCommonSize) return &common_;
  const std::uint64_t window = offset / kWindowSize;
  offset %= kWindowSize;
  switch (window) {
    case kIsrOffset / kWindowSize:
      return &isrWindow_;
    case kDeviceOffset / kWindowSize:
      return &deviceWindow_;
    case kNotifyOffset / kWindowSize:
      return &notify_;
    default:
      return nullptr;
  }
}

std::optional<std::pair<std::uint64_t, unsigned>> VirtioPci::wantedAccess() const {
  const pci::ConfigSpace& space = config();
  const auto bar = space.get<std::uint8_t>(accessCapability_ + 4);
  const std::uint64_t offset = space.get<std::uint32_t>(accessCapability_ + 8);
  const auto length = space.get<std::uint32_t>(accessCapability_ + 12);
  const bool fits = bar == kWindowBar && (length == 1 || length == 2 || length == 4) && offset % length == 0 &&
                    offset + length <= kWindowBarSize;
  if (!fits) return std::nullopt;
  return std::pair(offset, length);
}

void VirtioPci::configRead(std::size_t offset, unsigned size) {
  if (accessCapability_ == 0 || !pci::touches(offset, size, accessCapability_ + kAccessData, 4)) return;
  const auto access = wantedAccess();
  if (!access) return;
  std::uint64_t at = access->first;
  mem::IoHandler* const window = windowAt(at);
  const std::uint64_t value = window == nullptr ? 0 : window->read(at, access->second);
  configSpace().set<std::uint32_t>(accessCapability_ + kAccessData, static_cast<std::uint32_t>(value));
}

void VirtioPci::configWritten(std::size_t offset, unsigned size) {
  if (pci::touches(offset, size, pci::kCommand, 2) && isBusMaster()) kickAll();
  if (accessCapability_ == 0 || !pci::touches(offset, size, accessCapability_ + kAccessData, 4)) return;
  const auto access = wantedAccess();
  if (!access) return;
  std::uint64_t at = access->first;
  mem::IoHandler* const window = windowAt(at);
  const std::uint32_t value = config().get<std::uint32_t>(accessCapability_ + kAccessData);
  const std::uint32_t mask = 0xffffffffU >> (32 - 8 * access->second);
  if (window != nullptr) window->write(at, value & mask, access->second);
}

std::vector<std::pair<std::size_t, std::size_t>> VirtioPci::freeRanges() const {
  auto ranges = PciDevice::freeRanges();
  if (accessCapability_ != 0) ranges.emplace_back(accessCapability_ + kAccessData, 4);
  return ranges;
}

}  // namespace rhea::virtio
