// Paging: page walks with A and D bits, page faults, and filling the soft TLB.
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

constexpr std::uint64_t kPresent = 1, kWritable = 2, kUserBit = 4, kAccessed = 0x20, kDirtyBit = 0x40, kLarge = 0x80,
                        kGlobalBit = 0x100, kNoExecute = std::uint64_t{1} << 63;

constexpr std::uint64_t bits(unsigned first, unsigned last) {
  return (~std::uint64_t{0} >> (63 - last)) & (~std::uint64_t{0} << first);
}

}  // namespace

bool Cpu::pageFault(std::uint64_t address, AccessKind kind, Who who, bool present, bool reserved) {
  std::uint32_t error = present ? 1U : 0U;
  if (kind == AccessKind::kWrite) error |= 2;
  if (who == Who::kUser) error |= 4;
  if (reserved) error |= 8;
  const bool nx = (st.msr.efer & kEferNxe) != 0 && (st.cr4 & kCr4Pae) != 0;
  if (kind == AccessKind::kExecute && (nx || (st.cr4 & kCr4Smep) != 0)) error |= 0x10;
  fault_ = {kPageFault, error, address, 0};
  return false;
}

bool Cpu::permits(const Walk& walk, AccessKind kind, Who who) const {
  if (who == Who::kUser) {
    if (!walk.user) return false;
    return kind == AccessKind::kRead || (kind == AccessKind::kWrite ? walk.writable : walk.executable);
  }
  if (kind == AccessKind::kExecute) return walk.executable && !(walk.user && (st.cr4 & kCr4Smep) != 0);
  if (walk.user && (st.cr4 & kCr4Smap) != 0 && (who == Who::kImplicit || (st.system & kAc) == 0)) return false;
  return kind == AccessKind::kRead || walk.writable || (st.cr0 & kCr0Wp) == 0;
}

bool Cpu::updateEntry(std::uint64_t address, unsigned size, std::uint64_t old, std::uint64_t value) {
  const Place place = placeOf(address);
  if (place.host == nullptr || !place.writable) return true;  // a table in ROM or registers: nothing to set
  bool done;
  if (size == 4) {
    auto expected = static_cast<std::uint32_t>(old);
    done = std::atomic_ref(*reinterpret_cast<std::uint32_t*>(place.host))
               .compare_exchange_strong(expected, static_cast<std::uint32_t>(old | value));
  } else {
    done = std::atomic_ref(*reinterpret_cast<std::uint64_t*>(place.host)).compare_exchange_strong(old, old | value);
  }
  if (done) wrote(place, address, size);
  return done;
}

template <bool kSet>
bool Cpu::walk(std::uint64_t address, AccessKind kind, Who who, Walk& result) {
  struct Step {
    std::uint64_t entry;
    std::uint64_t value;
  };
  const bool isLong = st.longMode();
  const bool pae = (st.cr4 & kCr4Pae) != 0;
  const bool nx = (st.msr.efer & kEferNxe) != 0;
  const std::uint64_t beyond = bits(model().physicalBits, 51);
  const auto fail = [&](bool present, bool reserved) {
    if constexpr (kSet) return pageFault(address, kind, who, present, reserved);
    return false;
  };
  for (;;) {
    std::array<Step, 4> steps;
    unsigned count = 0;
    const unsigned size = pae ? 8 : 4;
    std::uint64_t table = isLong ? st.cr3 & bits(12, 51) : st.cr3 & (pae ? 0xffffffe0U : 0xfffff000U);
    result.writable = result.user = result.executable = true;
    result.large = false;
    int level = isLong ? 3 : pae ? 1 : 1;
    if (pae && !isLong) {
      const std::uint64_t pdpte = st.pdpte[(address >> 30) & 3];
      if ((pdpte & kPresent) == 0) return fail(false, false);
      table = pdpte & bits(12, 51);
    }
    std::uint64_t value = 0;
    unsigned pageBits = 12;
    for (;; --level) {
      const unsigned shift = pae ? 12 + 9 * static_cast<unsigned>(level) : 12 + 10 * static_cast<unsigned>(level);
      const std::uint64_t index = (address >> shift) & (pae ? 0x1ff : 0x3ff);
      const std::uint64_t at = table + index * size;
      value = readPhysical(at, size);
      steps[count++] = {at, value};
      if ((value & kPresent) == 0) return fail(false, false);
      if (pae && ((value & beyond) != 0 || (!isLong && (value & bits(52, 62)) != 0))) return fail(true, true);
      if (pae && !nx && (value & kNoExecute) != 0) return fail(true, true);
      if ((value & kWritable) == 0) result.writable = false;
      if ((value & kUserBit) == 0) result.user = false;
      if (pae && (value & kNoExecute) != 0) result.executable = false;
      if (level == 0) break;
      const bool large = (value & kLarge) != 0 && (pae || (st.cr4 & kCr4Pse) != 0);
      if (level == 3 && large) return fail(true, true);
      if (level == 2 && large && !model().has(Word::k80000001Edx, 26)) return fail(true, true);
      if (large) {
        result.large = true;
        pageBits = shift;
        break;
      }
      table = pae ? value & bits(12, 51) : value & 0xfffff000U;
    }
    std::uint64_t frame;
    if (!pae && result.large) {
      // PSE-36: address bits 32 to 39 are in bits 13 to 20 of the entry; bit 21 is reserved.
      if ((value & (std::uint64_t{1} << 21)) != 0) return fail(true, true);
      frame = (value & 0xffc00000U) | ((value & bits(13, 20)) << 19);
    } else {
      if (result.large && (value & bits(13, pageBits - 1)) != 0) return fail(true, true);
      frame = pae ? value & bits(pageBits, 51) : value & 0xfffff000U;
    }
    result.physical = frame | (address & bits(0, pageBits - 1));
    result.pageBits = pageBits;
    result.global = (value & kGlobalBit) != 0 && (st.cr4 & kCr4Pge) != 0;
    if (!permits(result, kind, who)) return fail(true, false);
    if constexpr (kSet) {
      bool good = true;
      for (unsigned n = 0; n < count && good; ++n) {
        const bool leaf = n + 1 == count;
        const std::uint64_t wanted = kAccessed | (leaf && kind == AccessKind::kWrite ? kDirtyBit : 0);
        if ((steps[n].value & wanted) != wanted) good = updateEntry(steps[n].entry, size, steps[n].value, wanted);
      }
      if (!good) continue;  // somebody changed an entry meanwhile: once more
      result.dirty = kind == AccessKind::kWrite || (value & kDirtyBit) != 0;
    }
    return true;
  }
}
template bool Cpu::walk<true>(std::uint64_t, AccessKind, Who, Walk&);
template bool Cpu::walk<false>(std::uint64_t, AccessKind, Who, Walk&);

