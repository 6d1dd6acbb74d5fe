// Instructions that kernels and their callers execute all the time: system calls and their returns, bits of bitmaps,
// strings that stay within a page. What is unusual about one of them is T0's.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

Mem at(std::size_t offset) { return Mem::state(static_cast<std::int32_t>(offset)); }
Mem segment(SegmentIndex index) { return at(offsetof(State, segments) + index * sizeof(Segment)); }

// Selector, attributes and limit of a flat segment, as they lie in State.
constexpr std::uint64_t flat(unsigned attributes) { return std::uint64_t{0xffffffff} << 32 | attributes << 16; }
static_assert(offsetof(Segment, attributes) == 2 && offsetof(Segment, limit) == 4 && offsetof(Segment, base) == 8);

}  // namespace

// false: none of these, or not in a form that is done here.
bool Translator::kernels(const Insn& insn) {
  if ((block_.mode & kModeSize) != 2) return false;
  const Pattern& p = rows()[insn.row].pattern;
  const bool kernel = (block_.mode & kModeCpl0) != 0;
  if (p.map == 1 && p.opcode == 0x05 && (block_.mode & kModeUser) != 0) {
    systemCall(insn);
    return true;
  }
  if (p.map == 1 && p.opcode == 0x07 && kernel && insn.operandBytes() == 8) {
    systemReturn();
    return true;
  }
  if (p.map == 0 && p.opcode == 0xcf && kernel && insn.operandBytes() == 8) {
    interruptReturn();
    return true;
  }
  const bool bits = p.map == 1 && (p.opcode & 0xe7) == 0xa3;
  if (bits && insn.memory() && insn.operandBytes() >= 4 && insn.addressBytes() == 8) {
    changeBit(insn, p.opcode);
    return true;
  }
  return false;
}

// To the privilege level of `user`, whose table of pages is in kTemp0; kTemp1 is lost. `shift`: where in STAR the
// selectors begin; code, stack: what is added to them.
void Translator::changeLevel(bool user, unsigned shift, unsigned code, unsigned stack) {
  const unsigned level = user ? 0x60 : 0;
  e_.store(Mem::state(area(&cpu_.area.tlb)), kTemp0);
  e_.store(Mem::state(area(&cpu_.tlb_)), kTemp0);
  const auto load = [&](SegmentIndex index, unsigned add, unsigned attributes) {
    const Mem place = segment(index);
    e_.op(kOpMovzxWord, kTemp0, at(offsetof(State, msr) + offsetof(Msrs, star) + shift / 8), false);
    if (!user) e_.arith(4, kTemp0, 0xfffc, false);
    e_.arith(0, kTemp0, static_cast<std::int32_t>(add), false);
    if (user) e_.arith(1, kTemp0, 3, false);
    e_.op(kOpMovzxWord, kTemp0, kTemp0, false);
    e_.constant(kTemp1, flat(attributes | level));
    e_.op(0x0b, kTemp0, kTemp1);  // or
    e_.store(place, kTemp0);
    e_.byte(0x65);
    e_.bytes({0x48, 0xc7});  // mov qword
    e_.modrm(0, Mem::state(place.disp + 8));
    e_.dword(0);
  };
  load(kSs, stack, 0xc093);
  load(kCs, code, 0x809b | 0x2000);
  setLevel(user);
}

// kTemp0 is lost.
void Translator::setLevel(bool user) {
  const std::uint32_t mode = (block_.mode & ~std::uint32_t{kModeUser | kModeCpl0}) | (user ? kModeUser : kModeCpl0);
  e_.bytes({0x65, 0xc6});  // mov byte
  e_.modrm(0, at(offsetof(State, cpl)));
  e_.byte(user ? 3 : 0);
  e_.bytes({0x65, 0xc7});  // mov dword
  e_.modrm(0, Mem::state(area(&cpu_.mode_)));
  e_.dword(mode);
  e_.constant(kTemp0, engine_.jumpKey(mode));
  e_.store(Mem::state(area(&cpu_.area.jumpKey)), kTemp0);
}

// What is in kTemp1; kTemp2 is lost.
void Translator::needCanonical() {
  e_.move(kTemp2, kTemp1);
  e_.shift(4, kTemp2, 16);
  e_.shift(7, kTemp2, 16);
  e_.op(kOpCmp, kTemp2, kTemp1);
  coldStep(e_.jumpIf(5));
}

