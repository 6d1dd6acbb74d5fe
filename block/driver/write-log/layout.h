// The layout of a write log: that of Linux' dm-log-writes, so that its tools can replay what is recorded here
// (kernel: Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c). All little-endian.
//
// The first sector of the log holds the super block; then entries follow, each a sector with its header and, for a
// write, the data in whole sectors. A sector is as long as the super block says.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

constexpr std::uint64_t kLogMagic = 0x6a736677736872ULL;
constexpr std::uint64_t kLogVersion = 1;

struct LogSuper {
  static constexpr std::size_t kSize = 28;
  std::uint64_t magic = kLogMagic;
  std::uint64_t version = kLogVersion;
  std::uint64_t entries = 0;
  std::uint32_t sectorSize = 512;
};

enum LogFlag : std::uint64_t {
  kLogFlush = 1,    // what stands before this entry is on stable storage
  kLogStable = 2,   // FUA: this entry's data is on stable storage
  kLogDiscard = 4,  // no data follows
  kLogMark = 8,     // no change; dataLength bytes of text follow
  kLogMetadata = 16,
};

struct LogEntry {
  static constexpr std::size_t kSize = 48;
  std::uint64_t sector = 0;   // on the device, in log sectors
  std::uint64_t sectors = 0;  // length; 0: a mere flush or mark
  std::uint64_t flags = 0;
  std::uint64_t dataLength = 0;  // bytes, marks only
  // How many entries there were when the change was sent to the device: those behind it and before this one were in
  // flight together with it. Not of the original layout, kept where that leaves the sector empty; none: not recorded.
  std::optional<std::uint64_t> issued;

  bool has(LogFlag flag) const { return (flags & flag) != 0; }
  // Sectors of data that follow the header in the log.
  std::uint64_t dataSectors(std::uint32_t sectorSize) const {
    if (has(kLogMark)) return (dataLength + sectorSize - 1) / sectorSize;
    return has(kLogDiscard) ? 0 : sectors;
  }
};

void encode(const LogSuper& super, std::span<std::byte, LogSuper::kSize> to);
void encode(const LogEntry& entry, std::span<std::byte, LogEntry::kSize> to);
// Error: no log, another version, a sector size that cannot be.
Result<LogSuper> decodeSuper(std::span<const std::byte, LogSuper::kSize> from);
LogEntry decodeEntry(std::span<const std::byte, LogEntry::kSize> from);

bool isLogSectorSize(std::uint64_t bytes);

}  // namespace rhea::block
