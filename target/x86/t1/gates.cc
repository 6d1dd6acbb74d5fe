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
  const std::int32_t live = areaOffset(&area.vectorsLive);
  const std::int32_t hostMxcsr = areaOffset(&area.hostMxcsr);
  constexpr std::int32_t kMxcsr = offsetof(State, mxcsr);
  constexpr std::uint8_t kSaved[] = {kHostRbx, kHostRbp, kHost12, kHost13, kHost14, kHost15};
  const auto testLive = [&] {
    e.bytes({0x65, 0x80});
    e.modrm(7, Mem::state(live));
    e.byte(0);
  };
  const auto setLive = [&](unsigned value) {
    e.bytes({0x65, 0xc6});
    e.modrm(0, Mem::state(live));
    e.byte(value);
  };
  const auto storeVectors = [&] {
    moveVectors(e, true);
    mxcsr(e, true, kMxcsr);
    mxcsr(e, false, hostMxcsr);
    if (hostHasAvx()) e.bytes({0xc5, 0xf8, 0x77});  // vzeroupper
    setLive(0);
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
    moveVectors(e, false);
    mxcsr(e, false, kMxcsr);
    setLive(1);
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
  testLive();
  const std::uint32_t noVectors = e.jumpIf(4);
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
  testLive();
  const std::uint32_t without = e.jumpIf(4);
  storeVectors();
  e.bytes({0xff, 0xc3});  // inc ebx
  e.patch(without, e.here());
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

  // loadVectors: r11 is where to go on, rip is in the state for the case that the guest wants SIMD exceptions, which
  // T0 handles.
  gates_.loadVectors = e.here();
  e.op(kOpMovLoad, kHost10, Mem::state(kMxcsr), false);
  e.arith(4, kHost10, 0x1f80, false);
  e.arith(7, kHost10, 0x1f80, false);
  e.constant(kHost10, kNoSite);
  e.patch(e.jumpIf(5), gates_.leave);
  loadVectors();
  e.bytes({0x41, 0xff, 0xe3});

  // loadX87: likewise, by way of C++.
  gates_.loadX87 = e.here();
  moveRegisters(e, true);
  e.load(kHostRsp, Mem::state(hostStack));
  e.move(kHostRbx, kHost11);
  testLive();
  const std::uint32_t vectorsElsewhere = e.jumpIf(4);
  storeVectors();
  e.patch(vectorsElsewhere, e.here());
  callWithEngine(reinterpret_cast<std::uint64_t>(&Engine::x87FromStateFromCode));
  e.constant(kHost10, kNoSite);
  e.op(kOpTest, kHostRax, kHostRax);
  e.patch(e.jumpIf(4), epilogue);
  e.move(kHost11, kHostRbx);
  moveRegisters(e, false);
  e.bytes({0x41, 0xff, 0xe3});

  cache_->take(e.size());
  codeStart_ = cache_->used();
}

}  // namespace rhea::x86::t1
