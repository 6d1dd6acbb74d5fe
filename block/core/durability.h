// What would survive: the model behind query-durability, and the accounting of writes that are not on stable storage.
#pragma once

#include "block/core/cache-mode.h"
#include "block/core/storage-facts.h"
#include "emu/base/base.h"
#include "emu/io/loop.h"

namespace rhea::block {

// Changes (writes, zeroes, discards, resizes) completed and not covered by a flush that succeeded.
struct Unflushed {
  std::uint64_t changes = 0;
  std::uint64_t bytes = 0;
  std::optional<TimePoint> oldest;  // when the oldest completed

  bool any() const { return changes != 0; }
  void add(std::uint64_t length, TimePoint now);
  void add(const Unflushed& other);
};

struct LastFlush {
  TimePoint ended;
  Duration took{};
  bool ok = true;
};

// What the guest believes about a volatile cache.
enum class GuestView : std::uint8_t {
  kNoGuest,       // nothing is attached that could be told
  kWriteBack,     // was told that its cache is volatile: it flushes
  kWriteThrough,  // was told, or chose, that completed means stable
  kCannotFlush,   // negotiated no flush: served write-through whatever cache= says
};
std::string_view toString(GuestView view);  // "none", "write-back", "write-through", "cannot-flush"

// One node of a disk's chain, from the top.
struct NodeDurability {
  std::string nodeName;
  std::string driver;
  std::string fileName;
  bool direct = false;  // the switches asked for on the node
  bool noFlush = false;
  bool readOnly = false;
  std::optional<StorageFacts>
      storage;               // what really is, of nodes with storage; none also when it did not answer in time
  std::string storageError;  // why there is none
  Unflushed unflushed;
  std::optional<LastFlush> lastFlush;
  std::string latched;  // why flushes fail until a reopen; empty: they do not
};

struct DiskDurability {
  std::string disk;      // drive id
  std::string deviceId;  // of the guest device, "" without one
  std::string qomPath;
  std::string rootNode;
  CacheSwitches mode;              // as the host set it, over the whole chain
  bool effectiveWriteback = true;  // what requests get now
  bool pendingGuest = false;       // write-back is armed until the guest's next reset or own toggle
  bool forced = false;             // switched although the guest had not been told
  bool temporary = false;          // what is written goes with the drive
  GuestView guest = GuestView::kNoGuest;
  std::vector<NodeDurability> nodes;
  Unflushed unflushed;
  std::uint64_t inFlight = 0;  // requests that are not completed: nothing is promised for them
  std::optional<LastFlush> lastFlush;
  std::string verdict;
};

// The sentence: "A power cut now may lose the last 3.1 MiB (12 writes, the oldest 0.8 s ago) of disk0".
std::string verdictOf(const DiskDurability& disk, TimePoint now);
// "3.1 MiB", "0.8 s".
std::string humanBytes(std::uint64_t bytes);
std::string humanDuration(Duration duration);

}  // namespace rhea::block
