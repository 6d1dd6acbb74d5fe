// Area: what translated code reaches through the host's GS base besides the State itself. Part of the Cpu, behind `st`,
// so that both lie within 32-bit displacements of one base.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86::t1 {

// A target of jumps that were looked up before: linear address plus Area::jumpKey, and translated code, which compares
// with the code map.
struct JumpSlot {
  std::uint64_t key = 0;
  std::uint64_t code = 0;
};

// A page that an operand in a loop was in the last time (Translator::probeWindow).
struct Window {
  std::uint64_t page = 0;
  std::uint64_t host = 0;
};

// What cpuid answered for a leaf: a function of this and the model. In `subleaf` are the bits of ECX that matter.
struct alignas(64) KnownLeaf {
  std::uint32_t leaf = 0, subleaf = 0, subleafMask = 0;
  std::uint32_t cr4 = ~0U, xcr0 = ~0U;    // no such values: nothing is known
  std::array<std::uint32_t, 4> result{};  // EAX, EBX, ECX, EDX
  static constexpr std::size_t kCount = 16;
  static std::size_t slot(std::uint32_t leaf) { return (leaf >> 28 ^ leaf) % kCount; }
};

struct Area {
  static constexpr std::size_t kJumpSlots = 16384;
  static constexpr std::size_t kJumpWays = 4;             // slots of a set, one line of the host's cache
  static constexpr std::size_t kWindows = 64;             // of loops: of reads, and as many of writes
  static constexpr std::size_t kStack = kWindows;         // behind them: the stack's, wherever it is used
  static constexpr std::size_t kTogether = kWindows / 4;  // are emptied together
  static constexpr std::uint8_t usedBit(bool write, std::size_t window) {
    return static_cast<std::uint8_t>(1U << ((write ? 4 : 0) + window / kTogether));
  }
  static constexpr std::int32_t kCredit = 1024;
  static constexpr std::size_t kHeats = 1024;

  std::uint64_t hostStack = 0;  // RSP of the C++ side while translated code runs
  std::uint64_t engine = 0;     // the Engine, for the gates
  std::uint64_t tlb = 0;        // cpu::SoftTlb::Tables that are in use
  std::uint64_t jumpKey = 0;    // Engine::jumpKey() of the mode
  std::uint64_t codeMap = 0;    // CodeMap::data() of the address space
  // The TLBs of both levels as long as AC is clear, 0: each access is looked at.
  std::uint64_t userTlb = 0, kernelTlb = 0;
  std::uint64_t target = 0;  // of an indirect call, while its stack slot is looked up
  // While a page is looked up in the soft TLB's second level: whose cold code asks, where, the addend, and the tag;
  // while a jump's target is, its front slot in place of the tag.
  std::uint64_t missedBy = 0, missed = 0, found = 0, missedTag = 0;
  std::int64_t budget = 0;  // under -icount: instructions that may still be begun
  // A copy of what the guest loads its x87 environment or control words from: another vCPU may change the original
  // between the look at its masks and the load, and an exception that is not masked would be the host's.
  std::array<std::uint32_t, 7> controls{};
  std::uint32_t hostMxcsr = 0x1f80;
  std::uint8_t x87Live = 0;  // the x87 registers hold the guest's values
  // Passes of edges until Engine::link() is asked for a better way, by site; translated code counts them down.
  std::array<std::uint32_t, kHeats> heat{};
  alignas(64) std::array<JumpSlot, kJumpSlots> jumps{};
  // Users and supervisors have windows of their own, which stay open while the others run: each set is of one of the
  // soft TLB's tables. An empty window shows a page that no address is canonical in and nobody can guess, as a distance
  // from it is all that is compared; behind it is memory that nobody looks at.
  struct Windows {
    std::uint64_t tables = 0;
    std::uint8_t used = 0;                                    // usedBit() of those of loops that may show something
    std::array<std::array<Window, kWindows + 1>, 2> shown{};  // reads, writes
    std::array<std::array<std::int32_t, kWindows + 1>, 2> credit{};  // misses until somebody asks if it is worth it
  };
  // What T0's last iretq from level 0 to 64-bit code of level 3 (and likewise of level 0) found in the GDT, and what
  // that becomes: a selector and its descriptor say all of it.
  struct Return {
    struct Half {
      std::uint32_t selector = 0xffffffff;  // none yet
      std::uint64_t descriptor = 0;
      std::array<std::uint64_t, 2> segment{};
    };
    Half code, stack;
  };
  std::array<Return, 2> returns{};
  std::uint64_t nowhere = 0;
  std::array<Windows, 2> windows{};  // users', supervisors'
  std::array<std::uint8_t, 4096> behindNowhere{};
  // An operand of two pages, put together: the last bytes of one and the first ones of the next. What was written there
  // goes to these places, by code for as many bytes.
  static constexpr std::size_t kMostCopied = 32;
  std::array<std::uint64_t, 2 * kMostCopied / sizeof(std::uint64_t)> copied{};
  std::array<std::uint64_t, 2> copyTo{}, mover{};
  // What recipes for flags find in place of registers and operands that are no longer there (Keeper), and
  // where they put a register meanwhile.
  static constexpr std::size_t kKept = 4;
  std::array<std::uint64_t, kKept> kept{}, aside{};
  // Copies of a gather's destination, mask and indices while its lanes are loaded.
  std::array<std::array<std::uint8_t, 32>, 3> gather{};
  std::array<KnownLeaf, KnownLeaf::kCount> leaves{};
  // Masks of MXCSR that the guest must have set for the host to run its vector instructions: all of them, until
  // Engine::raises_.
  std::uint32_t neededMasks = 0x1f80;

  // Whenever an entry of the tables may be gone or changed.
  void forgetWindows() {
    for (Windows& some : windows) forgetWindows(some);
  }
  // ... or others are in use.
  void useTables(bool user, std::uint64_t tables) {
    Windows& some = windows[user ? 0 : 1];
    if (std::exchange(some.tables, tables) != tables) forgetWindows(some);
  }

 private:
  void forgetWindows(Windows& some) {
    const Window empty{nowhere, reinterpret_cast<std::uint64_t>(behindNowhere.data())};
    for (auto& shown : some.shown) shown[kStack] = empty;
    if (some.used == 0) return;
    for (std::size_t n = 0; n < kWindows; n += kTogether) {
      for (const bool write : {false, true}) {
        if ((some.used & usedBit(write, n)) != 0) std::fill_n(&some.shown[write ? 1 : 0][n], kTogether, empty);
      }
    }
    some.used = 0;
  }
};

}  // namespace rhea::x86::t1
