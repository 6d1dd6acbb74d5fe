// A VDI's inode object, as far as clients read it: 568 bytes of header, and the index, which says for each object of
// the disk which VDI owns it.
#pragma once

#include "block/driver/sheepdog/wire.h"

namespace rhea::block::sheepdog {

constexpr std::uint32_t kInodeHeadBytes = 568;
constexpr std::uint32_t kIndexOffset = 4664;
constexpr std::uint32_t kIndexSlots = 1U << 20U;
constexpr std::uint8_t kDefaultShift = 22;  // 4 MiB, and the only one before 1.0
constexpr std::uint8_t kLeastShift = 20;
constexpr std::uint8_t kMostShift = 31;
// Fields that are written by themselves.
constexpr std::uint32_t kTagOffset = 256;
constexpr std::uint32_t kClockOffset = 528;  // vm_clock_nsec, vdi_size, vm_state_size: 8 bytes each
constexpr std::uint32_t kSizeOffset = 536;

struct Inode {
  std::string name;
  std::string tag;
  std::uint64_t snapTime = 0;  // seconds << 32 | nanoseconds; 0: the working VDI, which can be written
  std::uint64_t vmClock = 0;   // nanoseconds
  std::uint64_t size = 0;      // bytes
  std::uint64_t vmStateSize = 0;
  Redundancy kept;
  bool hyper = false;  // the index is a tree
  std::uint8_t shift = kDefaultShift;
  std::uint32_t snapId = 0;
  std::uint32_t vdi = 0;
  std::uint32_t parent = 0;

  bool isSnapshot() const { return snapTime != 0; }
  std::uint64_t objectSize() const { return std::uint64_t{1} << shift; }
  std::uint64_t objects() const { return (size + objectSize() - 1) >> shift; }
  // The longest disk that the index can hold.
  static std::uint64_t mostBytes(std::uint8_t shift) { return std::uint64_t{kIndexSlots} << shift; }

  // `vdi`: the number that it was read as. Error: says which field of the inode cannot be.
  static Result<Inode> parse(std::span<const std::byte> head, std::uint32_t vdi);
  // The same, of an inode that need not be sound: only who it is. For lists.
  static Inode identify(std::span<const std::byte> head);
};

}  // namespace rhea::block::sheepdog