// The linear address in kTemp1 is looked for under another mode's key; kTemp2 is its slot.
void Translator::lookUpIn(std::uint32_t mode) {
  e_.op(0x69, kTemp2, kTemp1, false);  // imul
  e_.dword(kHashFactor);
  e_.shift(5, kTemp2, kHashShift, false);
  e_.arith(4, kTemp2, (Area::kJumpSlots - 1) << 4, false);
  e_.constant(kTemp0, engine_.jumpKey(mode));
  e_.op(kOpAdd, kTemp1, kTemp0);
  compareTarget();
}

// RFLAGS in `to`; `other` is lost.
void Translator::collectFlags(std::uint8_t to, std::uint8_t other) {
  e_.op(kOpMovzxWord, to, at(offsetof(State, arith)), false);
  e_.op(kOpMovLoad, other, to, false);
  e_.shift(5, to, 8, false);
  e_.arith(4, to, 0xd5, false);
  e_.arith(4, other, 1, false);
  e_.shift(4, other, 11, false);
  e_.op(0x0b, to, other, false);  // or
  e_.op(0x0b, to, at(offsetof(State, system)));
}

// The arithmetic flags of `from` into the state; both are lost.
void Translator::storeArithmetic(std::uint8_t from, std::uint8_t other) {
  e_.op(kOpMovLoad, other, from, false);
  e_.arith(4, other, 0xd5, false);
  e_.shift(4, other, 8, false);
  e_.shift(5, from, 11, false);
  e_.arith(4, from, 1, false);
  e_.op(0x0b, other, from, false);
  e_.bytes({0x66, 0x65, 0x44, 0x89});
  e_.modrm(other, at(offsetof(State, arith)));
}

// EFER.SCE, without which both are undefined.
void Translator::needSystemCalls() {
  saveFlags();
  recipe_ = {};
  e_.bytes({0x65, 0xf6});  // test byte
  e_.modrm(0, at(offsetof(State, msr) + offsetof(Msrs, efer)));
  e_.byte(kEferSce);
  coldStep(e_.jumpIf(4));
}

// Where the handler has been before. A user who has set AC or whom a debugger watches is T0's.
void Translator::systemCall(const Insn& insn) {
  constexpr std::int32_t kSystem = offsetof(State, system);
  needSystemCalls();
  e_.bytes({0x65, 0xf7});  // test dword
  e_.modrm(0, Mem::state(kSystem));
  e_.dword(static_cast<std::uint32_t>(kAc | kTf));
  coldStep(e_.jumpIf(5));
  e_.load(kTemp0, Mem::state(area(&cpu_.area.kernelTlb)));
  e_.op(kOpTest, kTemp0, kTemp0);
  coldStep(e_.jumpIf(4));
  e_.load(kTemp1, at(offsetof(State, msr) + offsetof(Msrs, lstar)));
  lookUpIn((block_.mode & ~std::uint32_t{kModeUser}) | kModeCpl0);
  // Nothing can fail from here on.
  collectFlags(kHostRcx, kTemp0);
  e_.arith(4, kHostRcx, static_cast<std::int32_t>(~kRf));
  e_.store(Mem::state(gprOffset(11)), kHostRcx);
  e_.load(kTemp0, at(offsetof(State, msr) + offsetof(Msrs, sfmask)));
  e_.op(0xf7, 2, kTemp0);  // not
  e_.op(kOpAnd, kTemp0, kHostRcx);
  e_.arith(4, kTemp0, static_cast<std::int32_t>(~kVm));
  e_.op(kOpMovLoad, kHostRcx, kTemp0);
  e_.arith(4, kHostRcx, static_cast<std::int32_t>(~(kArithmeticFlags | 0x8028)));
  e_.arith(1, kHostRcx, 2);
  e_.store(Mem::state(kSystem), kHostRcx);
  storeArithmetic(kTemp0, kTemp1);
  e_.constant(kHostRcx, nextRip(insn));
  e_.load(kTemp0, Mem::state(area(&cpu_.area.kernelTlb)));
  changeLevel(false, 32, 0, 8);
  jumpToSlot();
  flags_ = Flags::kState;
  recipe_ = {};
}

