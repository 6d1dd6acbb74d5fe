// Which host register holds which guest register, and pieces of code that concern all of them.
#pragma once

#include "target/x86/state.h"
#include "target/x86/t1/area.h"
#include "target/x86/t1/emitter.h"

namespace rhea::x86::t1 {

// The translator's temporaries. The guest registers of these numbers live in the State.
constexpr std::uint8_t kTemp0 = kHost10, kTemp1 = kHost11, kTemp2 = kHost15;

constexpr bool isDisplaced(unsigned guest) { return guest == 10 || guest == 11 || guest == 15; }

constexpr std::int32_t gprOffset(unsigned guest) { return static_cast<std::int32_t>(offsetof(State, gpr) + guest * 8); }

// Where a jump's target is looked up first; translated code computes the same (Translator::hash). The other slots of
// its set: exclusive or of this number and 1, 2, 3.
constexpr std::uint32_t kHashFactor = 0x9e3779b1;
constexpr unsigned kHashShift = 14;
constexpr std::size_t jumpSlot(std::uint64_t rip) {
  return (static_cast<std::uint32_t>(rip) * kHashFactor >> kHashShift & (Area::kJumpSlots - 1) << 4) >> 4;
}

// The six flags into State::arith; leaves the flags.
inline void emitFlagsToState(Emitter& e, std::uint8_t temporary = kTemp0) {
  e.move(temporary, kHostRax);
  e.byte(0x9f);                 // lahf
  e.bytes({0x0f, 0x90, 0xc0});  // seto al
  e.bytes({0x66, 0x65, 0x89});
  e.modrm(kHostRax, Mem::state(offsetof(State, arith)));
  e.move(kHostRax, temporary);
}

// ... and back. RAX is lost.
inline void emitFlagsFromState(Emitter& e) {
  e.op(kOpMovzxWord, kHostRax, Mem::state(offsetof(State, arith)), false);
  e.bytes({0x04, 0x7f});  // add al, 0x7f: OF
  e.byte(0x9e);           // sahf
}

}  // namespace rhea::x86::t1
