// What the file system and the device below a file say about themselves: the part of durability that is not ours.
#pragma once

#include <sys/types.h>

#include "emu/base/base.h"

namespace rhea::block {

struct MountFacts {
  std::string type;  // "ext4", "xfs", "tmpfs", "fuse.sshfs", "nfs4"; empty where it cannot be found
  std::string mountPoint;
  std::string source;  // "/dev/vda1", "server:/export"
  // Options that change what a flush is worth, as they stand in the mount table: nobarrier, barrier=0,
  // data=writeback, async/sync (NFS), volatile (overlay)...
  std::vector<std::string> options;
};

// The entry of /proc/self/mountinfo that `fd` was opened on. Blocking.
MountFacts mountFactsOf(int fd);
MountFacts mountFactsOf(const std::string& path);

// The device's volatile write cache: "write back" or "write through" as in /sys/dev/block/*/queue/write_cache, of the
// disk that holds `device` (a partition's disk is found); empty where there is no such device (tmpfs, NFS, btrfs).
std::string deviceWriteCache(dev_t device);
// Whether the device takes single writes through its cache (FUA); empty as above.
std::optional<bool> deviceFua(dev_t device);

// Whether open, close and locks of this file are the kernel's alone and so cannot hang on a server or a process. One
// system call: it is asked at each open, where reading the mount table took longer than the rest together.
bool isOnLocalFileSystem(int fd);

}  // namespace rhea::block
