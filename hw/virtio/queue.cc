#include "hw/virtio/queue.h"

#include "hw/virtio/features.h"

namespace rhea::virtio {

Queue::Queue(QueueHost& host, QueueUser& user, unsigned index, Loop& loop)
    : host_(host), user_(user), index_(index), loop_(loop) {
  kick_.queue = this;
  kick_.run = [](Loop::Mail* mail) {
    auto* kick = static_cast<Kick*>(mail);
    kick->sent.store(false, std::memory_order_release);
    kick->queue->serve();
  };
  idle_.set();
}

Queue::~Queue() = default;

void Queue::kick() {
  if (!kick_.sent.exchange(true, std::memory_order_acq_rel)) loop_.post(kick_);
}

void Queue::start(RingPlace place, std::uint64_t features) {
  auto work = [this, place, features] {
    if (phase_ != Phase::kStopped || stopping_) return;
    place_ = place;
    features_ = features;
    begin();
    serve();
  };
  loop_.post(work);
}

void Queue::begin() {
  Result<SplitRing> ring = SplitRing::map(host_.memory(), place_, features_);
  if (!ring.ok()) return broken(ring.error());
  ring_.emplace(*std::move(ring));
  phase_ = Phase::kRunning;
  if (!std::exchange(listed_, true)) loop_.addRoundEnd(*this);
}

Task<void> Queue::pause(bool paused) {
  Loop* const home = Loop::current();
  co_await loop_.enter();
  paused_ = paused;
  if (!paused) serve();
  endOfRound();
  co_await home->enter();
}

Task<void> Queue::stop() {
  Loop* const home = Loop::current();
  // A kick that was sent before is taken in before this.
  co_await loop_.enter();
  stopping_ = true;
  ring_.reset();
  again_.clear();
  phase_ = Phase::kStopped;
  (void)co_await idle_.wait();
  // What came back last may have kicked, and a mail under way must find its queue.
  while (kick_.sent.load(std::memory_order_acquire)) (void)co_await loop_.sleep(Duration::zero());
  if (std::exchange(listed_, false)) loop_.removeRoundEnd(*this);
  stopping_ = false;
  pushed_ = false;
  co_await home->enter();
}

Task<void> Queue::finish() {
  Loop* const home = Loop::current();
  // Behind what was started or kicked before.
  co_await loop_.enter();
  for (;;) {
    (void)co_await idle_.wait();
    if (!kick_.sent.load(std::memory_order_acquire) && !pushed_) break;
    (void)co_await loop_.sleep(Duration::zero());
  }
  co_await home->enter();
}

void Queue::serve() {
  if (phase_ != Phase::kRunning || paused_ || !host_.mayAccessMemory()) return;
  ring_->suppressNotifications(true);
  budget_ = 2 * place_.size;
  const bool drained = user_.serve(*this);
  if (budget_ == 0) return kick();
  // With as many under way as the ring holds, the next that comes back kicks.
  if (!drained || phase_ != Phase::kRunning || underWay() >= place_.size) return;
  // Looked at again by a mail and not in a loop: a guest that never pauses shall not keep the loop from others.
  if (ring_->suppressNotifications(false)) kick();
}

Chain* Queue::freeChain() {
  if (free_.empty()) {
    chains_.push_back(std::make_unique<Chain>());
    free_.push_back(chains_.back().get());
  }
  return free_.back();
}

Chain* Queue::take() {
  if (phase_ != Phase::kRunning || paused_ || budget_ == 0) return nullptr;
  // A driver that hands over the same descriptors twice would have us do ever more at once.
  if (underWay_.load(std::memory_order_relaxed) >= place_.size) return nullptr;
  Chain* const chain = freeChain();
  if (!again_.empty()) {
    const Result<void> read = ring_->read(host_.memory(), again_.front(), *chain);
    again_.erase(again_.begin());
    if (!read.ok()) {
      broken(read.error());
      return nullptr;
    }
  } else {
    const Result<bool> popped = ring_->pop(host_.memory(), *chain);
    if (!popped.ok()) broken(popped.error());
    if (!popped.ok() || !*popped) return nullptr;
  }
  free_.pop_back();
  --budget_;
  if (underWay_.fetch_add(1, std::memory_order_acq_rel) == 0) idle_.reset();
  return chain;
}

void Queue::handBack(Chain& chain, std::uint32_t written) {
  const std::uint16_t head = chain.head();
  chain.setWritten(written);
  chain.clear();  // memory is told of the writes before the driver is
  free_.push_back(&chain);
  const bool full = underWay_.load(std::memory_order_relaxed) == place_.size;
  if (phase_ == Phase::kRunning) {
    ring_->push(head, written);
    pushed_ = true;
    loop_.wantRoundEnd();
    if (full) kick();
  }
  if (underWay_.fetch_sub(1, std::memory_order_acq_rel) == 1) idle_.set();
}

void Queue::endOfRound() {
  if (!std::exchange(pushed_, false) || phase_ != Phase::kRunning) return;
  if (ring_->publish()) host_.interrupt(*this);
}

void Queue::broken(const Error& why) {
  phase_ = Phase::kBroken;
  host_.broken(Error(why).context(fmt::format("queue {}", index_)));
}

Queue::State Queue::state() const {
  State state;
  state.started = phase_ == Phase::kRunning;
  if (!state.started) return state;
  state.place = place_;
  state.features = features_;
  state.nextAvailable = ring_->nextAvailable();
  state.nextUsed = ring_->nextUsed();
  for (const auto& chain : chains_) {
    if (std::ranges::find(free_, chain.get()) == free_.end()) state.underWay.push_back(chain->head());
  }
  state.underWay.insert(state.underWay.end(), again_.begin(), again_.end());
  return state;
}

void Queue::restore(State state) {
  if (!state.started) return;
  place_ = state.place;
  features_ = state.features;
  begin();
  if (phase_ != Phase::kRunning) return;
  ring_->resume(state.nextAvailable, state.nextUsed);
  again_ = std::move(state.underWay);
}

}  // namespace rhea::virtio