bool Cpu::physical(std::uint64_t address, AccessKind kind, Who who, std::uint64_t& to) {
  const std::uint64_t inPage = address & 0xfff;
  if (address - inPage == justFound_.page && kind == justFound_.kind && who == justFound_.who) {
    to = justFound_.physical + inPage;
    return true;
  }
  const bool write = kind == AccessKind::kWrite;
  // What an instruction accesses by its own right.
  const bool ordinary = kind != AccessKind::kExecute && tlb_ != noTlb_.get() && who == this->who();
  if (ordinary && space_->registers.find(address - inPage, write, tlb_, to)) {
    to += inPage;
    return true;
  }
  Walk found;
  if ((st.cr0 & kCr0Pg) == 0) {
    found.physical = address;
    found.writable = found.user = found.dirty = true;
  } else if (!walk<true>(address, kind, who, found)) {
    return false;
  }
  to = found.physical;
  if (found.global && address >> 63 == 0) globalOfUsers_ = true;
  if (kind == AccessKind::kExecute) lastGlobal_ = found.global;
  if (kind == AccessKind::kExecute || tlb_ == noTlb_.get()) return true;
  const std::uint64_t first = found.physical & ~std::uint64_t{0xfff};
  const Place place = placeOf(first);
  if (place.host == nullptr) {
    if (!ordinary || place.range == nullptr) return true;
    space_->registers.put(address - inPage, write, tlb_, first);
    if (found.large) large_.mark(address, found.pageBits);
    return true;
  }
  // A page that the map divides takes the slow path every time.
  if (place.range->first > first || place.range->last < (first | 0xfff)) return true;
  // Who asks is not who executes while an exception's frame is written: what a supervisor finds is not the user's.
  const bool outOfTurn = who != Who::kImplicit && (who == Who::kUser) != (st.cpl == 3);
  if (outOfTurn && (who == Who::kUser || found.user)) return true;
  cpu::SoftTlb& tlb = who == Who::kImplicit || outOfTurn ? systemTlb() : *tlb_;
  // Who may write may read; and where a write would change nothing in the tables, it need not be looked up later.
  const bool paged = (st.cr0 & kCr0Pg) != 0;
  const bool writes = write || (found.dirty && (!paged || permits(found, AccessKind::kWrite, who)));
  // A decoder that marks the page right now waits until this vCPU has dropped its write entries, at a block's edge.
  bool filled = false;
  if (writes && place.writable) {
    mem::RamBlock& block = *place.range->target.block;
    const std::uint64_t page = place.range->offsetOf(found.physical) >> mem::kPageBits;
    if (!block.needsLog(page) && block.code(page).mask == 0) {
      // What is stored by this entry is stored behind the telling, as in wrote().
      block.awaitTold();
      tlb.fill(true, address, place.host, found.global);
      filled = true;
    }
  }
  if (kind == AccessKind::kRead || filled) {
    tlb.fill(false, address, place.host, found.global);
    filled = true;
  }
  if (filled && found.large) large_.mark(address, found.pageBits);
  return true;
}

