#include "emu/object/virtual-clock.h"

#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <system_error>

namespace rhea::object {

namespace {

std::int64_t monotonic() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

}  // namespace

VirtualClock::VirtualClock() : hostTimer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
  if (!hostTimer_) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "clock");
}

VirtualClock::~VirtualClock() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
    setAlarm(kAwake);
  }
  thread_.join();
}

VirtualTime VirtualClock::now() const {
  if (source_ != nullptr) return source_->time();
  VirtualTime now;
  return byScale(now) ? now : nowExactly();
}

bool VirtualClock::byScale(VirtualTime& now) const {
  const std::uint64_t seen = scale_.sequence.load(std::memory_order_acquire);
  const std::uint64_t passed = hostTicks() - scale_.first.load(std::memory_order_acquire);
  if ((seen & 1) != 0 || passed >= scale_.valid.load(std::memory_order_acquire)) return false;
  now = scale_.start.load(std::memory_order_acquire) +
        static_cast<VirtualTime>(passed * scale_.rate.load(std::memory_order_acquire) >> 32);
  return scale_.sequence.load(std::memory_order_acquire) == seen;
}

// Of some tries the one that was least interrupted.
VirtualClock::Moment VirtualClock::moment() {
  Moment best;
  std::uint64_t least = ~std::uint64_t{0};
  for (int n = 0; n < 3; ++n) {
    const std::uint64_t before = hostTicks();
    const std::int64_t time = monotonic();
    const std::uint64_t took = hostTicks() - before;
    if (took < least) best = {time, before + took / 2}, least = took;
  }
  return best;
}

void VirtualClock::publish(std::uint64_t ticks, VirtualTime start, std::uint64_t rate, std::uint64_t valid) const {
  scale_.sequence.fetch_add(1, std::memory_order_acq_rel);
  scale_.first.store(ticks, std::memory_order_release);
  scale_.start.store(start, std::memory_order_release);
  scale_.rate.store(rate, std::memory_order_release);
  scale_.valid.store(valid, std::memory_order_release);
  scale_.sequence.fetch_add(1, std::memory_order_acq_rel);
}

// Never earlier than any answer before, nor than a scale whose time is over could have given. One that ran ahead is
// followed by a slower one.
VirtualTime VirtualClock::nowExactly() const {
  const VirtualTime stopped = stoppedAt_.load(std::memory_order_acquire);
  if (stopped != kNoTime) return stopped;
  if (!steadyTicks_) return monotonic() - offset_.load(std::memory_order_relaxed);
  const std::scoped_lock lock(scaleMutex_);
  VirtualTime now;
  if (byScale(now)) return now;
  if (const VirtualTime meanwhile = stoppedAt_.load(std::memory_order_acquire); meanwhile != kNoTime) return meanwhile;
  const Moment here = moment();
  const VirtualTime exact = here.time - offset_.load(std::memory_order_relaxed);
  now = std::max(exact, latest_);
  latest_ = now;
  constexpr std::int64_t kSoon = 50'000'000, kLong = 8'000'000'000, kWindow = 700'000'000;
  if (early_.ticks == 0 || here.ticks < late_.ticks) early_ = late_ = here;  // a host that slept may have begun anew
  const std::int64_t measured = here.time - early_.time;
  const std::uint64_t ticks = here.ticks - early_.ticks;
  if (measured < kSoon || ticks <= static_cast<std::uint64_t>(measured)) return now;  // less than 1 GHz: no scale
  const double each = static_cast<double>(measured) / static_cast<double>(ticks);
  const double ahead = std::min(static_cast<double>(now - exact) / static_cast<double>(kWindow), 0.5);
  const auto window = static_cast<std::uint64_t>(static_cast<double>(kWindow) / each);
  const auto rate = static_cast<std::uint64_t>(each * (1 - ahead) * 4294967296.0);
  const std::uint64_t valid = std::min<std::uint64_t>(window, 0xffffffff);
  latest_ = now + static_cast<VirtualTime>(valid * rate >> 32);
  publish(here.ticks, now, rate, valid);
  if (here.time - late_.time > kLong) early_ = std::exchange(late_, here);
  return now;
}

void VirtualClock::start() {
  const std::scoped_lock lock(mutex_);
  const VirtualTime stopped = stoppedAt_.load(std::memory_order_relaxed);
  if (stopped == kNoTime) return;
  const std::scoped_lock scaleLock(scaleMutex_);
  latest_ = stopped;
  offset_.store(monotonic() - stopped, std::memory_order_relaxed);
  stoppedAt_.store(kNoTime, std::memory_order_release);
  if (alarm_ != kAwake) setAlarm(kAwake);
}

void VirtualClock::stop() {
  std::unique_lock lock(mutex_);
  if (running()) standStill();
  if (source_ == nullptr && std::this_thread::get_id() != thread_.get_id())
    fired_.wait(lock, [this] { return firing_ == nullptr; });
}

