// System instructions that kernels execute all the time: flags, the interrupt flag, swapgs.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

Mem at(std::size_t offset) { return Mem::state(static_cast<std::int32_t>(offset)); }
constexpr auto kSystemFlags = offsetof(State, system);

}  // namespace

bool Translator::endsInSti(const Block& block) {
  if (block.count == 0) return false;
  const Pattern& p = rows()[block.insns[block.count - 1].row].pattern;
  return p.map == 0 && p.opcode == 0xfb && (block.mode & kModeCpl0) != 0;
}

// false: not one of them.
bool Translator::system(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  const bool kernel = (block_.mode & kModeCpl0) != 0;
  if (p.map == 0 && p.opcode == 0x9c && isNatural(insn)) {
    pushFlags();
    return true;
  }
  if (p.map == 0 && p.opcode == 0x9d && isNatural(insn)) {
    popFlags();
    return true;
  }
  if (p.map == 0 && p.opcode == 0xfa && kernel) {
    saveFlags();
    e_.byte(0x65);
    e_.bytes({0x81});
    e_.modrm(4, at(kSystemFlags));
    e_.dword(static_cast<std::uint32_t>(~kIf));
    flags_ = Flags::kState;
    return true;
  }
  if (p.map == 1 && p.opcode == 0x01 && p.reg == 1 && (p.rm == 2 || p.rm == 3) && kernel) {
    reachUsers(p.rm == 3);
    return true;
  }
  if (p.map == 1 && p.opcode == 0x06 && kernel) {
    clearTaskSwitched();
    return true;
  }
  if (p.map == 0 && (p.opcode == 0xfc || p.opcode == 0xfd)) {
    moveDirection(p.opcode == 0xfd);
    return true;
  }
  if (p.map == 0 && p.opcode == 0x8c && insn.reg <= kGs) {
    readSelector(insn);
    return true;
  }
  if (p.map == 0 && p.opcode == 0x8e && wide_ && !insn.memory() &&
      (insn.reg == kEs || (insn.reg >= kDs && insn.reg <= kGs))) {
    clearSegment(insn);
    return true;
  }
  if (p.map == 1 && p.opcode == 0x20 && kernel && wide_ && insn.reg <= 4 && insn.reg != 1) {
    readControl(insn);
    return true;
  }
  if (p.map == 1 && (p.opcode == 0x30 || p.opcode == 0x32) && kernel && wide_) {
    p.opcode == 0x30 ? writeMsr() : readMsr();
    return true;
  }
  if (p.map == 0 && p.opcode == 0xfb && kernel && follower_ != nullptr) {
    enableInterrupts(insn);
    return true;
  }
  if (p.map == 1 && p.opcode == 0x01 && p.reg == 7 && p.rm == 0) {  // swapgs
    constexpr std::size_t kBase = offsetof(State, segments) + kGs * sizeof(Segment) + offsetof(Segment, base);
    constexpr std::size_t kOther = offsetof(State, msr) + offsetof(Msrs, kernelGsBase);
    e_.load(kTemp0, at(kBase));
    e_.load(kTemp1, at(kOther));
    e_.store(at(kOther), kTemp0);
    e_.store(at(kBase), kTemp1);
    return true;
  }
  const bool counter = p.map == 1 && p.opcode == 0x31;
  const bool counterAndNumber = p.map == 1 && p.opcode == 0x01 && p.reg == 7 && p.rm == 1;
  if ((counter || counterAndNumber) && cpu_.environment().scale != nullptr) {
    readTimeStamp(counterAndNumber);
    return true;
  }
  if (p.map == 1 && p.opcode == 0xa2) {
    identify();
    return true;
  }
  return kernels(insn);
}

