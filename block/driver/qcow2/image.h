// Image: an open qcow2 image: its header, its tables in memory, and those who change them.
//
// Everything works on it (requests, snapshots, bitmaps, check, amend), on the node's home loop alone. What changes the
// image begins with beginWriting().
#pragma once

#include <unordered_set>

#include "block/core/observer.h"
#include "block/driver/qcow2/allocator.h"
#include "block/driver/qcow2/busy-clusters.h"
#include "block/driver/qcow2/damage.h"
#include "block/driver/qcow2/epochs.h"
#include "block/driver/qcow2/header.h"
#include "block/driver/qcow2/mapping.h"
#include "block/driver/qcow2/reader.h"
#include "block/driver/qcow2/refcounts.h"
#include "block/driver/qcow2/settings.h"
#include "block/driver/qcow2/write-back.h"
#include "block/driver/qcow2/writer.h"

namespace rhea::block::qcow2 {

// Hears of changes of the disk's content before they are made: persistent bitmaps.
class ChangeWatcher {
 public:
  virtual ~ChangeWatcher() = default;
  // Whether it has noted the range already: the usual answer, without waiting.
  virtual bool knows(Extent at) const = 0;
  // Error: the change is not made.
  virtual Task<Result<void>> note(Extent at) = 0;
  // The disk's length is about to change.
  virtual Task<Result<void>> resizing(std::uint64_t length) = 0;
  // The image is about to be closed, or to become read-only: what is in memory goes into the file.
  virtual Task<Result<void>> store() = 0;
};

struct ImagePlaces {
  ImagePlaces(Child& imageFile, Child* dataFile, Child* backingImage)
      : file(imageFile), data(dataFile), backing(backingImage) {}
  Child& file;
  Child* data;     // null: the image has no external data file
  Child* backing;  // null: the driver knows no such child; it may be without a node
};

struct Image {
  Image(ImagePlaces places, Header theHeader, Settings theSettings, Reporter theReporter);
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  // --- What it stands on.
  Child& file;
  Child& data;  // the same as `file` where there is no external data file
  Child* const backing;
  bool hasBacking() const { return backing != nullptr && backing->isAttached(); }
  // Of the disk, bytes; thread-safe.
  std::uint64_t length() const { return length_.load(std::memory_order_relaxed); }
  void setLength(std::uint64_t bytes) { length_.store(bytes, std::memory_order_relaxed); }
  bool isDiskEnd(std::uint64_t at) const { return at == length(); }
  bool isExternal() const { return &data != &file; }

  // --- What it is. The header is that on disk, but for changes on their way there.
  Header header;
  Geometry geometry;  // of the header; only the width of refcounts ever changes
  Settings settings;
  Damage damage;

  // --- Its tables.
  Generations generations;
  TableCache l2Tables;
  TableCache refcountBlocks;
  Mapping mapping;
  Refcounts refcounts;
  Allocator allocator;
  WriteBack writeBack;
  Reader reader;
  Writer writer;

  // --- Who is at work.
  BusyClusters busy;
  RequestEpochs epochs;
  ChangeWatcher* watcher = nullptr;
  // Of snapshots, in the file: nothing else may be written there.
  Extent snapshotTable;
  std::vector<Extent> inactiveTables;                  // L1
  std::unordered_set<std::uint64_t> inactiveL2Tables;  // where their overlap check is on

  // Before the first change since it was opened: clears autoclear bits that are not ours, repairs refcounts that were
  // not written (lazy refcounts), marks the image dirty where they will not be. Errors: damaged; of the file.
  Task<Result<void>> beginWriting();
  bool hasBegunWriting() const { return begun_; }
  // The opposite, before the node closes or becomes read-only: everything is on stable storage, the dirty mark gone.
  Task<Result<void>> endWriting();

  // Tables and refcounts were changed in the file: what is in memory of them is read anew. Nothing was changed in
  // memory since it was written.
  Task<Result<void>> reload();

  // Writes the header as it is now, in one piece, and waits until it is stable.
  Task<Result<void>> writeHeader();
  // Single fields: `bytes` at `offset` of the file, within one sector; stable.
  Task<Result<void>> patchHeader(std::uint64_t offset, std::vector<std::byte> bytes);
  Task<Result<void>> patchIncompatible(std::uint64_t bits);

  // Whether writing to `at` of the file would destroy a structure, but for those of the kinds in `except`. Null: no;
  // else what it is.
  const char* overlaps(Extent at, std::uint16_t except) const;

 private:
  Task<Result<void>> firstWrite();
  std::atomic<std::uint64_t> length_;
  bool begun_ = false;
  Mutex beginning_;
};

}  // namespace rhea::block::qcow2
