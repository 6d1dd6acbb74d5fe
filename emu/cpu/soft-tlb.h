// SoftTlb: guest-virtual page to host address, for one privilege level. Reads and writes have tables of their own, so
// that a page that may be read at full speed but not written (code, dirty log, copy on write) is simply absent from
// one.
//
// Two levels. The first is what accesses compare with: an entry's tag is the page's virtual address; an empty one's has
// bits below the page set, which no address can equal. The second is larger and mixes the address's upper bits in, so
// that arrays at a power of two's distance do not meet; it is emptied by numbers: a tag's low bits say the flush that
// it came after. Whatever must not take the fast path has no entry in either.
#pragma once

#include <cstdlib>

#include "emu/base/base.h"

namespace rhea::cpu {

class SoftTlb {
 public:
  static constexpr unsigned kBits = 10;
  static constexpr std::size_t kEntries = std::size_t{1} << kBits;
  static constexpr unsigned kSecondBits = 14;
  static constexpr std::size_t kSecondEntries = std::size_t{1} << kSecondBits;
  static constexpr std::uint64_t kEmpty = 0xfff;
  static constexpr std::uint64_t kPageMask = ~std::uint64_t{0xfff};
  static constexpr std::int32_t kPageBytes = 0x1000;
  static constexpr std::size_t kListed = 256;

  struct Entry {
    std::uint64_t tag = kEmpty;
    std::uint64_t addend = 0;  // host address minus guest-virtual address
  };
  using Table = std::array<Entry, kEntries>;
  // Of one kind of access. Valid are tags with one of the two numbers in their low bits: odd ones for pages of one
  // address space, even ones for global pages. Zero is never valid: the memory is given as it is touched.
  struct Second {
    Entry* entries = nullptr;
    std::uint64_t own = 1, global = 2;
  };
  // Plain data, which translated code reads and fills too (target/x86/t1).
  struct Tables {
    Table read, write;
    std::array<Second, 2> second;  // reads, writes
    // Slots that were filled with a page of one address space since the last flush; more than kListed: too many to be
    // listed. Those that hold nothing else are not, so that a flush is as long as what it drops.
    std::uint32_t used = 0;
    std::array<std::uint16_t, kListed + 1> usedSlots{};
    // Whatever the slot holds, be it nothing, may outlive a flush of one address space. Slots without this are listed.
    std::array<bool, kEntries> global;
  };

  SoftTlb() {
    tables_.global.fill(true);
    for (std::size_t n = 0; n < 2; ++n) {
      memory_[n].reset(static_cast<Entry*>(std::calloc(kSecondEntries, sizeof(Entry))));
      if (memory_[n] == nullptr) throw std::bad_alloc();
      tables_.second[n].entries = memory_[n].get();
    }
  }

  static std::size_t slot(std::uint64_t address) { return (address >> 12) & (kEntries - 1); }
  static std::size_t secondSlot(std::uint64_t address) {
    return ((address >> 12) ^ (address >> (12 + kSecondBits))) & (kSecondEntries - 1);
  }

  // The host address of `size` bytes, nullptr unless all are in one page that has an entry.
  static std::uint8_t* find(const Table& table, std::uint64_t address, std::size_t size) {
    const Entry& entry = table[slot(address)];
    if (entry.tag != ((address + size - 1) & kPageMask)) [[unlikely]]
      return nullptr;
    return reinterpret_cast<std::uint8_t*>(address + entry.addend);  // NOLINT
  }
  std::uint8_t* findRead(std::uint64_t address, std::size_t size) const { return find(tables_.read, address, size); }
  std::uint8_t* findWrite(std::uint64_t address, std::size_t size) const { return find(tables_.write, address, size); }

