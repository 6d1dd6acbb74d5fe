// Disk: a virtio block device (virtio 1.2, 5.2) with one queue and several requests in flight.
#pragma once

#include "tests/guest/pci.h"

namespace guest {

constexpr uint64_t kBlock = 4096;

class Disk {
 public:
  // The first disk of the machine. False: there is none, or it is not what this driver understands (it has said why).
  bool start();

  uint64_t blocks() const;  // of kBlock bytes, as the device says now
  bool writeBack() const;   // whether the device says that it has a write cache
  bool canSwitch() const { return switches_; }
  void setWriteBack(bool on);  // only where canSwitch()

  // Reads or writes `count` blocks from `first` on, one request each, all in flight at once. False: the device reported
  // an error for one of them.
  bool read(uint64_t first, unsigned count, uint8_t* to) { return transfer(0, first, count, to); }
  bool write(uint64_t first, unsigned count, uint8_t* from) { return transfer(1, first, count, from); }
  bool flush();

  static constexpr unsigned kMost = 16;  // blocks in one call

 private:
  bool findStructures();
  void connectInterrupts();
  bool negotiate();
  void startQueue();
  bool transfer(uint32_t kind, uint64_t first, unsigned count, uint8_t* data);
  void submit(unsigned slot, uint32_t kind, uint64_t sector, uint8_t* data);
  bool await(unsigned count);

  PciFunction function_;
  uint64_t common_ = 0;
  uint64_t notify_ = 0;
  uint64_t notifyStep_ = 0;
  uint64_t device_ = 0;
  bool flushes_ = false;
  bool switches_ = false;
  uint16_t available_ = 0;
  uint16_t used_ = 0;
};

}  // namespace guest
