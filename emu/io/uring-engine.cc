#include "emu/io/uring-engine.h"

#include <cerrno>

#include "config.h"

#if RHEA_HAVE_URING

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emu/base/bug.h"
#include "emu/base/files.h"
#include "emu/io/fd.h"
#include "emu/io/loop-tuning.h"

namespace rhea {

namespace {

constexpr unsigned kEntries = 256;              // of the submission queue
constexpr unsigned kMostInKernel = 4096;        // the completion queue's entries, so that it cannot overflow
constexpr unsigned kMostWorkers = 128;          // threads of the kernel for what would block
constexpr unsigned kBatch = 64;                 // completions taken from the ring at a time
constexpr unsigned kMostTurns = 8;              // submit and reap in one round, before the loop sees to others
constexpr std::size_t kMostBytes = 0x7ffff000;  // of one transfer, as read(2)

// From best to what every kernel with io_uring has. DEFER_TASKRUN (6.1) completes requests only when this thread asks,
// not in the middle of whatever it does; COOP_TASKRUN (5.19) at least not by an interrupt to another processor.
constexpr std::array<unsigned, 3> kSetups{
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL, 0};

constexpr std::array<int, 7> kOperations{IORING_OP_NOP,    IORING_OP_READ,  IORING_OP_READV,    IORING_OP_WRITE,
                                         IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE};

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (made_) io_uring_queue_exit(&ring);
  }
  // An errno value, or 0. The ring is disabled until enable(), which ties it to the calling thread.
  int make(unsigned entries) {
    int code = EINVAL;
    for (const unsigned setup : kSetups) {
      io_uring_params wanted{};
      wanted.flags = setup | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
      wanted.cq_entries = entries * (kMostInKernel / kEntries);
      code = -io_uring_queue_init_params(entries, &ring, &wanted);
      made_ = code == 0;
      if (code != EINVAL) break;
    }
    return code;
  }
  // An errno value, or 0. liburing 2.3 declares io_uring_enable_rings() but does not export it.
  int enable() const {
    return ::syscall(SYS_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0 ? errno : 0;
  }

  io_uring ring{};

 private:
  bool made_ = false;
};

Error noRing(int code) {
  Error error = Error::fromErrno(code, "io_uring does not work here");
  if (code == EPERM) {
    constexpr auto kSwitch = "/proc/sys/kernel/io_uring_disabled";
    const Result<std::string> disabled = readFile(kSwitch, 16);
    const bool off = disabled.ok() && !disabled->starts_with('0');
    return std::move(error).hint(off ? "the host has switched it off: sysctl kernel.io_uring_disabled=0 allows it"
                                     : "a sandbox forbids it (seccomp); aio=threads works everywhere");
  }
  if (code == ENOSYS) return std::move(error).hint("this kernel has no io_uring; aio=threads works everywhere");
  if (code == ENOMEM) return std::move(error).hint("raise the limit of locked memory (ulimit -l)");
  return error;
}

class UringEngine final : public FileEngine, private Loop::RoundEnd {
 public:
  UringEngine(Loop& loop, std::unique_ptr<Ring> ring, Fd done)
      : loop_(loop), owner_(std::move(ring)), ring_(owner_->ring), done_(std::move(done)) {
    loop_.addRoundEnd(*this);
    again_.engine = this;
    again_.run = [](Loop::Mail* mail) { static_cast<Again*>(mail)->engine->againPosted_ = false; };
  }
  ~UringEngine() override {
    loop_.waitUntil([this] { return inFlight_ == 0 && !againPosted_; });
    watch_.reset();
    loop_.removeRoundEnd(*this);
  }

  FileEngineKind kind() const override { return FileEngineKind::kUring; }
  unsigned inFlight() const override { return inFlight_; }

  Task<Result<std::size_t>> submit(FileRequest request) override {
    Pending pending(*this, request);
    co_return co_await pending;
  }

 private:
  // One request; lives in the frame of the coroutine that waits for it.
  struct Pending {
    Pending(UringEngine& owner, FileRequest what) : engine(owner), request(what) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      waiter = handle;
      engine.start(*this);
    }
    Result<std::size_t> await_resume() const {
      if (result < 0) return Error::fromErrno(-result);
      return static_cast<std::size_t>(result);
    }

    UringEngine& engine;
    FileRequest request;
    std::coroutine_handle<> waiter;
    Pending* behind = nullptr;
    int result = 0;
    bool tried = false;  // once already, in vain: the kernel's own threads do it
  };