  // One byte's, from either level; what the second one knows is in the first afterwards.
  std::uint8_t* look(bool write, std::uint64_t address) {
    if (std::uint8_t* const host = find(write ? tables_.write : tables_.read, address, 1)) return host;
    const Second& second = tables_.second[write ? 1 : 0];
    const Entry& entry = second.entries[secondSlot(address)];
    const std::uint64_t page = address & kPageMask;
    const bool global = entry.tag == (page | second.global);
    if (!global && entry.tag != (page | second.own)) return nullptr;
    fillFirst(write, page, entry.addend, global);
    return reinterpret_cast<std::uint8_t*>(address + entry.addend);  // NOLINT
  }

  void fill(bool write, std::uint64_t address, std::uint8_t* hostOfPage, bool global) {
    const std::uint64_t page = address & kPageMask;
    const std::uint64_t addend = reinterpret_cast<std::uint64_t>(hostOfPage) - page;
    const Second& second = tables_.second[write ? 1 : 0];
    second.entries[secondSlot(page)] = {page | (global ? second.global : second.own), addend};
    filled_[write ? 1 : 0] = true;
    if (write && written_ <= kListed) writtenSlots_[written_++] = static_cast<std::uint16_t>(slot(page));
    fillFirst(write, page, addend, global);
  }
  void dropPage(std::uint64_t address) {
    const std::size_t at = slot(address);
    tables_.read[at].tag = tables_.write[at].tag = kEmpty;
    for (const Second& second : tables_.second) second.entries[secondSlot(address)] = {0, 0};
  }
  // All entries, or all but those of global pages.
  void flush(bool globalToo) {
    for (std::size_t n = 0; n < 2; ++n) renumber(n, globalToo);
    const std::size_t count = std::exchange(tables_.used, 0);
    if (!globalToo && count <= kListed) {
      for (std::size_t n = 0; n < count; ++n) drop(tables_.usedSlots[n]);
      return;
    }
    for (std::size_t at = 0; at < kEntries; ++at) {
      if (globalToo || !tables_.global[at]) drop(at);
    }
  }
  // Each time that a page gets code: as long as what was written to since the last one.
  void flushWrites() {
    const std::size_t count = std::exchange(written_, 0);
    if (count == 0) return;
    renumber(1, true);
    if (count <= kListed) {
      for (std::size_t n = 0; n < count; ++n) tables_.write[writtenSlots_[n]].tag = kEmpty;
      return;
    }
    for (Entry& entry : tables_.write) entry.tag = kEmpty;
  }

  const Tables* tables() const { return &tables_; }

 private:
  struct Free {
    void operator()(Entry* memory) const { std::free(memory); }
  };

  void fillFirst(bool write, std::uint64_t page, std::uint64_t addend, bool global) {
    const std::size_t at = slot(page);
    (write ? tables_.write : tables_.read)[at] = {page, addend};
    // The slot's two entries share the flag: one that only this space has takes the other with it.
    if (global || !tables_.global[at]) return;
    tables_.global[at] = false;
    if (tables_.used <= kListed) tables_.usedSlots[tables_.used++] = static_cast<std::uint16_t>(at);
  }
  void renumber(std::size_t which, bool globalToo) {
    Second& second = tables_.second[which];
    second.own += 2;
    if (globalToo) second.global += 2;
    if (std::max(second.own, second.global) < kEmpty) return;
    // Memory that nobody has filled stays the host's.
    if (std::exchange(filled_[which], false)) std::fill_n(second.entries, kSecondEntries, Entry{0, 0});
    second.own = 1;
    second.global = 2;
  }
  void drop(std::size_t at) {
    tables_.read[at].tag = tables_.write[at].tag = kEmpty;
    tables_.global[at] = true;
  }

  Tables tables_;  // at the object's start
  std::array<std::unique_ptr<Entry, Free>, 2> memory_;
  // Where pages that may be written were filled in since the last flushWrites(); more than kListed: too many. What the
  // first level took from the second one meanwhile is among them.
  std::uint32_t written_ = 0;
  std::array<std::uint16_t, kListed + 1> writtenSlots_{};
  std::array<bool, 2> filled_{};  // the second level has ever been, since it was wiped
};

}  // namespace rhea::cpu