// cpuid, of a leaf that T0 has been asked for in the present state (Cpu::knownLeaf). It serializes: if code may have
// been rewritten, T0 does it and the block is left behind it.
void Translator::identify() {
  const auto known = [this](std::size_t offset) {
    return Mem::stateIndexed(kTemp0, area(cpu_.area.leaves.data()) + static_cast<std::int32_t>(offset));
  };
  const auto mustBe = [&](std::uint8_t reg, std::size_t offset) {
    e_.op(kOpCmp, reg, known(offset), false);
    coldStep(e_.jumpIf(5));
  };
  saveFlags();
  recipe_ = {};
  e_.bytes({0x65, 0xf7});  // test dword
  e_.modrm(0, at(offsetof(State, pending)));
  e_.dword(cpu::kCode);
  coldStep(e_.jumpIf(5));
  e_.op(kOpMovLoad, kTemp0, kHostRax, false);  // KnownLeaf::slot()
  e_.shift(5, kTemp0, 28, false);
  e_.op(kOpXor, kTemp0, kHostRax, false);
  e_.arith(4, kTemp0, KnownLeaf::kCount - 1, false);
  static_assert(sizeof(KnownLeaf) == 64);
  e_.shift(4, kTemp0, 6, false);
  mustBe(kHostRax, offsetof(KnownLeaf, leaf));
  e_.op(kOpMovLoad, kTemp1, known(offsetof(KnownLeaf, subleafMask)), false);
  e_.op(kOpAnd, kTemp1, kHostRcx, false);
  mustBe(kTemp1, offsetof(KnownLeaf, subleaf));
  e_.op(kOpMovLoad, kTemp1, at(offsetof(State, cr4)), false);
  mustBe(kTemp1, offsetof(KnownLeaf, cr4));
  e_.op(kOpMovLoad, kTemp1, at(offsetof(State, xcr0)), false);
  mustBe(kTemp1, offsetof(KnownLeaf, xcr0));
  constexpr std::size_t kResult = offsetof(KnownLeaf, result);
  e_.op(kOpMovLoad, kHostRax, known(kResult), false);
  e_.op(kOpMovLoad, kHostRbx, known(kResult + 4), false);
  e_.op(kOpMovLoad, kHostRcx, known(kResult + 8), false);
  e_.op(kOpMovLoad, kHostRdx, known(kResult + 12), false);
  flags_ = Flags::kState;
}

// stac and clac. Under SMAP the tables of the supervisor who may access users' pages lie behind those of the one who
// may not, whose windows are right for the other, too, but not the other way round: those of loops are T0's to empty.
void Translator::reachUsers(bool may) {
  const Area& area = cpu_.area;
  const Area::Windows& windows = area.windows[1];
  saveFlags();
  recipe_ = {};
  e_.bytes({0x65, 0xf7});  // test dword
  e_.modrm(0, at(offsetof(State, cr4)));
  e_.dword(static_cast<std::uint32_t>(kCr4Smap));
  const std::uint32_t unguarded = e_.jumpIf(4);
  e_.load(kTemp0, Mem::state(this->area(&area.kernelTlb)));
  e_.op(kOpTest, kTemp0, kTemp0);
  coldStep(e_.jumpIf(4));
  if (may) {
    e_.op(kOpLea, kTemp0, Mem::at(kTemp0, static_cast<std::int32_t>(sizeof(cpu::SoftTlb))));
  } else {
    e_.op(kOpCmp, kTemp0, Mem::state(this->area(&windows.tables)));
    const std::uint32_t could = e_.jumpIf(4);
    e_.bytes({0x65, 0x80});
    e_.modrm(7, Mem::state(this->area(&windows.used)));
    e_.byte(0);
    coldStep(e_.jumpIf(5));
    e_.load(kTemp1, Mem::state(this->area(&area.nowhere)));
    e_.constant(kTemp2, reinterpret_cast<std::uint64_t>(area.behindNowhere.data()));
    for (const auto& shown : windows.shown) {
      e_.store(Mem::state(this->area(&shown[Area::kStack].page)), kTemp1);
      e_.store(Mem::state(this->area(&shown[Area::kStack].host)), kTemp2);
    }
    e_.patch(could, e_.here());
  }
  e_.store(Mem::state(this->area(&windows.tables)), kTemp0);
  e_.store(Mem::state(this->area(&area.tlb)), kTemp0);
  e_.store(Mem::state(this->area(&cpu_.tlb_)), kTemp0);
  e_.patch(unguarded, e_.here());
  e_.bytes({0x65, 0x81});
  e_.modrm(may ? 1 : 4, at(kSystemFlags));
  e_.dword(static_cast<std::uint32_t>(may ? kAc : ~kAc));
  flags_ = Flags::kState;
}

