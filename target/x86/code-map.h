// CodeMap: which physical page translated code may take a virtual page of code for, in one address space. Translated
// code that is entered from another page compares with it, so a change of the address space costs one look-up for each
// page of code, not one for each jump; PageNumbers tells pages apart.
#pragma once

#include <unordered_map>

#include "emu/base/base.h"

namespace rhea::x86 {

class CodeMap {
 public:
  static constexpr unsigned kBits = 12;
  static constexpr std::size_t kEntries = std::size_t{1} << kBits;

  static std::size_t slot(std::uint64_t address) { return (address >> 12) * 0x9e3779b97f4a7c15 >> (64 - kBits); }
  std::uint32_t at(std::uint64_t address) const { return numbers_[slot(address)]; }
  // `number`: PageNumbers' of the page that was found there.
  void put(std::uint64_t address, std::uint32_t number, bool global) {
    numbers_[slot(address)] = number;
    if (!global && own_ <= kListed) slots_[own_++] = static_cast<std::uint16_t>(slot(address));
  }
  void drop(std::uint64_t address) { numbers_[slot(address)] = 0; }
  // All, or all but global pages: of these sometimes one too many.
  void flush(bool globalToo) {
    if (globalToo || own_ > kListed) {
      numbers_.fill(0);
    } else {
      for (std::size_t n = 0; n < own_; ++n) numbers_[slots_[n]] = 0;
    }
    own_ = 0;
  }
  const std::uint32_t* data() const { return numbers_.data(); }

 private:
  static constexpr std::size_t kListed = 255;

  std::array<std::uint32_t, kEntries> numbers_{};  // 0: nothing
  std::array<std::uint16_t, kListed + 1> slots_{};
  std::size_t own_ = 0;  // entries put since the last flush that are not global; more than kListed: not all listed
};

// A number for each place of a page of code: where it was seen, what was there, and the mode that its code is of. Two
// places never have the same number; one that was forgotten because there are so many gets another.
class PageNumbers {
 public:
  std::uint32_t of(std::uint64_t address, std::uint64_t physical, std::uint32_t mode) {
    if (known_.size() >= kMost) known_.clear();
    const Place place{address >> 12, physical >> 12 << 16 | mode};
    const auto [found, isNew] = known_.try_emplace(place, last_ + 1);
    if (isNew) ++last_;
    return found->second;
  }
  // Few are left: time to give up all translated code, empty the maps, and start anew.
  bool exhausted() const { return last_ > 0xffff0000; }
  void clear() {
    known_.clear();
    last_ = 0;
  }

 private:
  static constexpr std::size_t kMost = 32768;
  struct Place {
    std::uint64_t page, what;
    bool operator==(const Place&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Place& place) const {
      return (place.page * 0x9e3779b97f4a7c15 ^ place.what * 0xc2b2ae3d27d4eb4f) >> 16;
    }
  };
  std::unordered_map<Place, std::uint32_t, Hash> known_;
  std::uint32_t last_ = 0;
};

}  // namespace rhea::x86
