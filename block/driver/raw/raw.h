// The format `raw`: the disk's bytes are the child's bytes, or a window on them. See docs/drivers/raw.md.
#pragma once

#include "block/core/child.h"
#include "block/core/driver-info.h"

namespace rhea::block {

struct RawWindow {
  std::uint64_t offset = 0;           // bytes, in the child
  std::optional<std::uint64_t> size;  // bytes; none: to the end of the child, with which it grows
  friend bool operator==(const RawWindow&, const RawWindow&) = default;
};

class RawDriver final : public Driver,
                        public Discards,
                        public ZeroWriter,
                        public Mapper,
                        public Resizer,
                        public Reopener {
 public:
  RawDriver(Child& file, RawWindow window) : file_(file) { useWindow(window); }

  Limits limits() const override { return {}; }
  std::uint64_t length() const override;
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;

  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;
  // Error: the window has a size of its own.
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

  // Another window, or another file: requests in flight end in the old window. Error: it does not fit the file.
  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override;

 private:
  class Prepared;
  // Sets the window that new requests use; gives the former one.
  RawWindow useWindow(RawWindow window);
  const RawWindow& window() const { return *window_.load(std::memory_order_acquire); }
  // Where a range of the disk lies in the child. Error: ENOSPC behind the end of a window.
  Result<Extent> place(Extent at) const;
  Child& file_;
  // Each window that ever was: a request that read the pointer just before it changed still looks at its window.
  std::vector<std::unique_ptr<const RawWindow>> windows_;
  std::atomic<const RawWindow*> window_{nullptr};
};

const DriverInfo& rawDriver();

}  // namespace rhea::block
