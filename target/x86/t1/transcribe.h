// Transcribes one decoded guest instruction into the same instruction for the host: its memory operand replaced by an
// address in a host register, its general registers by those that hold them. Vector, MMX and x87 registers keep their
// numbers. Pure functions: where the guest's registers and memory are is the translator's business.
//
// The guest's code is 64-bit or 32-bit code, the host's is 64-bit code.
#pragma once

#include "target/x86/t1/facts.h"

namespace rhea::x86::t1 {

// False: not for copying (control flow, the stack, strings, bit strings in memory, what only a helper can do). Whether
// the host's CPU has the instruction is asked of a RowSet(hostModel()).
bool describe(const Insn& insn, Facts& to);

struct Place {
  // Host register by guest register; looked at for those in Facts::reads and Facts::writes. Those of Facts::fixed must
  // have their own number.
  std::array<std::uint8_t, 16> map{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  // The memory operand's host address is the sum of a host register and a number. The register holds no operand.
  std::uint8_t base = 0;
  std::int32_t disp = 0;
};

struct Encoded {
  bool good = false;      // false: cannot be encoded with these registers (ah to bh beside ones that need a REX prefix)
  std::uint8_t size = 0;  // may be 0: an instruction that does nothing
  std::uint8_t at = 0;    // where the instruction itself begins; around it may stand exchanges of al and ah and so on,
                          // before it a comparison that sets the flags which it may leave undefined
};
constexpr std::size_t kMostEncoded = 24;

// The instruction for the host, without segment and address-size prefixes. For what describe() accepts. `to` has room
// for kMostEncoded.
Encoded transcribe(const Insn& insn, const Place& place, std::span<std::uint8_t> to);

// The host's CPU in the words of a model.
Model hostModel();

// Host code as text, a line for each instruction.
std::string listingOfHostCode(std::span<const std::uint8_t> code, std::uint64_t address);

}  // namespace rhea::x86::t1
