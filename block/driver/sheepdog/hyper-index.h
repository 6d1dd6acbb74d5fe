// The index of a hyper volume: a tree of one or two levels where others have an array. For reading alone: the tree has
// no guard against two writers, and nobody counts who shares its objects.
#pragma once

#include <list>

#include "block/driver/sheepdog/desk.h"

namespace rhea::block::sheepdog {

class HyperIndex {
 public:
  struct Run {
    std::uint32_t owner = 0;  // 0: nothing is stored
    std::uint64_t objects = 0;
  };

  // Reads the root. Error: it is no tree.
  Task<Result<void>> load(Link& link, Desk::Use use, std::uint32_t vdi);
  // Who owns the object `index`, and how many from there on, at most `most`, are the same in being there or not.
  Task<Result<Run>> find(Link& link, std::uint32_t index, std::uint64_t most);

 private:
  struct Entry {
    std::uint32_t index = 0;   // leaf: of the object; root: the last of the leaf's
    std::uint64_t target = 0;  // leaf: the owner; root: the leaf's object
  };
  struct Leaf {
    std::uint64_t oid = 0;
    std::vector<Entry> entries;
  };
  static Result<std::vector<Entry>> parse(std::span<const std::byte> node, bool leaf);
  Task<Result<const std::vector<Entry>*>> leafOf(Link& link, const Entry& root);

  bool deep_ = false;
  std::vector<Entry> root_;
  std::list<Leaf> leaves_;  // the last used first
};

}  // namespace rhea::block::sheepdog
