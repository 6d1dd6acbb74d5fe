// What a node's rights mean for its file: image locks, and with auto-read-only for what it is open.
#include "block/driver/file/reopen.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

bool writes(Permissions used) {
  return !(used & (Permissions::write() | Permissions::writeUnchanged() | Permissions::resize())).isNone();
}

}  // namespace

bool HostFile::opensForWriting(const OpenFlags& flags) const {
  if (flags.readOnly || kind_ == HostFileKind::kCdrom) return false;
  return !flags.autoReadOnly || claimedForWriting_;
}

Task<Result<void>> HostFile::prepareRights(Rights rights) {
  if (locks_ != nullptr) {
    LockSet wanted(rights.used.bits(), Permissions::all().without(rights.shared).bits());
    {
      const std::lock_guard lock(guard_);
      if (flags_.forceShare) wanted.denies = 0;
    }
    const auto claim = [keeper = locks_, wanted] { return keeper->claim(wanted); };
    RHEA_CO_CHECK(co_await offload(claim));
  }
  Result<void> followed = co_await followRights(writes(rights.used));
  if (!followed.ok() && locks_ != nullptr) locks_->abort(Loop::current()->workers());
  co_return followed;
}

Task<Result<void>> HostFile::followRights(bool writing) {
  claimedForWriting_ = writing;
  HostFileOptions options;
  OpenFlags flags;
  {
    const std::lock_guard lock(guard_);
    options = options_;
    flags = flags_;
  }
  const bool wanted = opensForWriting(flags);
  if (!flags.autoReadOnly || use()->access().writable == wanted) co_return success();
  const std::string path = options.filename;
  auto slot = co_await openAgain(std::move(options), flags, wanted);
  if (slot.ok()) {
    rightsChange_ = std::make_unique<Prepared>(*this, *slot);
    co_return success();
  }
  // Nobody writes any more: that the file stays open for writing harms nobody.
  if (!wanted) co_return success();
  claimedForWriting_ = neededForWriting_;
  co_return slot.takeError().context(
      fmt::format("'{}' is open for reading only (auto-read-only=on), and cannot be opened for writing now", path));
}

void HostFile::commitRights() {
  if (locks_ != nullptr) locks_->commit(Loop::current()->workers());
  neededForWriting_ = claimedForWriting_;
  // A reopen in the same change may have brought the right description already.
  if (rightsChange_ != nullptr && use()->access().writable != rightsChange_->writable()) rightsChange_->commit();
  endRightsChange();
}

void HostFile::abortRights() {
  if (locks_ != nullptr) locks_->abort(Loop::current()->workers());
  claimedForWriting_ = neededForWriting_;
  endRightsChange();
}

namespace {

Task<void> settle(std::unique_ptr<PreparedReopen> change) { co_await change->settle(); }

}  // namespace

void HostFile::endRightsChange() {
  if (rightsChange_ != nullptr) settling_.spawn(settle(std::move(rightsChange_)));
}

}  // namespace rhea::block
