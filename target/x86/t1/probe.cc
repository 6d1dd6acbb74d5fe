// Where an operand is in the host's memory.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

using Tlb = cpu::SoftTlb;

constexpr std::int32_t kPage = -4096;

std::int32_t tableOf(bool write) {
  return static_cast<std::int32_t>(write ? offsetof(Tlb::Tables, write) : offsetof(Tlb::Tables, read));
}

}  // namespace

std::optional<std::uint64_t> Translator::fixedAddress(const Insn& insn) const {
  if (insn.segment() >= kFs) return std::nullopt;
  auto address = static_cast<std::uint64_t>(static_cast<std::int64_t>(insn.disp));
  if (insn.base == kRipRegister)
    address += rip_ + ((insn.scale & 0x80) != 0 ? insn.end : 0U);
  else if (insn.base < 16 || insn.index < 16)
    return std::nullopt;
  return insn.addressBytes() == 4 ? address & 0xffffffff : address;
}

std::int64_t Translator::distanceOf(const Insn& insn) const {
  const std::optional<std::uint64_t> address = fixedAddress(insn);
  return address ? static_cast<std::int64_t>(*address) : insn.disp;
}

// With a segment's base the flags may change.
void Translator::loadAddress(const Insn& insn, std::uint8_t to, bool segment) {
  const std::uint8_t other = to == kTemp0 ? kTemp1 : kTemp2;
  const bool base = insn.base < 16;
  const bool index = insn.index < 16;
  if (!base && !index) {
    auto address = static_cast<std::uint64_t>(static_cast<std::int64_t>(insn.disp));
    if (insn.base == kRipRegister) address += rip_ + ((insn.scale & 0x80) != 0 ? insn.end : 0U);
    e_.constant(to, insn.addressBytes() == 4 ? address & 0xffffffff : address);
  } else {
    Mem mem;
    mem.disp = insn.disp;
    if (base) mem.base = guestIn(insn.base, to);
    if (index) {
      mem.index = guestIn(insn.index, other);
      mem.scale = insn.scale & 3;
    }
    if (base && !index && insn.disp == 0 && insn.addressBytes() == 8)
      e_.move(to, mem.base);
    else
      e_.op(kOpLea, to, mem, insn.addressBytes() == 8);
  }
  const bool isKnown = !base && !index && insn.base != kRipRegister;
  if (segment && insn.segment() >= kFs)
    addSegment(insn, to, isKnown ? static_cast<std::uint32_t>(insn.disp) : 0xffffffff);
}

// In 32-bit code the operand must not reach over the segment's end, which is at 4 GiB; its linear address may.
void Translator::addSegment(const Insn& insn, std::uint8_t to, std::uint64_t most) {
  const unsigned bytes = copies_[index_] ? facts_[index_].memoryBytes : insn.operandBytes();
  if (!wide_ && most + bytes - 1 > 0xffffffff) {
    e_.arith(7, to, -static_cast<std::int32_t>(bytes), false);
    coldStep(e_.jumpIf(7));
  }
  e_.op(kOpAdd, to,
        Mem::state(static_cast<std::int32_t>(offsetof(State, segments) + insn.segment() * sizeof(Segment) +
                                             offsetof(Segment, base))),
        wide_);
}

void Translator::probe(const Access& access) { probe(access, missOf(access)); }

void Translator::probe(const Access& access, const Cold& miss) {
  if (access.stack && hot_) return probeStack(access, miss);
  if (windows_) return probeWindow(access, miss);
  const std::uint32_t missed = lookInTable(access);
  e_.op(kOpAdd, kTemp0, Mem::at(kTemp1, tableOf(access.write) + 8));
  cold_.push_back({miss.kind, missed, miss.site, e_.here(), miss.recipe, false, access.copied ? e_.here() : 0});
  loseFlags();
}

std::uint32_t Translator::lookInTable(const Access& access) {
  e_.move(kTemp1, kTemp0);
  e_.shift(5, kTemp1, 8);
  e_.arith(4, kTemp1, 0x3ff0, false);
  e_.op(kOpAdd, kTemp1, Mem::state(area(&cpu_.area.tlb)));
  // The last byte's page, or the last aligned unit's: a misaligned address keeps low bits, and matches nothing.
  const unsigned unit = access.align == 0 ? 1 : access.align;
  if (access.bytes == unit)
    e_.move(kTemp2, kTemp0);
  else
    e_.op(kOpLea, kTemp2, Mem::at(kTemp0, static_cast<std::int32_t>(access.bytes - unit)));
  e_.arith(4, kTemp2, kPage | static_cast<std::int32_t>(access.align == 0 ? 0 : unit - 1));
  e_.op(kOpCmp, kTemp2, Mem::at(kTemp1, tableOf(access.write)));
  return e_.jumpIf(5);
}

// Of this block's level of privilege.
const Area::Windows& Translator::windows() const { return cpu_.area.windows[(block_.mode & kModeUser) != 0 ? 0 : 1]; }

