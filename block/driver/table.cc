#include "block/driver/table.h"

#include "block/driver/blkdebug/blkdebug.h"
#include "block/driver/copy-on-read/copy-on-read.h"
#include "block/driver/file/file.h"
#include "block/driver/host-device/host-device.h"
#include "block/driver/null/null.h"
#include "block/driver/qcow2/qcow2.h"
#include "block/driver/raw/raw.h"
#include "block/driver/sheepdog/sheepdog.h"
#include "block/driver/throttle/throttle.h"
#include "block/driver/write-log/write-log.h"

namespace rhea::block {

std::span<const DriverInfo* const> allDrivers() {
  static const std::array kDrivers = {
      &blkdebugDriver(), &copyOnReadDriver(), &fileDriver(), &hostCdromDriver(), &hostDeviceDriver(), &nullAioDriver(),
      &nullCoDriver(),   &qcow2Driver(),      &rawDriver(),  &sheepdogDriver(),  &throttleDriver(),   &writeLogDriver(),
  };
  return kDrivers;
}

}  // namespace rhea::block
