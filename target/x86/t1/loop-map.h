// LoopMap: which guest code has been seen to be part of a loop, in pieces of 64 bytes. A guess, for translations that
// are better in loops; pages that meet in a slot push each other out.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86::t1 {

class LoopMap {
 public:
  // A jump from `last` back to `first`.
  void add(std::uint64_t first, std::uint64_t last) {
    if (last < first || last - first >= kMostBytes) return;
    for (std::uint64_t at = first & ~(kPiece - 1); at <= last; at += kPiece) {
      Page& page = pages_[slot(at)];
      if (page.number != at >> 12) page = {at >> 12, 0};
      page.pieces |= bit(at);
    }
  }
  bool has(std::uint64_t address) const {
    const Page& page = pages_[slot(address)];
    return page.number == address >> 12 && (page.pieces & bit(address)) != 0;
  }
  void clear() { pages_.fill({}); }

 private:
  static constexpr std::uint64_t kPiece = 64;
  // What is longer is not where the time goes, and would take the windows from what is.
  static constexpr std::uint64_t kMostBytes = 1024;
  static constexpr std::size_t kPages = 256;
  struct Page {
    std::uint64_t number = ~std::uint64_t{0};
    std::uint64_t pieces = 0;
  };
  static std::size_t slot(std::uint64_t address) { return (address >> 12) % kPages; }
  static std::uint64_t bit(std::uint64_t address) { return std::uint64_t{1} << (address / kPiece % 64); }

  std::array<Page, kPages> pages_{};
};

}  // namespace rhea::x86::t1