void VirtualClock::standStill() {
  const std::scoped_lock scaleLock(scaleMutex_);
  // Whoever looks now waits; whoever has looked saw an earlier time than this.
  const std::uint64_t valid = scale_.valid.load(std::memory_order_relaxed);
  const std::uint64_t first = scale_.first.load(std::memory_order_relaxed);
  publish(first, scale_.start.load(std::memory_order_relaxed), scale_.rate.load(std::memory_order_relaxed), 0);
  const std::uint64_t passed = hostTicks() - first;
  VirtualTime at = monotonic() - offset_.load(std::memory_order_relaxed);
  if (valid == 0 || passed >= valid)
    at = std::max(at, latest_);
  else
    at = std::max(at, scale_.start.load(std::memory_order_relaxed) +
                          static_cast<VirtualTime>(passed * scale_.rate.load(std::memory_order_relaxed) >> 32));
  stoppedAt_.store(at, std::memory_order_release);
}

void VirtualClock::set(VirtualTime now) {
  const std::scoped_lock lock(mutex_);
  if (source_ != nullptr) return source_->set(now);
  stoppedAt_.store(now, std::memory_order_release);
}

// When the thread has to be awake at the latest: the first moment at which some timer has no slack left.
VirtualTime VirtualClock::wanted() const {
  if (!running() || source_ != nullptr) return kNoTime;
  VirtualTime latest = kNoTime;
  for (const auto& [at, timer] : armed_) {
    if (at >= latest) break;
    if (timer->slack_ < latest - at) latest = at + timer->slack_;
  }
  return latest;
}

// The mutex is held. kAwake: at once; kNoTime: never.
void VirtualClock::setAlarm(VirtualTime at) {
  alarm_ = at;
  putOff_.store(false, std::memory_order_relaxed);
  itimerspec when{};
  if (at != kNoTime) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    // Far moments are looked at again in between; a moment of zero would stop the host's timer.
    constexpr std::int64_t kFarthest = 3600 * kSecond;
    const std::int64_t wait = at == kAwake ? 0 : std::clamp<std::int64_t>(at - now(), 0, kFarthest);
    const std::int64_t moment = wait == 0 ? 1 : monotonic() + wait;
    when.it_value.tv_sec = static_cast<time_t>(moment / kSecond);
    when.it_value.tv_nsec = static_cast<long>(moment % kSecond);
  }
  ::timerfd_settime(hostTimer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void VirtualClock::settle() {
  if (!putOff_.load(std::memory_order_relaxed)) return;
  const std::scoped_lock lock(mutex_);
  if (alarm_ != kAwake && alarm_ < wanted()) setAlarm(wanted());
}

std::optional<VirtualTime> VirtualClock::alarm() const {
  const std::scoped_lock lock(mutex_);
  return alarm_ == kAwake ? std::nullopt : std::optional(alarm_);
}

void VirtualClock::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    alarm_ = kAwake;
    if (running() && source_ == nullptr && !armed_.empty() && armed_.begin()->first <= now()) {
      fireFirst(lock);
      continue;
    }
    setAlarm(wanted());
    lock.unlock();
    std::uint64_t expired = 0;
    // Who sets the timer to another moment lets this go on sleeping; an error (a signal) only means to look again.
    [[maybe_unused]] const ssize_t got = ::read(hostTimer_.get(), &expired, sizeof expired);
    lock.lock();
  }
}

void VirtualClock::fireFirst(std::unique_lock<std::mutex>& lock) {
  const auto first = armed_.begin();
  firing_ = first->second;
  firing_->at_.store(kNoTime, std::memory_order_relaxed);
  armed_.erase(first);
  lock.unlock();
  firing_->callback_();
  lock.lock();
  firing_ = nullptr;
  fired_.notify_all();
}

void VirtualClock::follow(Source& source) {
  const std::scoped_lock lock(mutex_);
  source_ = &source;
}

VirtualTime VirtualClock::next() const {
  const std::scoped_lock lock(mutex_);
  return armed_.empty() ? kNoTime : armed_.begin()->first;
}

void VirtualClock::fireDue(VirtualTime now) {
  std::unique_lock lock(mutex_);
  while (!armed_.empty() && armed_.begin()->first <= now) fireFirst(lock);
}

VirtualClock::Timer::Timer(VirtualClock& clock, std::function<void()> callback)
    : clock_(clock), callback_(std::move(callback)) {}

VirtualClock::Timer::~Timer() {
  cancel();
  std::unique_lock lock(clock_.mutex_);
  if (std::this_thread::get_id() == clock_.thread_.get_id()) return;  // from its own callback
  clock_.fired_.wait(lock, [this] { return clock_.firing_ != this; });
}

void VirtualClock::Timer::arm(VirtualTime at, VirtualTime slack) {
  const std::scoped_lock lock(clock_.mutex_);
  const VirtualTime before = at_.load(std::memory_order_relaxed);
  if (before == at && slack_ == slack) return;
  if (before != kNoTime) {
    auto [first, last] = clock_.armed_.equal_range(before);
    while (first != last && first->second != this) ++first;
    if (first != last) clock_.armed_.erase(first);
    if (clock_.alarm_ != kAwake) clock_.putOff_.store(true, std::memory_order_relaxed);
  }
  at_.store(at, std::memory_order_relaxed);
  slack_ = slack;
  if (at == kNoTime) return;
  clock_.armed_.emplace(at, this);
  if (clock_.source_ != nullptr) return clock_.source_->armed(at);
  // Only an earlier moment than the one slept for has to reach the host's timer.
  if (at >= clock_.alarm_) return;
  if (const VirtualTime wanted = clock_.wanted(); wanted < clock_.alarm_) clock_.setAlarm(wanted);
}

}  // namespace rhea::object
