// -drive and drive_add: the classic one-line description of a drive, read into what block/core takes.
//
// The keys are those of the classic option; what is not a drive's own key belongs to the node ("size=1G",
// "file.locking=off"). Geometry, serial and address are a device's business: they are kept for the machine that will
// make the device.
#pragma once

#include "block/core/disk.h"
#include "block/core/node-options.h"
#include "block/core/throttle-bucket.h"
#include "emu/base/keyval.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

// What the drive is plugged into, once there is a machine with such places.
struct DrivePlace {
  std::string interface = "none";  // none, ide, scsi, floppy, pflash, mtd, sd, virtio
  unsigned bus = 0;
  unsigned unit = 0;
  bool cdrom = false;
  std::string serial;
  std::string address;
  std::array<std::optional<std::uint64_t>, 3> geometry;  // cylinders, heads, sectors
};

struct DriveOptions {
  DrivePlace place;
  DiskOptions disk;
  CacheSwitches cache;
  ThrottleLimits throttle;
  std::string throttleGroup;
  bool copyOnRead = false;
  // What is written goes to a temporary overlay; none: as the program's own option -snapshot says.
  std::optional<bool> snapshot;
  // No medium: a CD drive without a file.
  bool empty = false;
  // The node below, complete but for the format when it has to be probed.
  qapi::BlockdevOptions node;
  bool formatKnown = false;
};

// `text`: "if=none,id=d0,file=a.raw". `index` numbers drives without a place of their own.
// Errors: an unknown key (nearest ones as candidates), a value that does not fit, keys that exclude one another; each
// names the key.
Result<DriveOptions> parseDrive(std::string_view text, unsigned index);

// The keys that are a drive's own and not the node's, for completion and help.
std::span<const std::string_view> driveKeys();

}  // namespace rhea::block