  struct Again : Loop::Mail {
    UringEngine* engine = nullptr;
  };

  void start(Pending& pending) {
    if (!watch_) enable();
    inFlight_++;
    loop_.wantRoundEnd();
    if (backlog_ != nullptr || !prepare(pending)) enqueue(pending);
    const auto most = static_cast<unsigned>(tuning_.maxBatch.load(std::memory_order_relaxed));
    if (most != 0 && io_uring_sq_ready(&ring_) >= most) hand();
  }

  void enqueue(Pending& pending) {
    pending.behind = nullptr;
    (backlog_ == nullptr ? backlog_ : backlogEnd_->behind) = &pending;
    backlogEnd_ = &pending;
  }

  // On the loop's thread, which from now on is the only one that may submit.
  void enable() {
    if (owner_->enable() != 0) bug("an io_uring cannot be enabled");
    // The kernel's own limit is four threads a processor: a file server that hangs would hold them all, and with them
    // the writes and flushes of every other disk. Before Linux 5.15 it cannot be raised.
    std::array<unsigned, 2> workers{kMostWorkers, 0};
    io_uring_register_iowq_max_workers(&ring_, workers.data());
    watch_ = loop_.watch(done_.get(), Loop::Ready::kReadEdge, [] {});  // what it wakes for is done at the round's end
  }

  // False where there is no room now.
  bool prepare(Pending& pending) {
    if (inKernel_ == kMostInKernel) return false;
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return false;
    inKernel_++;
    fill(*entry, pending.request);
    if (pending.tried) entry->flags |= IOSQE_ASYNC;
    io_uring_sqe_set_data(entry, &pending);
    return true;
  }

  static void fill(io_uring_sqe& entry, const FileRequest& request) {
    const bool one = request.data.size() == 1;
    const auto count = static_cast<unsigned>(request.data.size());
    const auto bytes = one ? static_cast<unsigned>(std::min(request.data[0].iov_len, kMostBytes)) : 0;
    switch (request.op) {
      case FileOp::kRead:
        if (one) return io_uring_prep_read(&entry, request.fd, request.data[0].iov_base, bytes, request.offset);
        return io_uring_prep_readv(&entry, request.fd, request.data.data(), count, request.offset);
      case FileOp::kWrite:
      case FileOp::kWriteStable:
        if (one) {
          io_uring_prep_write(&entry, request.fd, request.data[0].iov_base, bytes, request.offset);
        } else {
          io_uring_prep_writev(&entry, request.fd, request.data.data(), count, request.offset);
        }
        if (request.op == FileOp::kWriteStable) entry.rw_flags = RWF_DSYNC;
        return;
      case FileOp::kSync:
        return io_uring_prep_fsync(&entry, request.fd, IORING_FSYNC_DATASYNC);
      case FileOp::kAllocate:
        return io_uring_prep_fallocate(&entry, request.fd, request.mode, static_cast<off_t>(request.offset),
                                       static_cast<off_t>(request.length));
    }
  }

  bool hasWork() const override { return inFlight_ != 0 && somethingWaits(); }

  void endOfRound() override {
    if (inFlight_ == 0) return;
    ringBell(false);
    for (unsigned turn = 0; turn < kMostTurns; turn++) {
      const bool accepted = hand();
      if (accepted) refill();
      if (reap() != 0 || (accepted && io_uring_sq_ready(&ring_) != 0)) continue;
      if (!accepted) breathe();
      ringBell(true);
      // What came before the bell was on rang nothing.
      if (!somethingWaits()) return;
      ringBell(false);
    }
    keepAwake();  // there may be more, but other work has waited for long enough
  }

  // The eventfd is on only while the loop may sleep: each completion within a round would ring it for nothing.
  void ringBell(bool on) {
    if (ring_.cq.kflags == nullptr) return;  // before Linux 5.8 it is always on
    const std::atomic_ref flags(*ring_.cq.kflags);
    // Switching it on must be seen by the kernel before the ring is looked at for the last time.
    if (on) {
      flags.fetch_and(~IORING_CQ_EVENTFD_DISABLED, std::memory_order_seq_cst);
    } else {
      flags.store(flags.load(std::memory_order_relaxed) | IORING_CQ_EVENTFD_DISABLED, std::memory_order_relaxed);
    }
  }

