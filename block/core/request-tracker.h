// RequestTracker: the requests that are inside a node now: for query-stuck, and so that a read-modify-write keeps other
// writers out of its range.
//
// The lock is this node's own and held for a few instructions. Records live in the frames of the requests.
#pragma once

#include "block/core/extent.h"
#include "block/core/statistics.h"
#include "emu/base/base.h"
#include "emu/io/loop.h"
#include "emu/io/sync.h"
#include "emu/io/task.h"

namespace rhea::block {

class RequestTracker;

// One request, for as long as it runs.
class TrackedRequest {
 public:
  TrackedRequest(RequestTracker& tracker, IoKind kind, Extent at)
      : tracker_(tracker), kind_(kind), at_(at), range_(at) {}
  TrackedRequest(const TrackedRequest&) = delete;
  TrackedRequest& operator=(const TrackedRequest&) = delete;
  ~TrackedRequest();

 private:
  friend class RequestTracker;
  RequestTracker& tracker_;
  IoKind kind_;
  bool exclusive_ = false;
  bool listed_ = false;
  Extent at_;
  Extent range_;  // what it keeps others out of, where exclusive
  TimePoint since_{};
  TrackedRequest* previous_ = nullptr;
  TrackedRequest* next_ = nullptr;
  std::vector<std::shared_ptr<Event>> waiters_;
};

// The steady clock, some milliseconds coarse, for a fraction of its price.
TimePoint coarseNow();

struct InFlight {
  IoKind kind = IoKind::kRead;
  Extent at;
  TimePoint since;
};

class RequestTracker {
 public:
  RequestTracker() = default;
  RequestTracker(const RequestTracker&) = delete;
  RequestTracker& operator=(const RequestTracker&) = delete;

  // Lists the request. False: a change inside the range of an exclusive one; then await beginSlowly().
  bool begin(TrackedRequest& request);
  Task<void> beginSlowly(TrackedRequest& request);
  // Lists a request that keeps other changes out of `range`, which contains its extent; waits for those inside.
  // Reads and flushes neither wait nor are waited for.
  Task<void> beginExclusive(TrackedRequest& request, Extent range);
  void end(TrackedRequest& request);

  std::uint64_t count() const;
  // Those that began before `before`, oldest first, at most `most`.
  std::vector<InFlight> olderThan(TimePoint before, std::size_t most) const;

 private:
  std::shared_ptr<Event> blockerOf(const TrackedRequest& request);  // registered with the blocker; guard_ held
  void link(TrackedRequest& request);

  mutable std::mutex guard_;
  TrackedRequest* first_ = nullptr;
  TrackedRequest* last_ = nullptr;
  std::uint64_t count_ = 0;
  std::uint64_t exclusive_ = 0;
};

}  // namespace rhea::block
