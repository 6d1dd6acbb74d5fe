// Mapping: the L1 table and the L2 tables below it: where each cluster of the disk is.
#pragma once

#include <set>
#include <unordered_set>

#include "block/driver/qcow2/cluster-entry.h"
#include "block/driver/qcow2/table-cache.h"

namespace rhea::block::qcow2 {

struct Image;

class Mapping {
 public:
  explicit Mapping(Image& image) : image_(image) {}

  // Reads the L1 table. Errors: those of the file; an entry that cannot be is told when it is used.
  Task<Result<void>> load();

  const std::vector<std::uint64_t>& l1() const { return l1_; }
  // Another one, as in the image already (a snapshot was taken or put back, the disk grew).
  void useL1(std::vector<std::uint64_t> entries);
  // Bytes of the disk that one slice of an L2 table describes.
  std::uint64_t sliceReach() const;

  // The slice with the entry of `guest`; empty where there is no L2 table. Errors: of the file; EIO for an L1 entry
  // that cannot be, which is told as damage.
  Task<Result<TableCache::Hold>> find(std::uint64_t guest);
  // The same where it can be had without waiting; nullopt: it cannot.
  std::optional<TableCache::Hold> findNow(std::uint64_t guest);
  // For writing: makes the L2 table where there is none, and a copy of one that a snapshot uses too.
  Task<Result<TableCache::Hold>> own(std::uint64_t guest);

  ClusterEntry entry(const TableCache::Hold& slice, std::uint64_t guest) const;
  void setEntry(const TableCache::Hold& slice, std::uint64_t guest, ClusterEntry entry);
  // Of the entry, in the file; for messages.
  std::uint64_t entryOffset(const TableCache::Hold& slice, std::uint64_t guest) const;

  void setL1(std::uint64_t index, std::uint64_t word);
  bool isL2Table(std::uint64_t offset) const { return l2Tables_.contains(offset); }

  // --- For the write-back: sectors of the L1 table that were changed, as on disk, by their offsets in the file.
  bool hasChanges() const { return !dirty_.empty(); }
  std::vector<TableCache::Copy> takeChanges();
  void giveBack(const std::vector<TableCache::Copy>& sectors);
  // What is not written yet is in the table that replaces this one.
  void forgetChanges() { dirty_.clear(); }

 private:
  std::uint64_t sliceOffset(std::uint64_t table, std::uint64_t guest) const;
  Task<Result<void>> checkL1(std::uint64_t index);
  Task<Result<void>> makeTable(std::uint64_t index);
  Task<Result<void>> copyTable(std::uint64_t from, std::uint64_t to);

  Image& image_;
  std::vector<std::uint64_t> l1_;
  std::unordered_set<std::uint64_t> l2Tables_;
  std::set<std::uint64_t> dirty_;  // sectors of the L1 table, by index
  Mutex making_;
};

}  // namespace rhea::block::qcow2
