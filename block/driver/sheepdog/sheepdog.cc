#include "block/driver/sheepdog/sheepdog.h"

#include <cerrno>

#include "block/driver/sheepdog/create.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

using sheepdog::Settings;
using sheepdog::Volume;

SheepdogDriver::SheepdogDriver(std::unique_ptr<Volume> volume, Loop& home, OpenFlags flags, bool onlyReadable)
    : volume_(std::move(volume)),
      snapshots_(*volume_),
      home_(&home),
      flags_(flags),
      onlyReadable_(onlyReadable),
      readOnly_(flags.readOnly || onlyReadable),
      wantsWriting_(volume_->isForWriting()),
      writing_(volume_->isForWriting()) {}

Limits SheepdogDriver::limits() const {
  constexpr std::uint64_t kOptimal = std::uint64_t{1} << 20U;
  constexpr std::uint64_t kMostTransfer = std::uint64_t{64} << 20U;  // its objects go side by side
  Limits limits;
  limits.requestAlignment = 512;
  limits.maxTransfer = std::max(volume_->objectSize(), kMostTransfer);
  limits.optimalTransfer = std::min(volume_->objectSize(), kOptimal);
  limits.maxPieces = 64;
  // Which parts are whole objects is the volume's to say: the last one may be shorter.
  limits.discardAlignment = 512;
  limits.zeroAlignment = 512;
  return limits;
}

Task<Result<void>> SheepdogDriver::write(Extent at, IoVector from, WriteFlags how) {
  return volume_->write(at, from, how);
}

Task<Result<void>> SheepdogDriver::discard(Extent at, WriteFlags) {
  Result<void> done = co_await volume_->discard(at);
  if (done.ok()) {
    discards_.fetch_add(1, std::memory_order_relaxed);
    discardedBytes_.fetch_add(at.length, std::memory_order_relaxed);
  }
  co_return done;
}

Task<Result<void>> SheepdogDriver::writeZeroes(Extent at, WriteFlags how) { return volume_->writeZeroes(at, how); }

Task<Result<BlockStatus>> SheepdogDriver::status(Extent at, bool) { return volume_->status(at); }

Task<Result<void>> SheepdogDriver::resize(std::uint64_t length, Preallocation preallocation) {
  return volume_->resize(length, preallocation);
}

// Runs on the graph's loop; the volume belongs to its home.
Task<void> SheepdogDriver::close() {
  Loop* const back = Loop::current();
  co_await settling_.join();
  co_await home_->enter();
  co_await volume_->close();
  co_await back->enter();
}

Task<void> SheepdogDriver::leaveHome() { return volume_->hangUp(); }

Task<void> SheepdogDriver::enterHome(Loop& home) {
  home_ = &home;
  return volume_->callAgain();
}

Task<Result<void>> SheepdogDriver::beginWritingAtHome() {
  Loop* const back = Loop::current();
  co_await home_->enter();
  Result<void> begun = co_await volume_->beginWriting();
  co_await back->enter();
  co_return begun;
}

Task<void> SheepdogDriver::endWritingAtHome() {
  Loop* const back = Loop::current();
  co_await home_->enter();
  co_await volume_->endWriting();
  co_await back->enter();
}

// --- With auto-read-only the lock is taken when somebody wants to write.

Task<Result<void>> SheepdogDriver::prepareRights(Rights rights) {
  co_await settling_.join();
  const bool needs = rights.used.has(Permissions::write()) || rights.used.has(Permissions::resize());
  wantsWriting_ = flags_.autoReadOnly ? needs : !isReadOnly();
  if (!wantsWriting_ || writing_ || isReadOnly()) co_return success();
  Result<void> begun = co_await beginWritingAtHome();
  if (!begun.ok()) {
    wantsWriting_ = writing_;
    co_return begun;
  }
  co_return success();
}

void SheepdogDriver::commitRights() {
  const bool before = std::exchange(writing_, wantsWriting_ && !isReadOnly());
  if (before && !writing_) settling_.spawn(endWritingAtHome());
}

void SheepdogDriver::abortRights() {
  const bool begun = wantsWriting_ && !writing_ && !isReadOnly();
  wantsWriting_ = writing_;
  if (begun) settling_.spawn(endWritingAtHome());
}

// --- Reopen: the switches alone.

