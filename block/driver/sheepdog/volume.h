// Volume: an open VDI: its inode and index in memory, the link to the cluster, and the rules by which its objects are
// made, written and removed. See docs/design/sheepdog.md.
//
// Everything runs on one loop at a time, the node's home.
#pragma once

#include "block/core/abilities.h"
#include "block/driver/sheepdog/claims.h"
#include "block/driver/sheepdog/hyper-index.h"
#include "block/driver/sheepdog/index.h"
#include "block/driver/sheepdog/settings.h"

namespace rhea::block::sheepdog {

// What the gateway has shown to be.
enum class Era : std::uint8_t {
  kUnknown,
  kOld,     // before 1.0: there may be an object cache
  kModern,  // 1.0 and on: there is none
};

class Volume final : private Greeter {
 public:
  // `forWriting`: takes the lock and writes; else looks only.
  Volume(Settings settings, bool forWriting, bool direct);

  // Error: with server and VDI, and what to do.
  Task<Result<void>> open(CancelToken cancel);
  // Releases the lock; does not wait for a gateway that is gone.
  Task<void> close();
  // The connection alone, for a change of loops; nothing runs.
  Task<void> hangUp() { return link_.close(); }
  Task<void> callAgain();

  // --- Requests (volume-read.cc, volume-write.cc, volume-space.cc). Extents lie within the disk, rounded up to
  // sectors.
  Task<Result<void>> read(Extent at, IoVector to);
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how);
  Task<Result<void>> flush(FlushTo to);
  Task<Result<void>> discard(Extent at);
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how);
  Task<Result<BlockStatus>> status(Extent at);
  // Grows. Error: would shrink; more than the index holds.
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation);
  // Makes every object that is not there, of zeroes.
  Task<Result<void>> fill() { return preallocate(0, length()); }
  // For check: whether the cluster has an object of this disk's own that its index does not name, which only a client
  // that died can have left. Nobody makes it meanwhile. The part of the disk must not belong to the disk itself.
  Task<Result<bool>> isLeaked(std::uint32_t index);
  // Takes such an object away. Error: the place is an ancestor's, whose object would be given up with it.
  Task<Result<void>> reclaim(std::uint32_t index);

  // --- What it is. Length, size of objects, whether it is for writing and the link's counts from any thread.
  std::uint64_t length() const { return length_.load(std::memory_order_relaxed); }
  std::uint64_t objectSize() const { return objectSize_.load(std::memory_order_relaxed); }
  const Settings& settings() const { return settings_; }
  VdiName name() const { return VdiName(settings_.vdi, settings_.snapId, settings_.tag); }
  const Inode& inode() const { return inode_; }
  const Index& index() const { return index_; }
  std::uint32_t vdi() const { return vdi_; }
  Era era() const { return era_; }
  // Whether the gateway keeps written data in a cache; none: not known yet.
  std::optional<bool> hasObjectCache() const;
  Link& link() { return link_; }
  bool isForWriting() const { return forWriting_; }
  std::string where() const { return Desk(const_cast<Link&>(link_)).where(name()); }
  std::uint16_t cacheFlag() const;
  bool isDirect() const { return direct_; }
  bool lostWrites() const { return lostWrites_; }

  // --- Changes of what it is. The first two from any thread, while requests run.
  void setDirect(bool direct) { direct_ = direct; }
  // A flush failed because a gateway went with its cache: forgotten, the disk is used on.
  void forgetLoss() { lostWrites_ = false; }
  // From looking to writing and back.
  Task<Result<void>> beginWriting();
  Task<void> endWriting();
  // The disk is another VDI of the same name from now on (a snapshot was taken, or gone back to): reads its inode,
  // moves the lock. `keep`: what is in memory is newer than what the inode says.
  enum class Memory : std::uint8_t { kKeep, kForget };
  Task<Result<void>> moveTo(std::uint32_t vdi, Memory memory, Desk::Use use);

 private:
  Task<Result<void>> greet() override;
  Task<Result<Reply>> callName(Desk& desk);
  Task<Result<void>> adopt(Desk& desk, std::uint32_t vdi);
  Task<Result<void>> merge(Desk& desk, const Inode& inode, std::vector<std::uint32_t> theirs);
  Result<void> checkUse(const Inode& inode) const;
  void take(Inode inode);
  Task<Result<void>> followSnapshot(std::uint32_t from);
  Task<void> giveBack();
  void noteGateway();

  // What became of a request to the cluster, for those who go on with it.
  enum class Next : std::uint8_t { kDone, kAgain };
  Task<Result<Next>> react(Call& call, std::uint32_t vdi);

  using PieceWork = Task<Result<void>> (Volume::*)(Extent at, IoVector data);
  Task<Result<void>> inPieces(Extent at, IoVector data, PieceWork work);
  Task<Result<void>> readPiece(Extent at, IoVector to);
  Task<Result<std::uint32_t>> ownerOf(std::uint32_t index);
  Task<Result<void>> writePiece(Extent at, IoVector from);
  Task<Result<Next>> overwrite(Extent at, IoVector from);
  Task<Result<Next>> create(Extent at, IoVector from, std::uint32_t owner);
  Task<Result<Next>> findOut(std::uint32_t vdi, std::uint32_t index);
  Task<Result<void>> clearCache();
  Task<Result<void>> publish(std::uint32_t first, std::uint32_t last);
  Task<Result<void>> publishRun(std::uint32_t first, std::uint32_t count);
  Task<Result<void>> removeObjects(std::uint32_t first, std::uint32_t count);
  Task<Result<void>> removeObject(std::uint32_t index);
  Task<Result<void>> zeroPiece(Extent at);
  Task<Result<void>> preallocate(std::uint64_t from, std::uint64_t to);

  Error badSlot(std::uint32_t index, std::uint32_t owner) const;
  std::uint32_t indexOf(std::uint64_t offset) const { return static_cast<std::uint32_t>(offset >> shift_); }
  Extent wholeObject(std::uint32_t index) const { return {std::uint64_t{index} << shift_, objectSize()}; }
  // The part of [at, ...) that lies in one object.
  Extent pieceOf(Extent at, std::uint64_t done) const;
  ObjectRange rangeOf(std::uint64_t oid, Extent at) const;

  Settings settings_;
  std::atomic<bool> forWriting_;
  std::atomic<bool> direct_;
  Link link_;
  Inode inode_;
  std::uint32_t vdi_ = 0;  // 0: not open
  bool locked_ = false;
  std::uint32_t owed_ = 0;  // a lock that could not be given back yet; 0: none
  std::uint8_t shift_ = kDefaultShift;
  std::atomic<std::uint64_t> objectSize_{std::uint64_t{1} << kDefaultShift};
  std::atomic<std::uint64_t> length_{0};
  Index index_;
  std::optional<HyperIndex> hyper_;
  Claims claims_;
  Mutex publishing_;
  Mutex following_;

  Era era_ = Era::kUnknown;
  bool noCache_ = false;            // said the present gateway
  bool cacheSeen_ = false;          // a flush was answered with success: some gateway has one
  std::optional<Address> cleared_;  // the gateway whose cache has nothing from before this disk was opened
  Mutex clearing_;
  bool dirty_ = false;  // written since the last flush, into what may be a cache
  std::atomic<bool> lostWrites_{false};
  std::optional<Address> writtenVia_;  // the gateway that has what is dirty
};

}  // namespace rhea::block::sheepdog
