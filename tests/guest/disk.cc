#include "tests/guest/disk.h"

#include "tests/guest/console.h"
#include "tests/guest/interrupts.h"

namespace guest {

namespace {

// virtio 1.2, 4.1.4.3: the common configuration.
enum Common : unsigned {
  kDeviceFeatureSelect = 0,
  kDeviceFeature = 4,
  kDriverFeatureSelect = 8,
  kDriverFeature = 12,
  kConfigVector = 16,
  kStatus = 20,
  kQueueSelect = 22,
  kQueueSize = 24,
  kQueueVector = 26,
  kQueueEnable = 28,
  kQueueNotifyOff = 30,
  kQueueDescriptors = 32,
  kQueueDriver = 40,
  kQueueDevice = 48,
};
constexpr uint32_t kFeatureFlush = 1U << 9;
constexpr uint32_t kFeatureConfigWce = 1U << 11;
constexpr unsigned kConfigWriteBack = 32;  // offset in the block device's configuration

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;  // 1: next follows, 2: the device writes
  uint16_t next;
};
struct Request {
  uint32_t kind;  // 0 in, 1 out, 4 flush
  uint32_t reserved;
  uint64_t sector;
};
constexpr unsigned kSize = 64;  // descriptors; three a request

struct alignas(4096) Rings {
  Descriptor descriptors[kSize];
  struct alignas(64) {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[kSize];
  } driver;
  struct alignas(64) {
    uint16_t flags;
    uint16_t index;
    struct {
      uint32_t id;
      uint32_t length;
    } ring[kSize];
  } device;
  Request requests[Disk::kMost];
  uint8_t states[Disk::kMost];
};
Rings rings;

template <class T>
uint64_t at(T& thing) {
  return reinterpret_cast<uint64_t>(&thing);
}

}  // namespace

bool Disk::findStructures() {
  for (unsigned cap = function_.capability(9); cap != 0; cap = function_.capability(9, cap)) {
    const uint8_t type = function_.read8(cap + 3);
    if (type < 1 || type > 4) continue;
    const uint64_t address = function_.memory(function_.read8(cap + 4)) + function_.read(cap + 8);
    if (type == 1) common_ = address;
    if (type == 2) notify_ = address, notifyStep_ = function_.read(cap + 16);
    if (type == 4) device_ = address;
  }
  return common_ != 0 && notify_ != 0 && device_ != 0;
}

// Entry 0 of the MSI-X table serves everything.
void Disk::connectInterrupts() {
  const unsigned cap = function_.capability(0x11);
  if (cap == 0) return;
  const uint32_t place = function_.read(cap + 4);
  const uint64_t table = function_.memory(place & 7) + (place & ~7U);
  writeAt<uint32_t>(table, static_cast<uint32_t>(kMessageAddress));
  writeAt<uint32_t>(table + 4, 0);
  writeAt<uint32_t>(table + 8, kDiskVector);
  writeAt<uint32_t>(table + 12, 0);
  function_.write(cap, function_.read(cap) | 0x80000000);
}

bool Disk::negotiate() {
  writeAt<uint8_t>(common_ + kStatus, 0);
  while (readAt<uint8_t>(common_ + kStatus) != 0) {
  }
  writeAt<uint8_t>(common_ + kStatus, 3);  // seen, and a driver is there
  writeAt<uint32_t>(common_ + kDeviceFeatureSelect, 0);
  const uint32_t offered = readAt<uint32_t>(common_ + kDeviceFeature);
  writeAt<uint32_t>(common_ + kDriverFeatureSelect, 0);
  writeAt<uint32_t>(common_ + kDriverFeature, offered & (kFeatureFlush | kFeatureConfigWce));
  writeAt<uint32_t>(common_ + kDriverFeatureSelect, 1);
  writeAt<uint32_t>(common_ + kDriverFeature, 1);  // version 1
  writeAt<uint8_t>(common_ + kStatus, 11);
  flushes_ = (offered & kFeatureFlush) != 0;
  switches_ = (offered & kFeatureConfigWce) != 0;
  return (readAt<uint8_t>(common_ + kStatus) & 8) != 0;
}

