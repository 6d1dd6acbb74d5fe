// virtio-blk-pci: the virtio disk as a PCI function.
#pragma once

#include "hw/virtio/blk/blk-device.h"
#include "hw/virtio/virtio-pci.h"

namespace rhea::virtio {

class VirtioBlkPci final : public VirtioPci {
 public:
  // Adds virtio-blk-pci and virtio-blk-device.
  static void addClasses(object::ClassTable& classes);
  using VirtioPci::VirtioPci;

  BlkDevice& backend() const { return static_cast<BlkDevice&>(device()); }

 private:
  std::unique_ptr<VirtioDevice> makeDevice() override;
  std::uint32_t classCode() const override { return 0x010000; }  // mass storage, SCSI

  static const object::Property kProperties[];
  BlkOptions options_;
};

}  // namespace rhea::virtio
