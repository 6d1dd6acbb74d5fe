// VirtioDevice: what a virtio device is whatever it is reached through: its features, queues and configuration
// registers. The transport (virtio-pci.h) owns it as its child "virtio-backend".
#pragma once

#include "emu/io/services.h"
#include "hw/core/device.h"
#include "hw/virtio/features.h"
#include "hw/virtio/queue.h"

namespace rhea::virtio {

// The device's view of its transport. Any thread.
class Transport {
 public:
  virtual ~Transport() = default;
  // Configuration registers changed by themselves: the driver is told.
  virtual void configChanged() = 0;
  // Has a queue served, as if the driver had notified.
  virtual void kick(unsigned queue) = 0;
};

struct QueueShape {
  unsigned size = 256;  // entries at most, and at first
  Loop* loop = nullptr;
};

class VirtioDevice : public hw::Device, public QueueUser {
 public:
  // Adds the abstract class virtio-device.
  static void addClass(object::ClassTable& classes);

  VirtioDevice(const object::Class& type, std::uint16_t deviceType) : Device(type), deviceType_(deviceType) {}

  // As virtio 1.2, chapter 5, numbers them: 1 network, 2 block, 4 entropy.
  std::uint16_t deviceType() const { return deviceType_; }
  // After complete().
  virtual std::vector<QueueShape> queues() const = 0;
  // What is offered besides the transport's and the ring's. Any thread.
  virtual std::uint64_t features() const = 0;

  // --- vCPUs' threads; the transport keeps them apart from one another.
  virtual unsigned configSize() const { return 0; }
  // 1, 2, 4 or 8 bytes within configSize().
  virtual std::uint64_t readConfig(unsigned /*offset*/, unsigned /*size*/) { return 0; }
  virtual void writeConfig(unsigned /*offset*/, std::uint64_t /*value*/, unsigned /*size*/) {}
  // The driver has settled on features, all of them offered; 0: it is reset.
  virtual void negotiated(std::uint64_t /*features*/) {}

  // --- the main loop
  // The queues are stopped, and no request is under way: back to the state after power on.
  virtual Task<void> deviceReset() { co_return; }
  // Requests that an error policy holds back end with an error: the device is being reset.
  virtual void abandonHeld() {}
  // Waits until what was taken is done, but for what an error policy holds back.
  virtual Task<void> settle() { co_return; }

  void setTransport(Transport* transport) { transport_ = transport; }

 protected:
  // Null before the transport is complete, in tests of the device alone.
  Transport* transport() const { return transport_; }

 private:
  const std::uint16_t deviceType_;
  Transport* transport_ = nullptr;
};

// A register file's bytes as a number.
std::uint64_t readBytes(std::span<const std::byte> bytes, unsigned offset, unsigned size);

}  // namespace rhea::virtio
