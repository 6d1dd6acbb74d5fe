#include "emu/io/native-engine.h"

#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "emu/base/bug.h"
#include "emu/io/fd.h"
#include "emu/io/loop-tuning.h"
#include "emu/io/offload.h"
#include "emu/io/thread-engine.h"

namespace rhea {

namespace {

constexpr unsigned kMostInKernel = 256;
constexpr unsigned kBatch = 64;
constexpr unsigned kMostTurns = 8;  // submit and reap in one round, before the loop sees to others

// glibc has no wrappers; libaio would be a library for four system calls.
int setup(unsigned requests, aio_context_t* context) {
  return static_cast<int>(::syscall(SYS_io_setup, requests, context));
}
int submitBatch(aio_context_t context, long count, iocb** requests) {
  return static_cast<int>(::syscall(SYS_io_submit, context, count, requests));
}
int getEvents(aio_context_t context, long most, io_event* events) {
  timespec now{};
  return static_cast<int>(::syscall(SYS_io_getevents, context, 0L, most, events, &now));
}

// The head of the ring of completions that the kernel maps at the context's address (linux/fs/aio.c). While its magic
// is the known one, completions are taken from it without a system call.
struct CompletionRing {
  unsigned id;
  unsigned size;
  unsigned head;
  unsigned tail;
  unsigned magic;
  unsigned compatible;
  unsigned incompatible;
  unsigned headerLength;
};
constexpr unsigned kRingMagic = 0xa10a10a1;

class Context {
 public:
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    if (context_ != 0) ::syscall(SYS_io_destroy, context_);
  }
  Result<void> make(unsigned requests) {
    if (setup(requests, &context_) == 0) return success();
    const int code = errno;
    context_ = 0;
    Error error = Error::fromErrno(code, "Linux native AIO does not work here");
    if (code == EAGAIN) return std::move(error).hint("raise the host's limit: sysctl fs.aio-max-nr");
    return std::move(error).hint("aio=threads works everywhere");
  }
  aio_context_t get() const { return context_; }

  // Whether take() would find something; false where only the kernel can tell.
  bool hasSome() const {
    auto* const ring = reinterpret_cast<CompletionRing*>(context_);
    if (ring->magic != kRingMagic || ring->incompatible != 0) return false;
    return ring->head != std::atomic_ref(ring->tail).load(std::memory_order_acquire);
  }

  // Completions that are there; never waits.
  unsigned take(std::span<io_event> events) {
    auto* const ring = reinterpret_cast<CompletionRing*>(context_);
    if (ring->magic != kRingMagic || ring->incompatible != 0) {
      const int got = getEvents(context_, static_cast<long>(events.size()), events.data());
      return got < 0 ? 0 : static_cast<unsigned>(got);
    }
    const auto* const all = reinterpret_cast<const io_event*>(reinterpret_cast<const char*>(ring) + ring->headerLength);
    unsigned head = ring->head;
    const unsigned tail = std::atomic_ref(ring->tail).load(std::memory_order_acquire);
    unsigned count = 0;
    while (head != tail && count < events.size()) {
      events[count++] = all[head];
      head = head + 1 == ring->size ? 0 : head + 1;
    }
    if (count != 0) std::atomic_ref(ring->head).store(head, std::memory_order_release);
    return count;
  }

 private:
  aio_context_t context_ = 0;
};

class NativeEngine final : public FileEngine, private Loop::RoundEnd {
 public:
  NativeEngine(Loop& loop, std::unique_ptr<Context> context, Fd done)
      : loop_(loop), context_(std::move(context)), done_(std::move(done)) {
    loop_.addRoundEnd(*this);
    again_.engine = this;
    again_.run = [](Loop::Mail* mail) { static_cast<Again*>(mail)->engine->againPosted_ = false; };
    watch_ = loop_.watch(done_.get(), Loop::Ready::kRead, [this] {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = ::read(done_.get(), &count, sizeof count);
    });
  }
  ~NativeEngine() override {
    loop_.waitUntil([this] { return inFlight_ == 0 && !againPosted_; });
    watch_.reset();
    loop_.removeRoundEnd(*this);
  }

  FileEngineKind kind() const override { return FileEngineKind::kNative; }
  unsigned inFlight() const override { return inFlight_; }

  Task<Result<std::size_t>> submit(FileRequest request) override {
    if (request.op == FileOp::kAllocate || (request.op == FileOp::kSync && !syncs_)) {
      co_return co_await onWorker(request);
    }
    Pending pending(*this, request);
    Result<std::size_t> done = co_await pending;
    if (request.op == FileOp::kSync && !done.ok() && done.error().code() == EINVAL) {
      syncs_ = false;
      co_return co_await onWorker(request);
    }
    co_return done;
  }

