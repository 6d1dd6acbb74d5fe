// VirtioDriver: the guest's side of a virtio PCI function, as a driver in the guest would do it, by nothing but
// configuration space, windows and RAM.
#pragma once

#include "hw/pci/registers.h"
#include "hw/virtio/features.h"
#include "hw/virtio/virtio-pci-layout.h"
#include "tests/support/pci-rig.h"

namespace rhea::test {

struct GuestBuffer {
  GuestBuffer(std::uint64_t where, std::uint32_t bytes, bool deviceWrites)
      : address(where), length(bytes), writes(deviceWrites) {}
  std::uint64_t address;
  std::uint32_t length;
  bool writes;
};

// A queue in guest memory, from `base` on.
class GuestQueue {
 public:
  static constexpr std::uint64_t kPages = 0x8000;  // room for 256 entries and indirect tables
  GuestQueue(PciRig& rig, std::uint64_t base, unsigned size, bool eventIndex)
      : rig_(rig), base_(base), size_(size), eventIndex_(eventIndex) {
    std::memset(rig_.ram().data() + base_, 0, kPages);
  }
  std::uint64_t descriptors() const { return base_; }
  std::uint64_t available() const { return base_ + 0x2000; }
  std::uint64_t used() const { return base_ + 0x3000; }
  unsigned size() const { return size_; }

  void setDescriptor(unsigned index, std::uint64_t address, std::uint32_t length, unsigned flags, unsigned next) {
    put(descriptors() + 16 * index, address, length, flags, next);
  }
  // A chain in the table from entry `first` on; not available yet.
  void chain(unsigned first, const std::vector<GuestBuffer>& buffers) {
    for (unsigned i = 0; i < buffers.size(); ++i) {
      const bool last = i + 1 == buffers.size();
      setDescriptor(first + i, buffers[i].address, buffers[i].length, (last ? 0U : 1U) | (buffers[i].writes ? 2U : 0U),
                    last ? 0 : first + i + 1);
    }
  }
  // The same in an indirect table of entry `first`.
  void indirect(unsigned first, const std::vector<GuestBuffer>& buffers) {
    const std::uint64_t table = base_ + 0x4000 + 256 * (first % 64);
    for (unsigned i = 0; i < buffers.size(); ++i) {
      const bool last = i + 1 == buffers.size();
      put(table + 16 * i, buffers[i].address, buffers[i].length, (last ? 0U : 1U) | (buffers[i].writes ? 2U : 0U),
          i + 1);
    }
    setDescriptor(first, table, static_cast<std::uint32_t>(16 * buffers.size()), 4, 0);
  }
  void offer(unsigned head) {
    rig_.at<std::uint16_t>(available() + 4 + 2 * (index_ % size_)) = static_cast<std::uint16_t>(head);
    ++index_;
    std::atomic_ref(rig_.at<std::uint16_t>(available() + 2)).store(index_, std::memory_order_release);
  }
  void setIndex(std::uint16_t index) { rig_.at<std::uint16_t>(available() + 2) = index; }
  std::uint16_t usedIndex() const {
    return std::atomic_ref(rig_.at<std::uint16_t>(used() + 2)).load(std::memory_order_acquire);
  }
  // The next chain that came back: head and bytes written.
  std::optional<std::pair<std::uint32_t, std::uint32_t>> take() {
    if (usedIndex() == seen_) return std::nullopt;
    const std::uint64_t at = used() + 4 + 8 * (seen_ % size_);
    ++seen_;
    if (eventIndex_) std::atomic_ref(rig_.at<std::uint16_t>(available() + 4 + 2 * size_)).store(seen_);
    return std::pair(rig_.at<std::uint32_t>(at), rig_.at<std::uint32_t>(at + 4));
  }
  // Without interrupts: until it comes back, or ten seconds are over.
  std::optional<std::pair<std::uint32_t, std::uint32_t>> poll() {
    const TimePoint end = Clock::now() + std::chrono::seconds(10);
    while (Clock::now() < end) {
      if (auto done = take()) return done;
      std::this_thread::yield();
    }
    return std::nullopt;
  }

 private:
  void put(std::uint64_t at, std::uint64_t address, std::uint32_t length, unsigned flags, unsigned next) {
    rig_.at<std::uint64_t>(at) = address;
    rig_.at<std::uint32_t>(at + 8) = length;
    rig_.at<std::uint16_t>(at + 12) = static_cast<std::uint16_t>(flags);
    rig_.at<std::uint16_t>(at + 14) = static_cast<std::uint16_t>(next);
  }
  PciRig& rig_;
  std::uint64_t base_;
  unsigned size_;
  bool eventIndex_;
  std::uint16_t index_ = 0;
  std::uint16_t seen_ = 0;
};

class VirtioDriver {
 public:
  static constexpr std::uint64_t kMsixAt = 0xfe000000;
  static constexpr std::uint64_t kWindowsAt = 0xfe100000;

