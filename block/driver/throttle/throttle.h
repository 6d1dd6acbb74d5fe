// The filter `throttle`: holds requests to the limits of a throttle group. See docs/drivers/throttle.md.
#pragma once

#include "block/core/child.h"
#include "block/core/driver-info.h"
#include "block/core/throttle.h"

namespace rhea::block {

class ThrottleDriver final : public Driver, public Discards, public ZeroWriter, public DrainAware {
 public:
  ThrottleDriver(Child& file, std::shared_ptr<ThrottleGroup> group) : file_(file), member_(std::move(group)) {}

  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return file_.length(); }
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  // Not held: a flush moves no data.
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;
  // Both count as writes of their length.
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;

  void drainBegin() override { member_.drainBegin(); }
  void drainEnd() override { member_.drainEnd(); }

 private:
  Child& file_;
  ThrottleMember member_;
};

const DriverInfo& throttleDriver();

}  // namespace rhea::block
