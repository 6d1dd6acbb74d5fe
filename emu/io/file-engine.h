// FileEngine: asynchronous I/O on host file descriptors for one loop.
//
// Three kinds, chosen per node (`aio=`): io_uring, a thread pool, Linux native AIO. An engine belongs to one loop and
// is only used there, so that no request crosses a lock. Short transfers are returned as they are (the block core's
// file driver goes on with the rest); -EINTR/-EAGAIN never surface.
#pragma once

#include <sys/uio.h>

#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea {

class Log;
class Loop;
class Services;

enum class FileEngineKind : std::uint8_t { kThreads, kNative, kUring };

// "threads", "native", "io_uring": the values of aio=.
std::string_view toString(FileEngineKind kind);

enum class FileOp : std::uint8_t {
  kRead,
  kWrite,
  kWriteStable,  // RWF_DSYNC: completes when data and the metadata needed to read it back are on stable storage
  kSync,         // fdatasync
  kAllocate,     // fallocate with `mode`
};

struct FileRequest {
  FileRequest(FileOp what, int file, std::uint64_t at) : op(what), fd(file), offset(at) {}
  FileOp op;
  int fd;
  std::uint64_t offset;         // bytes
  std::uint64_t length = 0;     // bytes; kAllocate only
  int mode = 0;                 // fallocate mode; kAllocate only
  std::span<const iovec> data;  // kRead, kWrite, kWriteStable; memory lives until completion
};

class FileEngine {
 public:
  virtual ~FileEngine() = default;
  virtual FileEngineKind kind() const = 0;
  // Bytes transferred (0 for kSync and kAllocate); errors are bare errno values. ENOTSUP/EOPNOTSUPP of RWF_DSYNC is
  // passed on: the caller falls back to write plus fdatasync and remembers.
  virtual Task<Result<std::size_t>> submit(FileRequest request) = 0;
  // Whether completions wait to be taken; asked over and over while the loop looks for work before it sleeps, so only
  // where it takes a glance at memory.
  virtual bool hasWork() const { return false; }
  // Requests handed to the kernel or a worker and not completed.
  virtual unsigned inFlight() const = 0;
};

// What works on this host now: a real ring or AIO context is made and used once. The error says why not
// (EPERM, kernel.io_uring_disabled, a sandbox). Blocking: giving a native AIO context back takes tens of milliseconds.
Result<void> probeFileEngine(FileEngineKind kind);

// The engine of nodes whose options name none: io_uring where it works, else threads with one log line that says why.
// Decided once, when it is first asked for. A service that main makes and provides; any thread.
class DefaultFileEngine {
 public:
  explicit DefaultFileEngine(Log& log) : log_(log) {}
  FileEngineKind kind();

 private:
  Log& log_;
  std::once_flag decided_;
  FileEngineKind kind_ = FileEngineKind::kThreads;
};

// What the service says; where a program has none, what works now.
FileEngineKind defaultFileEngine(const Services& services);

}  // namespace rhea
