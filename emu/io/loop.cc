#include "emu/io/loop.h"

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "emu/base/bug.h"
#include "emu/io/file-engine.h"
#include "emu/io/loop-impl.h"

namespace rhea {

namespace {

thread_local Loop* currentLoop = nullptr;

// Rounds in a row that may pass on mail alone before file descriptors are looked at.
constexpr unsigned kRoundsBetweenPolls = 16;
constexpr unsigned kMostRoundEnds = 8;

// Calls a function while its descriptor is ready.
class FdWatch final : public Loop::Watch {
 public:
  FdWatch(event_base* base, int fd, short what, std::function<void()> callback) : callback_(std::move(callback)) {
    event_ = event_new(base, fd, what, &FdWatch::ready, this);
    if (event_ == nullptr || event_add(event_, nullptr) != 0) bug("a descriptor cannot be watched");
  }
  ~FdWatch() override {
    event_free(event_);
    if (gone_ != nullptr) *gone_ = true;
  }

 private:
  static void ready(evutil_socket_t, short, void* self) {
    auto* watch = static_cast<FdWatch*>(self);
    bool gone = false;
    watch->gone_ = &gone;
    std::function<void()> callback = std::move(watch->callback_);  // it may destroy this watch
    callback();
    if (gone) return;
    watch->gone_ = nullptr;
    watch->callback_ = std::move(callback);
  }

  std::function<void()> callback_;
  event* event_;
  bool* gone_ = nullptr;
};

// epoll refuses what has no notion of readiness: files, folders, /dev/null, the zero device. poll() calls them always
// ready, and so do we. Asked of a throw-away epoll, because libevent would print the refusal.
bool isAlwaysReady(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0 || S_ISSOCK(facts.st_mode) || S_ISFIFO(facts.st_mode)) return false;
  const Fd probe(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  return ::epoll_ctl(probe.get(), EPOLL_CTL_ADD, fd, &event) != 0 && errno == EPERM;
}

// A signalfd: no process-wide handler, hence no global state but the signal mask.
class SignalWatch final : public Loop::Watch {
 public:
  SignalWatch(event_base* base, int number, std::function<void()> callback) : callback_(std::move(callback)) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, number);
    pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    fd_ = Fd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
    watch_ = std::make_unique<FdWatch>(base, fd_.get(), EV_READ | EV_PERSIST, [this] { take(); });
  }
  ~SignalWatch() override {
    watch_.reset();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  void take() {
    signalfd_siginfo info;
    if (::read(fd_.get(), &info, sizeof info) == sizeof info) callback_();
  }

  std::function<void()> callback_;
  sigset_t before_;
  Fd fd_;
  std::unique_ptr<FdWatch> watch_;
};

Detached runOn(Loop& loop, Task<void> task) {
  co_await loop.enter();
  co_await std::move(task);
}

Error cannotMake(const char* what) {
  const int code = errno;
  return Error::fromErrno(code, std::string("cannot make an event loop: ") + what)
      .hint(code == EMFILE ? "raise the limit of open files (ulimit -n)" : "");
}

}  // namespace

Loop::Impl::~Impl() {
  wakeEvent.reset();
  timerEvent.reset();
  if (base != nullptr) event_base_free(base);
}

Loop::Loop(std::string name, WorkerPool& workers) : name_(std::move(name)), workers_(workers) {}

Result<std::unique_ptr<Loop>> Loop::create(std::string name, WorkerPool& workers) {
  Fd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return cannotMake("eventfd");
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer) return cannotMake("timerfd");
  const std::unique_ptr<event_config, decltype(&event_config_free)> config(event_config_new(), &event_config_free);
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NO_CACHE_TIME);
  event_base* base = event_base_new_with_config(config.get());
  if (base == nullptr) return cannotMake("libevent");

  std::unique_ptr<Loop> loop(new Loop(std::move(name), workers));
  loop->impl_ = std::make_unique<Impl>(base, std::move(wake), std::move(timer));
  Impl& impl = *loop->impl_;
  impl.wakeEvent = loop->watch(impl.mailbox->wakeFd(), Ready::kReadEdge, [] {});
  impl.timerEvent = loop->watch(impl.timers.fd(), Ready::kReadEdge, [&impl] { impl.timers.fired(); });
  impl.stopMail.run = [](Mail* mail) { static_cast<Impl::StopMail*>(mail)->arrived = true; };
  return loop;
}

Loop::~Loop() {
  Loop* const before = std::exchange(currentLoop, this);
  for (auto& engine : impl_->engines) engine.reset();  // waits for requests in flight; what they resume may post
  while (!impl_->mailbox->empty()) impl_->runMail();
  impl_->mailbox->close();
  currentLoop = before;
}

void Loop::waitUntil(const std::function<bool()>& done) {
  Loop* const before = std::exchange(currentLoop, this);
  impl_->waitUntil(done);
  currentLoop = before;
}

Loop* Loop::current() { return currentLoop; }

void Loop::Impl::runMail() {
  Mail* mail = mailbox->takeAll();
  while (mail != nullptr) {
    Mail* const next = mail->next;  // the mail is its sender's again as soon as it runs
    mail->run(mail);
    mail = next;
  }
}

