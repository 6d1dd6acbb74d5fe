// Guest memory behind the soft TLB: page crossings, device registers, pages with code, alignment checks, watchpoints.
#include "target/x86/block.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"

namespace rhea::x86 {

namespace {

// Up to eight bytes in one host access.
void copyAtOnce(void* to, const void* from, std::size_t size) {
  switch (size) {
    case 1:
      return storeHost(to, loadHost<std::uint8_t>(from));
    case 2:
      return storeHost(to, loadHost<std::uint16_t>(from));
    case 4:
      return storeHost(to, loadHost<std::uint32_t>(from));
    case 8:
      return storeHost(to, loadHost<std::uint64_t>(from));
    default:
      std::memcpy(to, from, size);
  }
}

}  // namespace

std::uint64_t Cpu::effectiveMasked(const Insn& i) const {
  std::uint64_t address = effective(i);
  if ((i.scale & 0x80) != 0) address += i.end;  // a rip-relative displacement that did not fit with it
  const unsigned bytes = i.addressBytes();
  return bytes == 8 ? address : address & ((std::uint64_t{1} << (bytes * 8)) - 1);
}

bool Cpu::segmented(SegmentIndex segment, std::uint64_t offset, std::size_t size, AccessKind kind,
                    std::uint64_t& address) {
  const Segment& s = st.segments[segment];
  if (st.mode64()) {
    address = segment >= kFs ? offset + s.base : offset;
    return true;
  }
  const auto fault = [&] { return fail(segment == kSs ? kStackFault : kGeneralProtection); };
  offset &= 0xffffffff;
  if (st.protectedMode() && !st.v86()) {
    if (!s.present()) return fault();
    if (kind == AccessKind::kWrite && (s.code() || (s.type() & 2) == 0)) return fault();
    if (kind == AccessKind::kRead && s.code() && (s.type() & 2) == 0) return fault();
  }
  const std::uint64_t final = offset + size - 1;
  if (!s.code() && (s.type() & 4) != 0) {
    if (offset <= s.limit || final > (s.big() ? 0xffffffffU : 0xffffU)) return fault();
  } else if (final > s.limit) {
    return fault();
  }
  address = (s.base + offset) & 0xffffffff;
  return true;
}

bool Cpu::checkLinear(std::uint64_t address, std::size_t size, SegmentIndex segment, AccessKind kind) {
  if (st.mode64() && (!canonical(address) || !canonical(address + size - 1))) {
    return fail(segment == kSs ? kStackFault : kGeneralProtection);
  }
  if (st.cpl == 3 && (st.cr0 & kCr0Am) != 0 && (st.system & kAc) != 0 && size <= 8 && (address & (size - 1)) != 0) {
    return fail(kAlignmentCheck);
  }
  if ((st.dr[7] & 0xff) != 0) watched(address, size, kind);
  return true;
}

// Data breakpoints: a trap behind the instruction.
bool Cpu::watched(std::uint64_t address, std::size_t size, AccessKind kind) {
  bool hit = false;
  for (unsigned n = 0; n < 4; ++n) {
    if ((st.dr[7] >> (n * 2) & 3) == 0) continue;
    const unsigned type = st.dr[7] >> (16 + n * 4) & 3;
    if (type == 0 || type == 2 || (type == 1 && kind != AccessKind::kWrite)) continue;
    constexpr std::uint8_t kLengths[] = {1, 2, 8, 4};
    const std::uint64_t length = kLengths[st.dr[7] >> (18 + n * 4) & 3];
    const std::uint64_t first = st.dr[n] & ~(length - 1);
    if (address + size - 1 < first || address > first + length - 1) continue;
    pendingDr6_ |= std::uint64_t{1} << n;
    hit = true;
  }
  if (hit) {
    stopBlock();
    post(cpu::kWatched);
  }
  return hit;
}

Cpu::Place Cpu::placeOf(std::uint64_t physical) const {
  Place place;
  const mem::FlatRange* range = recent_;
  if (range == nullptr || physical - range->first > range->last - range->first) {
    range = recentRegisters_;
    if (range == nullptr || physical - range->first > range->last - range->first) {
      range = view_->find(physical);
      if (range != nullptr && (range->isRam() || range->isIo())) (range->isRam() ? recent_ : recentRegisters_) = range;
    }
  }
  place.range = range;
  if (range == nullptr || range->isIo()) return place;
  place.host = reinterpret_cast<std::uint8_t*>(range->hostOf(physical));
  place.writable = range->isRam();
  return place;
}

std::uint64_t Cpu::readPhysical(std::uint64_t address, unsigned size) const {
  const Place place = placeOf(address);
  if (place.host != nullptr) {
    return size == 8 ? loadHost<std::uint64_t>(place.host) : loadHost<std::uint32_t>(place.host);
  }
  return environment_.memory.readValue(address, size);
}

void Cpu::accessPhysical(std::uint64_t physical, void* data, std::size_t size, AccessKind kind) {
  auto* bytes = static_cast<std::uint8_t*>(data);
  const Place place = placeOf(physical);
  if (place.host != nullptr && place.range->last - physical >= size - 1) {
    if (kind != AccessKind::kWrite) {
      copyAtOnce(data, place.host, size);
      return;
    }
    if (!place.writable) return;
    copyAtOnce(place.host, data, size);
    wrote(place, physical, size);
    return;
  }
  // Registers, or nothing: powers of two. The guest's access as it is where it has such a size, whatever its alignment.
  // The handler is found in this vCPU's own view: whoever removes a device waits until that is renewed.
  while (size != 0) {
    unsigned piece = 8;
    while (piece > size) piece /= 2;
    const bool direct = place.range != nullptr && place.range->isIo() && place.range->last >= physical + piece - 1;
    std::uint64_t value = 0;
    if (kind == AccessKind::kWrite) {
      std::memcpy(&value, bytes, piece);
      if (direct)
        mem::writeRegister(*place.range->target.handler, place.range->offsetOf(physical), value, piece);
      else
        environment_.memory.writeValue(physical, value, piece);
      // Interrupt controllers and timers have done it already.
      constexpr std::uint64_t kFirstAtOnce = 0xfec00000, kAfterAtOnce = 0xfef00000;
      if (environment_.settle && (physical < kFirstAtOnce || physical >= kAfterAtOnce)) environment_.settle(*this);
    } else {
      if (direct)
        value = mem::readRegister(*place.range->target.handler, place.range->offsetOf(physical), piece);
      else
        value = environment_.memory.readValue(physical, piece);
      std::memcpy(bytes, &value, piece);
    }
    physical += piece;
    bytes += piece;
    size -= piece;
  }
}

bool Cpu::access(std::uint64_t address, void* data, std::size_t size, AccessKind kind, Who asks) {
  const std::size_t first = std::min<std::size_t>(size, 0x1000 - (address & 0xfff));
  std::uint64_t where = 0;
  std::uint64_t next = 0;
  if (!physical(address, kind, asks, where)) return false;
  if (first < size) {
    std::uint64_t following = address + first;
    if (!st.longMode()) following &= 0xffffffff;
    if (!physical(following, kind, asks, next)) return false;
  }
  accessPhysical(where, data, first, kind);
  if (first < size) accessPhysical(next, static_cast<std::uint8_t*>(data) + first, size - first, kind);
  return true;
}

// In one page or two, as far as the soft TLB knows both. A TLB that stays empty sends all that wants checks elsewhere.
Cpu::Halves Cpu::known(bool write, std::uint64_t address, std::size_t size) {
  Halves halves;
  halves.here = std::min<std::size_t>(size, 0x1000 - (address & 0xfff));
  halves.first = tlb_->look(write, address);
  if (halves.first == nullptr || halves.here == size) return halves;
  halves.second = tlb_->look(write, address + halves.here);
  if (halves.second == nullptr) halves.first = nullptr;
  return halves;
}

// Translated code has looked for what it has just found elsewhere.
bool Cpu::loadSlow(std::uint64_t address, void* to, std::size_t size, SegmentIndex segment) {
  const bool isNew = justFound_.page == (address & ~std::uint64_t{0xfff});
  if (const Halves halves = isNew ? Halves() : known(false, address, size); halves.first != nullptr) {
    copyAtOnce(to, halves.first, halves.here);
    if (halves.second != nullptr)
      std::memcpy(static_cast<std::uint8_t*>(to) + halves.here, halves.second, size - halves.here);
    return true;
  }
  return checkLinear(address, size, segment, AccessKind::kRead) && access(address, to, size, AccessKind::kRead, who());
}

bool Cpu::storeSlow(std::uint64_t address, const void* from, std::size_t size, SegmentIndex segment) {
  const bool isNew = justFound_.page == (address & ~std::uint64_t{0xfff});
  if (const Halves halves = isNew ? Halves() : known(true, address, size); halves.first != nullptr) {
    copyAtOnce(halves.first, from, halves.here);
    if (halves.second != nullptr)
      std::memcpy(halves.second, static_cast<const std::uint8_t*>(from) + halves.here, size - halves.here);
    return true;
  }
  return checkLinear(address, size, segment, AccessKind::kWrite) &&
         access(address, const_cast<void*>(from), size, AccessKind::kWrite, who());
}

// Tables lie in few pages, which the supervisor's soft TLB knows: what it may read and write is what they ask for.
bool Cpu::accessSystem(std::uint64_t address, void* data, std::size_t size, AccessKind kind, Who asks) {
  if (!st.longMode()) address &= 0xffffffff;
  const bool write = kind == AccessKind::kWrite;
  if ((address & 0xfff) + size <= 0x1000 && tlb_ != noTlb_.get()) {
    if (std::uint8_t* const host = systemTlb().look(write, address)) {
      write ? copyAtOnce(host, data, size) : copyAtOnce(data, host, size);
      return true;
    }
  }
  return access(address, data, size, kind, asks);
}
bool Cpu::loadSystem(std::uint64_t address, void* to, std::size_t size) {
  return accessSystem(address, to, size, AccessKind::kRead, Who::kImplicit);
}
bool Cpu::storeSystem(std::uint64_t address, const void* from, std::size_t size) {
  return accessSystem(address, const_cast<void*>(from), size, AccessKind::kWrite, Who::kImplicit);
}

bool Cpu::writable(std::uint64_t address, std::size_t size, SegmentIndex segment, std::uint8_t*& host) {
  placed_ = {};
  host = tlb_->findWrite(address, size);
  if (host != nullptr) return true;
  if (const Halves halves = known(true, address, size); halves.first != nullptr) {
    // Two pages that are neighbours in RAM are one piece.
    if (halves.second == nullptr || halves.second == halves.first + halves.here) host = halves.first;
    return true;
  }
  if (!checkLinear(address, size, segment, AccessKind::kWrite)) return false;
  const std::size_t first = std::min<std::size_t>(size, 0x1000 - (address & 0xfff));
  std::uint64_t where = 0;
  if (!physical(address, AccessKind::kWrite, who(), where)) return false;
  std::uint64_t next = where + first;
  if (first < size &&
      !physical(st.longMode() ? address + first : (address + first) & 0xffffffff, AccessKind::kWrite, who(), next)) {
    return false;
  }
  const Place place = placeOf(where);
  if (place.host == nullptr || !place.writable || place.range->last - where < size - 1) return true;
  // Two pages that are neighbours in RAM, too, are one piece.
  if (next != where + first) return true;
  host = place.host;
  placed_[0] = {place, where, first};
  if (first < size) placed_[1] = {placeOf(next), next, size - first};
  return true;
}

bool Cpu::readable(std::uint64_t address, std::size_t size, SegmentIndex segment, const std::uint8_t*& host) {
  host = tlb_->findRead(address, size);
  if (host != nullptr) return true;
  if (const Halves halves = known(false, address, size); halves.first != nullptr) {
    if (halves.second == nullptr) host = halves.first;
    return true;
  }
  if (!checkLinear(address, size, segment, AccessKind::kRead)) return false;
  const std::size_t first = std::min<std::size_t>(size, 0x1000 - (address & 0xfff));
  std::uint64_t where = 0;
  if (!physical(address, AccessKind::kRead, who(), where)) return false;
  if (first < size) {
    std::uint64_t next = 0;
    return physical(st.longMode() ? address + first : (address + first) & 0xffffffff, AccessKind::kRead, who(), next);
  }
  const Place place = placeOf(where);
  if (place.host != nullptr && place.range->last - where >= size - 1) host = place.host;
  return true;
}

void Cpu::stored() {
  for (const Placed& placed : placed_) {
    if (placed.size != 0) wrote(placed.place, placed.physical, placed.size);
  }
}

// Behind the store. A chunk with code: whatever was decoded from the page becomes stale by its version. The page then
// counts as data until somebody decodes from it again; a decoder that is at it right now sees its bits gone and starts
// over (BlockCache). One that marks the chunk after the look here reads what was stored. The block that is being
// executed stops behind the present instruction.
void Cpu::wrote(const Place& place, std::uint64_t physical, std::size_t size) {
  mem::RamBlock& block = *place.range->target.block;
  const std::uint64_t offset = place.range->offsetOf(physical);
  const std::uint64_t page = offset >> mem::kPageBits;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint32_t mask = block.code(page).mask;
  const bool code = mask != 0 && (mask & mem::RamBlock::codeBits(offset & 0xfff, size)) != 0;
  if (!code) block.awaitTold();
  if (!code && !block.logged()) return;
  if (code) {
    rewrote(block, page);
    stopBlock();
  }
  block.written(offset, size);
}

// Others find a request at their next look, which they come to before they run anything that they find by what this
// vCPU writes from now on: x86 shows writes in their order, and a request is one. This vCPU goes on in translated code
// by C++ or by an arrival; only where no block is stopped - a walk of the page tables has written, behind a probe - may
// it be in a loop that does not arrive anywhere.
void Cpu::rewrote(mem::RamBlock& block, std::uint64_t page) {
  block.forgetCode(page, engine_ != nullptr ? this : nullptr);
  if (engine_ == nullptr) return;
  engine_->rewritten(block.codeVersion(page));
  if (current_ == nullptr) post(cpu::kCode);
}

bool Cpu::push(std::uint64_t value, std::size_t size) {
  const std::uint64_t top = (st.gpr[kRsp] - size) & stackMask();
  std::uint64_t address;
  if (!segmented(kSs, top, size, AccessKind::kWrite, address) || !storeBytes(address, &value, size, kSs)) return false;
  setStackPointer(top);
  return true;
}

bool Cpu::pop(std::uint64_t& value, std::size_t size) {
  const std::uint64_t top = st.gpr[kRsp] & stackMask();
  std::uint64_t address;
  value = 0;
  if (!segmented(kSs, top, size, AccessKind::kRead, address) || !loadBytes(address, &value, size, kSs)) return false;
  setStackPointer(top + size);
  return true;
}

// Breakpoints on ports (CR4.DE): a trap behind the instruction.
void Cpu::watchPort(std::uint16_t port, unsigned size) {
  for (unsigned n = 0; n < 4; ++n) {
    if ((st.dr[7] >> (n * 2) & 3) == 0 || (st.dr[7] >> (16 + n * 4) & 3) != 2) continue;
    constexpr std::uint8_t kLengths[] = {1, 2, 8, 4};
    const std::uint64_t length = kLengths[st.dr[7] >> (18 + n * 4) & 3];
    const std::uint64_t first = st.dr[n] & ~(length - 1);
    if (port + size - 1 >= first && port <= first + length - 1) pendingDr6_ |= std::uint64_t{1} << n;
  }
}

std::uint64_t Cpu::portRead(std::uint16_t port, unsigned size) {
  if ((st.dr[7] & 0xff) != 0 && (st.cr4 & kCr4De) != 0) watchPort(port, size);
  return ports_.readValue(port, size);
}
void Cpu::portWrite(std::uint16_t port, std::uint64_t value, unsigned size) {
  if ((st.dr[7] & 0xff) != 0 && (st.cr4 & kCr4De) != 0) watchPort(port, size);
  ports_.writeValue(port, value, size);
  if (environment_.settle) environment_.settle(*this);
}

}  // namespace rhea::x86
