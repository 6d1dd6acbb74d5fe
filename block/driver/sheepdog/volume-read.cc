// Reads of a volume, and what is where.
#include <cerrno>
#include <deque>

#include "block/driver/sheepdog/volume.h"

namespace rhea::block::sheepdog {

Extent Volume::pieceOf(Extent at, std::uint64_t done) const {
  const std::uint64_t offset = at.offset + done;
  const std::uint64_t room = objectSize() - (offset & (objectSize() - 1));
  return {offset, std::min(room, at.length - done)};
}

ObjectRange Volume::rangeOf(std::uint64_t oid, Extent at) const {
  return ObjectRange(oid, static_cast<std::uint32_t>(at.offset & (objectSize() - 1)),
                     static_cast<std::uint32_t>(at.length));
}

Task<Result<void>> Volume::read(Extent at, IoVector to) { co_return co_await inPieces(at, to, &Volume::readPiece); }

namespace {

Task<void> keep(Task<Result<void>> work, Result<void>* outcome) { *outcome = co_await std::move(work); }

}  // namespace

// One piece for each object, side by side; ends when all have ended. Error: that of the first of them on the disk.
Task<Result<void>> Volume::inPieces(Extent at, IoVector data, PieceWork work) {
  const Extent first = pieceOf(at, 0);
  if (first.length == at.length) co_return co_await (this->*work)(at, data);
  std::deque<Result<void>> outcomes;
  TaskGroup group;
  for (std::uint64_t done = 0; done < at.length;) {
    const Extent piece = pieceOf(at, done);
    outcomes.emplace_back(success());
    group.spawn(keep((this->*work)(piece, data.slice(done, piece.length)), &outcomes.back()));
    done += piece.length;
  }
  co_await group.join();
  for (Result<void>& outcome : outcomes) RHEA_CO_CHECK(std::move(outcome));
  co_return success();
}

Task<Result<std::uint32_t>> Volume::ownerOf(std::uint32_t index) {
  if (hyper_) {
    RHEA_CO_TRY(const HyperIndex::Run run, co_await hyper_->find(link_, index, 1));
    co_return run.owner;
  }
  co_return index < index_.size() ? index_.at(index) : 0;
}

Task<Result<void>> Volume::readPiece(Extent at, IoVector to) {
  const std::uint32_t index = indexOf(at.offset);
  while (true) {
    std::uint32_t owner = index < index_.size() ? index_.at(index) : 0;
    if (hyper_) {
      RHEA_CO_TRY(owner, co_await ownerOf(index));
    }
    if (owner == 0) {
      to.fill(std::byte{0});
      co_return success();
    }
    if (owner > kMostVdi) co_return badSlot(index, owner);
    const std::uint64_t changes = index_.changes();
    Call call(readRequest(rangeOf(dataObject(owner, index), at), cacheFlag(), inode_.kept), IoVector(), to);
    co_await link_.perform(call);
    if (call.succeeded()) co_return success();
    // Missing because it was removed while the read was on its way; else an object of the disk is lost, and that is
    // never to be taken for zeroes.
    const bool missing = !call.failure && call.reply.result == static_cast<std::uint32_t>(Code::kNoObject);
    if (missing && index_.changes() != changes) continue;
    RHEA_CO_TRY(const Next next, co_await react(call, vdi_));
    if (next == Next::kDone) co_return success();
  }
}

Error Volume::badSlot(std::uint32_t index, std::uint32_t owner) const {
  return Error::fromErrno(
      EIO, fmt::format("{}: its index says that object {} belongs to VDI {:x}, numbers have 24 bits", where(), index,
                       owner));
}

Task<Result<BlockStatus>> Volume::status(Extent at) {
  const std::uint32_t first = indexOf(at.offset);
  const std::uint32_t last = indexOf(at.end() - 1);
  std::uint64_t objects = 1;
  std::uint32_t owner = 0;
  if (hyper_) {
    const std::uint64_t most = std::uint64_t(last) - first + 1;
    RHEA_CO_TRY(const HyperIndex::Run run, co_await hyper_->find(link_, first, most));
    objects = run.objects;
    owner = run.owner;
  } else {
    const auto ownerAt = [this](std::uint64_t i) {
      return i < index_.size() ? index_.at(static_cast<std::size_t>(i)) : 0;
    };
    owner = ownerAt(first);
    while (first + objects <= last && (ownerAt(first + objects) != 0) == (owner != 0)) ++objects;
  }
  const std::uint64_t end = std::min((first + objects) << shift_, at.end());
  BlockStatus status(end - at.offset);
  status.data = owner != 0;
  status.zero = owner == 0;
  status.offset = at.offset;
  status.endOfFile = end >= length();
  co_return status;
}

}  // namespace rhea::block::sheepdog
