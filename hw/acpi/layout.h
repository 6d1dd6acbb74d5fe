// Layout: where a PC has its memory and its windows, as the board decided and tables tell the guest.
#pragma once

#include "emu/base/base.h"

namespace rhea::hw {

struct Layout {
  // RAM without the hole: [0, lowEnd) and [4 GiB, highEnd); highEnd is 4 GiB where there is none above.
  std::uint64_t lowEnd = 0;
  std::uint64_t highEnd = kFourGiB;
  unsigned cpus = 1;
  std::uint64_t ecamBase = 0;
  std::uint64_t ecamSize = 0;

  static constexpr std::uint64_t kFourGiB = std::uint64_t{1} << 32;
  // What firmware would have: the last 128 KiB of the first MiB, tables among it, are kept from the guest's use.
  static constexpr std::uint64_t kBiosBase = 0xe0000;
  static constexpr std::uint64_t kBiosEnd = 0x100000;
  static constexpr std::uint64_t kConventionalEnd = 0x9fc00;
  // Windows for PCI below 4 GiB end where the interrupt controllers begin.
  static constexpr std::uint64_t kWindowEnd = 0xfec00000;

  // RAM of `memory` bytes: all below the hole where it fits, else 2 GiB.
  static Layout of(std::uint64_t memory) {
    constexpr std::uint64_t kMostBelow = 0xb0000000;
    constexpr std::uint64_t kElseBelow = 0x80000000;
    Layout layout;
    layout.lowEnd = memory <= kMostBelow ? memory : kElseBelow;
    layout.highEnd = kFourGiB + (memory - layout.lowEnd);
    return layout;
  }
  std::uint64_t highWindowBase() const {
    constexpr std::uint64_t kStep = std::uint64_t{32} << 30;
    return (highEnd + kStep - 1) / kStep * kStep;
  }
  static constexpr std::uint64_t kHighWindowSize = std::uint64_t{32} << 30;
};

// A stretch of the memory map as boot protocols tell it.
struct MapEntry {
  enum class Kind : std::uint32_t { kRam = 1, kReserved = 2 };
  std::uint64_t base;
  std::uint64_t size;
  Kind kind;
};
std::vector<MapEntry> memoryMap(const Layout& layout);

}  // namespace rhea::hw
