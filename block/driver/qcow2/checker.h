// Checker: looks an image over, and mends what a Scan found without ever making it worse: what can be read before can
// be read after.
//
// Each step leaves an image that is no worse than before, so it may be cut short at any point: flags that promise too
// much go first, refcounts that are too low are raised, then what is too high comes down. Refcount structures that
// cannot be trusted are made anew behind the end of everything, and the header is turned to them at the end. Nothing is
// written into a cluster that is used for two things, and a file that was cut short does not grow.
#pragma once

#include "block/driver/qcow2/scan.h"

namespace rhea::block::qcow2 {

class Checker {
 public:
  // `file` and `progress` outlive the checker. The edge may write and resize, and nobody else writes.
  Checker(Child& file, Header header, Progress& progress, CancelToken cancel)
      : file_(file), header_(std::move(header)), progress_(progress), cancel_(std::move(cancel)) {}

  // Looks, and mends what `wish` says; the report tells what was found, mended and left. Without a wish nothing is
  // written. Error: it could not be done to its end; what was mended stays.
  Task<Result<CheckReport>> run(CheckWish wish);

  // Makes all refcounts anew, of entries of 2^order bits. Error: the image is damaged, or a cluster has more users than
  // such entries can count; nothing has changed.
  Task<Result<void>> remakeRefcounts(std::uint32_t order);

  // As it is now: the refcount table may be elsewhere, the dirty and corrupt bits may be gone.
  const Header& header() const { return header_; }

 private:
  enum class Counts : std::uint8_t { kRaise, kLower };

  Task<Result<void>> scan(std::unique_ptr<Scan>& scan, Scan::Refcounts refcounts);
  Task<Result<void>> mend(std::unique_ptr<Scan>& scan, CheckWish wish);
  Task<Result<void>> dropBitmaps();
  // Flags of L1 and L2 entries: takes away those that promise too much, or gives those that are missing.
  Task<Result<void>> fixFlags(const Scan& scan, bool give);
  Task<Result<void>> fixTable(const Scan& scan, std::uint64_t offset, bool give);
  Task<Result<void>> fixCounts(const Scan& scan, Counts direction);
  Task<Result<void>> rebuild();
  Task<Result<void>> writeField(std::uint64_t at, std::span<const std::byte> bytes);
  Task<Result<void>> markClean();

  Child& file_;
  Header header_;
  Progress& progress_;
  CancelToken cancel_;
};

}  // namespace rhea::block::qcow2
