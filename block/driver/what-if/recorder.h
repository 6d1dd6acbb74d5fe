// The filter that what-if-arm puts below a format: everything that is written passes it, and what it writes over is
// kept in an UndoLog until a flush has covered it. See docs/design/what-if.md.
//
// It is in no schema: only what-if-arm makes it.
#pragma once

#include "block/core/driver-info.h"
#include "block/core/epoch-gate.h"
#include "block/core/filter.h"
#include "block/core/request-tracker.h"
#include "block/driver/what-if/undo-log.h"

namespace rhea::block::what_if {

class Recorder final : public Filter, public Resizer {
 public:
  Recorder(Child& file, std::uint64_t limit) : Filter(file), log_(std::make_shared<UndoLog>(limit, file.length())) {}

  // Lives as long as anybody looks at a moment of it.
  const std::shared_ptr<UndoLog>& log() const { return log_; }
  // Waits until no change is under way, which for that moment none begins; those that were count as unflushed. Error:
  // the token's reason.
  Task<Result<Moment>> stopped(CancelToken cancel);

  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

 private:
  // What is at a place now; not known where there is no room for it or it cannot be read.
  Task<Change> former(Extent at);
  // Runs `change`, which writes to `at`, with what is there kept before. `endAfter`: where the file ends then at least.
  Task<Result<void>> recorded(Change change, Task<Result<void>> work, bool stable);

  std::shared_ptr<UndoLog> log_;
  EpochGate gate_;
  RequestTracker changes_;  // each is exclusive: what it writes over must not change before it does
};

const DriverInfo& recorderDriver();  // its options are a std::uint64_t: the limit

}  // namespace rhea::block::what_if
