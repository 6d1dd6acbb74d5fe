// The filter `blklogwrites`: records every write, zero, discard and flush with its data in a log. See
// docs/drivers/blklogwrites.md and layout.h.
//
// The order in the log is what a power cut may rely on: a change stands in it once it completed below, and before a
// flush exactly if it completed before that flush began. So changes that complete while a flush runs wait for its
// entry.
#pragma once

#include "block/core/driver-info.h"
#include "block/core/filter.h"
#include "block/driver/write-log/layout.h"
#include "emu/io/sync.h"

namespace rhea::block {

struct WriteLogOptions {
  std::uint32_t sectorSize = 512;
  bool append = false;
  std::uint64_t superInterval = 4096;  // entries
};

class WriteLogDriver final : public Filter, public Resizer {
 public:
  // Begins a log, or finds the end of the one that is there. Errors: not a log, other sectors, the log node's own.
  static Task<Result<std::unique_ptr<WriteLogDriver>>> open(Child& file, Child& log, WriteLogOptions options);

  // How many there are now; any thread. A change's entry is counted before the change is answered.
  std::uint64_t entries() const { return entries_.load(std::memory_order_acquire); }

  WriteLogDriver(Child& file, Child& log, WriteLogOptions options) : Filter(file), log_(log), options_(options) {}

  Limits limits() const override;
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how) override;
  Task<Result<void>> flush(FlushTo to) override;
  Task<void> close() override;
  Task<Result<void>> discard(Extent at, WriteFlags how) override;
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how) override;
  // The log's layout has no entry for it: a change of length shows by the writes that follow.
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation) override {
    return below_.resize(length, preallocation);
  }

 private:
  Task<Result<void>> begin();
  Task<Result<void>> findEnd(std::uint64_t entries);
  // With order_ held. `data` null: none follows (a discard or flush), or zeroes where `zeroes` says how many bytes.
  Task<Result<void>> append(LogEntry entry, const IoVector* data, std::uint64_t zeroes);
  Task<Result<void>> appendParts(LogEntry entry, const IoVector* data, std::uint64_t zeroes);
  Task<Result<void>> writeSuper();
  // `issued`: entries() when the change was sent.
  LogEntry entryOf(Extent at, std::uint64_t flags, std::uint64_t issued) const;

  Child& log_;
  const WriteLogOptions options_;
  // Fair. Held while a flush runs below, and by each change that completed while its entry is written.
  Mutex order_;
  std::atomic<std::uint64_t> entries_{0};  // changed under order_, as all below
  std::uint64_t at_ = 0;                   // bytes: where the next entry goes
  std::uint64_t sinceSuper_ = 0;
  bool beginDue_ = false;
};

const DriverInfo& writeLogDriver();

}  // namespace rhea::block
