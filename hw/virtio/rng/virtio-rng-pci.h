// virtio-rng-pci: the virtio entropy device (virtio 1.2, 5.4) as a PCI function.
#pragma once

#include "hw/virtio/virtio-pci.h"

namespace rhea::virtio {

// Gives the kernel's random bytes.
class RngDevice final : public VirtioDevice {
 public:
  explicit RngDevice(const object::Class& type) : VirtioDevice(type, 4) {}
  Task<Result<void>> complete() override;
  std::vector<QueueShape> queues() const override;
  std::uint64_t features() const override { return 0; }
  bool serve(Queue& queue) override;

 private:
  Loop* main_ = nullptr;
};

class VirtioRngPci final : public VirtioPci {
 public:
  // Adds virtio-rng-pci and virtio-rng-device.
  static void addClasses(object::ClassTable& classes);
  using VirtioPci::VirtioPci;

 private:
  std::unique_ptr<VirtioDevice> makeDevice() override;
  std::uint32_t classCode() const override { return 0x00ff00; }  // of no defined class
};

}  // namespace rhea::virtio