class SheepdogDriver::Prepared final : public PreparedReopen {
 public:
  Prepared(SheepdogDriver& driver, OpenFlags flags, bool fresh) : driver_(driver), flags_(flags), fresh_(fresh) {}
  // Taken for the change already.
  void setBegun() { begun_ = true; }

  void commit() override {
    exchange();
    committed_ = true;
    if (fresh_) driver_.volume_->forgetLoss();
  }
  void revert() override {
    exchange();
    committed_ = false;
  }
  Task<void> settle() override {
    const bool givenUp = committed_ ? driver_.isReadOnly() && driver_.volume_->isForWriting() : begun_;
    if (!givenUp) co_return;
    co_await driver_.endWritingAtHome();
    driver_.writing_ = driver_.wantsWriting_ = false;
  }

 private:
  void exchange() {
    std::swap(driver_.flags_, flags_);
    driver_.volume_->setDirect(driver_.flags_.direct);
    driver_.readOnly_ = driver_.flags_.readOnly || driver_.onlyReadable_;
    if (begun_) driver_.writing_ = driver_.wantsWriting_ = !driver_.isReadOnly();
  }
  SheepdogDriver& driver_;
  OpenFlags flags_;
  bool fresh_;
  bool begun_ = false;
  bool committed_ = false;
};

Task<Result<std::unique_ptr<PreparedReopen>>> SheepdogDriver::prepareReopen(ReopenRequest request) {
  if (request.options) {
    RHEA_CO_TRY(const Settings asked, sheepdog::readSettings(*request.options));
    const Settings& now = volume_->settings();
    const auto refuse = [&](std::string_view key) {
      return Error(fmt::format("{}: it cannot become another disk, or change its gateways, by a reopen", fileName()))
          .where(std::string(key));
    };
    if (asked.vdi != now.vdi) co_return refuse("vdi");
    if (asked.snapId != now.snapId) co_return refuse("snap-id");
    if (asked.tag != now.tag) co_return refuse("tag");
    if (asked.link.servers.front() != now.link.servers.front()) co_return refuse("server");
    if (asked.link.servers != now.link.servers) co_return refuse("fallback-servers");
    if (asked.locking != now.locking) co_return refuse("locking");
    if (asked.link.depth != now.link.depth) co_return refuse("queue-depth");
    if (asked.link.patience != now.link.patience) co_return refuse("reconnect-timeout");
  }
  auto prepared = std::make_unique<Prepared>(*this, request.flags, request.fresh);
  const bool toWrite = !request.flags.readOnly && !onlyReadable_ && !request.flags.autoReadOnly;
  if (onlyReadable_ && !request.flags.readOnly && !request.flags.autoReadOnly) {
    co_return Error::fromErrno(EROFS, fmt::format("{}: it can only be read", fileName()));
  }
  if (toWrite && !volume_->isForWriting()) {
    RHEA_CO_CHECK(co_await beginWritingAtHome());
    prepared->setBegun();
  }
  co_return prepared;
}

namespace {

Task<Result<std::unique_ptr<Driver>>> openSheepdog(OpenContext context, DriverOptions options, Children) {
  RHEA_CO_TRY(Settings settings, sheepdog::readSettings(options));
  const OpenFlags flags = context.flags;
  const bool snapshot = settings.isSnapshot();
  if (snapshot && !flags.readOnly && !flags.autoReadOnly) {
    co_return Error::fromErrno(EROFS, fmt::format("the Sheepdog server {}, {}: a snapshot can only be read",
                                                  settings.link.servers.front().text(), settings.link.about))
        .hint("read-only=on opens it; a clone of it can be written");
  }
  const bool forWriting = !flags.readOnly && !flags.autoReadOnly;
  auto volume = std::make_unique<Volume>(std::move(settings), forWriting, flags.direct);
  RHEA_CO_CHECK(co_await volume->open(context.cancel));
  const bool onlyReadable = snapshot || volume->inode().hyper;
  co_return std::make_unique<SheepdogDriver>(std::move(volume), context.home, flags, onlyReadable);
}

DriverInfo describe() {
  DriverInfo info;
  info.name = "sheepdog";
  info.kind = DriverKind::kProtocol;
  info.threads = DriverThreads::kHome;
  info.open = openSheepdog;
  info.create = sheepdog::createImage;
  return info;
}

}  // namespace

const DriverInfo& sheepdogDriver() {
  static const DriverInfo kInfo = describe();
  return kInfo;
}

}  // namespace rhea::block
