// Several accesses under one probe: pushes and pops in a row, and operands beside each other behind the same registers.
// All of them lie in one page that the soft TLB has, so none can fault, and nothing has to be ready for that in
// between. If the probe misses, or they reach over the page's end, each is done by itself.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

// Bytes from the first operand's start to the last one's end.
constexpr std::int32_t kWidest = 1024;

bool isOneByte(const Insn& insn, unsigned opcode, unsigned mask) {
  const Pattern& p = rows()[insn.row].pattern;
  return insn.length != 0 && p.map == 0 && (p.opcode & mask) == opcode;
}
bool isStack(const Insn& insn, unsigned opcode) { return isOneByte(insn, opcode, 0xf8) && insn.rm / 8U != kRsp; }

}  // namespace

unsigned Translator::shared() {
  ended_ = false;
  if (const unsigned count = pushes(); count != 0) return count;
  if (const unsigned count = pops(); count != 0) return count;
  return neighbours();
}

unsigned Translator::pushes() {
  unsigned count = 0;
  while (index_ + count < block_.count && isStack(block_.insns[index_ + count], 0x50) &&
         isNatural(block_.insns[index_ + count]))
    ++count;
  if (count < 2) return 0;
  const auto bytes = static_cast<std::int32_t>(count * word_);
  keepFlags();
  e_.op(kOpLea, kTemp0, Mem::at(kHostRsp, -bytes), wide_);
  probe({.bytes = count * word_, .write = true, .stack = true},
        {Cold::kSingly, 0, static_cast<std::uint32_t>(shared_.size()), 0});
  shared_.push_back({index_, count, flags_, recipe_});
  changes(1U << kRsp);
  for (unsigned n = 0; n < count; ++n) {
    const auto guest = static_cast<std::uint8_t>(block_.insns[index_ + n].rm / 8);
    storeWord(Mem::at(kTemp0, bytes - static_cast<std::int32_t>((n + 1) * word_)), guestIn(guest, kTemp1));
  }
  moveStack(-bytes);
  shared_.back().back = e_.here();
  shared_.back().flags = flags_;
  return count;
}

// Registers that pops from `first` on change.
unsigned Translator::popped(unsigned first, unsigned count) const {
  unsigned registers = 0;
  for (unsigned n = 0; n < count; ++n) registers |= 1U << (block_.insns[first + n].rm / 8);
  return registers;
}

// With the return behind them.
unsigned Translator::pops() {
  unsigned count = 0;
  while (index_ + count < block_.count && isStack(block_.insns[index_ + count], 0x58) &&
         isNatural(block_.insns[index_ + count]))
    ++count;
  const Insn* const behind = index_ + count < block_.count ? &block_.insns[index_ + count] : nullptr;
  const bool returns = count != 0 && behind != nullptr && isOneByte(*behind, 0xc2, 0xfe) && isNatural(*behind);
  if (count + (returns ? 1 : 0) < 2) return 0;
  const auto bytes = static_cast<std::int32_t>(count * word_);
  const unsigned first = index_;
  returns ? saveFlags() : keepFlags();
  moveWord(kTemp0, kHostRsp);
  probe({.bytes = count * word_ + (returns ? word_ : 0), .write = false, .stack = true},
        {Cold::kSingly, 0, static_cast<std::uint32_t>(shared_.size()), 0});
  shared_.push_back({first, count + (returns ? 1 : 0), flags_, recipe_});
  changes(popped(first, count) | 1U << kRsp);
  for (unsigned n = 0; n < count; ++n) {
    const auto guest = static_cast<std::uint8_t>(block_.insns[first + n].rm / 8);
    const std::uint8_t to = isDisplaced(guest) ? kTemp1 : guest;
    loadWord(to, Mem::at(kTemp0, static_cast<std::int32_t>(n * word_)));
    if (isDisplaced(guest)) e_.store(Mem::state(gprOffset(guest)), to);
  }
  moveStack(bytes);
  if (!returns) {
    shared_.back().back = e_.here();
    shared_.back().flags = flags_;
    return count;
  }
  // Its target may be unknown: then T0 executes the return, behind the pops.
  index_ = first + count;
  loadWord(kTemp1, Mem::at(kTemp0, bytes));
  lookUpTarget();
  const auto drop = isOneByte(*behind, 0xc2, 0xff) ? static_cast<std::int32_t>(behind->imm) : 0;
  moveStack(static_cast<std::int32_t>(word_) + drop);
  jumpToSlot();
  resumeHere();
  index_ = first;
  return count + 1;
}

