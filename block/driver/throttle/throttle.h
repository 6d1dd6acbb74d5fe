// The filter `throttle`: holds requests to the limits of a throttle group. See docs/drivers/throttle.md.
#pragma once

#include "block/core/driver-info.h"
#include "block/core/filter.h"
#include "block/core/throttle.h"

namespace rhea::block {

// Flushes are not held: they move no data.
class ThrottleDriver final : public Filter, public DrainAware {
 public:
  ThrottleDriver(Child& file, std::shared_ptr<ThrottleGroup> group) : Filter(file), member_(std::move(group)) {}

  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  // Both count as writes of their length.
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;

  void drainBegin() override { member_.drainBegin(); }
  void drainEnd() override { member_.drainEnd(); }

 private:
  ThrottleMember member_;
};

const DriverInfo& throttleDriver();

}  // namespace rhea::block
