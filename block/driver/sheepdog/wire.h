// The Sheepdog gateway protocol's messages: 48 bytes of header, little-endian, and a payload. What the numbers mean,
// and which daemons do what with them, is in docs/drivers/sheepdog.md.
#pragma once

#include "emu/base/base.h"

namespace rhea::block::sheepdog {

constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kNameBytes = 256;  // of a name or a tag on the wire, with the zero byte at its end
constexpr std::uint32_t kBitmapBytes = (std::uint32_t{1} << 24) / 8;  // of the numbers in use, READ_VDIS

enum class Op : std::uint8_t {
  kCreate = 0x01,  // CREATE_AND_WRITE_OBJ
  kRead = 0x02,
  kWrite = 0x03,
  kRemove = 0x04,
  kDiscard = 0x05,
  kNewVdi = 0x11,
  kLockVdi = 0x12,
  kReleaseVdi = 0x13,
  kVdiInfo = 0x14,
  kReadVdis = 0x15,
  kFlushVdi = 0x16,
  kDeleteVdi = 0x17,
  kClusterDefault = 0x18,
};
// "READ_OBJ", or the number of one that a client does not send.
std::string nameOf(Op op);

// Flags of a request. Cache and direct exclude each other.
constexpr std::uint16_t kFlagWrite = 0x01;   // a payload follows
constexpr std::uint16_t kFlagCow = 0x02;     // a create begins with what another object holds
constexpr std::uint16_t kFlagCache = 0x04;   // the gateway's object cache may keep it, where there is one
constexpr std::uint16_t kFlagDirect = 0x08;  // past the object cache

// --- Object numbers.
constexpr std::uint64_t kInodeBit = std::uint64_t{1} << 63;
constexpr std::uint64_t kVmStateBit = std::uint64_t{1} << 62;
constexpr std::uint64_t kTreeBit = std::uint64_t{1} << 60;
constexpr std::uint32_t kMostVdi = 0xFFFFFF;  // numbers of disks have 24 bits; 0 is none
constexpr std::uint64_t dataObject(std::uint32_t vdi, std::uint32_t index) { return std::uint64_t{vdi} << 32U | index; }
constexpr std::uint64_t inodeObject(std::uint32_t vdi) { return kInodeBit | std::uint64_t{vdi} << 32U; }
constexpr std::uint64_t vmStateObject(std::uint32_t vdi, std::uint32_t index) {
  return kVmStateBit | dataObject(vdi, index);
}
// Where a disk's number is looked for first: the clients' part in how names become numbers.
std::uint32_t hashOfName(std::string_view name);

// --- Requests, without the id that the connection gives them.
struct Request {
  Op op = Op::kRead;
  std::uint8_t version = 0;
  std::uint16_t flags = 0;
  std::uint32_t dataLength = 0;  // of the payload, or of the room for the reply's
  std::array<std::byte, 32> specific{};

  std::array<std::byte, kHeaderBytes> encode(std::uint32_t id) const;
};

// How an object is kept; the gateway has its own table and takes zeroes as well.
struct Redundancy {
  std::uint8_t copies = 0;
  std::uint8_t policy = 0;  // 0: copies; else strips, data/2 in the upper half, parity in the lower
  friend constexpr bool operator==(Redundancy, Redundancy) = default;
};
// "3", "4:2".
std::string describe(Redundancy redundancy);

struct ObjectRange {
  ObjectRange(std::uint64_t object, std::uint32_t from, std::uint32_t bytes)
      : oid(object), offset(from), length(bytes) {}
  std::uint64_t oid;
  std::uint32_t offset;
  std::uint32_t length;
};
Request readRequest(ObjectRange at, std::uint16_t flags, Redundancy kept = {});
Request writeRequest(ObjectRange at, std::uint16_t flags, Redundancy kept = {});
// cowOid 0: the rest of the new object is zero.
Request createRequest(ObjectRange at, std::uint64_t cowOid, std::uint16_t flags, Redundancy kept = {});
// REMOVE_OBJ, DISCARD_OBJ, FLUSH_VDI.
Request objectRequest(Op op, std::uint64_t oid, std::uint16_t flags, Redundancy kept = {});

struct VdiWish {
  std::uint64_t size = 0;
  std::uint32_t base = 0;  // of NEW_VDI; what RELEASE_VDI releases
  Redundancy kept;
  std::uint8_t storePolicy = 0;
  std::uint8_t shift = 0;
  std::uint32_t snapId = 0;
};
Request vdiRequest(Op op, const VdiWish& wish, std::size_t payload);
Request readVdisRequest();
Request clusterDefaultRequest();
// The payload of requests that name a disk. Both at most 255 bytes long.
std::vector<std::byte> namePayload(std::string_view name);
std::vector<std::byte> namePayload(std::string_view name, std::string_view tag);

// --- Replies.
struct Reply {
  std::uint8_t op = 0;
  std::uint32_t id = 0;
  std::uint32_t dataLength = 0;
  std::uint32_t result = 0;
  std::array<std::byte, 28> specific{};  // behind the result

  static Reply decode(std::span<const std::byte, kHeaderBytes> header);
  // Of LOCK_VDI, GET_VDI_INFO and NEW_VDI.
  std::uint32_t vdi() const;
  std::uint8_t copies() const { return std::to_integer<std::uint8_t>(specific[12]); }
  std::uint8_t shift() const { return std::to_integer<std::uint8_t>(specific[13]); }  // 0 of daemons before 1.0
  // Of GET_CLUSTER_DEFAULT.
  std::uint8_t defaultShift() const { return std::to_integer<std::uint8_t>(specific[2]); }
};

}  // namespace rhea::block::sheepdog
