// ClusterCounts: who uses each cluster of the image file, counted by a check: one word per cluster of those parts of
// the file that are used at all.
//
// Beside the number of uses it keeps what for, because a cluster that is used twice for different things (an L2 table
// that is a disk's data as well) is damage that no refcount tells.
#pragma once

#include "emu/base/base.h"

namespace rhea::block::qcow2 {

enum class ClusterUse : std::uint8_t {
  kData = 1,  // shared by snapshots, and by compressed clusters
  kL2 = 2,    // shared by snapshots
  kOwn = 4,   // header, L1, refcounts, snapshot table, bitmaps: never shared
};

class ClusterCounts {
 public:
  static constexpr std::uint32_t kMostCount = (1U << 27U) - 1;  // counting stops there

  // `mostBytes`: of memory; counting beyond it fails.
  explicit ClusterCounts(std::uint64_t mostBytes = std::uint64_t{2} << 30U) : mostPages_(mostBytes / sizeof(Page)) {}

  // False: no more memory may be used, the cluster is not counted.
  bool add(std::uint64_t cluster, std::uint64_t times, ClusterUse use) {
    std::uint32_t* word = wordToWrite(cluster);
    if (word == nullptr) return false;
    const std::uint32_t count = *word & kMostCount;
    if (count != 0 && (use == ClusterUse::kOwn || !has(*word, use) || (*word & kCrossed) != 0)) {
      ++crossings_;
      *word |= kCrossed;
    }
    *word |= bitOf(use);
    *word += static_cast<std::uint32_t>(std::min<std::uint64_t>(times, kMostCount - count));
    end_ = std::max(end_, cluster + 1);
    return true;
  }

  std::uint32_t count(std::uint64_t cluster) const { return word(cluster) & kMostCount; }
  bool isUsed(std::uint64_t cluster) const { return count(cluster) != 0; }
  // Used for two things that exclude one another.
  bool isCrossed(std::uint64_t cluster) const { return (word(cluster) & kCrossed) != 0; }
  // Uses that exclude another one.
  std::uint64_t crossings() const { return crossings_; }
  // Behind the last one used.
  std::uint64_t end() const { return end_; }

  // True the first time it is asked for a cluster that is used.
  bool visit(std::uint64_t cluster) {
    if (!isUsed(cluster)) return false;
    std::uint32_t* word = wordToWrite(cluster);
    return (std::exchange(*word, *word | kVisited) & kVisited) == 0;
  }

  // The first cluster at or behind `from` that is used as `use`, perhaps for something else as well. None: past the
  // last.
  std::optional<std::uint64_t> next(std::uint64_t from, ClusterUse use) const {
    return find(from, [use](std::uint32_t w) { return has(w, use); });
  }
  std::optional<std::uint64_t> nextUsed(std::uint64_t from) const {
    return find(from, [](std::uint32_t) { return true; });
  }

 private:
  static constexpr std::uint32_t kUseShift = 27;  // three bits
  static constexpr std::uint32_t kCrossed = 1U << 30U;
  static constexpr std::uint32_t kVisited = 1U << 31U;
  static constexpr std::uint32_t kPageBits = 10;
  using Page = std::array<std::uint32_t, std::size_t{1} << kPageBits>;

  static constexpr std::uint32_t bitOf(ClusterUse use) { return static_cast<std::uint32_t>(use) << kUseShift; }
  static constexpr bool has(std::uint32_t word, ClusterUse use) { return (word & bitOf(use)) != 0; }
  static std::size_t inPage(std::uint64_t cluster) {
    return static_cast<std::size_t>(cluster & ((1U << kPageBits) - 1));
  }

  std::uint32_t word(std::uint64_t cluster) const {
    if (cluster >> kPageBits != lastPage_) {
      const auto found = pages_.find(cluster >> kPageBits);
      if (found == pages_.end()) return 0;
      last_ = found->second.get();
      lastPage_ = cluster >> kPageBits;
    }
    return last_ == nullptr ? 0 : (*last_)[inPage(cluster)];
  }

  std::uint32_t* wordToWrite(std::uint64_t cluster) {
    if (cluster >> kPageBits != lastPage_) {
      auto found = pages_.find(cluster >> kPageBits);
      if (found == pages_.end()) {
        if (pages_.size() >= mostPages_) return nullptr;
        found = pages_.emplace(cluster >> kPageBits, std::make_unique<Page>()).first;
      }
      last_ = found->second.get();
      lastPage_ = cluster >> kPageBits;
    }
    return &(*last_)[inPage(cluster)];
  }

  template <class Wanted>
  std::optional<std::uint64_t> find(std::uint64_t from, Wanted wanted) const {
    for (auto page = pages_.lower_bound(from >> kPageBits); page != pages_.end(); ++page) {
      const std::uint64_t first = page->first << kPageBits;
      for (std::size_t i = first < from ? inPage(from) : 0; i < page->second->size(); ++i) {
        const std::uint32_t word = (*page->second)[i];
        if ((word & kMostCount) != 0 && wanted(word)) return first + i;
      }
    }
    return std::nullopt;
  }

  std::size_t mostPages_;
  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::uint64_t crossings_ = 0;
  std::uint64_t end_ = 0;
  // The page used last: uses come in runs.
  mutable std::uint64_t lastPage_ = UINT64_MAX;
  mutable Page* last_ = nullptr;
};

}  // namespace rhea::block::qcow2
