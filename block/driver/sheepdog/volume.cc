#include "block/driver/sheepdog/volume.h"

#include <cerrno>

namespace rhea::block::sheepdog {

namespace {

constexpr std::uint32_t kProbeBytes = 512;

std::uint32_t codeOf(Code code) { return static_cast<std::uint32_t>(code); }

}  // namespace

Volume::Volume(Settings settings, bool forWriting, bool direct)
    : settings_(std::move(settings)), forWriting_(forWriting), direct_(direct), link_(settings_.link, *this) {}

Task<Result<void>> Volume::open(CancelToken cancel) { return link_.open(std::move(cancel)); }

Task<void> Volume::callAgain() {
  const Result<void> called = co_await link_.open(CancelToken());
  // The gateway is away at the moment: it is called until it answers, as after a lost connection.
  if (!called.ok()) link_.openLater(called.error());
}

Task<void> Volume::close() {
  if (locked_) co_await giveBack();
  co_await link_.close();
}

// The lock. A gateway that is gone, or does not answer, keeps it until it is called again, and is not waited for.
Task<void> Volume::giveBack() {
  owed_ = vdi_;
  if (!link_.isUp()) co_return;
  const std::unique_ptr<Loop::Watch> enough =
      Loop::current()->timer(std::chrono::seconds(2), [this] { link_.drop("the gateway does not answer"); });
  Desk desk(link_);
  const Result<void> released = co_await desk.releaseOnce(settings_.vdi, vdi_);
  if (released.ok()) owed_ = 0;
}

std::uint16_t Volume::cacheFlag() const { return direct_ || noCache_ ? kFlagDirect : kFlagCache; }

std::optional<bool> Volume::hasObjectCache() const {
  if (era_ == Era::kModern || noCache_) return false;
  if (cacheSeen_) return true;
  return std::nullopt;
}

Task<Result<Reply>> Volume::callName(Desk& desk) {
  const VdiName which = name();
  if (forWriting_ && settings_.locking) {
    RHEA_CO_TRY(const Reply reply, co_await desk.lock(which));
    // Locks belong to a gateway and outlive connections: it is our own that is in the way.
    if (reply.result != codeOf(Code::kLocked) || !locked_) co_return reply;
  }
  co_return co_await desk.find(which);
}

// On a new connection: the first one opens the disk, later ones look whether it is still the same.
Task<Result<void>> Volume::greet() {
  Desk desk(link_, Desk::Use::kGreeting);
  if (owed_ != 0 && !forWriting_) {
    RHEA_CO_CHECK(co_await desk.release(settings_.vdi, owed_));
    owed_ = 0;
  }
  RHEA_CO_TRY(const Reply reply, co_await callName(desk));
  if (reply.result != 0) co_return desk.refused(reply, "opening it", name());
  noteGateway();
  era_ = reply.shift() == 0 ? Era::kOld : Era::kModern;
  if (forWriting_ && settings_.locking) locked_ = true;
  const bool first = vdi_ == 0;
  if (first || !forWriting_) {
    Result<void> adopted = co_await adopt(desk, reply.vdi());
    if (!adopted.ok() && first && locked_) {
      locked_ = false;
      (void)co_await desk.release(settings_.vdi, reply.vdi());
    }
    co_return adopted;
  }
  if (reply.vdi() != vdi_) co_return co_await moveTo(reply.vdi(), Memory::kKeep, Desk::Use::kGreeting);
  RHEA_CO_TRY(const Inode inode, co_await desk.readInode(vdi_, cacheFlag()));
  RHEA_CO_TRY(std::vector<std::uint32_t> theirs, co_await desk.readIndex(inode, cacheFlag()));
  co_return co_await merge(desk, inode, std::move(theirs));
}

// A gateway with a cache takes what was not flushed with it when it goes. The same one that comes again has it still.
void Volume::noteGateway() {
  noCache_ = false;
  const bool may = !direct_ && dirty_ && writtenVia_ && *writtenVia_ != link_.server();
  if (may && (cacheSeen_ || era_ == Era::kOld)) lostWrites_ = true;
}

Result<void> Volume::checkUse(const Inode& inode) const {
  const VdiName which = name();
  const auto refuse = [&](std::string_view why) {
    return Error::fromErrno(EROFS, fmt::format("{}: {}", where(), why)).hint("read-only=on opens it for reading");
  };
  if (inode.name != which.name) {
    return Error::fromErrno(EIO,
                            fmt::format("{}: the inode that the server gives is that of '{}'", where(), inode.name));
  }
  if (!forWriting_) return success();
  if (inode.isSnapshot()) return refuse("it is a snapshot, which can only be read");
  if (inode.hyper) return refuse("it is a hyper volume, whose index cannot be changed safely from here");
  return success();
}

void Volume::take(Inode inode) {
  vdi_ = inode.vdi;
  shift_ = inode.shift;
  objectSize_.store(inode.objectSize(), std::memory_order_relaxed);
  length_.store(inode.size, std::memory_order_relaxed);
  inode_ = std::move(inode);
}

Task<Result<void>> Volume::adopt(Desk& desk, std::uint32_t vdi) {
  RHEA_CO_TRY(Inode inode, co_await desk.readInode(vdi, cacheFlag()));
  RHEA_CO_CHECK(checkUse(inode));
  if (vdi_ != 0 && inode.shift != shift_) {
    co_return Error::fromErrno(EIO, fmt::format("{}: it is another disk than before", where()));
  }
  RHEA_CO_TRY(std::vector<std::uint32_t> slots, co_await desk.readIndex(inode, cacheFlag()));
  if (inode.hyper) {
    if (!hyper_) hyper_.emplace();
    Result<void> loaded = co_await hyper_->load(link_, Desk::Use::kGreeting, vdi);
    if (!loaded.ok()) co_return loaded.takeError().context(where());
  }
  index_.load(std::move(slots));
  take(std::move(inode));
  co_return success();
}

// What is in memory is the truth, since nobody else writes; what the inode has not got is published again. An object
// that is not there after all is not in the index either.
Task<Result<void>> Volume::merge(Desk& desk, const Inode& inode, std::vector<std::uint32_t> theirs) {
  RHEA_CO_CHECK(checkUse(inode));
  if (inode.shift != shift_) {
    co_return Error::fromErrno(EIO, fmt::format("{}: it is another disk than before", where()));
  }
  theirs.resize(index_.size());
  for (std::uint32_t i = 0; i < theirs.size(); ++i) {
    const std::uint32_t ours = index_.at(i);
    if (ours == theirs[i] || index_.isUnpublished(i)) continue;
    if (ours != 0) {
      const Request probe = readRequest(ObjectRange(dataObject(ours, i), 0, kProbeBytes), cacheFlag());
      std::array<std::byte, kProbeBytes> room;
      const IoVector view{std::span<std::byte>(room)};
      RHEA_CO_TRY(const Reply reply, co_await desk.ask(probe, IoVector(), view));
      if (reply.result == codeOf(Code::kNoObject)) {
        index_.setPublished(i, theirs[i]);
        continue;
      }
    }
    index_.set(i, ours);
  }
  co_return success();
}

Task<Result<void>> Volume::moveTo(std::uint32_t vdi, Memory memory, Desk::Use use) {
  Desk desk(link_, use);
  const std::uint32_t from = vdi_;
  RHEA_CO_TRY(Inode inode, co_await desk.readInode(vdi, cacheFlag()));
  RHEA_CO_CHECK(checkUse(inode));
  RHEA_CO_TRY(std::vector<std::uint32_t> slots, co_await desk.readIndex(inode, cacheFlag()));
  const bool mustLock = locked_ && use == Desk::Use::kNormal;
  if (mustLock) {
    // Nobody guards the new number until it is locked, and the old lock keeps others from opening the snapshot.
    RHEA_CO_TRY(const Reply reply, co_await desk.lock(name()));
    const bool ours = reply.result == 0 || reply.result == codeOf(Code::kLocked);
    if (!ours) co_return desk.refused(reply, "locking it after a snapshot", name());
  }
  if (vdi_ != from) co_return success();  // a new connection found out meanwhile
  if (memory == Memory::kKeep) {
    RHEA_CO_CHECK(co_await merge(desk, inode, std::move(slots)));
    if (vdi_ != from) co_return success();
    inode.size = length();
  } else {
    index_.load(std::move(slots));
  }
  take(std::move(inode));
  if (locked_ && from != 0) (void)co_await desk.release(settings_.vdi, from);
  co_return success();
}

// The daemon says that the VDI cannot be written: somebody took a snapshot, and the disk goes on under another number.
Task<Result<void>> Volume::followSnapshot(std::uint32_t from) {
  const Mutex::Lock lock = co_await following_.lock();
  if (vdi_ != from) co_return success();
  Desk desk(link_);
  RHEA_CO_TRY(const Reply found, co_await desk.find(name()));
  if (found.result != 0) co_return desk.refused(found, "looking for it after a snapshot", name());
  if (vdi_ != from) co_return success();
  if (found.vdi() == from) co_return Error::fromErrno(EROFS);
  co_return co_await moveTo(found.vdi(), Memory::kKeep, Desk::Use::kNormal);
}

// Of a request that names objects of `vdi`. kAgain: things have changed, the same once more. Error: for the guest.
Task<Result<Volume::Next>> Volume::react(Call& call, std::uint32_t vdi) {
  if (call.failure) co_return *call.failure;
  if (call.lost) co_return Next::kAgain;
  const std::uint32_t code = call.reply.result;
  if (code == 0) co_return Next::kDone;
  if (code == codeOf(Code::kReadOnly)) {
    RHEA_CO_CHECK(co_await followSnapshot(vdi));
    co_return Next::kAgain;
  }
  if (reactionTo(code) == Reaction::kFail) co_return errorOf(code, nameOf(call.request.op), where());
  RHEA_CO_CHECK(co_await Loop::current()->sleep(link_.settings().pause));
  co_return Next::kAgain;
}

Task<Result<void>> Volume::beginWriting() {
  if (forWriting_) co_return success();
  forWriting_ = true;
  Result<void> usable = checkUse(inode_);
  if (usable.ok() && settings_.locking) {
    Desk desk(link_);
    Result<Reply> reply = co_await desk.lock(name());
    // What was not given back is held still.
    const bool held = reply.ok() && reply->result == codeOf(Code::kLocked) && std::exchange(owed_, 0) != 0;
    if (held) reply = co_await desk.find(name());
    if (reply.ok() && reply->result != 0) reply = desk.refused(*reply, "locking it", name());
    if (reply.ok()) {
      locked_ = true;
      usable = co_await adopt(desk, reply->vdi());
    } else {
      usable = reply.takeError();
    }
  }
  if (!usable.ok()) {
    forWriting_ = false;
    if (std::exchange(locked_, false)) (void)co_await Desk(link_).release(settings_.vdi, vdi_);
  }
  co_return usable;
}

Task<void> Volume::endWriting() {
  if (!forWriting_) co_return;
  forWriting_ = false;
  if (std::exchange(locked_, false)) co_await giveBack();
}

}  // namespace rhea::block::sheepdog
