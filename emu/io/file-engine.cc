#include "emu/io/file-engine.h"

#include <cerrno>

#include "emu/io/loop-impl.h"
#include "emu/io/thread-engine.h"

namespace rhea {

std::string_view toString(FileEngineKind kind) {
  switch (kind) {
    case FileEngineKind::kThreads:
      return "threads";
    case FileEngineKind::kNative:
      return "native";
    case FileEngineKind::kUring:
      return "io_uring";
  }
  return "threads";
}

Result<std::unique_ptr<FileEngine>> makeFileEngine(Loop& loop, FileEngineKind kind) {
  if (kind == FileEngineKind::kThreads) return std::unique_ptr<FileEngine>(std::make_unique<ThreadEngine>(loop));
  return Error::fromErrno(ENOSYS, fmt::format("the file engine '{}' cannot be made", toString(kind)));
}

Result<void> probeFileEngine(FileEngineKind kind) {
  if (kind == FileEngineKind::kThreads) return success();
  return Error::fromErrno(ENOSYS, fmt::format("the file engine '{}' cannot be made", toString(kind)));
}

}  // namespace rhea
