// The filter `blkdebug`: makes requests fail, wait or stop by rules, for tests. See docs/drivers/blkdebug.md.
//
// It plays broken storage, so what it holds is not let go by a drain: as with real storage, only the rules' end helps.
#pragma once

#include "block/core/child.h"
#include "block/core/debug-points.h"
#include "block/core/driver-info.h"
#include "block/driver/blkdebug/rules.h"
#include "emu/io/sync.h"

namespace rhea::block {

struct BlkdebugOptions {
  std::uint64_t align = 0;        // bytes; 0: the child's
  std::uint64_t maxTransfer = 0;  // bytes; 0: the child's
  std::vector<FaultRule> faults;
  std::vector<StateRule> states;
};

// Reads the generated struct. Errors: an alignment that is no power of two, a longest request that is no multiple of
// it.
Result<BlkdebugOptions> blkdebugOptions(const DriverOptions& options);

class BlkdebugDriver final : public Driver,
                             public Discards,
                             public ZeroWriter,
                             public Mapper,
                             public Resizer,
                             public Reopener,
                             public DebugPoints {
 public:
  BlkdebugDriver(Child& image, BlkdebugOptions options);

  Limits limits() const override;
  std::uint64_t length() const override { return image_.length(); }
  Task<Result<void>> read(Extent at, IoVector to) override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  Task<Result<BlockStatus>> status(Extent at, bool precise) override;
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override;

  // New rules; what the old ones hold or delay goes on at once.
  Task<Result<std::unique_ptr<PreparedReopen>>> prepareReopen(ReopenRequest request) override;

  Result<void> breakAt(const std::string& point, const std::string& tag) override;
  Result<void> resume(const std::string& tag) override;
  std::vector<Suspended> suspended() const override;

 private:
  class Prepared;
  struct Held;
  // Gives whether a rule says to lie about stable storage.
  Task<Result<bool>> pass(DebugEvent event, DebugKind kind, Extent at);
  Task<void> hold(std::string tag, DebugEvent event, Extent at);
  void letGo(const std::string* tag);  // null: everything

  Child& image_;
  mutable std::mutex guard_;  // all below; never over a wait
  std::uint64_t align_;
  std::uint64_t maxTransfer_;
  std::shared_ptr<DebugRules> rules_;
  CancelSource delays_;  // of the rules in force
  std::vector<std::shared_ptr<Held>> held_;
};

const DriverInfo& blkdebugDriver();

}  // namespace rhea::block
