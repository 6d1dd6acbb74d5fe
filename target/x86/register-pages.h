// RegisterPages: the pages of device registers that were used last in an address space, as linear and physical address.
// The soft TLBs have no such pages, since no host memory is behind them, and walking four tables for each access to the
// local APIC took longer than the access.
//
// It is emptied wherever a soft TLB is, and an entry is good only for the set of permissions that it was found with.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

class RegisterPages {
 public:
  // `by` stands for those permissions: the soft TLB in use. Both addresses are of a page's start.
  bool find(std::uint64_t page, bool write, const void* by, std::uint64_t& physical) const {
    const Entry& entry = entries_[slot(page, write)];
    if (entry.page != page || entry.write != write || entry.by != by) return false;
    physical = entry.physical;
    return true;
  }
  void put(std::uint64_t page, bool write, const void* by, std::uint64_t physical) {
    entries_[slot(page, write)] = {page, physical, by, write};
  }
  void drop(std::uint64_t page) {
    for (const bool write : {false, true}) entries_[slot(page, write)] = {};
  }
  void clear() { entries_.fill({}); }

 private:
  struct Entry {
    std::uint64_t page = 1;  // no page's start
    std::uint64_t physical = 0;
    const void* by = nullptr;
    bool write = false;
  };
  static std::size_t slot(std::uint64_t page, bool write) {
    return (page >> 12 ^ page >> 16) % 8 * 2 + (write ? 1 : 0);
  }
  std::array<Entry, 16> entries_;
};

}  // namespace rhea::x86
