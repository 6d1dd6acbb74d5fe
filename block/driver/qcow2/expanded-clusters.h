// ExpandedClusters: the last compressed clusters that were read, expanded: small reads come in rows.
#pragma once

#include <deque>

#include "emu/base/base.h"

namespace rhea::block::qcow2 {

class ExpandedClusters {
 public:
  using Content = std::shared_ptr<const std::vector<std::byte>>;

  // By the L2 entry's word; null: not here.
  Content find(std::uint64_t word) const {
    for (const auto& [known, content] : kept_) {
      if (known == word) return content;
    }
    return nullptr;
  }
  void keep(std::uint64_t word, Content content) {
    if (kept_.size() >= kMost) kept_.pop_front();
    kept_.emplace_back(word, std::move(content));
  }
  // The place that a word names may hold something else from now on.
  void clear() {
    kept_.clear();
    ++era_;
  }
  // What was begun to be read before a clear() is not kept after it.
  std::uint64_t era() const { return era_; }

 private:
  static constexpr std::size_t kMost = 8;
  std::deque<std::pair<std::uint64_t, Content>> kept_;
  std::uint64_t era_ = 0;
};

}  // namespace rhea::block::qcow2
