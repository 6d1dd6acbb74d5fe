// Filter: a driver that hands everything on to one child as it is; a filter overrides what it is about.
#pragma once

#include "block/core/abilities.h"
#include "block/core/child.h"

namespace rhea::block {

class Filter : public Driver, public Discards, public ZeroWriter {
 public:
  explicit Filter(Child& below) : below_(below) {}

  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return below_.length(); }
  Task<Result<void>> read(Extent at, IoVector to) override { return below_.read(at, to); }
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override { return below_.write(at, from, how); }
  Task<Result<void>> flush(FlushTo to) override { return below_.flush(to); }
  Task<Result<void>> discard(Extent at, WriteFlags how) override { return below_.discard(at, how); }
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override { return below_.writeZeroes(at, how); }
  Task<void> close() override { co_return; }

 protected:
  Child& below_;
};

}  // namespace rhea::block