// Whether a copy leaves kTemp0 alone.
bool Translator::staysInRegisters(unsigned index) const {
  const Insn& insn = block_.insns[index];
  const Facts& facts = facts_[index];
  constexpr unsigned kDisplaced = 1U << 10 | 1U << 11 | 1U << 15;
  if (facts.x87 || std::popcount((facts.reads | facts.writes) & kDisplaced) > 2) return false;
  if (facts.addressOnly) {
    const auto isElsewhere = [](std::uint8_t guest) { return guest < 16 && isDisplaced(guest); };
    if (insn.operandBytes() == 2 || isElsewhere(insn.base) || isElsewhere(insn.index)) return false;
    if (((facts.reads | facts.writes) & kDisplaced) != 0) return false;
  }
  Place place;
  place.base = kTemp0;
  place.map[10] = place.map[11] = place.map[15] = kTemp1;
  std::array<std::uint8_t, kMostEncoded> bytes;
  return transcribe(insn, place, bytes).good;
}

// Takes another operand in. false: it lies too far away, or is aligned otherwise.
bool Translator::widen(Range& range, const Insn& insn, const Facts& facts) const {
  const std::int64_t at = distanceOf(insn);
  const bool first = range.count == 0;
  Range wider = range;
  wider.low = first ? at : std::min(range.low, at);
  wider.high = std::max(first ? at : range.high, at + facts.memoryBytes);
  wider.align = std::max<unsigned>(range.align, facts.align);
  wider.write = range.write || facts.memory != Facts::kRead;
  if (const std::optional<std::uint64_t> address = fixedAddress(insn)) {
    if (facts.align != 0 && *address % facts.align != 0) return false;
    wider.align = 0;
    wider.low = at & -0x1000;
    if (wider.high > wider.low + 0x1000 || (!first && wider.low != range.low)) return false;
  } else {
    if (insn.disp > INT32_MAX - kWidest || insn.disp < INT32_MIN + kWidest || wider.high - wider.low > kWidest)
      return false;
    if (facts.align != 0) {
      const unsigned both = range.align == 0 ? 1 : std::min<unsigned>(range.align, facts.align);
      if ((at - range.anchor) % both != 0) return false;
      if (facts.align > range.align) wider.anchor = at;
    }
    // Whole units: where one of them begins in the page, it ends there.
    if (wider.align != 0) {
      const auto unit = static_cast<std::int64_t>(wider.align);
      while ((wider.low - wider.anchor) % unit != 0) --wider.low;
      while ((wider.high - wider.anchor) % unit != 0) ++wider.high;
    }
  }
  range = wider;
  return true;
}

Translator::Range Translator::neighbourhood() const {
  Range range;
  unsigned accesses = 0;
  const Insn& start = block_.insns[index_];
  const bool fixed = fixedAddress(start).has_value();
  const auto alike = [&](const Insn& insn) {
    if (fixed) return fixedAddress(insn).has_value();
    return insn.base == start.base && insn.index == start.index && (insn.scale & 3) == (start.scale & 3) &&
           insn.addressBytes() == word_ && insn.segment() < kFs;
  };
  const auto changes = [&](std::uint8_t guest, std::uint16_t writes) {
    return guest < 16 && (writes >> guest & 1) != 0;
  };
  for (unsigned n = index_; n < block_.count && copies_[n]; ++n) {
    const Insn& insn = block_.insns[n];
    const Facts& facts = facts_[n];
    if (!staysInRegisters(n)) break;
    if (facts.memory != Facts::kNone) {
      if (facts.memoryBytes == 0 || !alike(insn) || !widen(range, insn, facts)) break;
      range.count = n - index_ + 1;
      ++accesses;
    } else if (n == index_) {
      break;
    }
    if (!fixed && (changes(start.base, facts.writes) || changes(start.index, facts.writes))) break;
  }
  if (accesses < 2) range.count = 0;
  return range;
}

unsigned Translator::neighbours() {
  const Insn& insn = block_.insns[index_];
  if (!copies_[index_] || facts_[index_].memory == Facts::kNone) return 0;
  const Range range = neighbourhood();
  if (range.count == 0) return 0;
  const unsigned first = index_;
  const Cold miss{Cold::kSingly, 0, static_cast<std::uint32_t>(shared_.size()), 0};
  keepFlags();
  if (fixedAddress(insn)) {
    probeFixed(static_cast<std::uint64_t>(range.low), range.write, miss);
  } else {
    Insn start = insn;
    start.disp = static_cast<std::int32_t>(range.low);
    loadAddress(start);
    Access access{static_cast<unsigned>(range.high - range.low), range.write, range.align};
    access.stack = isOnStack(insn);
    probe(access, miss);
  }
  shared_.push_back({first, range.count, flags_, recipe_});
  const std::size_t mine = shared_.size() - 1;
  sharedFrom_ = range.low;
  for (unsigned n = 0; n < range.count; ++n) {
    index_ = first + n;
    instruction(index_);
  }
  sharedFrom_.reset();
  shared_[mine].back = e_.here();
  shared_[mine].flags = flags_;
  index_ = first;
  return range.count;
}

}  // namespace rhea::x86::t1
