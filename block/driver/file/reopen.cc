// Exchanging a node's open file description while requests run.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "block/driver/file/host-file.h"
#include "emu/io/offload.h"

namespace rhea::block {

class HostFile::Prepared final : public PreparedReopen {
 public:
  // `slot` null: nothing of the description changes.
  Prepared(HostFile& file, FileSlot* slot, HostFileOptions options, OpenFlags flags)
      : file_(file), fresh_(slot), options_(std::move(options)), flags_(flags) {}

  void commit() override {
    exchange();
    committed_ = true;
  }
  void revert() override {
    exchange();
    committed_ = false;
  }

  Task<void> settle() override {
    if (fresh_ == nullptr) co_return;
    FileSlot* given = committed_ ? former_ : fresh_;
    fresh_ = nullptr;
    auto fd = co_await file_.slots_.retire(*given);
    co_await releaseOffLoop(file_.locks_, std::move(fd));
  }

 private:
  // Both ways: puts aside what is in force and takes what was put aside.
  void exchange() {
    if (fresh_ != nullptr) {
      FileSlot& next = committed_ ? *former_ : *fresh_;
      FileSlot* before = file_.slots_.makeCurrent(next);
      if (!committed_) former_ = before;
      file_.writable_ = next.access().writable;
      if (file_.locks_ != nullptr) file_.locks_->makePrimary(next.descriptor());
    }
    const std::lock_guard lock(file_.guard_);
    std::swap(file_.options_, options_);
    std::swap(file_.flags_, flags_);
  }

  HostFile& file_;
  FileSlot* fresh_;
  FileSlot* former_ = nullptr;
  HostFileOptions options_;
  OpenFlags flags_;
  bool committed_ = false;
};

namespace {

struct Reopened {
  OpenedFile opened;
  std::shared_ptr<Fd> descriptor;
};

struct ReopenWork {
  OpenWish wish;
  int fd;
  std::shared_ptr<LockKeeper> locks;
  bool toDirect;  // from the page cache, which may hold dirty pages of ours
  bool dropCache;

  // Blocking.
  Result<Reopened> operator()() const {
    Reopened made;
    RHEA_TRY(made.opened, reopenHostFile(fd, wish));
    made.descriptor = std::make_shared<Fd>(std::move(made.opened.fd));
    if (toDirect) {
      // On the new description: each has its own memory of write errors, so that a flush by the old one still sees
      // them.
      if (fdatasync(made.descriptor->get()) != 0) {
        return Error::fromErrno(errno,
                                fmt::format("'{}': cannot write back the page cache before direct I/O", wish.path));
      }
      if (dropCache) posix_fadvise(made.descriptor->get(), 0, 0, POSIX_FADV_DONTNEED);
    }
    if (locks != nullptr) RHEA_CHECK(locks->add(made.descriptor));
    return made;
  }
};

}  // namespace

Task<Result<std::unique_ptr<PreparedReopen>>> HostFile::prepareReopen(ReopenRequest request) {
  HostFileOptions wanted = options();
  if (request.options) {
    RHEA_CO_TRY(HostFileOptions given, hostFileOptions(*request.options));
    if (given.filename != wanted.filename) {
      co_return Error(fmt::format("'{}' cannot become '{}' by a reopen", wanted.filename, given.filename))
          .where("filename")
          .hint("add a node for the other file and let the parent's child refer to it");
    }
    if (given.locking != wanted.locking) {
      co_return Error(fmt::format("'{}': locking cannot change while the image is open", wanted.filename))
          .where("locking");
    }
    wanted = std::move(given);
  }
  OpenFlags before;
  {
    const std::lock_guard lock(guard_);
    before = flags_;
  }
  const FileUse file = use();
  const bool writing = !request.flags.readOnly && kind_ != HostFileKind::kCdrom;
  FileAccess access = file->access();
  const bool sameAccess =
      access.direct == request.flags.direct &&
      (access.writable == writing || (writing && request.flags.autoReadOnly && before.autoReadOnly));
  OpenedFile asIs;
  asIs.writable = access.writable;
  asIs.direct = access.direct;
  asIs.alignment = access.alignment;
  const bool sameEngine = accessOf(asIs, wanted).engine == access.engine;
  if (sameAccess && sameEngine && !request.fresh) {
    co_return std::make_unique<Prepared>(*this, nullptr, std::move(wanted), request.flags);
  }
  if (wanted.aio && *wanted.aio != FileEngineKind::kNative) RHEA_CO_CHECK(probeFileEngine(*wanted.aio));

  OpenWish wish(wanted.filename, kind_, writing);
  wish.direct = request.flags.direct;
  wish.autoReadOnly = request.flags.autoReadOnly;
  wish.sets = sets_;
  const bool toDirect = request.flags.direct && !access.direct && access.writable;
  const ReopenWork work{wish, file->fd(), locks_, toDirect, wanted.dropCache};
  RHEA_CO_TRY(Reopened made, co_await offload(work));
  FileSlot& slot = slots_.fill(std::move(made.descriptor), accessOf(made.opened, wanted));
  // What is written by requests of the old mode from now on; the first direct request waits for it.
  slot.syncFirst = request.flags.direct && access.writable && (!access.direct || file->syncFirst.load());
  auto prepared = std::make_unique<Prepared>(*this, &slot, std::move(wanted), request.flags);
  if (auto asked = request.cancel.check(); !asked.ok()) {
    co_await prepared->settle();
    co_return asked.takeError();
  }
  co_return prepared;
}

}  // namespace rhea::block
