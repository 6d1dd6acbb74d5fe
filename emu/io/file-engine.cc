#include "emu/io/file-engine.h"

#include <cerrno>

#include "emu/base/log.h"
#include "emu/io/loop-impl.h"
#include "emu/io/native-engine.h"
#include "emu/io/services.h"
#include "emu/io/thread-engine.h"
#include "emu/io/uring-engine.h"

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
  switch (kind) {
    case FileEngineKind::kThreads:
      return std::unique_ptr<FileEngine>(std::make_unique<ThreadEngine>(loop));
    case FileEngineKind::kNative:
      return makeNativeEngine(loop);
    case FileEngineKind::kUring:
      return makeUringEngine(loop);
  }
  return Error::fromErrno(EINVAL);
}

Result<void> probeFileEngine(FileEngineKind kind) {
  switch (kind) {
    case FileEngineKind::kThreads:
      return success();
    case FileEngineKind::kNative:
      return probeNativeEngine();
    case FileEngineKind::kUring:
      return probeUringEngine();
  }
  return Error::fromErrno(EINVAL);
}

FileEngineKind DefaultFileEngine::kind() {
  std::call_once(decided_, [this] {
    const Result<void> works = probeFileEngine(FileEngineKind::kUring);
    if (works.ok()) {
      kind_ = FileEngineKind::kUring;
    } else {
      log_.info("file I/O uses threads: {}", works.error().message());
    }
  });
  return kind_;
}

FileEngineKind defaultFileEngine(const Services& services) {
  if (auto* service = services.find<DefaultFileEngine>()) return service->kind();
  return probeFileEngine(FileEngineKind::kUring).ok() ? FileEngineKind::kUring : FileEngineKind::kThreads;
}

}  // namespace rhea
