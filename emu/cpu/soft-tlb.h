// SoftTlb: guest-virtual page to host address, for one privilege level. Reads and writes have tables of their own, so
// that a page that may be read at full speed but not written (code, dirty log, copy on write) is simply absent from
// one.
//
// An entry's tag is the page's virtual address; an empty one's has bits below the page set, which no address can equal.
// Whatever must not take the fast path has no entry.
#pragma once

#include "emu/base/base.h"

namespace rhea::cpu {

class SoftTlb {
 public:
  static constexpr unsigned kBits = 10;
  static constexpr std::size_t kEntries = std::size_t{1} << kBits;
  static constexpr std::uint64_t kEmpty = 0xfff;
  static constexpr std::uint64_t kPageMask = ~std::uint64_t{0xfff};

  struct Entry {
    std::uint64_t tag = kEmpty;
    std::uint64_t addend = 0;  // host address minus guest-virtual address
  };
  using Table = std::array<Entry, kEntries>;

  static std::size_t slot(std::uint64_t address) { return (address >> 12) & (kEntries - 1); }

  // The host address of `size` bytes, nullptr unless all are in one page that has an entry.
  static std::uint8_t* find(const Table& table, std::uint64_t address, std::size_t size) {
    const Entry& entry = table[slot(address)];
    if (entry.tag != ((address + size - 1) & kPageMask)) [[unlikely]]
      return nullptr;
    return reinterpret_cast<std::uint8_t*>(address + entry.addend);  // NOLINT
  }
  std::uint8_t* findRead(std::uint64_t address, std::size_t size) const { return find(read_, address, size); }
  std::uint8_t* findWrite(std::uint64_t address, std::size_t size) const { return find(write_, address, size); }

  void fill(bool write, std::uint64_t address, std::uint8_t* hostOfPage, bool global) {
    const std::uint64_t page = address & kPageMask;
    const std::size_t at = slot(address);
    (write ? write_ : read_)[at] = {page, reinterpret_cast<std::uint64_t>(hostOfPage) - page};
    // The slot's two entries share the flag: global only if both may stay.
    const std::uint64_t other = (write ? read_ : write_)[at].tag;
    if (used_ < usedSlots_.size()) usedSlots_[used_] = static_cast<std::uint16_t>(at);
    ++used_;
    global_[at] = global && (other == kEmpty || other == page || global_[at]);
  }
  void dropPage(std::uint64_t address) { drop(slot(address)); }
  // All entries, or all but those of global pages.
  void flush(bool globalToo) {
    if (used_ > usedSlots_.size()) {
      used_ = 0;
      for (std::size_t at = 0; at < kEntries; ++at) dropOrKeep(at, globalToo);
      return;
    }
    const std::size_t count = std::exchange(used_, 0);
    for (std::size_t n = 0; n < count; ++n) dropOrKeep(usedSlots_[n], globalToo);
  }
  void flushWrites() {
    for (Entry& entry : write_) entry.tag = kEmpty;
  }

 public:
  // For translated code: the read table, the write table behind it.
  const Entry* reads() const { return read_.data(); }

 private:
  void drop(std::size_t at) { read_[at].tag = write_[at].tag = kEmpty; }
  // A slot is listed once per fill; one that is kept stays listed once at least.
  void dropOrKeep(std::size_t at, bool globalToo) {
    if (globalToo || !global_[at]) {
      drop(at);
    } else if (read_[at].tag != kEmpty || write_[at].tag != kEmpty) {
      if (used_ < usedSlots_.size()) usedSlots_[used_] = static_cast<std::uint16_t>(at);
      ++used_;
    }
  }

  Table read_;
  Table write_;
  std::array<bool, kEntries> global_{};
  std::array<std::uint16_t, 256> usedSlots_{};
  std::size_t used_ = 0;
};

}  // namespace rhea::cpu