  bool workWaits() const {
    return (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  }
  bool somethingWaits() const { return io_uring_cq_ready(&ring_) != 0 || workWaits(); }

  // Hands what is prepared to the kernel, and lets it post what is done. False where it takes nothing now.
  bool hand() {
    const bool posts = workWaits();
    const bool some = io_uring_sq_ready(&ring_) != 0;
    if (!some && !posts) return true;
    const int code = posts ? io_uring_submit_and_get_events(&ring_) : io_uring_submit(&ring_);
    if (code == -EAGAIN || code == -EBUSY || code == -EINTR || code == -ENOMEM) return !some;
    if (code < 0) bug("io_uring_enter refuses this ring");
    return true;
  }

  unsigned reap() {
    std::array<std::pair<Pending*, int>, kBatch> done;
    unsigned count = 0;
    unsigned head = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring_, head, entry) {
      done[count] = {static_cast<Pending*>(io_uring_cqe_get_data(entry)), entry->res};
      if (++count == kBatch) break;
    }
    if (count == 0) return 0;
    io_uring_cq_advance(&ring_, count);
    inKernel_ -= count;
    refill();
    for (unsigned i = 0; i < count; i++) complete(*done[i].first, done[i].second);
    return count;
  }

  // Before completions run: what waits for room came before what they will ask for.
  void refill() {
    while (backlog_ != nullptr && prepare(*backlog_)) backlog_ = backlog_->behind;
  }

  void complete(Pending& pending, int result) {
    if (result == -EINTR || result == -EAGAIN) {
      pending.tried = true;
      if (backlog_ != nullptr || !prepare(pending)) enqueue(pending);
      return;
    }
    pending.result = result;
    inFlight_--;
    pending.waiter.resume();
  }

  void keepAwake() {
    if (std::exchange(againPosted_, true)) return;
    loop_.post(static_cast<Loop::Mail&>(again_));
  }

  // The kernel has no memory for requests now: again in a millisecond.
  void breathe() {
    pause_ = loop_.timer(std::chrono::milliseconds(1), [] {});
  }

  Loop& loop_;
  const LoopTuning& tuning_ = tuningOf(loop_);
  std::unique_ptr<Ring> owner_;
  io_uring& ring_;
  Fd done_;  // an eventfd that the kernel writes when there is something to take; never read
  std::unique_ptr<Loop::Watch> watch_;
  std::unique_ptr<Loop::Watch> pause_;
  Again again_;
  bool againPosted_ = false;
  Pending* backlog_ = nullptr;  // what found no room
  Pending* backlogEnd_ = nullptr;
  unsigned inFlight_ = 0;
  unsigned inKernel_ = 0;  // prepared and not completed
};

}  // namespace

Result<std::unique_ptr<FileEngine>> makeUringEngine(Loop& loop) {
  auto ring = std::make_unique<Ring>();
  if (const int code = ring->make(kEntries); code != 0) return noRing(code);
  Fd done(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!done) return Error::fromErrno(errno, "cannot make an eventfd for io_uring");
  if (const int code = -io_uring_register_eventfd(&ring->ring, done.get()); code != 0) return noRing(code);
  return std::unique_ptr<FileEngine>(std::make_unique<UringEngine>(loop, std::move(ring), std::move(done)));
}

Result<void> probeUringEngine() {
  Ring made;
  if (const int code = made.make(4); code != 0) return noRing(code);
  io_uring* const ring = &made.ring;
  if (const int code = made.enable(); code != 0) return noRing(code);
  const std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)> known(io_uring_get_probe_ring(ring),
                                                                              &io_uring_free_probe);
  if (!known) return noRing(ENOSYS);
  for (const int operation : kOperations) {
    if (io_uring_opcode_supported(known.get(), operation) == 0) return noRing(ENOSYS);
  }
  io_uring_prep_nop(io_uring_get_sqe(ring));
  if (const int code = io_uring_submit_and_wait(ring, 1); code < 0) return noRing(-code);
  return success();
}

}  // namespace rhea

#else

namespace rhea {

Result<std::unique_ptr<FileEngine>> makeUringEngine(Loop&) { return probeUringEngine().takeError(); }

Result<void> probeUringEngine() {
  return Error::fromErrno(ENOSYS, "this build has no io_uring")
      .hint("install liburing-dev and configure again; aio=threads works everywhere");
}

}  // namespace rhea

#endif
