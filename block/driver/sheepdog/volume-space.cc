// Discards, zeroes and sizes of a volume.
#include <cerrno>

#include "block/driver/sheepdog/volume.h"
#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

constexpr std::size_t kZeroBuffer = std::size_t{4} << 20U;
constexpr std::uint32_t kObjectsAtOnce = 128;
constexpr std::uint32_t kProbeBytes = 512;

}  // namespace

// Whole objects alone; what is left of the disk in its last one counts as whole.
Task<Result<void>> Volume::discard(Extent at) {
  if (!forWriting_) co_return Error::fromErrno(EROFS);
  const std::uint64_t first = (at.offset + objectSize() - 1) >> shift_;
  const std::uint64_t end = at.end() >= length() ? inode_.objects() : at.end() >> shift_;
  if (first >= end) co_return success();
  co_return co_await removeObjects(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(end - first));
}

Task<Result<void>> Volume::removeObjects(std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t at = first; at < first + count;) {
    if (index_.at(at) == 0 && !index_.isUnpublished(at)) {
      ++at;
      continue;
    }
    std::uint32_t end = at;
    while (end < first + count && end - at < kObjectsAtOnce && index_.at(end) != 0) ++end;
    end = std::max(end, at + 1);
    Claim claim(claims_, Extent(std::uint64_t{at} << shift_, std::uint64_t{end - at} << shift_));
    co_await claim.granted();
    if (era_ == Era::kModern) {
      for (std::uint32_t i = at; i < end; ++i) {
        if (index_.at(i) != 0) index_.set(i, 0);
      }
      RHEA_CO_CHECK(co_await publish(at, end - 1));
    } else {
      for (std::uint32_t i = at; i < end; ++i) RHEA_CO_CHECK(co_await removeObject(i));
    }
    at = end;
  }
  co_return success();
}

// Where the daemon may keep no count of who uses an object: one by one, and it empties the slot itself.
Task<Result<void>> Volume::removeObject(std::uint32_t index) {
  while (true) {
    const std::uint32_t owner = index_.at(index);
    if (owner == 0) co_return success();
    // The slot has to be in the inode before the daemon can empty it.
    if (index_.isUnpublished(index)) RHEA_CO_CHECK(co_await publish(index, index));
    const std::uint32_t vdi = vdi_;
    index_.setPublished(index, 0);  // reads that come meanwhile find nothing
    Call call(objectRequest(Op::kDiscard, dataObject(vdi, index), 0));
    co_await link_.perform(call);
    Result<Next> next = co_await react(call, vdi);
    if (!next.ok() || *next == Next::kAgain) index_.setPublished(index, owner);
    if (!next.ok()) co_return next.takeError();
    if (*next == Next::kDone) co_return success();
  }
}

// A disk that can be written has no heirs, so an object of its own number is its own or nobody's.
Task<Result<bool>> Volume::isLeaked(std::uint32_t index) {
  Claim claim(claims_, wholeObject(index));
  co_await claim.granted();
  if (index_.at(index) == vdi_) co_return false;
  const std::uint32_t vdi = vdi_;
  std::array<std::byte, kProbeBytes> room;
  const Request probe = readRequest(ObjectRange(dataObject(vdi, index), 0, kProbeBytes), kFlagDirect, inode_.kept);
  Desk desk(link_);
  const IoVector view{std::span<std::byte>(room)};
  RHEA_CO_TRY(const Reply reply, co_await desk.ask(probe, IoVector(), view));
  if (reply.result == static_cast<std::uint32_t>(Code::kNoObject) || vdi != vdi_) co_return false;
  if (reply.result != 0) co_return errorOf(reply.result, "looking for leaked objects", where());
  // Where this one only reads, another client may have made it since the index was read.
  const ObjectRange place(inodeObject(vdi), kIndexOffset + 4 * index, 4);
  RHEA_CO_TRY(const std::vector<std::byte> slot, co_await desk.readObject(place, kFlagDirect));
  co_return loadLittle<std::uint32_t>(slot.data()) != vdi;
}

// The index takes it up and gives it away again: so the daemons count right.
Task<Result<void>> Volume::reclaim(std::uint32_t index) {
  {
    Claim claim(claims_, wholeObject(index));
    co_await claim.granted();
    if (index_.at(index) != 0) co_return Error::fromErrno(EBUSY);
    index_.set(index, vdi_);
    RHEA_CO_CHECK(co_await publish(index, index));
  }
  co_return co_await removeObjects(index, 1);
}

