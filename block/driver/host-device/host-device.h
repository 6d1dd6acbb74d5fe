// The drivers `host_device` and `host_cdrom`: block devices of the host. See docs/drivers/host-device.md.
#pragma once

#include "block/driver/file/host-file.h"

namespace rhea::block {

class HostDeviceDriver final : public HostFile, public Discards, public ZeroWriter, public Resizer {
 public:
  using HostFile::HostFile;

  Limits limits() const override;
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  // Reads the device's size again. Error: the device has another size than `length`; nothing here can change it.
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

 private:
  // An ioctl on a range, on a worker, then fdatasync where `how` is stable.
  Task<Result<void>> control(unsigned long request, Extent at, WriteFlags how);
  std::atomic<bool> discardRefused_{false};
  std::atomic<bool> unmapRefused_{false};
};

const DriverInfo& hostDeviceDriver();
const DriverInfo& hostCdromDriver();

}  // namespace rhea::block
