// Writes of a volume, and its index: an object first, then the slot that names it.
#include <cerrno>

#include "block/driver/sheepdog/volume.h"
#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::uint32_t kProbeBytes = 512;
constexpr std::uint32_t kSlotsAtOnce = 128;

}  // namespace

Task<Result<void>> Volume::write(Extent at, IoVector from, WriteFlags how) {
  if (!forWriting_) co_return Error::fromErrno(EROFS);
  // Where a cache may stand between, stable takes a flush, which the core sends.
  if (how.isStable() && cacheFlag() == kFlagCache) co_return Error::fromErrno(EOPNOTSUPP);
  const std::uint32_t first = indexOf(at.offset);
  const std::uint32_t last = indexOf(at.end() - 1);
  if (last >= index_.size()) co_return Error::fromErrno(EIO);
  RHEA_CO_CHECK(co_await inPieces(at, from, &Volume::writePiece));
  // Also for an object that somebody else made a moment ago: before its slot is there, nobody finds what was written.
  if (!index_.unpublished().empty()) RHEA_CO_CHECK(co_await publish(first, last));
  if (cacheFlag() == kFlagCache) {
    dirty_ = true;
    writtenVia_ = link_.server();
  }
  co_return success();
}

Task<Result<void>> Volume::writePiece(Extent at, IoVector from) {
  const std::uint32_t index = indexOf(at.offset);
  while (true) {
    // To make the object, all of it; to write into it, the bytes alone.
    const bool making = index_.at(index) != vdi_;
    Claim claim(claims_, making ? wholeObject(index) : at);
    co_await claim.granted();
    while (true) {
      const std::uint32_t owner = index_.at(index);
      if (owner != vdi_ && !making) break;  // it became somebody else's while this one waited
      if (owner == vdi_ && making) claim.shrink(at);
      if (owner > kMostVdi) co_return badSlot(index, owner);
      Result<Next> next = Next::kDone;
      if (owner == vdi_) {
        next = co_await overwrite(at, from);
      } else {
        next = co_await create(at, from, owner);
      }
      if (!next.ok()) co_return next.takeError();
      if (*next == Next::kDone) co_return success();
      if (making && claim.at() != wholeObject(index)) break;  // the claim may no longer be enough
    }
  }
}

Task<Result<Volume::Next>> Volume::overwrite(Extent at, IoVector from) {
  const std::uint32_t vdi = vdi_;
  Call call(writeRequest(rangeOf(dataObject(vdi, indexOf(at.offset)), at), cacheFlag(), inode_.kept), from);
  co_await link_.perform(call);
  if (call.succeeded()) co_return Next::kDone;
  co_return co_await react(call, vdi);
}

Task<Result<Volume::Next>> Volume::create(Extent at, IoVector from, std::uint32_t owner) {
  if (era_ == Era::kOld) RHEA_CO_CHECK(co_await clearCache());
  const std::uint32_t vdi = vdi_;
  const std::uint32_t index = indexOf(at.offset);
  const std::uint64_t cow = owner == 0 ? 0 : dataObject(owner, index);
  Call call(createRequest(rangeOf(dataObject(vdi, index), at), cow, cacheFlag(), inode_.kept), from);
  call.once = true;
  co_await link_.perform(call);
  if (call.lost) co_return co_await findOut(vdi, index);
  if (call.succeeded()) {
    index_.set(index, vdi);
    co_return Next::kDone;
  }
  co_return co_await react(call, vdi);
}

// Whether an object was made before the connection was lost. A second creation could put zeroes over what others have
// written since, and brings some daemons down; but one that is there is there as a whole.
Task<Result<Volume::Next>> Volume::findOut(std::uint32_t vdi, std::uint32_t index) {
  std::array<std::byte, kProbeBytes> room;
  Call call(readRequest(ObjectRange(dataObject(vdi, index), 0, kProbeBytes), cacheFlag(), inode_.kept), IoVector(),
            IoVector(std::span<std::byte>(room)));
  co_await link_.perform(call);
  if (!call.failure && call.reply.result == static_cast<std::uint32_t>(Code::kNoObject)) co_return Next::kAgain;
  if (call.succeeded()) {
    index_.set(index, vdi);
    co_return Next::kAgain;
  }
  co_return co_await react(call, vdi);
}

