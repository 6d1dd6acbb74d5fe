// The life of a link's connections: calling, greeting, losing, calling again.
#include <cerrno>

#include "block/driver/sheepdog/link.h"

namespace rhea::block::sheepdog {

namespace {

constexpr int kLongestPause = 10;  // times the first
constexpr Duration kDialTimeout = std::chrono::seconds(5);
constexpr Duration kGreetingTimeout = std::chrono::seconds(20);
// A request during which the peer spoke nonsense so often is not tried again.
constexpr unsigned kMostStrikes = 3;

}  // namespace

void Link::prepare() {
  loop_ = Loop::current();
  closing_ = std::make_unique<CancelSource>();
  refusing_ = false;
  state_ = State::kCalling;
  buffer_.resize(std::size_t{256} << 10U);
  loop_->addRoundEnd(*this);
}

void Link::openLater(const Error& why) {
  prepare();
  trouble_ = why.message();
  startPatience();
  tasks_.spawn(stayConnected());
}

Task<Result<void>> Link::open(CancelToken cancel) {
  prepare();
  Result<void> connected = co_await connectOnce(std::move(cancel));
  if (!connected.ok()) {
    const Error why = connected.takeError();
    co_await close();
    co_return why;
  }
  tasks_.spawn(stayConnected());
  co_return success();
}

Task<void> Link::close() {
  if (state_ == State::kClosed) co_return;
  state_ = State::kClosed;
  closing_->cancel(Error("the disk is being closed"));
  readable_.reset();
  writable_.reset();
  patience_.reset();
  fd_.reset();
  failAll(Error::fromErrno(ESHUTDOWN));
  lostEvent_.set();
  co_await tasks_.join();
  loop_->removeRoundEnd(*this);
}

// Each server once, the present one first.
Task<Result<void>> Link::connectOnce(CancelToken cancel) {
  std::string all;
  std::optional<Error> last;
  for (std::size_t i = 0; i < settings_.servers.size(); ++i) {
    if (state_ == State::kClosed) co_return Error::fromErrno(ESHUTDOWN);
    if (const Result<void> wanted = cancel.check(); !wanted.ok()) {
      co_return Error(wanted.error()).context(where());
    }
    Result<void> connected = co_await connectTo((current_ + (i == 0 ? 0 : 1)) % settings_.servers.size(), cancel);
    if (connected.ok()) co_return success();
    last = connected.takeError();
    all += (all.empty() ? "" : "; ") + last->message();
  }
  if (settings_.servers.size() == 1) co_return *last;
  Error told = Error::fromErrno(last->code() == 0 ? EIO : last->code(),
                                fmt::format("{}: no gateway can be used", settings_.about));
  co_return std::move(told).hint(all);
}

Task<Result<void>> Link::connectTo(std::size_t server, CancelToken cancel) {
  current_ = server;
  state_ = State::kCalling;
  CancelSource enough;
  const std::unique_ptr<Loop::Watch> timer =
      loop_->timer(kDialTimeout, [&enough] { enough.cancel(Error::fromErrno(ETIMEDOUT)); });
  std::function<void()> stop = [&enough] { enough.cancel(Error("the wait was given up")); };
  const CancelToken::Registration asked = cancel.onCancel(stop);
  const CancelToken::Registration closed = closing_->token().onCancel(stop);
  Result<Fd> fd = co_await dial(this->server(), enough.token());
  if (state_ == State::kClosed) co_return Error::fromErrno(ESHUTDOWN);
  if (!fd.ok()) co_return fd.takeError().context(where());
  start(*std::move(fd));
  // A peer that takes the greeting and says nothing, and whoever asks for an open and gives up meanwhile.
  const auto greeting = std::make_shared<bool>(true);
  const auto hangUp = [this, greeting](const std::string& why) {
    if (*greeting && state_ == State::kGreeting) {
      lose(Error::fromErrno(ETIMEDOUT, fmt::format("{}: {}", where(), why)), false);
    }
  };
  const std::string silent = "the gateway does not answer";
  const std::unique_ptr<Loop::Watch> patience = loop_->timer(kGreetingTimeout, [hangUp, silent] { hangUp(silent); });
  std::function<void()> giveUp = [this, hangUp] { loop_->post([hangUp] { hangUp("the wait was given up"); }); };
  const CancelToken::Registration askedLater = cancel.onCancel(giveUp);
  Result<void> greeted = co_await greeter_.greet();
  *greeting = false;
  if (state_ == State::kClosed) co_return Error::fromErrno(ESHUTDOWN);
  if (!greeted.ok()) {
    // Nonsense is told as such, not as a conversation that ended.
    Error why = trouble_.empty() ? greeted.takeError() : Error::fromErrno(EIO, trouble_);
    lose(why, false);
    co_return why;
  }
  // The greeting's last reply and the end may come together: it was lost before whoever greets went on.
  if (state_ != State::kGreeting) co_return Error::fromErrno(EIO, trouble_);
  resume();
  co_return success();
}

void Link::start(Fd fd) {
  fd_ = std::move(fd);
  state_ = State::kGreeting;
  trouble_.clear();
  nextId_ = 0;
  blocked_ = false;
  reader_.reset();
  lostEvent_.reset();
  counts_.connections.fetch_add(1, std::memory_order_relaxed);
  readable_ = loop_->watch(fd_.get(), Loop::Ready::kRead, [this] { receive(); });
}

// The gateway may be used: what was on its way goes out again first, in its order, flushes behind the rest.
void Link::resume() {
  state_ = State::kUp;
  refusing_ = false;
  patience_.reset();
  List again;
  List flushes;
  while (Call* const call = held_.takeFirst()) {
    counts_.resent.fetch_add(1, std::memory_order_relaxed);
    (call->request.op == Op::kFlushVdi ? flushes : again).append(*call);
  }
  while (Call* const call = flushes.takeFirst()) again.append(*call);
  while (Call* const call = pending_.takeFirst()) again.append(*call);
  pending_ = again;
  loop_->wantRoundEnd();
}

void Link::lose(const Error& why, bool nonsense) {
  if (state_ != State::kGreeting && state_ != State::kUp) return;
  if (state_ == State::kUp) counts_.lost.fetch_add(1, std::memory_order_relaxed);
  state_ = State::kCalling;
  trouble_ = why.message();
  readable_.reset();
  writable_.reset();
  fd_.reset();
  while (Call* const call = urgent_.takeFirst()) {
    call->lost = true;
    fail(*call, why);
  }
  // Those that got a reply in part are still on the list.
  for (List* const list : {&sent_, &sending_}) {
    while (Call* const call = list->takeFirst()) {
      if (nonsense && ++call->strikes_ >= kMostStrikes) {
        fail(*call, why);
      } else if (call->once && (list == &sent_ || call->sent_ > 0)) {
        call->lost = true;
        answer(*call);
      } else {
        call->sent_ = 0;
        held_.append(*call);
      }
    }
  }
  onTheirWay_ = 0;
  std::fill(table_.begin(), table_.end(), nullptr);
  startPatience();
  lostEvent_.set();
}

void Link::startPatience() {
  if (!settings_.patience || patience_ != nullptr) return;
  patience_ = loop_->timer(*settings_.patience, [this] {
    refusing_ = true;
    const Error why = Error::fromErrno(EIO, trouble_);
    for (List* const list : {&pending_, &held_}) {
      while (Call* const call = list->takeFirst()) fail(*call, why);
    }
  });
}

Task<void> Link::stayConnected() {
  const CancelToken closing = closing_->token();
  const Duration first = settings_.pause;
  Duration pause = first;
  while (state_ != State::kClosed) {
    if (state_ == State::kUp) {
      const std::uint64_t answered = counts_.replies;
      (void)co_await lostEvent_.wait();
      // One that greets and then answers nothing is called at the same growing pauses as one that is not there.
      if (counts_.replies > answered) pause = first;
      continue;
    }
    const Result<void> slept = co_await loop_->sleep(pause, closing);
    if (!slept.ok()) break;
    pause = std::min(2 * pause, kLongestPause * first);
    const Result<void> connected = co_await connectOnce(CancelToken());
    if (!connected.ok() && state_ != State::kClosed) trouble_ = connected.error().message();
  }
}

}  // namespace rhea::block::sheepdog
