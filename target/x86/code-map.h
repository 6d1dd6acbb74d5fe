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
  // Who has the old number comes here in vain.
  void renumber(std::uint64_t address, std::uint32_t old, std::uint32_t now) {
    if (at(address) == old) numbers_[slot(address)] = now;
  }
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

// A number for each place of a page of code: where it was seen, what was there - a page of RAM, known by where its code
// version is - and the mode that its code is of. Two places never have the same number, nor does one before and after
// it was rewritten: translated code that has a page's present number is of what the page holds, as far as this vCPU
// knows.
class PageNumbers {
 public:
  using Version = std::atomic<std::uint32_t>;

  std::uint32_t of(std::uint64_t address, const Version* page, std::uint32_t mode) {
    std::vector<Number>& numbers = known_[page];
    for (const Number& some : numbers) {
      if (some.page == address >> 12 && some.mode == mode) return some.number;
    }
    numbers.push_back({address >> 12, mode, ++last_});
    ++count_;
    return last_;
  }
  // The page was rewritten. `told(address, old, now)` for each number that it has.
  template <class Told>
  void renumber(const Version* page, Told&& told) {
    const auto found = known_.find(page);
    if (found == known_.end()) return;
    for (Number& some : found->second) {
      const std::uint32_t old = std::exchange(some.number, ++last_);
      told(some.page << 12, old, some.number);
    }
  }
  // So many that they are better forgotten, with the maps that hold them: the same places get others then.
  bool full() const { return count_ >= kMost; }
  void forget() {
    known_.clear();
    count_ = 0;
  }
  // Few are left: time to give up all translated code, empty the maps, and start anew.
  bool exhausted() const { return last_ > 0xffff0000; }
  void clear() {
    forget();
    last_ = 0;
  }

 private:
  static constexpr std::size_t kMost = 32768;
  struct Number {
    std::uint64_t page;
    std::uint32_t mode, number;
  };

  std::unordered_map<const Version*, std::vector<Number>> known_;
  std::size_t count_ = 0;
  std::uint32_t last_ = 0;
};

}  // namespace rhea::x86
