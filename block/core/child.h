// Child: an edge from a parent (a node's driver, a disk, a job, an export) down to a node.
//
// Whoever does I/O on a node does it through an edge: it carries the parent's rights, and while requests run through it
// the node stays. Requests take the path of block/core: bounds, alignment, splitting, accounting.
// A driver gets its edges at open and keeps pointers to them; where an edge leads changes only while it is drained.
#pragma once

#include "block/core/abilities.h"
#include "block/core/extent.h"
#include "block/core/io-vector.h"
#include "block/core/permissions.h"
#include "block/core/write-flags.h"
#include "emu/io/sync.h"

namespace rhea::block {

class Disk;
class Node;

class Child {
 public:
  Child(std::string name, ChildRole role) : name_(std::move(name)), role_(role) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& name() const { return name_; }
  ChildRole role() const { return role_; }
  Node& node() const { return *node_; }
  // Who uses the node by this edge: a node, a disk, or neither.
  const Node* holder() const { return parent_; }
  const Disk* disk() const { return disk_; }
  bool isAttached() const { return node_ != nullptr; }
  Rights rights() const { return rights_.load(std::memory_order_relaxed); }

  // Of the node below.
  std::uint64_t length() const;
  Limits limits() const;

  // Any offset, length and memory. Reads beyond length() give zeroes. Writes beyond it need the right to resize and a
  // node that grows. Errors: those of the driver (errno), EROFS, EINVAL for an extent that cannot be.
  Task<Result<void>> read(Extent at, IoVector to);
  Task<Result<void>> write(Extent at, IoVector from, WriteFlags how);
  Task<Result<void>> writeZeroes(Extent at, WriteFlags how);
  Task<Result<void>> discard(Extent at, WriteFlags how);
  Task<Result<void>> flush(FlushTo to);
  Task<Result<BlockStatus>> status(Extent at, bool precise);
  Task<Result<void>> resize(std::uint64_t length, Preallocation preallocation);

 private:
  friend class BlockGraph;
  friend class GraphChange;
  friend class Disk;

  std::string name_;
  ChildRole role_;
  Node* node_ = nullptr;
  Node* parent_ = nullptr;
  const Disk* disk_ = nullptr;
  std::shared_ptr<Event> reserved_;  // by a change of the graph, until it ends
  std::atomic<Rights> rights_{Rights()};
};

}  // namespace rhea::block
