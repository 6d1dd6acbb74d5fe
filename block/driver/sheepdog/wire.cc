#include "block/driver/sheepdog/wire.h"

#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

// Places within the 32 bytes that depend on the operation.
constexpr std::size_t kOid = 0;
constexpr std::size_t kCowOid = 8;
constexpr std::size_t kObjectCopies = 16;
constexpr std::size_t kObjectPolicy = 17;
constexpr std::size_t kObjectOffset = 24;
constexpr std::size_t kVdiSize = 0;
constexpr std::size_t kVdiBase = 8;
constexpr std::size_t kVdiCopies = 12;
constexpr std::size_t kVdiPolicy = 13;
constexpr std::size_t kVdiStore = 14;
constexpr std::size_t kVdiShift = 15;
constexpr std::size_t kVdiSnapId = 16;
constexpr std::size_t kReplyVdi = 4;

struct Name {
  Op op;
  std::string_view text;
};
constexpr Name kNames[] = {
    {Op::kCreate, "CREATE_AND_WRITE_OBJ"},
    {Op::kRead, "READ_OBJ"},
    {Op::kWrite, "WRITE_OBJ"},
    {Op::kRemove, "REMOVE_OBJ"},
    {Op::kDiscard, "DISCARD_OBJ"},
    {Op::kNewVdi, "NEW_VDI"},
    {Op::kLockVdi, "LOCK_VDI"},
    {Op::kReleaseVdi, "RELEASE_VDI"},
    {Op::kVdiInfo, "GET_VDI_INFO"},
    {Op::kReadVdis, "READ_VDIS"},
    {Op::kFlushVdi, "FLUSH_VDI"},
    {Op::kDeleteVdi, "DEL_VDI"},
    {Op::kClusterDefault, "GET_CLUSTER_DEFAULT"},
};

Request onObject(Op op, const ObjectRange& at, std::uint64_t cowOid, std::uint16_t flags, Redundancy kept) {
  Request request;
  request.op = op;
  request.flags = flags;
  request.dataLength = at.length;
  std::byte* const to = request.specific.data();
  storeLittle<std::uint64_t>(to + kOid, at.oid);
  storeLittle<std::uint64_t>(to + kCowOid, cowOid);
  to[kObjectCopies] = std::byte{kept.copies};
  to[kObjectPolicy] = std::byte{kept.policy};
  storeLittle<std::uint32_t>(to + kObjectOffset, at.offset);
  return request;
}

}  // namespace

std::string nameOf(Op op) {
  for (const Name& name : kNames) {
    if (name.op == op) return std::string(name.text);
  }
  return fmt::format("operation 0x{:02x}", static_cast<unsigned>(op));
}

std::string describe(Redundancy redundancy) {
  if (redundancy.policy == 0) return fmt::format("{}", redundancy.copies);
  return fmt::format("{}:{}", (redundancy.policy >> 4U) * 2U, redundancy.policy & 15U);
}

std::uint32_t hashOfName(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
  const auto number = static_cast<std::uint32_t>(hash) & kMostVdi;
  return number == 0 ? 1 : number;
}

std::array<std::byte, kHeaderBytes> Request::encode(std::uint32_t id) const {
  std::array<std::byte, kHeaderBytes> header{};
  header[0] = std::byte{version};
  header[1] = static_cast<std::byte>(op);
  storeLittle<std::uint16_t>(&header[2], flags);
  storeLittle<std::uint32_t>(&header[8], id);
  storeLittle<std::uint32_t>(&header[12], dataLength);
  std::copy(specific.begin(), specific.end(), header.begin() + 16);
  return header;
}

Request readRequest(ObjectRange at, std::uint16_t flags, Redundancy kept) {
  return onObject(Op::kRead, at, 0, flags, kept);
}

Request writeRequest(ObjectRange at, std::uint16_t flags, Redundancy kept) {
  return onObject(Op::kWrite, at, 0, flags | kFlagWrite, kept);
}

Request createRequest(ObjectRange at, std::uint64_t cowOid, std::uint16_t flags, Redundancy kept) {
  const std::uint16_t cow = cowOid != 0 ? kFlagCow : std::uint16_t{0};
  return onObject(Op::kCreate, at, cowOid, static_cast<std::uint16_t>(flags | kFlagWrite | cow), kept);
}

Request objectRequest(Op op, std::uint64_t oid, std::uint16_t flags, Redundancy kept) {
  return onObject(op, ObjectRange(oid, 0, 0), 0, flags, kept);
}

Request vdiRequest(Op op, const VdiWish& wish, std::size_t payload) {
  Request request;
  request.op = op;
  // What the last client of other hands sent, so that daemons see nothing new.
  request.version = op == Op::kLockVdi || op == Op::kVdiInfo ? 1 : 0;
  request.flags = kFlagWrite;
  request.dataLength = static_cast<std::uint32_t>(payload);
  std::byte* const to = request.specific.data();
  storeLittle<std::uint64_t>(to + kVdiSize, wish.size);
  storeLittle<std::uint32_t>(to + kVdiBase, wish.base);
  to[kVdiCopies] = std::byte{wish.kept.copies};
  to[kVdiPolicy] = std::byte{wish.kept.policy};
  to[kVdiStore] = std::byte{wish.storePolicy};
  to[kVdiShift] = std::byte{wish.shift};
  storeLittle<std::uint32_t>(to + kVdiSnapId, wish.snapId);
  return request;
}

Request readVdisRequest() {
  Request request;
  request.op = Op::kReadVdis;
  request.dataLength = kBitmapBytes;
  return request;
}

Request clusterDefaultRequest() {
  Request request;
  request.op = Op::kClusterDefault;
  request.version = 1;
  return request;
}

std::vector<std::byte> namePayload(std::string_view name) {
  std::vector<std::byte> payload(kNameBytes);
  std::memcpy(payload.data(), name.data(), std::min(name.size(), kNameBytes - 1));
  return payload;
}

std::vector<std::byte> namePayload(std::string_view name, std::string_view tag) {
  std::vector<std::byte> payload = namePayload(name);
  payload.resize(2 * kNameBytes);
  std::memcpy(payload.data() + kNameBytes, tag.data(), std::min(tag.size(), kNameBytes - 1));
  return payload;
}

Reply Reply::decode(std::span<const std::byte, kHeaderBytes> header) {
  Reply reply;
  reply.op = std::to_integer<std::uint8_t>(header[1]);
  reply.id = loadLittle<std::uint32_t>(&header[8]);
  reply.dataLength = loadLittle<std::uint32_t>(&header[12]);
  reply.result = loadLittle<std::uint32_t>(&header[16]);
  std::copy(header.begin() + 20, header.end(), reply.specific.begin());
  return reply;
}

std::uint32_t Reply::vdi() const { return loadLittle<std::uint32_t>(&specific[kReplyVdi]); }

}  // namespace rhea::block::sheepdog
