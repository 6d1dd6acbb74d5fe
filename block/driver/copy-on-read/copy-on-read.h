// The filter `copy-on-read`: what is read from below a chain's top is stored in the top. See
// docs/drivers/copy-on-read.md.
#pragma once

#include "block/core/driver-info.h"
#include "block/core/filter.h"
#include "block/core/request-tracker.h"

namespace rhea::block {

class CopyOnReadDriver final : public Filter, public Reopener {
 public:
  // `bottom`: the lowest node of the chain that is copied from; null: all of them.
  CopyOnReadDriver(Child& file, const Node* bottom) : Filter(file), bottom_(bottom) {}

  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;

  // Another bottom, another chain, or both. Error: the bottom is not in the chain.
  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override;

 private:
  class Prepared;
  struct Piece {
    std::uint64_t length = 0;
    bool copy = false;
  };
  // What the first bytes of `at` are: in the top already, below the bottom, or to be copied.
  Task<Result<Piece>> classify(Extent at);
  Task<Result<void>> copy(Extent at, IoVector to);
  Task<void> enter(TrackedRequest& request);

  std::atomic<const Node*> bottom_;
  // A copied range is exclusive: a write that came between the read and the writing back would be undone by it.
  RequestTracker changes_;
};

const DriverInfo& copyOnReadDriver();

}  // namespace rhea::block
