// Index: which VDI owns each object of a disk, in memory, and which of it the cluster does not know yet.
//
// Slots change in memory when an object was made or removed; publish() (volume-index.cc) brings changes to the inode.
#pragma once

#include <set>

#include "emu/base/base.h"

namespace rhea::block::sheepdog {

class Index {
 public:
  std::size_t size() const { return slots_.size(); }
  std::uint32_t at(std::size_t index) const { return slots_[index]; }
  std::span<const std::uint32_t> slots() const { return slots_; }

  // As the cluster has it; nothing is unpublished.
  void load(std::vector<std::uint32_t> slots) {
    slots_ = std::move(slots);
    unpublished_.clear();
    ++changes_;
  }
  void resize(std::size_t objects) { slots_.resize(objects); }
  // A change that the cluster is to learn.
  void set(std::uint32_t index, std::uint32_t owner) {
    slots_[index] = owner;
    unpublished_.insert(index);
    ++changes_;
  }
  // One that it knows.
  void setPublished(std::uint32_t index, std::uint32_t owner) {
    slots_[index] = owner;
    ++changes_;
  }

  const std::set<std::uint32_t>& unpublished() const { return unpublished_; }
  bool isUnpublished(std::uint32_t index) const { return unpublished_.contains(index); }
  // The cluster has the slot as `owner`; where it has changed again it stays to be published.
  void published(std::uint32_t index, std::uint32_t owner) {
    if (slots_[index] == owner) unpublished_.erase(index);
  }
  // Counts changes: an object that is missing may have been removed meanwhile.
  std::uint64_t changes() const { return changes_; }

 private:
  std::vector<std::uint32_t> slots_;
  std::set<std::uint32_t> unpublished_;
  std::uint64_t changes_ = 0;
};

}  // namespace rhea::block::sheepdog