// clts, where there is nothing to clear.
void Translator::clearTaskSwitched() {
  saveFlags();
  recipe_ = {};
  e_.bytes({0x65, 0xf6});  // test byte
  e_.modrm(0, at(offsetof(State, cr0)));
  e_.byte(kCr0Ts);
  coldStep(e_.jumpIf(5));
  flags_ = Flags::kState;
}

// cld and std.
void Translator::moveDirection(bool down) {
  saveFlags();
  e_.bytes({0x65, 0x81});
  e_.modrm(down ? 1 : 4, at(kSystemFlags));
  e_.dword(static_cast<std::uint32_t>(down ? kDf : ~kDf));
  flags_ = Flags::kState;
}

// A segment register's, which a kernel reads several of for each context switch.
void Translator::readSelector(const Insn& insn) {
  const Mem selector = at(offsetof(State, segments) + insn.reg * sizeof(Segment));
  if (insn.memory()) {
    const std::int32_t within = reach(insn, {2, true});
    e_.op(kOpMovzxWord, kTemp1, selector, false);
    e_.byte(0x66);
    e_.op(kOpMovStore, kTemp1, Mem::at(kTemp0, within), false);
    return;
  }
  const auto guest = static_cast<std::uint8_t>(insn.rm / 8);
  const std::uint8_t to = isDisplaced(guest) ? kTemp0 : guest;
  changes(1U << guest);
  if (insn.operandBytes() == 2) {
    guestIn(guest, kTemp0);
    e_.byte(0x66);
    e_.op(kOpMovLoad, to, selector, false);
  } else {
    e_.op(kOpMovzxWord, to, selector, false);
  }
  if (isDisplaced(guest)) e_.store(Mem::state(gprOffset(guest)), to);
}

// A null selector into a data segment; any other one is T0's.
void Translator::clearSegment(const Insn& insn) {
  const std::size_t place = offsetof(State, segments) + insn.reg * sizeof(Segment);
  saveFlags();
  recipe_ = {};
  e_.op(kOpMovzxWord, kTemp0, guestIn(insn.rm / 8, kTemp0), false);
  e_.op(0xf7, 0, kTemp0, false);  // test
  e_.dword(0xfffc);
  coldStep(e_.jumpIf(5));
  e_.store(at(place), kTemp0);
  e_.op(kOpXor, kTemp0, kTemp0, false);
  e_.store(at(place + offsetof(Segment, base)), kTemp0);
  flags_ = Flags::kState;
}

// CR0, CR2, CR3 and CR4; the eighth is the interrupt controller's.
void Translator::readControl(const Insn& insn) {
  constexpr std::size_t kPlaces[] = {offsetof(State, cr0), 0, offsetof(State, cr2), offsetof(State, cr3),
                                     offsetof(State, cr4)};
  const auto guest = static_cast<std::uint8_t>(insn.rm / 8);
  const std::uint8_t to = isDisplaced(guest) ? kTemp0 : guest;
  changes(1U << guest);
  e_.load(to, at(kPlaces[insn.reg]));
  if (isDisplaced(guest)) e_.store(Mem::state(gprOffset(guest)), to);
}

