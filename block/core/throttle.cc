#include "block/core/throttle.h"

#include <cerrno>

#include "emu/base/bug.h"
#include "emu/io/sync.h"

namespace rhea::block {

struct ThrottleMember::Waiting {
  explicit Waiting(std::uint64_t length) : bytes(length) {}
  std::uint64_t bytes;
  Event granted;
};

// Shared with the pump, which may still sleep when the group goes.
struct ThrottleGroup::State {
  explicit State(Loop& timerLoop) : home(timerLoop) {}

  // What may pass now is taken out of the queues. Returns how long the next one has to wait; none: nobody waits.
  std::optional<Duration> grant(std::vector<ThrottleMember::Waiting*>& granted);
  ThrottleMember* nextWaiting(std::size_t direction);
  void wakePump() {
    if (sleeping) sleeping->cancel(Error::fromErrno(EAGAIN));
  }

  Loop& home;
  std::mutex guard;
  ThrottleBuckets buckets;
  std::vector<ThrottleMember*> members;
  std::array<std::size_t, 2> turn{};  // by direction: the member after the one that passed last
  bool pumping = false;
  std::optional<CancelSource> sleeping;
};

ThrottleMember* ThrottleGroup::State::nextWaiting(std::size_t direction) {
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::size_t at = (turn[direction] + i) % members.size();
    if (members[at]->queues_[direction].empty()) continue;
    turn[direction] = at;
    return members[at];
  }
  return nullptr;
}

std::optional<Duration> ThrottleGroup::State::grant(std::vector<ThrottleMember::Waiting*>& granted) {
  const TimePoint now = Clock::now();
  std::optional<Duration> next;
  bool progress = true;
  while (progress) {
    progress = false;
    next.reset();
    for (const std::size_t direction : {0U, 1U}) {
      ThrottleMember* const member = nextWaiting(direction);
      if (member == nullptr) continue;
      const bool write = direction == 1;
      if (const Duration wait = buckets.wait(write, now); wait > Duration::zero()) {
        next = std::min(next.value_or(wait), wait);
        continue;
      }
      auto& queue = member->queues_[direction];
      buckets.pass(write, queue.front()->bytes);
      granted.push_back(queue.front());
      queue.pop_front();
      turn[direction] = (turn[direction] + 1) % members.size();
      progress = true;
    }
  }
  return next;
}

// Runs while anybody waits.
Task<void> ThrottleGroup::pump(std::shared_ptr<State> state) {
  while (true) {
    std::vector<ThrottleMember::Waiting*> granted;
    std::optional<Duration> next;
    CancelToken change;
    {
      const std::lock_guard lock(state->guard);
      next = state->grant(granted);
      if (next) {
        state->sleeping.emplace();
        change = state->sleeping->token();
      } else {
        state->pumping = false;
        state->sleeping.reset();
      }
    }
    ThrottleMember::wake(granted);
    if (!next) co_return;
    (void)co_await state->home.sleep(*next, change);
  }
}

void ThrottleMember::wake(const std::vector<Waiting*>& granted) {
  for (Waiting* waiting : granted) waiting->granted.set();
}

ThrottleMember::ThrottleMember(std::shared_ptr<ThrottleGroup> group) : group_(std::move(group)) {
  const std::lock_guard lock(group_->state_->guard);
  group_->state_->members.push_back(this);
}

ThrottleMember::~ThrottleMember() {
  ThrottleGroup::State& state = *group_->state_;
  const std::lock_guard lock(state.guard);
  if (!queues_[0].empty() || !queues_[1].empty()) bug("a throttled disk ends before its requests");
  std::erase(state.members, this);
  state.turn = {};
}

Task<void> ThrottleMember::pass(bool write, std::uint64_t bytes) {
  ThrottleGroup::State& state = *group_->state_;
  Waiting waiting(bytes);
  bool startPump = false;
  {
    const std::lock_guard lock(state.guard);
    if (drains_ != 0 || !state.buckets.limits().any()) co_return;
    const std::size_t direction = write ? 1 : 0;
    const bool first = state.nextWaiting(direction) == nullptr;
    if (first && state.buckets.wait(write, Clock::now()) == Duration::zero()) {
      state.buckets.pass(write, bytes);
      co_return;
    }
    queues_[direction].push_back(&waiting);
    if (!state.pumping) {
      startPump = state.pumping = true;
    } else if (first) {
      state.wakePump();  // it sleeps for the other direction
    }
  }
  if (startPump) state.home.spawn(ThrottleGroup::pump(group_->state_));
  (void)co_await waiting.granted.wait();
}

void ThrottleMember::drainBegin() {
  std::vector<Waiting*> released;
  {
    const std::lock_guard lock(group_->state_->guard);
    ++drains_;
    for (auto& queue : queues_) {
      released.insert(released.end(), queue.begin(), queue.end());
      queue.clear();
    }
  }
  wake(released);
}

void ThrottleMember::drainEnd() {
  const std::lock_guard lock(group_->state_->guard);
  if (drains_ == 0) bug("a throttle is undrained that is not drained");
  --drains_;
}

std::size_t ThrottleMember::waiting() const {
  const std::lock_guard lock(group_->state_->guard);
  return queues_[0].size() + queues_[1].size();
}

ThrottleGroup::ThrottleGroup(std::string name, Loop& home)
    : name_(std::move(name)), state_(std::make_shared<State>(home)) {}

ThrottleGroup::~ThrottleGroup() {
  const std::lock_guard lock(state_->guard);
  state_->wakePump();
}

ThrottleLimits ThrottleGroup::limits() const {
  const std::lock_guard lock(state_->guard);
  return state_->buckets.limits();
}

Result<void> ThrottleGroup::configure(const ThrottleLimits& limits) {
  RHEA_CHECK(limits.check());
  const std::lock_guard lock(state_->guard);
  state_->buckets.configure(limits, Clock::now());
  state_->wakePump();
  return success();
}

std::size_t ThrottleGroup::members() const {
  const std::lock_guard lock(state_->guard);
  return state_->members.size();
}

std::shared_ptr<ThrottleGroup> ThrottleGroups::findOrCreate(const std::string& name) {
  if (auto group = find(name)) return group;
  auto group = std::make_shared<ThrottleGroup>(name, home_);
  groups_[name] = group;
  std::erase_if(groups_, [](const auto& entry) { return entry.second.expired(); });
  return group;
}

std::shared_ptr<ThrottleGroup> ThrottleGroups::find(const std::string& name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : found->second.lock();
}

}  // namespace rhea::block
