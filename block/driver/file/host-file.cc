#include "block/driver/file/host-file.h"

#include <fcntl.h>

#include <cerrno>

#include "block/driver/file/mount-facts.h"
#include "block/driver/file/reopen.h"
#include "emu/io/fd-sets.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

// Blocking: giving back the AIO context of a probe takes the kernel tens of milliseconds.
Result<void> checkEngine(const HostFileOptions& options, const OpenFlags& flags) {
  if (!options.aio) return success();
  if (*options.aio == FileEngineKind::kNative && !flags.direct) {
    return Error(fmt::format("'{}': aio=native works with direct I/O only, other requests would block in the kernel",
                             options.filename))
        .hint("add cache.direct=on, or use aio=io_uring or aio=threads");
  }
  auto works = probeFileEngine(*options.aio);
  if (works.ok()) return success();
  return works.takeError().context(
      fmt::format("'{}': aio={} does not work here", options.filename, toString(*options.aio)));
}

// Blocking. Null: the node does without locks.
Result<std::shared_ptr<LockKeeper>> keeperFor(const HostFileOptions& options, const std::shared_ptr<Fd>& fd,
                                              std::string& note) {
  if (options.locking == Locking::kOff) return std::shared_ptr<LockKeeper>();
  if (auto probed = probeLocks(fd->get()); !probed.ok()) {
    if (options.locking == Locking::kOn) {
      return probed.takeError()
          .context(fmt::format("'{}': the file system keeps no locks", options.filename))
          .hint("locking=auto or locking=off opens the image without them");
    }
    note = "the file system keeps no locks: nothing stops another program from using the image";
    return std::shared_ptr<LockKeeper>();
  }
  auto keeper = std::make_shared<LockKeeper>(options.filename, isOnLocalFileSystem(fd->get()));
  RHEA_CHECK(keeper->add(fd));
  return keeper;
}

}  // namespace

Task<Result<HostFileStart>> startHostFile(OpenContext context, HostFileOptions options, HostFileKind kind) {
  const OpenFlags flags = context.flags;
  if (flags.forceShare && !flags.readOnly) {
    co_return Error(
        fmt::format("'{}': force-share=on lets others write the image, so it can only be read", options.filename))
        .hint("add read-only=on");
  }
  // With auto-read-only whoever writes comes later, and the file is opened again for it.
  HostFileWish wish(options.filename, kind, !flags.readOnly && !flags.autoReadOnly && kind != HostFileKind::kCdrom);
  wish.direct = flags.direct;
  wish.sets = context.services.find<FdSets>();
  wish.nameless = std::exchange(options.nameless, -1);
  const auto open = [wish, options, flags]() -> Result<HostFileStart> {
    RHEA_CHECK(checkEngine(options, flags));
    HostFileStart start;
    RHEA_TRY(start.opened, openHostFile(wish));
    auto shared = std::make_shared<Fd>(std::move(start.opened.fd));
    RHEA_TRY(start.locks, keeperFor(options, shared, start.note));
    start.descriptor = std::move(shared);
    return start;
  };
  RHEA_CO_TRY(HostFileStart start, co_await offload(open));
  // Where nobody has found out yet what works, and nobody needs to know, no ring is made to try.
  const bool isKnown = context.services.find<DefaultFileEngine>() != nullptr;
  start.usualEngine = options.aio && !isKnown ? *options.aio : defaultFileEngine(context.services);
  start.options = std::move(options);
  start.kind = kind;
  start.flags = flags;
  start.sets = wish.sets;
  co_return start;
}

HostFile::HostFile(HostFileStart start)
    : kind_(start.kind),
      usualEngine_(start.usualEngine),
      sets_(start.sets),
      locks_(std::move(start.locks)),
      note_(std::move(start.note)),
      length_(start.opened.length),
      readOnly_(start.flags.readOnly || start.kind == HostFileKind::kCdrom),
      wasWritable_(start.opened.writable),
      options_(std::move(start.options)),
      flags_(start.flags) {
  slots_.makeCurrent(slots_.fill(std::move(start.descriptor), accessOf(start.opened, options_)));
}

HostFile::~HostFile() = default;

FileAccess HostFile::accessOf(const OpenedFile& opened, const HostFileOptions& options) const {
  FileAccess access;
  access.writable = opened.writable;
  access.direct = opened.direct;
  access.alignment = opened.alignment;
  access.engine = options.aio.value_or(usualEngine_);
  if (access.engine == FileEngineKind::kNative && !access.direct) access.engine = FileEngineKind::kThreads;
  return access;
}

HostFileOptions HostFile::options() const {
  const std::lock_guard lock(guard_);
  return options_;
}

Limits HostFile::limits() const { return use()->access().limits(); }

Task<void> HostFile::close() {
  co_await settling_.join();
  // No request is in flight and none will come, so the slot may stay current although it is emptied.
  FileSlot* slot = nullptr;
  {
    const FileUse last = use();
    slot = &*last;
  }
  auto fd = co_await slots_.retire(*slot);
  co_await releaseOffLoop(locks_, std::move(fd));
}

int HostFile::descriptor() const {
  const FileUse now = use();
  return now->descriptor() == nullptr ? -1 : now->fd();
}

std::string HostFile::fileName() const { return options().filename; }

}  // namespace rhea::block
