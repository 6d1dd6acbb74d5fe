// The drivers `null-co` and `null-aio`: a disk of any size that stores nothing. See docs/drivers/null.md.
#pragma once

#include "block/core/abilities.h"
#include "block/core/driver-info.h"

namespace rhea::block {

struct NullOptions {
  std::uint64_t size = std::uint64_t{1} << 30;
  std::chrono::nanoseconds latency{0};
  bool readZeroes = true;  // false: a read leaves the buffer as it is
};

class NullDriver final : public Driver,
                         public Discards,
                         public ZeroWriter,
                         public Mapper,
                         public Resizer,
                         public Informer {
 public:
  // `later`: even without a latency a request completes from the loop (null-aio), not at once (null-co).
  NullDriver(NullOptions options, bool later, bool readOnly);

  Limits limits() const override { return {}; }
  std::uint64_t length() const override { return length_.load(std::memory_order_relaxed); }
  bool isReadOnly() const override { return readOnly_; }
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;

  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

  std::string fileName() const override;
  Task<Result<ImageInfo>> imageInfo() override;
  Task<Result<StorageFacts>> storageFacts() override;

 private:
  Task<Result<void>> pass();
  static Task<Result<void>> refused();
  const NullOptions options_;
  const bool later_;
  const bool readOnly_;
  std::atomic<std::uint64_t> length_;
};

const DriverInfo& nullCoDriver();
const DriverInfo& nullAioDriver();

}  // namespace rhea::block
