#include "block/driver/sheepdog/desk.h"

#include <cerrno>

#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

IoVector viewOf(std::vector<std::byte>& bytes) { return IoVector(std::span<std::byte>(bytes)); }

}  // namespace

std::string VdiName::text() const {
  if (!tag.empty()) return fmt::format("snapshot '{}' of VDI '{}'", tag, name);
  if (snapId != 0) return fmt::format("snapshot {} of VDI '{}'", snapId, name);
  return fmt::format("VDI '{}'", name);
}

std::string Desk::where(const VdiName& which) const {
  return fmt::format("the Sheepdog server {}, {}", link_.server().text(), which.text());
}

Error Desk::refused(const Reply& reply, std::string_view doing, const VdiName& which) const {
  return errorOf(reply.result, doing, where(which));
}

Task<Result<Reply>> Desk::ask(Request request, IoVector payload, IoVector room) {
  while (true) {
    Call call(request, payload, room);
    if (use_ == Use::kGreeting) {
      co_await link_.urgent(call);
    } else {
      co_await link_.perform(call);
    }
    if (call.failure) co_return *call.failure;
    if (call.lost) co_return Error::fromErrno(ECONNRESET);
    const bool again = use_ == Use::kNormal && reactionTo(call.reply.result) != Reaction::kFail;
    if (!again) co_return call.reply;
    RHEA_CO_CHECK(co_await Loop::current()->sleep(link_.settings().pause));
  }
}

Task<Result<std::optional<Reply>>> Desk::askOnce(Request request, IoVector payload) {
  Call call(request, payload);
  call.once = true;
  co_await link_.perform(call);
  if (call.failure) co_return *call.failure;
  if (call.lost) co_return std::optional<Reply>();
  co_return std::optional<Reply>(call.reply);
}

Task<Result<Reply>> Desk::find(VdiName which) {
  std::vector<std::byte> payload = namePayload(which.name, which.tag);
  VdiWish wish;
  wish.snapId = which.snapId;
  const Request request = vdiRequest(Op::kVdiInfo, wish, payload.size());
  co_return co_await ask(request, viewOf(payload), IoVector());
}

Task<Result<Reply>> Desk::lock(VdiName which) {
  std::vector<std::byte> payload = namePayload(which.name, which.tag);
  const Request request = vdiRequest(Op::kLockVdi, VdiWish(), payload.size());
  co_return co_await ask(request, viewOf(payload), IoVector());
}

namespace {

// The name is for the daemon's log alone.
std::vector<std::byte> textPayload(std::string_view name) {
  std::vector<std::byte> payload(name.size() + 1);
  std::memcpy(payload.data(), name.data(), name.size());
  return payload;
}

Request releaseRequest(std::uint32_t vdi, std::size_t payload) {
  VdiWish wish;
  wish.base = vdi;
  return vdiRequest(Op::kReleaseVdi, wish, payload);
}

}  // namespace

Task<Result<void>> Desk::release(std::string name, std::uint32_t vdi) {
  std::vector<std::byte> payload = textPayload(name);
  const Request request = releaseRequest(vdi, payload.size());
  const Result<Reply> reply = co_await ask(request, viewOf(payload), IoVector());
  if (!reply.ok()) co_return reply.error();
  co_return success();
}

Task<Result<void>> Desk::releaseOnce(std::string name, std::uint32_t vdi) {
  std::vector<std::byte> payload = textPayload(name);
  const Request request = releaseRequest(vdi, payload.size());
  RHEA_CO_TRY(const std::optional<Reply> reply, co_await askOnce(request, viewOf(payload)));
  if (!reply) co_return Error::fromErrno(ECONNRESET);
  co_return success();
}

Task<Result<std::vector<std::byte>>> Desk::readObject(ObjectRange at, std::uint16_t flags) {
  std::vector<std::byte> bytes(at.length);
  const Request request = readRequest(at, flags);
  RHEA_CO_TRY(const Reply reply, co_await ask(request, IoVector(), viewOf(bytes)));
  if (reply.result != 0) {
    co_return errorOf(reply.result, fmt::format("reading object {:016x}", at.oid), link_.where());
  }
  co_return bytes;
}

Task<Result<Inode>> Desk::readInode(std::uint32_t vdi, std::uint16_t flags) {
  if (vdi == 0 || vdi > kMostVdi) {
    co_return Error::fromErrno(
        EIO, fmt::format("{}: it names a VDI by the number {:x}, numbers have 24 bits", link_.where(), vdi));
  }
  const ObjectRange head(inodeObject(vdi), 0, kInodeHeadBytes);
  RHEA_CO_TRY(const std::vector<std::byte> bytes, co_await readObject(head, flags));
  Result<Inode> inode = Inode::parse(bytes, vdi);
  if (!inode.ok()) co_return inode.takeError().context(link_.where());
  co_return inode;
}

Task<Result<std::vector<std::uint32_t>>> Desk::readIndex(const Inode& inode, std::uint16_t flags) {
  std::vector<std::uint32_t> slots(inode.hyper ? 0 : static_cast<std::size_t>(inode.objects()));
  if (slots.empty()) co_return slots;
  const ObjectRange at(inodeObject(inode.vdi), kIndexOffset, static_cast<std::uint32_t>(slots.size() * 4));
  RHEA_CO_TRY(const std::vector<std::byte> bytes, co_await readObject(at, flags));
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = loadLittle<std::uint32_t>(&bytes[i * 4]);
  co_return slots;
}

Task<Result<void>> Desk::writeStable(std::uint64_t oid, std::uint32_t offset, std::vector<std::byte> bytes) {
  const Request request = writeRequest(ObjectRange(oid, offset, static_cast<std::uint32_t>(bytes.size())), kFlagDirect);
  RHEA_CO_TRY(const Reply reply, co_await ask(request, viewOf(bytes), IoVector()));
  if (reply.result == 0) co_return success();
  co_return errorOf(reply.result, fmt::format("writing object {:016x}", oid), link_.where());
}

Task<Result<std::vector<std::byte>>> Desk::readVdis() {
  std::vector<std::byte> bitmap(kBitmapBytes);
  RHEA_CO_TRY(const Reply reply, co_await ask(readVdisRequest(), IoVector(), viewOf(bitmap)));
  if (reply.result == 0) co_return bitmap;
  co_return errorOf(reply.result, "listing VDIs", link_.where());
}

Task<Result<std::optional<std::uint8_t>>> Desk::defaultShift() {
  RHEA_CO_TRY(const Reply reply, co_await ask(clusterDefaultRequest(), IoVector(), IoVector()));
  if (reply.result == 0) co_return std::optional<std::uint8_t>(reply.defaultShift());
  if (reply.result == static_cast<std::uint32_t>(Code::kInvalid)) co_return std::optional<std::uint8_t>();
  co_return errorOf(reply.result, "asking for the cluster's defaults", link_.where());
}

}  // namespace rhea::block::sheepdog
