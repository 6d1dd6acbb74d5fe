// LargeRegions: where large pages were looked up, so that invlpg of an address there drops what is known of the whole
// page: a bit for each 2 MiB of addresses, or each GiB where a page is larger than 2 MiB, by its number's low bits.
// Another region with the same bits is only flushed too often.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

class LargeRegions {
  static constexpr unsigned kMiddle = 21, kHuge = 30;
  static auto& word(auto& words, std::uint64_t number) { return words[number / 64 % words.size()]; }
  static std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number & 63); }

 public:
  // A page of 2^pageBits bytes.
  void mark(std::uint64_t address, unsigned pageBits) {
    if (pageBits == kMiddle)
      word(middle_, address >> kMiddle) |= bit(address >> kMiddle);
    else
      word(huge_, address >> kHuge) |= bit(address >> kHuge);
  }
  bool mayHave(std::uint64_t address) const {
    return (word(middle_, address >> kMiddle) & bit(address >> kMiddle)) != 0 ||
           (word(huge_, address >> kHuge) & bit(address >> kHuge)) != 0;
  }
  void clear() {
    middle_.fill(0);
    huge_.fill(0);
  }

 private:
  std::array<std::uint64_t, 1024> middle_{};
  std::array<std::uint64_t, 16> huge_{};
};

}  // namespace rhea::x86