  // Finds capabilities and places the windows of the function at a device number.
  explicit VirtioDriver(PciRig& rig, unsigned device, unsigned bus = 0) : rig_(rig), device_(device), bus_(bus) {
    const std::uint64_t apart = std::uint64_t{0x10000} * (device + 32 * bus);
    msix_ = kMsixAt + apart;
    windows_ = kWindowsAt + apart;
    config(0x14, static_cast<std::uint32_t>(msix_));
    config(0x20, static_cast<std::uint32_t>(windows_));
    config(0x24, static_cast<std::uint32_t>(windows_ >> 32));
    rig_.writeConfig(device_, pci::kCommand, pci::kCommandMemory | pci::kCommandBusMaster, 2, bus_);
    for (unsigned at = rig_.readConfig(device_, pci::kCapabilities, 1, bus_); at != 0;
         at = rig_.readConfig(device_, at + 1, 1, bus_)) {
      const unsigned id = rig_.readConfig(device_, at, 1, bus_);
      if (id == pci::kCapMsix) msixCapability_ = at;
      if (id == pci::kCapVendor)
        capabilities_[static_cast<std::uint8_t>(rig_.readConfig(device_, at + 3, 1, bus_))] = at;
    }
  }

  std::uint64_t window(std::uint8_t type) {
    return windows_ + rig_.readConfig(device_, capabilities_.at(type) + 8, 4, bus_);
  }
  unsigned capability(std::uint8_t type) const { return capabilities_.at(type); }
  std::uint32_t common(unsigned offset, unsigned size) {
    return static_cast<std::uint32_t>(rig_.memory().readValue(window(virtio::kCommonWindow) + offset, size));
  }
  void setCommon(unsigned offset, std::uint64_t value, unsigned size) {
    rig_.memory().writeValue(window(virtio::kCommonWindow) + offset, value, size);
  }
  std::uint64_t deviceConfig(unsigned offset, unsigned size) {
    return rig_.memory().readValue(window(virtio::kDeviceWindow) + offset, size);
  }
  void setDeviceConfig(unsigned offset, std::uint64_t value, unsigned size) {
    rig_.memory().writeValue(window(virtio::kDeviceWindow) + offset, value, size);
  }
  std::uint8_t status() { return static_cast<std::uint8_t>(common(virtio::kDeviceStatus, 1)); }
  void setStatus(unsigned value) { setCommon(virtio::kDeviceStatus, value, 1); }
  bool waitForStatus(std::uint8_t bits, std::uint8_t mask) {
    const TimePoint end = Clock::now() + std::chrono::seconds(10);
    while (Clock::now() < end) {
      if ((status() & mask) == bits) return true;
      std::this_thread::yield();
    }
    return false;
  }
  std::uint64_t offered() {
    setCommon(virtio::kDeviceFeatureSelect, 0, 4);
    const std::uint64_t low = common(virtio::kDeviceFeature, 4);
    setCommon(virtio::kDeviceFeatureSelect, 1, 4);
    return low | (std::uint64_t{common(virtio::kDeviceFeature, 4)} << 32);
  }
  // Reset, acknowledge, settle on `features`; whether the device agrees.
  bool negotiate(std::uint64_t features) {
    setStatus(0);
    if (!waitForStatus(0, 0xff)) return false;
    setStatus(virtio::kAcknowledge | virtio::kDriver);
    for (unsigned half = 0; half < 2; ++half) {
      setCommon(virtio::kDriverFeatureSelect, half, 4);
      setCommon(virtio::kDriverFeature, static_cast<std::uint32_t>(features >> (32 * half)), 4);
    }
    features_ = features;
    setStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
    return (status() & virtio::kFeaturesOk) != 0;
  }
  // Vector i sends data `firstData` + i.
  void enableMsix(unsigned vectors, std::uint32_t firstData) {
    for (unsigned i = 0; i < vectors; ++i) {
      rig_.memory().writeValue(msix_ + 16 * i, 0xfee00000, 4);
      rig_.memory().writeValue(msix_ + 16 * i + 4, 0, 4);
      rig_.memory().writeValue(msix_ + 16 * i + 8, firstData + i, 4);
      rig_.memory().writeValue(msix_ + 16 * i + 12, 0, 4);
    }
    rig_.writeConfig(device_, msixCapability_ + 2, 0x8000, 2, bus_);
    setCommon(virtio::kConfigVector, 0, 2);
  }
  std::uint64_t msixTable() const { return msix_; }
  unsigned msixCapability() const { return msixCapability_; }
  GuestQueue setUpQueue(unsigned index, std::uint64_t base, unsigned size = 256) {
    GuestQueue queue(rig_, base, size, (features_ & virtio::kEventIndex) != 0);
    setCommon(virtio::kQueueSelect, index, 2);
    setCommon(virtio::kQueueSize, size, 2);
    setCommon(virtio::kQueueVector, index + 1, 2);
    setCommon(virtio::kQueueDescriptors, queue.descriptors(), 8);
    setCommon(virtio::kQueueAvailable, queue.available(), 8);
    setCommon(virtio::kQueueUsed, queue.used(), 8);
    setCommon(virtio::kQueueEnable, 1, 2);
    return queue;
  }
  void driverOk() {
    setStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk | virtio::kDriverOk);
    doorbells_ = window(virtio::kNotifyWindow);
  }
  void notify(unsigned queue) { rig_.memory().writeValue(doorbells_ + queue * virtio::kNotifyStep, queue, 2); }
  std::uint8_t isr() { return static_cast<std::uint8_t>(rig_.memory().readValue(window(virtio::kIsrWindow), 1)); }

