#include "block/core/request-tracker.h"

#include <ctime>

namespace rhea::block {

// Some milliseconds coarse: enough to tell who is stuck, and a fraction of the cost.
TimePoint coarseNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

TrackedRequest::~TrackedRequest() { tracker_.end(*this); }

void RequestTracker::link(TrackedRequest& request) {
  request.listed_ = true;
  request.previous_ = last_;
  request.next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = &request;
  last_ = &request;
  ++count_;
  if (request.exclusive_) ++exclusive_;
}

std::shared_ptr<Event> RequestTracker::blockerOf(const TrackedRequest& request) {
  if (request.kind_ == IoKind::kRead || request.kind_ == IoKind::kFlush) return nullptr;
  if (exclusive_ == 0 && !request.exclusive_) return nullptr;
  for (TrackedRequest* other = first_; other != nullptr; other = other->next_) {
    if (other->kind_ == IoKind::kRead || other->kind_ == IoKind::kFlush) continue;
    if (!(other->exclusive_ || request.exclusive_) || !other->range_.overlaps(request.range_)) continue;
    auto event = std::make_shared<Event>();
    other->waiters_.push_back(event);
    return event;
  }
  return nullptr;
}

bool RequestTracker::begin(TrackedRequest& request) {
  request.since_ = coarseNow();
  const std::lock_guard lock(guard_);
  if (exclusive_ != 0 && blockerOf(request) != nullptr) return false;
  link(request);
  return true;
}

Task<void> RequestTracker::beginSlowly(TrackedRequest& request) {
  while (true) {
    std::shared_ptr<Event> blocker;
    {
      const std::lock_guard lock(guard_);
      blocker = blockerOf(request);
      if (blocker == nullptr) {
        link(request);
        co_return;
      }
    }
    (void)co_await blocker->wait();
  }
}

Task<void> RequestTracker::beginExclusive(TrackedRequest& request, Extent range) {
  request.since_ = coarseNow();
  request.exclusive_ = true;
  request.range_ = range;
  return beginSlowly(request);
}

void RequestTracker::end(TrackedRequest& request) {
  std::vector<std::shared_ptr<Event>> woken;
  {
    const std::lock_guard lock(guard_);
    if (!request.listed_) return;
    request.listed_ = false;
    (request.previous_ == nullptr ? first_ : request.previous_->next_) = request.next_;
    (request.next_ == nullptr ? last_ : request.next_->previous_) = request.previous_;
    --count_;
    if (request.exclusive_) --exclusive_;
    request.exclusive_ = false;
    request.range_ = request.at_;
    woken.swap(request.waiters_);
  }
  for (const auto& event : woken) event->set();
}

std::uint64_t RequestTracker::count() const {
  const std::lock_guard lock(guard_);
  return count_;
}

std::vector<InFlight> RequestTracker::olderThan(TimePoint before, std::size_t most) const {
  std::vector<InFlight> found;
  const std::lock_guard lock(guard_);
  for (const TrackedRequest* request = first_; request != nullptr && found.size() < most; request = request->next_) {
    if (request->since_ >= before) break;  // listed in the order of their beginning, but for those that waited
    found.push_back({request->kind_, request->at_, request->since_});
  }
  return found;
}

}  // namespace rhea::block
