// The rules of blkdebug: which requests fail, wait or stop, and the filter's state. Pure bookkeeping: no waiting here.
#pragma once

#include "block/core/extent.h"
#include "emu/base/base.h"
#include "emu/io/loop.h"

namespace rhea::block {

// The points that a request passes in the filter; the order is that of kDebugEvents.
enum class DebugEvent : std::uint8_t {
  kNone,
  kReadAio,
  kWriteAio,
  kPwritev,
  kPwritevZero,
  kPwritevDone,
  kFlushToOs,
  kFlushToDisk,
};
constexpr std::array<std::string_view, 8> kDebugEvents = {
    "none", "read_aio", "write_aio", "pwritev", "pwritev_zero", "pwritev_done", "flush_to_os", "flush_to_disk"};

enum class DebugKind : std::uint8_t { kRead, kWrite, kWriteZeroes, kDiscard, kFlush, kBlockStatus };

// Makes a fitting request wait, stop or fail.
struct FaultRule {
  DebugEvent event = DebugEvent::kNone;
  std::int64_t state = 0;  // 0: in any
  std::optional<DebugKind> kind;
  int error = 5;                        // errno; 0: it goes on
  bool lie = false;                     // what should be stable is not, and the answer is success
  std::optional<std::uint64_t> sector;  // of 512 bytes
  bool once = false;
  bool immediately = false;
  std::uint64_t skip = 0;  // fitting requests that pass first
  Duration delay{};
  std::string hold;  // tag; empty: not held
  Duration after{};  // since the rules came into force
  std::optional<Duration> lasting;
};

struct StateRule {
  DebugEvent event = DebugEvent::kNone;
  std::int64_t state = 0;
  std::int64_t next = 1;
};

// What a request has to go through at a point.
struct Verdict {
  int error = 0;
  bool lie = false;
  bool immediately = false;
  Duration delay{};
  std::string hold;
};

// Not thread-safe.
class DebugRules {
 public:
  DebugRules(std::vector<FaultRule> faults, std::vector<StateRule> states, TimePoint now);

  // A request of this kind passes the point. The first rule that fits decides; then the state changes.
  Verdict pass(DebugEvent event, DebugKind kind, Extent at, TimePoint now);
  std::int64_t state() const { return state_; }
  // A rule that holds the next request at the point, once.
  void addBreak(DebugEvent event, const std::string& tag);
  // Takes away the rules that hold under the tag. False: there are none.
  bool removeHolds(const std::string& tag);

 private:
  bool fits(const FaultRule& rule, DebugEvent event, DebugKind kind, Extent at, TimePoint now) const;
  std::vector<FaultRule> faults_;
  std::vector<StateRule> states_;
  TimePoint since_;
  std::int64_t state_ = 1;
};

std::optional<DebugEvent> debugEventOf(std::string_view name);

}  // namespace rhea::block
