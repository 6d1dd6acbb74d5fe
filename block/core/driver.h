// Driver: one node's way to its data: a format, a protocol or a filter.
//
// A driver is a folder under block/driver/: a class with this interface, plus those of abilities.h that it can honour,
// and a DriverInfo (driver-info.h) that says how to open one. What every node needs is not a driver's business: bounds,
// read-only, alignment, splitting, statistics, coalescing of flushes and the cache mode live in block/core.
//
// Concurrency: requests run at the same time, as many as users send. Drivers of DriverThreads::kAny are called on any
// loop and must be thread-safe; the others only on their node's home loop, which may change while they are drained
// (HomeAware). close() and the abilities that the graph asks for (Reopener, RightsKeeper, Informer) run on the graph's
// loop.
// Lifetime: close() is called once, when no request is in flight and none will come; the destructor must not wait.
#pragma once

#include "block/core/extent.h"
#include "block/core/io-vector.h"
#include "block/core/limits.h"
#include "block/core/write-flags.h"
#include "emu/base/base.h"
#include "emu/io/task.h"

namespace rhea::block {

class Driver {
 public:
  virtual ~Driver() = default;

  // Both may change at a reopen or resize, nothing else; cheap, thread-safe. Length in bytes.
  virtual Limits limits() const = 0;
  virtual std::uint64_t length() const = 0;
  // Can only be read, whoever asks: by its options or its nature. With OpenFlags::autoReadOnly a driver may be open
  // for reading at the moment and still not be read-only: it opens for writing when its rights say so (RightsKeeper).
  virtual bool isReadOnly() const { return false; }

  // `at` and `data` have the same length, fit limits(), are not empty, and lie within length() rounded up to the
  // request alignment (a read's bytes beyond length() are zeroes), except that a driver with DriverInfo::growable also
  // gets writes beyond it and grows. All or nothing in the answer: a short transfer is carried on with or is an error.
  //
  // A live reopen may have changed the limits since the caller read them: a request that no longer fits is answered
  // with limitsChanged() before anything was done, and the core tries again with the new ones.
  virtual Task<Result<void>> read(Extent at, IoVector to) = 0;
  // Error EROFS where isReadOnly().
  virtual Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) = 0;
  // Covers every write, zero, discard and resize that completed before the call. The core coalesces and never runs two
  // at a time; on a node with no-flush it only asks for FlushTo::kHost.
  virtual Task<Result<void>> flush(FlushTo to) = 0;
  // Releases the node's resources, off the loop where that can hang. Dirty metadata is flushed before by the core.
  virtual Task<void> close() = 0;
};

// See Driver::read. ERESTART: no system call lets it through to a program.
Error limitsChanged();
bool isLimitsChanged(const Error& error);

}  // namespace rhea::block