// A client that died may have left an object in the gateway's cache that no slot names. To make it again brings the
// daemon down, and a copy made below the cache would not be seen. A direct write to the inode, of what is there
// already, flushes and drops all that the cache has of the disk; once for each gateway, before the first object is
// made.
Task<Result<void>> Volume::clearCache() {
  const auto isClear = [this] {
    return era_ != Era::kOld || cacheFlag() == kFlagDirect || (cleared_ && *cleared_ == link_.server());
  };
  if (isClear()) co_return success();
  const Mutex::Lock lock = co_await clearing_.lock();
  if (isClear()) co_return success();
  const Address server = link_.server();
  std::vector<std::byte> clock(8);
  storeLittle<std::uint64_t>(clock.data(), inode_.vmClock);
  Desk desk(link_);
  RHEA_CO_CHECK(co_await desk.writeStable(inodeObject(vdi_), kClockOffset, std::move(clock)));
  cleared_ = server;
  co_return success();
}

// Returns when the cluster has every slot of first..last as it is in memory. One at a time; whoever waited finds that
// the one before has done its work as well.
Task<Result<void>> Volume::publish(std::uint32_t first, std::uint32_t last) {
  const auto waits = [this, first, last] {
    const auto found = index_.unpublished().lower_bound(first);
    return found != index_.unpublished().end() && *found <= last;
  };
  if (!waits()) co_return success();
  const Mutex::Lock lock = co_await publishing_.lock();
  while (waits()) {
    const std::set<std::uint32_t> all = index_.unpublished();
    for (auto at = all.begin(); at != all.end();) {
      const std::uint32_t begin = *at;
      std::uint32_t count = 0;
      // Only slots that changed, so that one that is being removed elsewhere is not written back.
      while (at != all.end() && *at == begin + count && count < kSlotsAtOnce) {
        ++count;
        ++at;
      }
      RHEA_CO_CHECK(co_await publishRun(begin, count));
    }
  }
  co_return success();
}

Task<Result<void>> Volume::publishRun(std::uint32_t first, std::uint32_t count) {
  while (true) {
    const std::uint32_t vdi = vdi_;
    std::vector<std::uint32_t> owners(count);
    std::vector<std::byte> bytes(std::size_t{count} * 4);
    for (std::uint32_t i = 0; i < count; ++i) {
      owners[i] = index_.at(first + i);
      storeLittle<std::uint32_t>(&bytes[std::size_t{i} * 4], owners[i]);
    }
    const ObjectRange at(inodeObject(vdi), kIndexOffset + 4 * first, static_cast<std::uint32_t>(bytes.size()));
    Call call(writeRequest(at, cacheFlag(), inode_.kept), IoVector(std::span<std::byte>(bytes)));
    co_await link_.perform(call);
    RHEA_CO_TRY(const Next next, co_await react(call, vdi));
    if (next == Next::kAgain || vdi != vdi_) continue;
    for (std::uint32_t i = 0; i < count; ++i) index_.published(first + i, owners[i]);
    co_return success();
  }
}

Task<Result<void>> Volume::flush(FlushTo to) {
  if (!forWriting_) co_return success();
  // Slots that could not be published before.
  if (!index_.unpublished().empty()) RHEA_CO_CHECK(co_await publish(0, kIndexSlots - 1));
  if (to == FlushTo::kHost) co_return success();
  while (cacheFlag() == kFlagCache) {
    const std::uint32_t vdi = vdi_;
    Call call(objectRequest(Op::kFlushVdi, inodeObject(vdi), kFlagCache, inode_.kept));
    co_await link_.perform(call);
    const bool noCache = !call.failure && call.reply.result == static_cast<std::uint32_t>(Code::kInvalid);
    if (noCache) {
      // Nothing to flush: every write was stable when it was answered. But a cache that was there before is gone.
      if (cacheSeen_ && dirty_ && writtenVia_ && link_.counts().connections > 1) lostWrites_ = true;
      noCache_ = true;
      break;
    }
    RHEA_CO_TRY(const Next next, co_await react(call, vdi));
    if (next == Next::kAgain || vdi != vdi_) continue;
    cacheSeen_ = true;
    break;
  }
  if (lostWrites_) {
    co_return Error::fromErrno(EIO,
                               fmt::format("{}: the gateway that had what was written in its cache is gone", where()));
  }
  dirty_ = false;
  writtenVia_.reset();
  co_return success();
}

}  // namespace rhea::block::sheepdog
