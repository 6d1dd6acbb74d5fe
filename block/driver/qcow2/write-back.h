// WriteBack: brings changed tables to the file in the order that keeps the image usable at any moment.
//
// One round: refcount blocks, then the refcount table where it got new blocks, then L2 tables, then the L1 table where
// it got new L2 tables; before each step that points to what was written before, a barrier. The same barrier that lets
// L2 tables follow refcounts makes the data stable that they point to. Rounds coalesce: everybody who asks while one
// runs shares the next. See docs/design/qcow2.md.
#pragma once

#include "block/driver/qcow2/allocator.h"
#include "block/driver/qcow2/mapping.h"

namespace rhea::block::qcow2 {

class WriteBack {
 public:
  explicit WriteBack(Image& image) : image_(image) {}

  // Everything that was changed before the call. kStable: and the data that was written. Errors: those of the file;
  // what could not be written is kept and goes with the next round.
  Task<Result<void>> commit(FlushTo to);
  // As above, until nothing is left that waits to be released (close, amend, snapshots).
  Task<Result<void>> commitAll();
  // Data and metadata so far are on stable storage.
  Task<Result<void>> barrier();

 private:
  struct Round;
  struct Changes;
  Task<Result<void>> run(FlushTo to);
  Task<Result<void>> write(Changes& changes, FlushTo to);
  Task<Result<void>> writeTables(const std::vector<TableCache::Copy>& copies, std::uint16_t structure);
  Task<Result<void>> checkPlaces(const std::vector<TableCache::Copy>& copies, std::uint16_t structure);

  Image& image_;
  Mutex turn_;
  std::shared_ptr<Round> pending_;
  // Written, but no barrier came after.
  std::vector<FreedSpace> unstableFreed_;
  std::uint64_t written_ = 0;  // generation
};

}  // namespace rhea::block::qcow2