 private:
  // One request; lives in the frame of the coroutine that waits for it.
  struct Pending {
    Pending(NativeEngine& owner, const FileRequest& request) : engine(owner) {
      block.aio_data = reinterpret_cast<std::uintptr_t>(this);
      block.aio_fildes = static_cast<std::uint32_t>(request.fd);
      block.aio_offset = static_cast<std::int64_t>(request.offset);
      block.aio_flags = IOCB_FLAG_RESFD;
      block.aio_resfd = static_cast<std::uint32_t>(owner.done_.get());
      if (request.op == FileOp::kSync) {
        block.aio_lio_opcode = IOCB_CMD_FDSYNC;
        return;
      }
      block.aio_lio_opcode = request.op == FileOp::kRead ? IOCB_CMD_PREADV : IOCB_CMD_PWRITEV;
      if (request.op == FileOp::kWriteStable) block.aio_rw_flags = RWF_DSYNC;
      block.aio_buf = reinterpret_cast<std::uintptr_t>(request.data.data());
      block.aio_nbytes = request.data.size();
    }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      waiter = handle;
      engine.start(*this);
    }
    Result<std::size_t> await_resume() const {
      if (result < 0) return Error::fromErrno(static_cast<int>(-result));
      return static_cast<std::size_t>(result);
    }

    NativeEngine& engine;
    iocb block{};
    std::coroutine_handle<> waiter;
    Pending* behind = nullptr;
    std::int64_t result = 0;
  };

  struct Again : Loop::Mail {
    NativeEngine* engine = nullptr;
  };

  Task<Result<std::size_t>> onWorker(FileRequest request) {
    inFlight_++;
    const auto perform = [request] { return performBlocking(request); };
    Result<std::size_t> done = co_await offload(perform);
    inFlight_--;
    co_return done;
  }

  void start(Pending& pending) {
    inFlight_++;
    loop_.wantRoundEnd();
    enqueue(pending);
  }

  void enqueue(Pending& pending) {
    pending.behind = nullptr;
    (waiting_ == nullptr ? waiting_ : waitingEnd_->behind) = &pending;
    waitingEnd_ = &pending;
  }

  bool hasWork() const override { return inKernel_ != 0 && context_->hasSome(); }

  void endOfRound() override {
    if (inFlight_ == 0) return;
    for (unsigned turn = 0; turn < kMostTurns; turn++) {
      const unsigned refused = hand();
      const unsigned reaped = reap();
      if (refused + reaped == 0) return;
    }
    if (!std::exchange(againPosted_, true)) loop_.post(static_cast<Loop::Mail&>(again_));
  }

  unsigned maxBatch() const {
    const std::int64_t asked = tuning_.maxBatch.load(std::memory_order_relaxed);
    return asked == 0 ? kBatch : static_cast<unsigned>(std::min<std::int64_t>(asked, kBatch));
  }

  // Hands what waits to the kernel. Gives how many it refused for good; those are completed with its error.
  unsigned hand() {
    std::array<iocb*, kBatch> batch;
    while (waiting_ != nullptr && inKernel_ < kMostInKernel) {
      unsigned count = 0;
      const unsigned most = std::min(maxBatch(), kMostInKernel - inKernel_);
      for (Pending* at = waiting_; at != nullptr && count < most; at = at->behind) {
        batch[count++] = &at->block;
      }
      const int taken = submitBatch(context_->get(), count, batch.data());
      if (taken <= 0 && (errno == EAGAIN || errno == EINTR)) {
        // No room in the kernel: when requests of this context complete there will be, else time must pass.
        if (inKernel_ == 0) pause_ = loop_.timer(std::chrono::milliseconds(1), [] {});
        return 0;
      }
      if (taken <= 0) {
        Pending& first = *waiting_;
        waiting_ = first.behind;
        complete(first, -errno);
        return 1;
      }
      inKernel_ += static_cast<unsigned>(taken);
      for (int i = 0; i < taken; i++) waiting_ = waiting_->behind;
    }
    return 0;
  }

  unsigned reap() {
    if (inKernel_ == 0) return 0;
    std::array<io_event, kBatch> events;
    const unsigned count = context_->take(events);
    inKernel_ -= count;
    for (unsigned i = 0; i < count; i++) complete(*reinterpret_cast<Pending*>(events[i].data), events[i].res);
    return count;
  }

  void complete(Pending& pending, std::int64_t result) {
    if (result == -EINTR || result == -EAGAIN) return enqueue(pending);
    pending.result = result;
    inFlight_--;
    pending.waiter.resume();
  }

  Loop& loop_;
  const LoopTuning& tuning_ = tuningOf(loop_);
  std::unique_ptr<Context> context_;
  Fd done_;
  std::unique_ptr<Loop::Watch> watch_;
  std::unique_ptr<Loop::Watch> pause_;
  Again again_;
  bool againPosted_ = false;
  bool syncs_ = true;
  Pending* waiting_ = nullptr;  // not yet handed over
  Pending* waitingEnd_ = nullptr;
  unsigned inFlight_ = 0;
  unsigned inKernel_ = 0;
};

}  // namespace

Result<std::unique_ptr<FileEngine>> makeNativeEngine(Loop& loop) {
  auto context = std::make_unique<Context>();
  RHEA_CHECK(context->make(kMostInKernel));
  Fd done(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!done) return Error::fromErrno(errno, "cannot make an eventfd for native AIO");
  return std::unique_ptr<FileEngine>(std::make_unique<NativeEngine>(loop, std::move(context), std::move(done)));
}

Result<void> probeNativeEngine() { return Context().make(1); }

}  // namespace rhea
