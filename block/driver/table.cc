#include "block/driver/table.h"

#include "block/driver/file/file.h"
#include "block/driver/host-device/host-device.h"
#include "block/driver/null/null.h"

namespace rhea::block {

std::span<const DriverInfo* const> allDrivers() {
  static const std::array kDrivers = {
      &fileDriver(), &hostCdromDriver(), &hostDeviceDriver(), &nullAioDriver(), &nullCoDriver(),
  };
  return kDrivers;
}

}  // namespace rhea::block