void Loop::Impl::waitUntil(const std::function<bool()>& done) {
  while (true) {
    runMail();
    timers.runDue();
    endRound();
    if (done()) return;
    waitForEvents();
  }
}

void Loop::Impl::endRound() {
  // Bounded: two ends that feed one another must not keep the loop from its events.
  for (unsigned pass = 0; pass < kMostRoundEnds; pass++) {
    roundEndWanted = false;
    for (std::size_t i = 0; i < roundEnds.size(); i++) {
      if (roundEnds[i] != nullptr) roundEnds[i]->endOfRound();
    }
    if (!roundEndWanted) break;
  }
  if (roundEndsRemoved) std::erase(roundEnds, nullptr);
  roundEndsRemoved = false;
}

// Mail, or a completion, has come within `time`.
bool Loop::Impl::lookForWork(TimePoint since, Duration time) {
  constexpr unsigned kLooksPerGlance = 16;  // at the clock, which costs as much as some looks
  if (time == Duration::zero()) return false;
  const auto hasWork = [](const std::unique_ptr<FileEngine>& engine) { return engine != nullptr && engine->hasWork(); };
  const TimePoint until = std::min(since + time, timers.next());
  do {
    for (unsigned i = 0; i < kLooksPerGlance; i++) {
      if (!mailbox->empty() || std::ranges::any_of(engines, hasWork)) return true;
    }
  } while (Clock::now() < until);
  return false;
}

// Until there may be something to do. True where file descriptors were looked at.
bool Loop::Impl::sleepOrLook() {
  const LoopTuning& tuning = mailbox->tuning;
  const bool looks = tuning.pollMostNs.load(std::memory_order_relaxed) != 0;
  const TimePoint since = looks ? Clock::now() : TimePoint();
  const bool found = looks && lookForWork(since, patience.time(tuning));
  if (!found) {
    timers.arm();
    if (!mailbox->sleep()) return false;
    event_base_loop(base, EVLOOP_ONCE);
    mailbox->wake();
  }
  if (looks) patience.learn(Clock::now() - since, tuning);
  return !found;
}

void Loop::Impl::waitForEvents() {
  if (mailbox->empty() && !roundEndWanted && sleepOrLook()) {
    roundsSincePoll = 0;
    return;
  }
  if (++roundsSincePoll < kRoundsBetweenPolls) return;
  roundsSincePoll = 0;
  event_base_loop(base, EVLOOP_NONBLOCK);
}

void Loop::run() {
  waitUntil([this] { return impl_->stopMail.arrived; });
  impl_->stopMail.arrived = false;
  impl_->stopping.store(false, std::memory_order_release);
}

void Loop::stop() {
  if (!impl_->stopping.exchange(true, std::memory_order_acq_rel)) post(static_cast<Mail&>(impl_->stopMail));
}

void Loop::post(Mail& mail) { impl_->mailbox->put(mail); }

void Loop::post(std::function<void()> work) {
  auto mail = std::make_unique<ClosureMail>(std::move(work));
  if (impl_->mailbox->put(*mail)) static_cast<void>(mail.release());
}

std::shared_ptr<Mailbox> Loop::mailbox() const { return impl_->mailbox; }

void Loop::spawn(Task<void> task) { runOn(*this, std::move(task)); }

void Loop::addRoundEnd(RoundEnd& hook) { impl_->roundEnds.push_back(&hook); }

void Loop::wantRoundEnd() { impl_->roundEndWanted = true; }

void Loop::removeRoundEnd(RoundEnd& hook) {
  std::replace(impl_->roundEnds.begin(), impl_->roundEnds.end(), &hook, static_cast<RoundEnd*>(nullptr));
  impl_->roundEndsRemoved = true;
}

std::unique_ptr<Loop::Watch> Loop::watch(int fd, Ready what, std::function<void()> callback) {
  // Once a round, for as long as the watch lives.
  if (isAlwaysReady(fd)) return impl_->timers.add(Duration::zero(), Duration(1), std::move(callback));
  constexpr std::array<short, 4> kEvents{0, EV_READ | EV_PERSIST, EV_WRITE | EV_PERSIST, EV_READ | EV_PERSIST | EV_ET};
  return std::make_unique<FdWatch>(impl_->base, fd, kEvents.at(static_cast<std::size_t>(what)), std::move(callback));
}

std::unique_ptr<Loop::Watch> Loop::timer(Duration delay, std::function<void()> callback, bool periodic) {
  return impl_->timers.add(delay, periodic ? delay : Duration::zero(), std::move(callback));
}

std::unique_ptr<Loop::Watch> Loop::signal(int number, std::function<void()> callback) {
  return std::make_unique<SignalWatch>(impl_->base, number, std::move(callback));
}

Result<FileEngine*> Loop::fileEngine(FileEngineKind kind) {
  auto& engine = impl_->engines.at(static_cast<std::size_t>(kind));
  if (!engine) {
    RHEA_TRY(engine, makeFileEngine(*this, kind));
  }
  return engine.get();
}

}  // namespace rhea