// To where the user has been before, with ordinary flags.
void Translator::systemReturn() {
  constexpr std::int32_t kSystem = offsetof(State, system);
  constexpr std::uint64_t kUnusual = kTf | kIopl | kNt | kAc | kVif | kVip;
  constexpr std::uint64_t kChange = kIf | kDf | kId;
  needSystemCalls();
  e_.load(kTemp0, Mem::state(gprOffset(11)));
  e_.op(0x0b, kTemp0, Mem::state(kSystem));
  e_.op(0xf7, 0, kTemp0, false);  // test
  e_.dword(static_cast<std::uint32_t>(kUnusual));
  coldStep(e_.jumpIf(5));
  e_.bytes({0x65, 0x80});
  e_.modrm(7, Mem::state(area(&cpu_.interruptWaits_)));
  e_.byte(0);
  coldStep(e_.jumpIf(5));
  e_.load(kTemp0, Mem::state(area(&cpu_.area.userTlb)));
  e_.op(kOpTest, kTemp0, kTemp0);
  coldStep(e_.jumpIf(4));
  e_.move(kTemp1, kHostRcx);
  needCanonical();
  lookUpIn((block_.mode & ~std::uint32_t{kModeCpl0}) | kModeUser);
  e_.load(kTemp0, Mem::state(kSystem));
  e_.arith(4, kTemp0, static_cast<std::int32_t>(~(kChange | kRf)));
  e_.load(kTemp1, Mem::state(gprOffset(11)));
  e_.arith(4, kTemp1, static_cast<std::int32_t>(kChange), false);
  e_.op(0x0b, kTemp0, kTemp1);
  e_.arith(1, kTemp0, 2);
  e_.store(Mem::state(kSystem), kTemp0);
  e_.load(kTemp0, Mem::state(gprOffset(11)));
  storeArithmetic(kTemp0, kTemp1);
  e_.load(kTemp0, Mem::state(area(&cpu_.area.userTlb)));
  changeLevel(true, 48, 16, 8);
  jumpToSlot();
  flags_ = Flags::kState;
  recipe_ = {};
}

// iretq to 64-bit code, by way of the same descriptors as before, with ordinary flags, to where it has been before.
void Translator::interruptReturn() {
  constexpr std::uint64_t kUnusual = kTf | kIopl | kNt | kAc | kVif | kVip;
  const Mem frame = Mem::state(area(&cpu_.area.target));
  const auto needZero = [this](const bool& flag) {
    e_.bytes({0x65, 0x80});
    e_.modrm(7, Mem::state(area(&flag)));
    e_.byte(0);
    coldStep(e_.jumpIf(5));
  };
  saveFlags();
  recipe_ = {};
  needZero(cpu_.interruptWaits_);
  needZero(cpu_.nmiBlocked_);
  e_.load(kTemp0, Mem::state(area(&cpu_.area.kernelTlb)));
  e_.op(kOpTest, kTemp0, kTemp0);
  coldStep(e_.jumpIf(4));
  e_.move(kTemp0, kHostRsp);
  probe({.bytes = 40, .write = false, .stack = true});
  e_.store(frame, kTemp0);
  e_.load(kTemp1, Mem::at(kTemp0, 16));
  e_.op(0x0b, kTemp1, at(offsetof(State, system)));
  e_.op(0xf7, 0, kTemp1, false);  // test
  e_.dword(static_cast<std::uint32_t>(kUnusual));
  coldStep(e_.jumpIf(5));
  e_.op(kOpMovzxWord, kTemp1, Mem::at(kTemp0, 8), false);
  e_.op(kOpCmp, kTemp1, Mem::state(area(&cpu_.area.returns[0].code.selector)), false);
  const std::uint32_t toUser = e_.jumpIf(4);
  e_.op(kOpCmp, kTemp1, Mem::state(area(&cpu_.area.returns[1].code.selector)), false);
  coldStep(e_.jumpIf(5));
  returnLike(false);
  e_.patch(toUser, e_.here());
  returnLike(true);
}

