// The snapshots of a volume: other VDIs of the same name, and the state of a machine that may lie beside each.
#pragma once

#include "block/core/image.h"
#include "block/driver/sheepdog/volume.h"

namespace rhea::block::sheepdog {

// The snapshots of a name, oldest first.
Task<Result<std::vector<Inode>>> listSnapshots(Link& link, std::string name, std::uint32_t known);

// NEW_VDI, once whatever becomes of connections. `before`: the number that the name had, 0 for none. Gives the number
// of the new VDI and the object size that it got, as a power of two; 0: the daemon does not tell.
struct NewVdi {
  std::string name;
  VdiWish wish;
  std::uint32_t before = 0;
};
struct MadeVdi {
  std::uint32_t vdi = 0;
  std::uint8_t shift = 0;
};
Task<Result<MadeVdi>> makeVdi(Link& link, NewVdi what);

class Snapshots {
 public:
  explicit Snapshots(Volume& volume) : volume_(volume) {}

  Task<Result<std::vector<SnapshotInfo>>> list();
  Task<Result<void>> create(SnapshotInfo info);
  Task<Result<void>> revert(std::string which);
  Task<Result<void>> remove(std::string which);
  Task<Result<void>> readState(Extent at, IoVector to);
  Task<Result<void>> writeState(Extent at, IoVector from);

 private:
  struct Located {
    VdiName name;
    Inode inode;
  };
  // An id or a tag. Error: there is none; names those that exist.
  Task<Result<Located>> locate(std::string which);
  Result<void> checkWriting() const;

  Volume& volume_;
  std::set<std::uint32_t> stateChunks_;  // of the present VDI, that exist
  std::uint32_t stateOf_ = 0;  // whose state is read: of the snapshot that was gone back to; 0: the present VDI's
};

}  // namespace rhea::block::sheepdog
