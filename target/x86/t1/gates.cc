// The gates between C++ and translated code.
//
// Translated code keeps the guest's general registers in the host's, but for the three displaced ones, and has no stack
// of its own: RSP is the guest's. So a gate stores and loads all of them, and switches to the stack that the enter gate
// noted. The guest's vector registers stay in the host's between blocks that use them; a gate stores them only then.
#include "target/x86/t1/engine.h"
#include "target/x86/t1/registers.h"

namespace rhea::x86::t1 {

namespace {

bool hostHasAvx() { return __builtin_cpu_supports("avx") != 0; }

void moveRegisters(Emitter& e, bool store) {
  for (std::uint8_t n = 0; n < 16; ++n) {
    if (isDisplaced(n)) continue;
    const Mem place = Mem::state(gprOffset(n));
    e.op(store ? kOpMovStore : kOpMovLoad, n, place);
  }
}

void moveVectors(Emitter& e, bool store) {
  const bool avx = hostHasAvx();
  for (unsigned n = 0; n < 16; ++n) {
    const Mem place = Mem::state(static_cast<std::int32_t>(offsetof(State, vector) + n * sizeof(Vector)));
    e.byte(0x65);
    if (avx) {
      e.bytes({0xc5, n >= 8 ? 0x7eU : 0xfeU, store ? 0x7fU : 0x6fU});  // vmovdqu ymm
    } else {
      if (n >= 8) e.byte(0x44);
      e.bytes({0x0f, store ? 0x11U : 0x10U});  // movups
    }
    e.modrm(n, place);
  }
}

// Upper halves that are all zero are not loaded but cleared: only then does the host know them to be, and an SSE
// instruction need not wait for its destination's old value to keep the upper half of. Uses the flags.
void loadVectorRegisters(Emitter& e) {
  if (!hostHasAvx()) return moveVectors(e, false);
  const auto at = [](unsigned n, std::size_t half) {
    return Mem::state(static_cast<std::int32_t>(offsetof(State, vector) + n * sizeof(Vector) + half));
  };
  for (unsigned n = 0; n < 16; ++n) {
    if (n == 0)
      e.bytes({0x65, 0xc5, 0xfa, 0x6f});  // vmovdqu xmm0
    else
      e.bytes({0x65, 0xc5, 0xf9, 0xeb});  // vpor xmm0, xmm0
    e.modrm(0, at(n, 16));
  }
  e.bytes({0xc4, 0xe2, 0x79, 0x17, 0xc0});  // vptest xmm0, xmm0
  const std::uint32_t whole = e.jumpIf(5);
  e.bytes({0xc5, 0xf8, 0x77});  // vzeroupper
  for (unsigned n = 0; n < 16; ++n) {
    e.bytes({0x65, 0xc5, n >= 8 ? 0x7aU : 0xfaU, 0x6f});  // vmovdqu xmm
    e.modrm(n, at(n, 0));
  }
  const std::uint32_t loaded = e.jump();
  e.patch(whole, e.here());
  moveVectors(e, false);
  e.patch(loaded, e.here());
}

void mxcsr(Emitter& e, bool store, std::int32_t offset) {
  e.byte(0x65);
  e.bytes({0x0f, 0xae});
  e.modrm(store ? 3 : 2, Mem::state(offset));
}

}  // namespace

void Engine::makeGates() {
  Emitter e(cache_->rest(), 0);
  const Area& area = cpu_.area;
  const std::int32_t hostStack = areaOffset(&area.hostStack);
  const std::int32_t hostMxcsr = areaOffset(&area.hostMxcsr);
  constexpr std::int32_t kMxcsr = offsetof(State, mxcsr);
  constexpr std::uint8_t kSaved[] = {kHostRbx, kHostRbp, kHost12, kHost13, kHost14, kHost15};
  // As far as the jump that is taken where they are not.
  const auto testLive = [&] {
    e.bytes({0x65, 0x83});
    e.modrm(7, Mem::state(offsetof(State, vectorsAway)));
    e.byte(0);
    return e.jumpIf(5);
  };
  const auto setLive = [&](bool live) {
    e.bytes({0x65, 0xc7});
    e.modrm(0, Mem::state(offsetof(State, vectorsAway)));
    e.dword(live ? 0 : 1);
  };
  const auto storeVectors = [&] {
    moveVectors(e, true);
    mxcsr(e, true, kMxcsr);
    mxcsr(e, false, hostMxcsr);
    if (hostHasAvx()) e.bytes({0xc5, 0xf8, 0x77});  // vzeroupper
    setLive(false);
  };
  const auto testX87 = [&] {
    e.bytes({0x65, 0x80});
    e.modrm(7, Mem::state(areaOffset(&area.x87Live)));
    e.byte(0);
  };
  const auto callWithEngine = [&](std::uint64_t function) {
    e.load(kHostRdi, Mem::state(areaOffset(&area.engine)));
    e.constant(kHostRax, function);
    e.bytes({0xff, 0xd0});
  };
  const auto loadVectors = [&] {
    loadVectorRegisters(e);
    mxcsr(e, false, kMxcsr);
    setLive(true);
  };

  // enter(code): the flags are in the state at every block's start.
  gates_.enter = e.here();
  for (const std::uint8_t r : kSaved) {
    if ((r & 8) != 0) e.byte(0x41);
    e.byte(0x50 | (r & 7));
  }
  e.arith(5, kHostRsp, 8);
  e.store(Mem::state(hostStack), kHostRsp);
  e.move(kHost11, kHostRdi);
  moveRegisters(e, false);
  e.bytes({0x41, 0xff, 0xe3});  // jmp r11

  // leave: r10d is the answer, rip and the flags are in the state.
  gates_.leave = e.here();
  moveRegisters(e, true);
  e.load(kHostRsp, Mem::state(hostStack));
  const std::uint32_t noVectors = testLive();
  storeVectors();
  e.patch(noVectors, e.here());
  testX87();
  const std::uint32_t noX87 = e.jumpIf(4);
  e.move(kHostRbx, kHost10);
  callWithEngine(reinterpret_cast<std::uint64_t>(&Engine::x87ToStateFromCode));
  e.move(kHost10, kHostRbx);
  e.patch(noX87, e.here());
  const std::uint32_t epilogue = e.here();
  e.op(kOpMovLoad, kHostRax, kHost10, false);
  e.arith(0, kHostRsp, 8);
  for (std::size_t n = std::size(kSaved); n-- > 0;) {
    if ((kSaved[n] & 8) != 0) e.byte(0x41);
    e.byte(0x58 | (kSaved[n] & 7));
  }
  e.byte(0xc3);

  // step: r10d is the site; T0 executes its instruction. The flags are in the state, before and afterwards.
  gates_.step = e.here();
  moveRegisters(e, true);
  e.load(kHostRsp, Mem::state(hostStack));
  e.op(0x33, kHostRbx, kHostRbx, false);
  const std::uint32_t without = testLive();
  storeVectors();
  e.bytes({0xff, 0xc3});  // inc ebx
  e.patch(without, e.here());
  const std::uint32_t stepWithAllStored = e.here();
  e.op(kOpMovLoad, kHostRsi, kHost10, false);
  callWithEngine(reinterpret_cast<std::uint64_t>(&Engine::stepFromCode));
  e.constant(kHost10, kStepped);
  e.op(kOpTest, kHostRax, kHostRax);
  e.patch(e.jumpIf(4), epilogue);
  e.move(kHost11, kHostRax);
  e.op(0x23, kHostRbx, kHostRdx, false);  // and ebx, edx
  const std::uint32_t notLive = e.jumpIf(4);
  loadVectors();
  e.patch(notLive, e.here());
  emitFlagsFromState(e);
  moveRegisters(e, false);
  e.bytes({0x41, 0xff, 0xe3});

  // walk: neither level of the soft TLB has the page of Area::missed, r10d says whether it is to be written; C++ walks
  // the tables. If that was all, the probe goes on; else the site is T0's, with everything in the state already.
  gates_.walk = e.here();
  moveRegisters(e, true);
  e.load(kHostRsp, Mem::state(hostStack));
  e.op(0x33, kHostRbx, kHostRbx, false);
  const std::uint32_t withoutVectors = testLive();
  storeVectors();
  e.bytes({0xff, 0xc3});  // inc ebx
  e.patch(withoutVectors, e.here());
  e.op(kOpMovLoad, kHostRdx, kHost10, false);
  e.load(kHostRsi, Mem::state(areaOffset(&area.missed)));
  callWithEngine(reinterpret_cast<std::uint64_t>(&Engine::fillFromCode));
  e.op(kOpTest, kHostRax, kHostRax);
  const std::uint32_t notFound = e.jumpIf(4);
  e.store(Mem::state(areaOffset(&area.found)), kHostRax);
  e.op(kOpAnd, kHostRbx, kHostRdx, false);
  const std::uint32_t vectorsStay = e.jumpIf(4);
  loadVectors();
  e.patch(vectorsStay, e.here());
  moveRegisters(e, false);
  e.load(kTemp1, Mem::state(areaOffset(&area.missedBy)));
  e.load(kTemp0, Mem::state(areaOffset(&area.found)));
  e.op(0x63, kTemp2, Mem::at(kTemp1, 16));  // movsxd
  e.op(kOpAdd, kTemp2, kTemp1);
  e.bytes({0x41, 0xff, 0xe7});  // jmp r15
  e.patch(notFound, e.here());
  e.load(kTemp1, Mem::state(areaOffset(&area.missedBy)));
  e.op(kOpMovLoad, kHost10, Mem::at(kTemp1, 12), false);
  e.jumpTo(stepWithAllStored);

  // loadVectors: r11 is where to go on, rip is in the state for the case that the guest wants SIMD exceptions, which
  // T0 handles.
  gates_.loadVectors = e.here();
  e.op(kOpMovLoad, kHost10, Mem::state(kMxcsr), false);
  e.op(0xf7, 2, kHost10, false);  // not
  e.op(kOpAnd, kHost10, Mem::state(areaOffset(&area.neededMasks)), false);
  e.constant(kHost10, kNoSite);
  e.patch(e.jumpIf(5), gates_.leave);
  loadVectors();
  e.bytes({0x41, 0xff, 0xe3});

  // loadX87: likewise, by way of C++.
  gates_.loadX87 = e.here();
  moveRegisters(e, true);
  e.load(kHostRsp, Mem::state(hostStack));
  e.move(kHostRbx, kHost11);
  const std::uint32_t vectorsElsewhere = testLive();
  storeVectors();
  e.patch(vectorsElsewhere, e.here());
  callWithEngine(reinterpret_cast<std::uint64_t>(&Engine::x87FromStateFromCode));
  e.constant(kHost10, kNoSite);
  e.op(kOpTest, kHostRax, kHostRax);
  e.patch(e.jumpIf(4), epilogue);
  e.move(kHost11, kHostRbx);
  moveRegisters(e, false);
  e.bytes({0x41, 0xff, 0xe3});

  makeMovers(e);
  makeRefill(e, false);
  makeRefill(e, true);
  makeLookAgain(e);
  for (const bool user : {false, true}) {
    for (const bool write : {false, true}) makeStackWindow(e, user, write);
  }
  cache_->take(e.size());
  cache_->divide();
}

// What the first level of the soft TLB does not have may be in the second one. r10 is the address, r15 the tag that was
// looked for - another page's if the operand crosses, with low bits if it is misaligned - and r11 points at the cold
// code: behind its two instructions are the site, for T0, and the distance to where the probe ends, with the host
// address in r10. The flags are free. The distance to where a copy's address is taken follows, or 0, and, for writes,
// how many bytes it has.
void Engine::makeRefill(Emitter& e, bool write) {
  using Tlb = cpu::SoftTlb;
  using Tables = Tlb::Tables;
  const Area& area = cpu_.area;
  const Mem by = Mem::state(areaOffset(&area.missedBy));
  const Mem missed = Mem::state(areaOffset(&area.missed));
  const Mem found = Mem::state(areaOffset(&area.found));
  const Mem tag = Mem::state(areaOffset(&area.missedTag));
  const auto in = [](std::size_t offset) { return Mem::at(kTemp2, static_cast<std::int32_t>(offset)); };
  const std::size_t second = offsetof(Tables, second) + (write ? sizeof(Tlb::Second) : 0);
  const std::size_t first = write ? offsetof(Tables, write) : offsetof(Tables, read);
  constexpr std::int32_t kPage = -4096;
  const auto indexed = [](std::size_t offset, std::uint8_t index, std::uint8_t scale = 0) {
    Mem mem = Mem::at(kTemp2, static_cast<std::int32_t>(offset));
    mem.index = index;
    mem.scale = scale;
    return mem;
  };

  gates_.refill[write ? 1 : 0] = e.here();
  e.store(by, kTemp1);
  e.store(missed, kTemp0);
  e.arith(4, kTemp0, kPage);
  e.op(kOpCmp, kTemp0, kTemp2);
  const std::uint32_t notOnePage = e.jumpIf(5);
  e.move(kTemp1, kTemp0);
  e.shift(5, kTemp1, Tlb::kSecondBits);
  e.op(kOpXor, kTemp1, kTemp0);
  e.shift(5, kTemp1, 8);
  e.arith(4, kTemp1, static_cast<std::int32_t>((Tlb::kSecondEntries - 1) * sizeof(Tlb::Entry)), false);
  e.load(kTemp2, Mem::state(areaOffset(&area.tlb)));
  e.op(kOpAdd, kTemp1, in(second + offsetof(Tlb::Second, entries)));
  e.op(0x0b, kTemp0, in(second + offsetof(Tlb::Second, own)));
  e.op(kOpCmp, kTemp0, Mem::at(kTemp1, offsetof(Tlb::Entry, tag)));
  const std::uint32_t maybeGlobal = e.jumpIf(5);
  // Into its slot of the first level. A page that is not global - its number is odd - makes the slot so, which is
  // listed.
  const std::uint32_t hit = e.here();
  e.load(kTemp1, Mem::at(kTemp1, offsetof(Tlb::Entry, addend)));
  e.store(found, kTemp1);
  e.store(tag, kTemp0);
  e.move(kTemp1, kTemp0);
  e.arith(4, kTemp0, kPage);
  e.shift(5, kTemp1, 8);
  e.arith(4, kTemp1, static_cast<std::int32_t>((Tlb::kEntries - 1) * sizeof(Tlb::Entry)), false);
  e.op(kOpMovStore, kTemp0, indexed(first + offsetof(Tlb::Entry, tag), kTemp1));
  e.load(kTemp0, found);
  e.op(kOpMovStore, kTemp0, indexed(first + offsetof(Tlb::Entry, addend), kTemp1));
  e.op(0xf6, 0, tag, false);  // test byte
  e.byte(1);
  const std::uint32_t isGlobal = e.jumpIf(4);
  e.shift(5, kTemp1, 4, false);
  e.op(0x80, 7, indexed(offsetof(Tables, global), kTemp1), false);  // cmp byte
  e.byte(0);
  const std::uint32_t isListed = e.jumpIf(4);
  e.op(0xc6, 0, indexed(offsetof(Tables, global), kTemp1), false);  // mov byte
  e.byte(0);
  e.op(kOpMovLoad, kTemp0, in(offsetof(Tables, used)), false);
  e.arith(7, kTemp0, static_cast<std::int32_t>(Tlb::kListed), false);
  const std::uint32_t full = e.jumpIf(7);
  e.byte(0x66);
  e.op(kOpMovStore, kTemp1, indexed(offsetof(Tables, usedSlots), kTemp0, 1), false);
  e.op(0xff, 0, in(offsetof(Tables, used)), false);  // inc
  for (const std::uint32_t place : {isGlobal, isListed, full}) e.patch(place, e.here());
  e.load(kTemp0, missed);
  e.op(kOpAdd, kTemp0, found);
  e.load(kTemp1, by);
  e.op(0x63, kTemp2, Mem::at(kTemp1, 16));  // movsxd
  e.op(kOpAdd, kTemp2, kTemp1);
  e.bytes({0x41, 0xff, 0xe7});  // jmp r15

  e.patch(maybeGlobal, e.here());
  e.arith(4, kTemp0, kPage);
  e.op(0x0b, kTemp0, in(second + offsetof(Tlb::Second, global)));
  e.op(kOpCmp, kTemp0, Mem::at(kTemp1, offsetof(Tlb::Entry, tag)));
  e.patch(e.jumpIf(4), hit);
  e.constant(kTemp0, write ? 1 : 0);
  e.jumpTo(gates_.walk);
  e.patch(notOnePage, e.here());
  reachTwoPages(e, write);
  e.load(kTemp1, by);
  e.op(kOpMovLoad, kTemp0, Mem::at(kTemp1, 12), false);
  e.jumpTo(gates_.step);
}

}  // namespace rhea::x86::t1