 private:
  void config(unsigned offset, std::uint32_t value) { rig_.writeConfig(device_, offset, value, 4, bus_); }
  PciRig& rig_;
  unsigned device_;
  unsigned bus_;
  std::uint64_t msix_;
  std::uint64_t windows_;
  std::uint64_t doorbells_ = 0;
  std::uint64_t features_ = 0;
  unsigned msixCapability_ = 0;
  std::map<std::uint8_t, unsigned> capabilities_;
};

// A disk's driver on top: one request at a time, through queue 0.
class BlkDriver {
 public:
  static constexpr std::uint64_t kRing = 0x100000;
  static constexpr std::uint64_t kHeaderAt = 0x200000;
  static constexpr std::uint64_t kStatusAt = 0x200100;
  static constexpr std::uint64_t kDataAt = 0x300000;

  BlkDriver(PciRig& rig, unsigned device, std::uint64_t features, unsigned bus = 0)
      : rig_(rig), driver_(rig, device, bus) {
    agreed_ = driver_.negotiate(features | virtio::kVersion1);
    driver_.enableMsix(2, 0x40);
    queue_.emplace(driver_.setUpQueue(0, kRing));
    driver_.driverOk();
  }
  bool agreed() const { return agreed_; }
  VirtioDriver& driver() { return driver_; }
  GuestQueue& queue() { return *queue_; }

  void start(std::uint32_t type, std::uint64_t sector, std::uint32_t bytes, bool deviceWrites, bool indirect = false) {
    rig_.at<std::uint32_t>(kHeaderAt) = type;
    rig_.at<std::uint64_t>(kHeaderAt + 8) = sector;
    rig_.at<std::uint8_t>(kStatusAt) = 0xee;
    std::vector<GuestBuffer> buffers{{kHeaderAt, 16, false}};
    if (bytes > 0) buffers.emplace_back(kDataAt, bytes, deviceWrites);
    buffers.emplace_back(kStatusAt, 1, true);
    indirect ? queue_->indirect(0, buffers) : queue_->chain(0, buffers);
    queue_->offer(0);
    driver_.notify(0);
  }
  // Waits for the interrupt; the status byte, 0xff when nothing came.
  std::uint8_t finish() {
    // A message may be an old one's, of before a reset.
    while (rig_.waitForMessage(0x41)) {
      if (queue_->take()) return rig_.at<std::uint8_t>(kStatusAt);
    }
    return 0xff;
  }
  std::uint8_t request(std::uint32_t type, std::uint64_t sector, std::uint32_t bytes, bool deviceWrites,
                       bool indirect = false) {
    start(type, sector, bytes, deviceWrites, indirect);
    return finish();
  }
  std::uint8_t write(std::uint64_t sector, std::string_view text, bool indirect = false) {
    std::memset(&rig_.at<char>(kDataAt), 0, 4096);
    std::memcpy(&rig_.at<char>(kDataAt), text.data(), text.size());
    return request(1, sector, 4096, false, indirect);
  }
  std::string read(std::uint64_t sector, std::size_t length, bool indirect = false) {
    std::memset(&rig_.at<char>(kDataAt), 0xaa, 4096);
    const std::uint8_t status = request(0, sector, 4096, true, indirect);
    return status == 0 ? std::string(&rig_.at<char>(kDataAt), length) : fmt::format("status {}", status);
  }

 private:
  PciRig& rig_;
  VirtioDriver driver_;
  bool agreed_ = false;
  std::optional<GuestQueue> queue_;
};

}  // namespace rhea::test
