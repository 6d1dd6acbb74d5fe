// Deleting a VDI: its data, then DEL_VDI, then a look whether it is gone. What takes the data away depends on the
// daemon:
//   before 1.0   DISCARD_OBJ for each object. DEL_VDI alone is answered with success by 0.9 and does nothing
//   1.0 and on   slots are emptied by writing zeroes, many at a time; the daemon counts who uses an object
// Daemons of 0.8 count nothing: DISCARD_OBJ takes an object from a snapshot's heirs as well, whereas their DEL_VDI
// keeps what heirs have. So where there may be heirs and the daemon is older than 1.0, DEL_VDI comes first, and the
// data goes only where that has not done it, which means that it is 0.9, which counts.
#include <cerrno>

#include "block/driver/sheepdog/desk.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::size_t kSlotsAtOnce = 128;

bool isGone(const Reply& reply) {
  return reply.result == static_cast<std::uint32_t>(Code::kNoVdi) ||
         reply.result == static_cast<std::uint32_t>(Code::kNoTag);
}

}  // namespace

Task<Result<void>> Desk::removeData(const Inode& inode, bool modern) {
  RHEA_CO_TRY(const std::vector<std::uint32_t> slots, co_await readIndex(inode, kFlagDirect));
  for (std::size_t i = 0; i < slots.size();) {
    if (slots[i] == 0) {
      ++i;
      continue;
    }
    if (modern) {
      const std::size_t end = std::min(slots.size(), i + kSlotsAtOnce);
      std::vector<std::byte> zeroes((end - i) * 4);
      const auto offset = static_cast<std::uint32_t>(kIndexOffset + 4 * i);
      RHEA_CO_CHECK(co_await writeStable(inodeObject(inode.vdi), offset, std::move(zeroes)));
      i = end;
    } else {
      const Request request = objectRequest(Op::kDiscard, dataObject(inode.vdi, static_cast<std::uint32_t>(i)), 0);
      RHEA_CO_TRY(const Reply reply, co_await ask(request, IoVector(), IoVector()));
      if (reply.result != 0) co_return refused(reply, "removing data", VdiName(inode.name, inode.snapId, inode.tag));
      ++i;
    }
  }
  // Nobody counts who uses the state of a machine.
  const std::uint64_t states = (inode.vmStateSize + inode.objectSize() - 1) >> inode.shift;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(states, kIndexSlots); ++i) {
    const Request request = objectRequest(Op::kRemove, vmStateObject(inode.vdi, static_cast<std::uint32_t>(i)), 0);
    RHEA_CO_TRY(const Reply reply, co_await ask(request, IoVector(), IoVector()));
    if (reply.result != 0) break;  // it says a size, but nothing was saved
  }
  co_return success();
}

Task<Result<void>> Desk::remove(VdiName which, Heirs heirs) {
  RHEA_CO_TRY(const Reply found, co_await find(which));
  if (found.result != 0) co_return refused(found, "deleting it", which);
  RHEA_CO_TRY(const Inode inode, co_await readInode(found.vdi(), kFlagDirect));
  const bool modern = found.shift() != 0;
  VdiWish wish;
  wish.snapId = which.snapId;
  std::vector<std::byte> payload = namePayload(which.name, which.tag);
  const Request erase = vdiRequest(Op::kDeleteVdi, wish, payload.size());
  const IoVector view{std::span<std::byte>(payload)};
  const bool safe = modern || heirs == Heirs::kNone || !inode.isSnapshot();
  for (int round = safe ? 1 : 0; round < 2; ++round) {
    if (round == 1) RHEA_CO_CHECK(co_await removeData(inode, modern));
    // Once more after a lost connection does no harm: a number is never given out again under the same name while we
    // look.
    RHEA_CO_TRY(const Reply erased, co_await ask(erase, view, IoVector()));
    if (erased.result != 0 && !isGone(erased)) co_return refused(erased, "deleting it", which);
    RHEA_CO_TRY(const Reply after, co_await find(which));
    if (isGone(after) || (after.result == 0 && after.vdi() != inode.vdi)) co_return success();
    if (after.result != 0) co_return refused(after, "deleting it", which);
  }
  co_return Error::fromErrno(
      EIO, fmt::format("{}: the daemon says that it is deleted, but it is there still", where(which)));
}

}  // namespace rhea::block::sheepdog