// The frame is in kTemp0 and noted.
void Translator::returnLike(bool user) {
  constexpr std::uint64_t kChange = kIf | kDf | kId;
  const Area::Return& like = cpu_.area.returns[user ? 0 : 1];
  const Mem frame = Mem::state(area(&cpu_.area.target));
  e_.op(kOpMovzxWord, kTemp1, Mem::at(kTemp0, 32), false);
  e_.op(kOpCmp, kTemp1, Mem::state(area(&like.stack.selector)), false);
  coldStep(e_.jumpIf(5));
  compareDescriptor(like.code);
  compareDescriptor(like.stack);
  // A data segment that the outer level may not keep would be cleared.
  for (const SegmentIndex index : {kEs, kDs, kFs, kGs}) {
    if (!user) break;
    e_.bytes({0x65, 0xf6});  // test byte
    e_.modrm(0, Mem::state(segment(index).disp + static_cast<std::int32_t>(offsetof(Segment, attributes))));
    e_.byte(0x80);
    coldStep(e_.jumpIf(5));
  }
  e_.load(kTemp1, frame);
  e_.load(kTemp1, Mem::at(kTemp1));
  needCanonical();
  lookUpIn((block_.mode & ~std::uint32_t{kModeUser | kModeCpl0}) | (user ? kModeUser : kModeCpl0));
  // Nothing can fail from here on.
  e_.load(kTemp0, frame);
  e_.load(kTemp1, Mem::at(kTemp0, 16));
  e_.arith(4, kTemp1, static_cast<std::int32_t>(kChange), false);
  e_.op(0x81, 4, at(offsetof(State, system)));  // and
  e_.dword(static_cast<std::uint32_t>(~(kChange | kRf)));
  e_.op(0x09, kTemp1, at(offsetof(State, system)));  // or
  e_.load(kTemp1, Mem::at(kTemp0, 16));
  e_.load(kHostRsp, Mem::at(kTemp0, 24));
  storeArithmetic(kTemp1, kTemp0);
  for (unsigned n = 0; n < 2; ++n) {
    const auto half = static_cast<std::int32_t>(n * 8);
    e_.load(kTemp0, Mem::state(area(&like.code.segment[n])));
    e_.load(kTemp1, Mem::state(area(&like.stack.segment[n])));
    e_.store(Mem::state(segment(kCs).disp + half), kTemp0);
    e_.store(Mem::state(segment(kSs).disp + half), kTemp1);
  }
  if (user) {
    e_.load(kTemp0, Mem::state(area(&cpu_.area.userTlb)));
    e_.store(Mem::state(area(&cpu_.area.tlb)), kTemp0);
    e_.store(Mem::state(area(&cpu_.tlb_)), kTemp0);
    setLevel(true);
  }
  jumpToSlot();
  flags_ = Flags::kState;
  recipe_ = {};
}

// Whether the GDT has this descriptor where it had it. All temporaries are lost.
void Translator::compareDescriptor(const Area::Return::Half& expected) {
  using Tlb = cpu::SoftTlb;
  constexpr auto kRead = static_cast<std::int32_t>(offsetof(Tlb::Tables, read));
  e_.op(kOpMovLoad, kTemp1, Mem::state(area(&expected.selector)), false);
  e_.arith(4, kTemp1, 0xfff8, false);
  e_.op(kOpLea, kTemp2, Mem::at(kTemp1, 7), false);
  e_.op(kOpCmp, kTemp2, at(offsetof(State, gdtr) + offsetof(TableRegister, limit)), false);
  coldStep(e_.jumpIf(7));
  e_.op(kOpAdd, kTemp1, at(offsetof(State, gdtr) + offsetof(TableRegister, base)));
  e_.move(kTemp2, kTemp1);
  e_.shift(5, kTemp2, 8);
  e_.arith(4, kTemp2, 0x3ff0, false);
  e_.op(kOpAdd, kTemp2, Mem::state(area(&cpu_.area.kernelTlb)));
  e_.op(kOpLea, kTemp0, Mem::at(kTemp1, 7));
  e_.arith(4, kTemp0, -4096);
  e_.op(kOpCmp, kTemp0, Mem::at(kTemp2, kRead));
  coldStep(e_.jumpIf(5));
  e_.op(kOpAdd, kTemp1, Mem::at(kTemp2, kRead + 8));
  e_.load(kTemp1, Mem::at(kTemp1));
  e_.op(kOpCmp, kTemp1, Mem::state(area(&expected.descriptor)));
  coldStep(e_.jumpIf(5));
}

// bt, bts, btr, btc of a bit anywhere around the operand.
void Translator::changeBit(const Insn& insn, unsigned opcode) {
  const bool wide = insn.operandBytes() == 8;
  const auto guest = static_cast<std::uint8_t>(insn.reg / 8);
  saveFlags();
  recipe_ = {};
  loadAddress(insn);
  const std::uint8_t number = guestIn(guest, kTemp1);
  e_.op(wide ? kOpMovLoad : 0x63, kTemp1, number);  // movsxd
  e_.shift(7, kTemp1, wide ? 6 : 5);
  Mem place = Mem::at(kTemp0);
  place.index = kTemp1;
  place.scale = wide ? 3 : 2;
  e_.op(kOpLea, kTemp0, place);
  probe({insn.operandBytes(), opcode != 0xa3});
  e_.op(kOpMovLoad, kTemp1, guestIn(guest, kTemp1), false);
  e_.arith(4, kTemp1, wide ? 63 : 31, false);
  needFlags(kTemp2);
  if (insn.has(Insn::kLock)) e_.byte(0xf0);
  e_.op(0xf00 | opcode, kTemp1, Mem::at(kTemp0), wide);
  flags_ = Flags::kHost;
  recipe_ = {};
}

}  // namespace rhea::x86::t1