void Disk::startQueue() {
  writeAt<uint16_t>(common_ + kConfigVector, 0);
  writeAt<uint16_t>(common_ + kQueueSelect, 0);
  writeAt<uint16_t>(common_ + kQueueSize, kSize);
  writeAt<uint16_t>(common_ + kQueueVector, 0);
  const uint64_t places[] = {at(rings.descriptors), at(rings.driver), at(rings.device)};
  for (unsigned i = 0; i < 3; ++i) {
    writeAt<uint32_t>(common_ + kQueueDescriptors + 8 * i, static_cast<uint32_t>(places[i]));
    writeAt<uint32_t>(common_ + kQueueDescriptors + 8 * i + 4, static_cast<uint32_t>(places[i] >> 32));
  }
  notify_ += notifyStep_ * readAt<uint16_t>(common_ + kQueueNotifyOff);
  writeAt<uint16_t>(common_ + kQueueEnable, 1);
  writeAt<uint8_t>(common_ + kStatus, 15);
}

bool Disk::start() {
  if (!findFunction(0x1af4, 0x1001, 0x1042, function_)) {
    print("There is no disk. Give me one: -drive if=none,id=disk0,file=... -device virtio-blk-pci,drive=disk0\n");
    return false;
  }
  function_.enable();
  if (!findStructures()) {
    print("The disk is not a virtio 1.x one.\n");
    return false;
  }
  connectInterrupts();
  if (!negotiate()) {
    print("The disk refuses my features.\n");
    return false;
  }
  startQueue();
  return true;
}

uint64_t Disk::blocks() const {
  const uint64_t sectors = readAt<uint32_t>(device_) | (uint64_t{readAt<uint32_t>(device_ + 4)} << 32);
  return sectors / (kBlock / 512);
}

bool Disk::writeBack() const { return switches_ ? readAt<uint8_t>(device_ + kConfigWriteBack) != 0 : flushes_; }

void Disk::setWriteBack(bool on) { writeAt<uint8_t>(device_ + kConfigWriteBack, on ? 1 : 0); }

void Disk::submit(unsigned slot, uint32_t kind, uint64_t sector, uint8_t* data) {
  rings.requests[slot] = {kind, 0, sector};
  rings.states[slot] = 0xff;
  const auto head = static_cast<uint16_t>(slot * 3);
  Descriptor* d = rings.descriptors + head;
  const auto second = static_cast<uint16_t>(head + 1);
  const auto third = static_cast<uint16_t>(head + 2);
  d[0] = {at(rings.requests[slot]), sizeof(Request), 1, data == nullptr ? third : second};
  d[1] = {reinterpret_cast<uint64_t>(data), kBlock, static_cast<uint16_t>(kind == 0 ? 3 : 1), third};
  d[2] = {at(rings.states[slot]), 1, 2, 0};
  rings.driver.ring[available_++ % kSize] = head;
}

bool Disk::await(unsigned count) {
  barrier();
  *const_cast<volatile uint16_t*>(&rings.driver.index) = available_;
  barrier();
  writeAt<uint16_t>(notify_, 0);
  used_ = static_cast<uint16_t>(used_ + count);
  while (*const_cast<volatile uint16_t*>(&rings.device.index) != used_) waitForInterrupt();
  bool good = true;
  for (unsigned i = 0; i < count; ++i) good = good && *const_cast<volatile uint8_t*>(rings.states + i) == 0;
  return good;
}

bool Disk::transfer(uint32_t kind, uint64_t first, unsigned count, uint8_t* data) {
  for (unsigned i = 0; i < count; ++i) submit(i, kind, (first + i) * (kBlock / 512), data + i * kBlock);
  return await(count);
}

bool Disk::flush() {
  if (!flushes_) return true;
  submit(0, 4, 0, nullptr);
  return await(1);
}

}  // namespace guest
