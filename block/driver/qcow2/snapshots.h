// Snapshots: those inside the image, and the machine's state that they keep beside the disk.
//
// While a snapshot is made, put back or deleted, the image carries the dirty mark (version 3): whatever a power cut
// leaves then is mended when the image is opened. The header turns from the old state to the new one in one sector.
#pragma once

#include "block/core/image.h"
#include "block/driver/qcow2/reach.h"
#include "block/driver/qcow2/snapshot-table.h"

namespace rhea::block::qcow2 {

class Snapshots {
 public:
  explicit Snapshots(Image& image) : image_(image) {}

  // Reads the table unless it has been; its places are protected from then on.
  Task<Result<void>> load();
  // The image is quiet during each of these (see SnapshotAble).
  Task<Result<std::vector<SnapshotInfo>>> list();
  Task<Result<void>> create(SnapshotInfo info);
  Task<Result<void>> revert(std::string which);
  Task<Result<void>> remove(std::string which);
  // The disk as a snapshot has it, until the image is closed; nothing has been written to the image.
  Task<Result<void>> show(std::string which);
  Task<Result<void>> readState(Extent at, IoVector to);
  Task<Result<void>> writeState(Extent at, IoVector from);

 private:
  Result<std::size_t> find(std::string_view which) const;
  std::string newId() const;
  // From the present table to one with these entries.
  Task<Result<void>> replaceTable(std::vector<SnapshotEntry> entries);
  Task<Result<void>> useL1(L1Table l1, std::uint64_t diskBytes);
  Task<Result<void>> forgetState();
  Task<Result<void>> ready();
  Task<Result<void>> createMarked(SnapshotInfo info);
  Task<Result<void>> revertMarked(SnapshotEntry to);
  Task<Result<void>> removeMarked(std::size_t index);
  // Runs one of the above with the dirty mark on.
  Task<Result<void>> marked(Task<Result<void>> work);
  // What overlap checks ask for.
  Task<void> noteTables();
  Task<void> noteL2Tables();
  // Where the machine's state begins on the disk: behind what the L1 table describes of it.
  std::uint64_t stateStart() const;

  Image& image_;
  bool loaded_ = false;
  std::vector<SnapshotEntry> entries_;
  std::uint64_t tableBytes_ = 0;
};

}  // namespace rhea::block::qcow2