std::optional<std::uint64_t> Cpu::translate(std::uint64_t address) const {
  if ((st.cr0 & kCr0Pg) == 0) return address;
  Walk found;
  // Reading as a supervisor whom SMAP does not stop; walk<false> changes nothing.
  auto& self = const_cast<Cpu&>(*this);
  const std::uint64_t cr4 = std::exchange(self.st.cr4, st.cr4 & ~kCr4Smap);
  const bool good = self.walk<false>(address, AccessKind::kRead, Who::kSupervisor, found);
  self.st.cr4 = cr4;
  if (!good) return std::nullopt;
  return found.physical;
}

bool Cpu::loadPdptes(std::uint64_t cr3) {
  std::array<std::uint64_t, 4> entries;
  for (unsigned n = 0; n < 4; ++n) {
    entries[n] = readPhysical((cr3 & 0xffffffe0U) + std::uint64_t{n} * 8, 8);
    const std::uint64_t reserved = bits(model().physicalBits, 63) | 0x1e6;
    if ((entries[n] & kPresent) != 0 && (entries[n] & reserved) != 0) return fail(kGeneralProtection);
  }
  st.pdpte = entries;
  return true;
}

// Entries with another number are never looked at, wherever they point; the numbers come round once in a long life.
std::uint32_t Cpu::newJumps() {
  if (++lastJumps_ == 0) {
    jumps_.fill({});
    for (const auto& space : spaces_) space->jumps = ++lastJumps_;
    globalJumps_ = ++lastJumps_;
    ++lastJumps_;
  }
  return lastJumps_;
}

void Cpu::dropJumps(Space& space) { space.jumps = newJumps(); }

void Cpu::dropGlobalJumps() {
  globalCodePages_.fill(0);
  globalJumps_ = newJumps();
}

void Cpu::flushTlb(bool globalToo) {
  area.forgetWindows();
  for (const auto& space : spaces_) {
    space->flush(globalToo);
    dropJumps(*space);
  }
  if (globalToo) {
    large_.clear();
    globalOfUsers_ = false;
    dropGlobalJumps();
  }
}

void Cpu::flushSpace(std::uint32_t pcid) {
  area.forgetWindows();
  for (const auto& space : spaces_) {
    if (space->pcid != pcid) continue;
    space->flush(false);
    dropJumps(*space);
  }
}

// A global page may be in any space; of others invlpg drops the present one's. What is looked through is cold memory.
void Cpu::flushPage(std::uint64_t address, bool inEverySpace) {
  if (large_.mayHave(address)) {
    flushTlb(true);
    return;
  }
  area.forgetWindows();
  const bool inAll = inEverySpace || globalOfUsers_ || address >> 63 != 0;
  for (const auto& space : spaces_) {
    if (!inAll && space.get() != space_) continue;
    for (cpu::SoftTlb& tlb : space->tlbs) tlb.dropPage(address);
    space->registers.drop(address & ~std::uint64_t{0xfff});
    space->exec[(address >> 12) % space->exec.size()] = {};
    space->code.drop(address);
    // Jumps lead only to pages that code was taken from.
    if ((pageWord(space->codePages, address) & pageBit(address)) != 0) dropJumps(*space);
  }
  if ((pageWord(globalCodePages_, address) & pageBit(address)) != 0) dropGlobalJumps();
}

void Cpu::dropWrites() {
  area.forgetWindows();
  for (const auto& space : spaces_) {
    for (cpu::SoftTlb& tlb : space->tlbs) tlb.flushWrites();
  }
}

void Cpu::enterSpace() {
  const std::uint32_t pcid = (st.cr4 & kCr4Pcide) != 0 ? static_cast<std::uint32_t>(st.cr3 & 0xfff) : 0;
  const auto found = std::ranges::find(spaces_, pcid, [](const auto& space) { return space->pcid; });
  if (found != spaces_.end()) {
    space_ = found->get();
  } else if (spaces_.size() < kSpaces) {
    space_ = spaces_.emplace_back(std::make_unique<Space>()).get();
    space_->pcid = pcid;
    dropJumps(*space_);
  } else {
    space_ = std::ranges::min_element(spaces_, {}, [](const auto& space) { return space->lastUse; })->get();
    area.forgetWindows();
    space_->flush(true);
    dropJumps(*space_);
    space_->pcid = pcid;
  }
  space_->lastUse = ++spaceUses_;
  selectTlb();
}

void Cpu::selectTlb() {
  std::size_t set = 0;
  bool slow = false;
  if (st.cpl == 3) {
    slow = (st.cr0 & kCr0Am) != 0 && (st.system & kAc) != 0;
  } else {
    set = (st.cr4 & kCr4Smap) != 0 && (st.system & kAc) == 0 ? 1 : 2;
  }
  if ((st.dr[7] & 0xff) != 0) {
    for (unsigned n = 0; n < 4; ++n) {
      if ((st.dr[7] >> (n * 2) & 3) != 0 && (st.dr[7] >> (16 + n * 4) & 3) != 0) slow = true;
    }
  }
  tlb_ = slow ? noTlb_.get() : &space_->tlbs[set];
}

}  // namespace rhea::x86
