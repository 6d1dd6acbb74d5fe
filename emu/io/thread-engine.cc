#include "emu/io/thread-engine.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "emu/io/loop-impl.h"

namespace rhea {

namespace {

ssize_t call(const FileRequest& request) {
  const auto offset = static_cast<off_t>(request.offset);
  const int count = static_cast<int>(request.data.size());
  switch (request.op) {
    case FileOp::kRead:
      return ::preadv(request.fd, request.data.data(), count, offset);
    case FileOp::kWrite:
      return ::pwritev(request.fd, request.data.data(), count, offset);
    case FileOp::kWriteStable:
      return ::pwritev2(request.fd, request.data.data(), count, offset, RWF_DSYNC);
    case FileOp::kSync:
      return ::fdatasync(request.fd);
    case FileOp::kAllocate:
      return ::fallocate(request.fd, request.mode, offset, static_cast<off_t>(request.length));
  }
  errno = EINVAL;
  return -1;
}

}  // namespace

Result<std::size_t> performBlocking(const FileRequest& request) {
  while (true) {
    const ssize_t done = call(request);
    if (done >= 0) return static_cast<std::size_t>(done);
    if (errno == EAGAIN) {
      ::usleep(1000);  // a non-blocking descriptor was passed in; regular files never come here
    } else if (errno != EINTR) {
      return Error::fromErrno(errno);
    }
  }
}

// One request; lives in the frame of the coroutine that waits for it.
struct ThreadEngine::Pending : Loop::Mail {
  Pending(ThreadEngine& owner, FileRequest what) : engine(owner), request(what) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    waiter = handle;
    engine.start(*this);
  }
  Result<std::size_t> await_resume() { return std::move(result); }

  // On a worker.
  static void perform(Mail* mail) {
    auto* self = static_cast<Pending*>(mail);
    self->result = performBlocking(self->request);
    self->run = [](Mail* back) {
      auto* done = static_cast<Pending*>(back);
      done->engine.complete(*done);
    };
    self->engine.loop_.post(static_cast<Mail&>(*self));
  }

  ThreadEngine& engine;
  FileRequest request;
  std::coroutine_handle<> waiter;
  Pending* behind = nullptr;
  Result<std::size_t> result = Error::fromErrno(EINPROGRESS);
};

ThreadEngine::~ThreadEngine() {
  loop_.waitUntil([this] { return inFlight_ == 0; });
}

Task<Result<std::size_t>> ThreadEngine::submit(FileRequest request) {
  if (!workers_.hasThreads()) co_return performBlocking(request);
  Pending pending(*this, request);
  co_return co_await pending;
}

void ThreadEngine::start(Pending& pending) {
  inFlight_++;
  Lane& lane = lanes_[pending.request.fd];
  if (lane.running == kMostPerFile) {
    (lane.first == nullptr ? lane.first : lane.last->behind) = &pending;
    lane.last = &pending;
    return;
  }
  lane.running++;
  pending.run = &Pending::perform;
  workers_.submit(static_cast<Loop::Mail&>(pending));
}

void ThreadEngine::complete(Pending& pending) {
  const auto place = lanes_.find(pending.request.fd);
  Lane& lane = place->second;
  if (Pending* const next = lane.first; next != nullptr) {
    lane.first = next->behind;
    next->run = &Pending::perform;
    workers_.submit(static_cast<Loop::Mail&>(*next));
  } else if (--lane.running == 0) {
    lanes_.erase(place);
  }
  inFlight_--;
  pending.waiter.resume();
}

}  // namespace rhea