Task<Result<void>> Volume::writeZeroes(Extent at, WriteFlags how) {
  if (!forWriting_) co_return Error::fromErrno(EROFS);
  const auto isWhole = [this](Extent piece) {
    const bool fromBegin = (piece.offset & (objectSize() - 1)) == 0;
    return fromBegin && (piece.length == objectSize() || piece.end() >= length());
  };
  if (how.isNoFallback()) {
    for (std::uint64_t done = 0; done < at.length;) {
      const Extent piece = pieceOf(at, done);
      const bool cheap = index_.at(indexOf(piece.offset)) == 0 || (how.isMayUnmap() && isWhole(piece));
      if (!cheap) co_return Error::fromErrno(EOPNOTSUPP);
      done += piece.length;
    }
  }
  for (std::uint64_t done = 0; done < at.length;) {
    const Extent piece = pieceOf(at, done);
    done += piece.length;
    if (index_.at(indexOf(piece.offset)) == 0 && !index_.isUnpublished(indexOf(piece.offset))) {
      // Somebody may be making it.
      Claim claim(claims_, piece);
      co_await claim.granted();
      if (index_.at(indexOf(piece.offset)) == 0) continue;
    }
    if (how.isMayUnmap() && isWhole(piece)) {
      // As many as follow.
      const std::uint32_t first = indexOf(piece.offset);
      std::uint32_t count = 1;
      while (done < at.length && isWhole(pieceOf(at, done))) {
        done += pieceOf(at, done).length;
        ++count;
      }
      RHEA_CO_CHECK(co_await removeObjects(first, count));
    } else {
      RHEA_CO_CHECK(co_await zeroPiece(piece));
    }
  }
  co_return success();
}

Task<Result<void>> Volume::zeroPiece(Extent at) {
  const std::vector<std::byte> zeroes(static_cast<std::size_t>(std::min<std::uint64_t>(at.length, kZeroBuffer)));
  for (std::uint64_t done = 0; done < at.length;) {
    const std::uint64_t part = std::min<std::uint64_t>(at.length - done, zeroes.size());
    const IoVector data(zeroes.data(), static_cast<std::size_t>(part));
    RHEA_CO_CHECK(co_await write(at.slice(done, part), data, WriteFlags()));
    done += part;
  }
  co_return success();
}

Task<Result<void>> Volume::resize(std::uint64_t bytes, Preallocation preallocation) {
  const std::uint64_t before = length();
  const auto refuse = [this](std::string_view why) {
    return Error::fromErrno(ENOTSUP, fmt::format("{}: {}", where(), why));
  };
  if (!forWriting_) co_return Error::fromErrno(EROFS, fmt::format("{}: it is open for reading only", where()));
  if (preallocation != Preallocation::kOff && preallocation != Preallocation::kFull) {
    co_return refuse("new space can be left empty (preallocation=off) or be filled (full), nothing between");
  }
  if (bytes < before) co_return refuse(fmt::format("it has {} bytes, and can only grow", before));
  if (bytes > Inode::mostBytes(shift_)) {
    co_return refuse(
        fmt::format("with objects of {} bytes it can have {} bytes at most", objectSize(), Inode::mostBytes(shift_)))
        .hint("a new disk with a larger object_size can be longer");
  }
  std::vector<std::byte> field(8);
  for (std::size_t i = 0; i < 8; ++i) field[i] = static_cast<std::byte>(bytes >> (8 * i));
  Desk desk(link_);
  RHEA_CO_CHECK(co_await desk.writeStable(inodeObject(vdi_), kSizeOffset, std::move(field)));
  inode_.size = bytes;
  index_.resize(static_cast<std::size_t>(inode_.objects()));
  length_.store(bytes, std::memory_order_relaxed);
  if (preallocation == Preallocation::kFull) co_return co_await preallocate(before, bytes);
  co_return success();
}

// Objects are given their space as a whole when they are made, even without a byte of data.
Task<Result<void>> Volume::preallocate(std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t at = from >> shift_ << shift_; at < to; at += objectSize()) {
    const std::uint32_t index = indexOf(at);
    if (index_.at(index) != 0) continue;
    RHEA_CO_CHECK(co_await writePiece(Extent(at, 0), IoVector()));
    if (index_.unpublished().size() >= kObjectsAtOnce) RHEA_CO_CHECK(co_await publish(0, kIndexSlots - 1));
  }
  co_return co_await publish(0, kIndexSlots - 1);
}

}  // namespace rhea::block::sheepdog
