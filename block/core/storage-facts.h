// What a driver tells about its image and the storage behind it.
#pragma once

#include "block/core/image.h"
#include "block/core/node-options.h"
#include "emu/base/base.h"

namespace rhea::block {

// One open descriptor and the flags that are really set on it (fcntl F_GETFL, not what was asked for).
struct DescriptorFacts {
  int fd = -1;
  std::string path;  // of /proc/self/fd, "" where there is none
  bool writable = false;
  bool direct = false;    // O_DIRECT
  bool dsync = false;     // O_DSYNC or O_SYNC
  bool retiring = false;  // an old description that the last requests of the old mode still use
};

// Members stay empty where the host does not tell.
struct StorageFacts {
  std::vector<DescriptorFacts> descriptors;
  std::string fileSystem;                   // "ext4"
  std::string device;                       // "/dev/nvme0n1p2"
  std::string deviceWriteCache;             // "write back", "write through": /sys/block/*/queue/write_cache
  std::optional<bool> deviceFua;            // /sys/block/*/queue/fua
  std::optional<bool> directPossible;       // the file system takes O_DIRECT
  std::uint32_t directMemoryAlignment = 0;  // statx stx_dio_mem_align, or probed
  std::uint32_t directOffsetAlignment = 0;
  std::optional<bool> stableWrites;  // RWF_DSYNC works here: tried with success / refused; none: not tried yet
  std::string engine;                // "io_uring", "threads", "native"
  std::string note;                  // one sentence on what differs from what was asked ("aio=native needs ...")
};

struct ImageInfo {
  std::uint64_t virtualSize = 0;
  std::optional<std::uint64_t> actualSize;  // bytes allocated on the host
  std::optional<std::uint64_t> clusterSize;
  std::string backingFile;      // as the image names it; empty: none
  std::string fullBackingFile;  // the same, from the image's folder on
  std::string backingFormat;
  std::vector<SnapshotInfo> snapshots;
  DriverOptions specific;  // qapi::ImageInfoSpecific, where the format has something to say besides
  bool encrypted = false;
  bool compressed = false;
  std::optional<bool> dirty;
};

}  // namespace rhea::block
