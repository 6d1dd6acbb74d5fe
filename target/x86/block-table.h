// BlockTable: blocks by physical address and mode, in one array of words: a block's address with 16 bits of its hash
// above and the generation below it. So a search asks hardly any block but the one it looks for, each of which would be
// a miss of the host's cache, and a generation is dropped without touching its blocks.
#pragma once

#include <bit>
#include <vector>

#include "emu/base/base.h"

namespace rhea::x86 {

struct Block;

class BlockTable {
 public:
  // Of Block::generation.
  static constexpr unsigned kGenerations = 8;

  static std::uint64_t hash(std::uint64_t physical, std::uint32_t mode) {
    const std::uint64_t product = (physical ^ std::uint64_t{mode} << 44) * 0x9e3779b97f4a7c15;
    return product ^ product >> 32;
  }

  // The first of those with this hash that `isIt(Block&)`; isIt() may answer kDrop for one that is to be forgotten.
  enum class Answer : std::uint8_t { kNo, kYes, kDrop };
  template <class IsIt>
  Block* find(std::uint64_t hash, IsIt&& isIt) {
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const std::uint64_t word = words_[at];
      if (word == kEmpty) return nullptr;
      if ((word ^ hash) >> kTagShift != 0 || word == kGone) continue;
      Block* const block = blockOf(word);
      const Answer answer = isIt(*block);
      if (answer == Answer::kYes) return block;
      if (answer == Answer::kDrop) drop(at);
    }
  }

  // `hashOf(const Block&)`: for when the table has to grow. The block's address is a multiple of 16.
  template <class HashOf>
  void add(Block* block, unsigned generation, HashOf&& hashOf) {
    if ((taken_ + 1) * 2 > words_.size()) grow(hashOf);
    put(hashOf(*block), reinterpret_cast<std::uint64_t>(block) | generation);
    ++live_;
  }

  void dropGeneration(unsigned generation) {
    for (std::size_t at = 0; at < words_.size(); ++at) {
      if (words_[at] != kEmpty && words_[at] != kGone && (words_[at] & kBelow) == generation) drop(at);
    }
  }
  void clear() {
    words_.assign(kLeast, kEmpty);
    taken_ = live_ = 0;
  }
  std::size_t size() const { return live_; }

 private:
  static constexpr std::size_t kLeast = std::size_t{1} << 14;
  static constexpr unsigned kTagShift = 48;
  static constexpr std::uint64_t kBelow = kGenerations - 1;
  static constexpr std::uint64_t kEmpty = 0, kGone = kGenerations;  // which is no generation and no block

  std::size_t mask() const { return words_.size() - 1; }
  static Block* blockOf(std::uint64_t word) {
    return reinterpret_cast<Block*>(word << (64 - kTagShift) >> (64 - kTagShift) & ~kBelow);
  }
  void drop(std::size_t at) {
    words_[at] = kGone;
    --live_;
  }
  void put(std::uint64_t hash, std::uint64_t below) {
    std::size_t at = hash & mask();
    while (words_[at] != kEmpty && words_[at] != kGone) at = (at + 1) & mask();
    if (words_[at] == kEmpty) ++taken_;
    words_[at] = hash >> kTagShift << kTagShift | below;
  }
  // Or as large as it was, if many are gone.
  template <class HashOf>
  void grow(HashOf&& hashOf) {
    const std::vector<std::uint64_t> old =
        std::exchange(words_, std::vector<std::uint64_t>(std::max(kLeast, std::bit_ceil(live_ * 3 + 1)), kEmpty));
    taken_ = 0;
    for (const std::uint64_t word : old) {
      if (word == kEmpty || word == kGone) continue;
      const Block* const block = blockOf(word);
      put(hashOf(*block), reinterpret_cast<std::uint64_t>(block) | (word & kBelow));
    }
  }

  std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(kLeast, kEmpty);
  std::size_t taken_ = 0;  // words that are not empty
  std::size_t live_ = 0;
};

}  // namespace rhea::x86
