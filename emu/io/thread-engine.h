// The thread engine: each request is one blocking call on a worker. Works everywhere; the other engines fall back on it
// for what their kernel interface cannot do.
#pragma once

#include <unordered_map>

#include "emu/base/base.h"
#include "emu/io/file-engine.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"

namespace rhea {

// The request as one blocking system call, repeated on EINTR. Bytes, or a bare errno value.
Result<std::size_t> performBlocking(const FileRequest& request);

class ThreadEngine final : public FileEngine {
 public:
  // Of a loop whose worker pool has no threads, neither has the engine: each request is done when submit() returns.
  explicit ThreadEngine(Loop& loop)
      : loop_(loop), workers_(loop.workers().hasThreads() ? kMostThreads : 0, "rhea-io") {}
  ~ThreadEngine() override;

  FileEngineKind kind() const override { return FileEngineKind::kThreads; }
  Task<Result<std::size_t>> submit(FileRequest request) override;
  unsigned inFlight() const override { return inFlight_; }

 private:
  // The threads are the engine's own, so that loops do not meet at one queue, and a dead file server that holds them
  // all leaves the loop's other blocking work alone. One descriptor gets an eighth of them at most.
  static constexpr unsigned kMostThreads = 256;
  static constexpr unsigned kMostPerFile = 32;

  struct Pending;
  struct Lane {
    unsigned running = 0;
    Pending* first = nullptr;
    Pending* last = nullptr;
  };

  void start(Pending& pending);
  void complete(Pending& pending);

  Loop& loop_;
  WorkerPool workers_;
  std::unordered_map<int, Lane> lanes_;  // by descriptor
  unsigned inFlight_ = 0;
};

}  // namespace rhea
