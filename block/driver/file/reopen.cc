// Exchanging a node's open file description while requests run.
#include "block/driver/file/reopen.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "emu/io/offload.h"

namespace rhea::block {

namespace {

struct Reopened {
  OpenedFile opened;
  std::shared_ptr<Fd> descriptor;
};

struct ReopenWork {
  HostFileWish wish;
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
  const FileUse file = use();
  const FileAccess access = file->access();
  const bool writing = opensForWriting(request.flags);
  OpenedFile asIs;
  asIs.writable = access.writable;
  asIs.direct = access.direct;
  asIs.alignment = access.alignment;
  const bool sameAccess = access.direct == request.flags.direct && access.writable == writing;
  if (sameAccess && accessOf(asIs, wanted).engine == access.engine && !request.fresh) {
    co_return std::make_unique<Prepared>(*this, nullptr, std::move(wanted), request.flags);
  }
  if (wanted.aio && *wanted.aio != FileEngineKind::kNative) RHEA_CO_CHECK(probeFileEngine(*wanted.aio));
  RHEA_CO_TRY(FileSlot * slot, co_await openAgain(wanted, request.flags, writing));
  auto prepared = std::make_unique<Prepared>(*this, slot, std::move(wanted), request.flags);
  if (auto asked = request.cancel.check(); !asked.ok()) {
    co_await prepared->settle();
    co_return asked.takeError();
  }
  co_return prepared;
}

Task<Result<FileSlot*>> HostFile::openAgain(HostFileOptions options, OpenFlags flags, bool writing) {
  const FileUse file = use();
  const FileAccess access = file->access();
  const bool dirty = wasWritable_.load(std::memory_order_relaxed);
  HostFileWish wish(options.filename, kind_, writing);
  wish.direct = flags.direct;
  wish.sets = sets_;
  const bool toDirect = flags.direct && !access.direct && dirty;
  const ReopenWork work{wish, file->fd(), locks_, toDirect, options.dropCache};
  RHEA_CO_TRY(Reopened made, co_await offload(work));
  FileSlot& slot = slots_.fill(std::move(made.descriptor), accessOf(made.opened, options));
  // What is written by requests of the old mode from now on; the first direct request waits for it.
  slot.syncFirst = flags.direct && dirty && (!access.direct || file->syncFirst.load());
  co_return &slot;
}

}  // namespace rhea::block