// The virtual clock's scale (emu/object/tick-scale.h); without one T0 asks the clock itself. RAX and RDX are lost on
// the way there, which T0 sets.
void Translator::readTimeStamp(bool number) {
  using object::TickScale;
  const auto in = [](std::size_t offset) { return Mem::at(kTemp1, static_cast<std::int32_t>(offset)); };
  saveFlags();
  if ((block_.mode & kModeCpl0) == 0) {
    e_.bytes({0x65, 0xf7});  // test
    e_.modrm(0, at(offsetof(State, cr4)));
    e_.dword(static_cast<std::uint32_t>(kCr4Tsd));
    coldStep(e_.jumpIf(5));
  }
  e_.constant(kTemp1, reinterpret_cast<std::uint64_t>(cpu_.environment().scale));
  e_.load(kTemp2, in(offsetof(TickScale, sequence)));
  e_.bytes({0x41, 0xf6, 0xc7, 0x01});  // test r15b, 1
  coldStep(e_.jumpIf(5));
  if (number) e_.bytes({0x0f, 0xae, 0xe8});  // rdtscp waits for what is before it: lfence
  e_.bytes({0x0f, 0x31});                    // rdtsc
  e_.shift(4, kHostRdx, 32);
  e_.op(0x0b, kHostRax, kHostRdx);
  e_.op(kOpSub, kHostRax, in(offsetof(TickScale, first)));
  e_.op(kOpCmp, kHostRax, in(offsetof(TickScale, valid)));
  coldStep(e_.jumpIf(3));
  e_.op(0xfaf, kHostRax, in(offsetof(TickScale, rate)));  // imul
  e_.shift(5, kHostRax, 32);
  e_.op(kOpAdd, kHostRax, in(offsetof(TickScale, start)));
  e_.op(kOpCmp, kTemp2, in(offsetof(TickScale, sequence)));
  coldStep(e_.jumpIf(5));
  e_.op(kOpAdd, kHostRax, at(offsetof(State, msr) + offsetof(Msrs, tscAdjust)));
  e_.move(kHostRdx, kHostRax);
  e_.shift(5, kHostRdx, 32);
  e_.op(kOpMovLoad, kHostRax, kHostRax, false);
  if (number) e_.op(kOpMovLoad, kHostRcx, at(offsetof(State, msr) + offsetof(Msrs, tscAux)), false);
  flags_ = Flags::kState;
  recipe_ = {};
}

// One that waits already is taken behind the next instruction, which T0 sees to.
void Translator::enableInterrupts(const Insn& insn) {
  static_cast<void>(insn);
  saveFlags();
  e_.bytes({0x65, 0x80});
  e_.modrm(7, Mem::state(area(&cpu_.interruptWaits_)));
  e_.byte(0);
  coldStep(e_.jumpIf(5));
  e_.bytes({0x65, 0x81});
  e_.modrm(1, at(kSystemFlags));
  e_.dword(static_cast<std::uint32_t>(kIf));
  e_.jumpTo(follower_->checked);
  ended_ = true;
  flags_ = Flags::kState;
}

void Translator::pushFlags() {
  saveFlags();
  probePush();
  collectFlags(kTemp1, kTemp2);
  e_.arith(4, kTemp1, static_cast<std::int32_t>(~(kRf | kVm)));
  storeWord(Mem::at(kTemp0), kTemp1);
  claimWord();
}

// Where nothing changes but arithmetic flags, the direction and, for a kernel, the interrupt flag. One that waits for
// the flag is T0's.
void Translator::popFlags() {
  const bool kernel = (block_.mode & kModeCpl0) != 0;
  constexpr std::uint64_t kKeep = kTf | kIopl | kNt | kRf | kVm | kAc | kVif | kVip;
  const std::uint64_t change = kDf | kId | (kernel ? kIf : 0);
  saveFlags();
  moveWord(kTemp0, kHostRsp);
  probe({.bytes = word_, .write = false, .stack = true});
  loadWord(kTemp1, Mem::at(kTemp0));
  e_.load(kTemp2, at(kSystemFlags));
  e_.move(kTemp0, kTemp2);
  e_.op(kOpXor, kTemp0, kTemp1);
  e_.op(0xf7, 0, kTemp0, false);  // test
  e_.dword(static_cast<std::uint32_t>(kKeep | (kernel ? 0 : kIf)));
  coldStep(e_.jumpIf(5));
  e_.bytes({0x65, 0x80});
  e_.modrm(7, Mem::state(area(&cpu_.interruptWaits_)));
  e_.byte(0);
  coldStep(e_.jumpIf(5));
  e_.arith(4, kTemp0, static_cast<std::int32_t>(change), false);
  e_.op(kOpXor, kTemp2, kTemp0);
  e_.store(at(kSystemFlags), kTemp2);
  storeArithmetic(kTemp1, kTemp2);
  moveStack(static_cast<std::int32_t>(word_));
  flags_ = Flags::kState;
  recipe_ = {};
}

}  // namespace rhea::x86::t1