// An operand of a loop is mostly in the page where it was the time before, and the window says where that is: four
// instructions, none of which waits for a load that depends on the address. A window that shows nothing shows an
// address that cannot be told (Area::nowhere).
void Translator::probeWindow(const Access& access, const Cold& miss) {
  const auto number = static_cast<std::uint8_t>(engine_.nextWindow_[access.write ? 1 : 0]++ % Area::kWindows);
  const Window& window = windows().shown[access.write ? 1 : 0][number];
  WindowMiss missed{miss.kind, miss.site, miss.recipe, number, 0, e_.here(), 0, access};
  e_.op(kOpSub, kTemp0, Mem::state(area(&window.page)));
  std::uint32_t jump = 0;
  compareWindow(access, jump, missed.second);
  e_.op(kOpAdd, kTemp0, Mem::state(area(&window.host)));
  missed.back = e_.here();
  cold_.push_back({Cold::kWindow, jump, static_cast<std::uint32_t>(windowMisses_.size()), 0});
  windowMisses_.push_back(missed);
  loseFlags();
}

void Translator::compareWindow(const Access& access, std::uint32_t& jump, std::uint32_t& second) {
  const auto low = static_cast<std::int32_t>(access.align == 0 ? 0 : access.align - 1);
  if (access.bytes == std::max(access.align, 1U)) {
    e_.op(0xf7, 0, kTemp0);  // test
    e_.dword(static_cast<std::uint32_t>(kPage | low));
    jump = e_.jumpIf(5);
    return;
  }
  e_.arith(7, kTemp0, static_cast<std::int32_t>(0x1000 - access.bytes));
  jump = e_.jumpIf(7);
  if (low == 0) return;
  e_.op(0xf7, 0, kTemp0, false);
  e_.dword(static_cast<std::uint32_t>(low));
  second = e_.jumpIf(5);
}

// Looks in the table, and has the window show that page.
void Translator::windowMissed(const WindowMiss& missed) {
  const Access& access = missed.access;
  const std::size_t set = access.write ? 1 : 0;
  const Window& window = windows().shown[set][missed.window];
  const std::int32_t addend = tableOf(access.write) + 8;
  e_.op(kOpAdd, kTemp0, Mem::state(area(&window.page)));
  e_.op(0x83, 5, Mem::state(area(&windows().credit[set][missed.window])), false);  // sub
  e_.byte(1);
  const std::uint32_t worn = e_.jumpIf(8);
  WindowSite site{missed.probe, e_.here(), 0, missed.window, access.write, (block_.mode & kModeUser) != 0, endsInLoop_};
  const std::uint32_t absent = lookInTable(access);
  e_.store(Mem::state(area(&window.page)), kTemp2);
  e_.op(kOpAdd, kTemp2, Mem::at(kTemp1, addend));
  e_.store(Mem::state(area(&window.host)), kTemp2);
  e_.op(kOpAdd, kTemp0, Mem::at(kTemp1, addend));
  e_.op(0x80, 1, Mem::state(area(&windows().used)), false);  // or
  e_.byte(Area::usedBit(access.write, missed.window));
  e_.jumpTo(missed.back);
  site.resume = e_.here();
  e_.load(kTemp0, Mem::state(area(&cpu_.area.missed)));
  e_.jumpTo(site.again);
  const std::uint32_t copied = missed.access.copied ? missed.back : 0;
  cold_.push_back({missed.kind, absent, missed.site, site.resume, missed.recipe, false, copied});
  e_.patch(worn, e_.here());
  e_.store(Mem::state(area(&cpu_.area.missed)), kTemp0);
  e_.constant(kTemp0, engine_.addWindowSite(site));
  e_.jumpTo(engine_.gates_.step);
}

// The entry is known, too.
void Translator::probeFixed(std::uint64_t address, bool write, const Cold& miss) {
  const std::int32_t entry = tableOf(write) + static_cast<std::int32_t>(Tlb::slot(address) * sizeof(Tlb::Entry));
  e_.load(kTemp1, Mem::state(area(&cpu_.area.tlb)));
  e_.constant(kTemp0, address & Tlb::kPageMask);
  e_.op(kOpCmp, kTemp0, Mem::at(kTemp1, entry));
  const std::uint32_t missed = e_.jumpIf(5);
  e_.op(kOpAdd, kTemp0, Mem::at(kTemp1, entry + 8));
  cold_.push_back({miss.kind, missed, miss.site, e_.here(), miss.recipe, true});
  loseFlags();
}

std::int32_t Translator::reach(const Insn& insn, const Access& access) {
  keepFlags();
  if (const std::optional<std::uint64_t> address = fixedAddress(insn)) {
    const std::uint64_t within = *address & ~Tlb::kPageMask;
    if (access.bytes != 0 && within + access.bytes <= 0x1000 && (access.align == 0 || within % access.align == 0)) {
      probeFixed(*address, access.write, missOf(access));
      return static_cast<std::int32_t>(within);
    }
  }
  loadAddress(insn);
  probe(access);
  return 0;
}

}  // namespace rhea::x86::t1
