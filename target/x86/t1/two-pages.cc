// Operands that reach over a page's end. What is read is put together from both pages, and the same instruction reads
// that; what is written is left there by the same instruction, once more in the cold code, and then moved to both.
// Whether both pages are there is known before anything changes. Nobody is promised that such an access is one.
#include "target/x86/t1/engine.h"
#include "target/x86/t1/registers.h"

namespace rhea::x86::t1 {

namespace {

using Tlb = cpu::SoftTlb;

constexpr auto kHalf = static_cast<std::int32_t>(Area::kMostCopied);
constexpr unsigned kMoverBits = 7;
constexpr std::uint32_t kMoverBytes = 1U << kMoverBits;

}  // namespace

// From Area::copied to one of the pages, 1 to kMostCopied - 1 bytes, each once; kMoverBytes apart. They use r10 and
// r15 and leave the flags, which are the guest's. The first page's goes on to the second one's, that one to r11.
void Engine::makeMovers(Emitter& e) {
  const Area& area = cpu_.area;
  for (std::size_t half = 0; half < 2; ++half) {
    movers_[half] = e.here() - kMoverBytes;
    for (std::int32_t count = 1; count < kHalf; ++count) {
      const std::uint32_t start = e.here();
      const std::int32_t from = areaOffset(area.copied.data()) + (half == 0 ? kHalf - count : kHalf);
      e.load(kTemp0, Mem::state(areaOffset(&area.copyTo[half])));
      for (std::int32_t at = 0; at < count;) {
        std::int32_t piece = 8;
        while (piece > count - at) piece /= 2;
        // Byte forms have the even opcodes.
        const unsigned isByte = piece == 1 ? 1 : 0;
        if (piece == 2) e.byte(0x66);
        e.op(kOpMovLoad - isByte, kTemp2, Mem::state(from + at), piece == 8);
        if (piece == 2) e.byte(0x66);
        e.op(kOpMovStore - isByte, kTemp2, Mem::at(kTemp0, at), piece == 8);
        at += piece;
      }
      if (half == 0)
        e.op(0xff, 4, Mem::state(areaOffset(&area.mover[1])), false);  // jmp
      else
        e.bytes({0x41, 0xff, 0xe3});  // jmp r11
      if (e.here() - start > kMoverBytes) std::abort();
      while (e.here() - start < kMoverBytes) e.byte(0xcc);
    }
  }
}

// An operand that begins in the page r10 and ends in the next one, r15, if it is not misaligned. When the first level
// has both, what lies at their common border is copied, and the probe ends with the address of that; a whole
// Area::kMostCopied of each, as nobody minds what is read beside the operand. Goes on behind it when there is no way.
void Engine::reachTwoPages(Emitter& e, bool write) {
  const Area& area = cpu_.area;
  const auto table = static_cast<std::int32_t>(write ? offsetof(Tlb::Tables, write) : offsetof(Tlb::Tables, read));
  std::array<std::uint32_t, 5> none;
  e.arith(0, kTemp0, Tlb::kPageBytes);
  e.op(kOpCmp, kTemp0, kTemp2);
  none[0] = e.jumpIf(5);
  e.op(0x83, 7, Mem::at(kTemp1, 20), false);  // cmp
  e.byte(0);
  none[1] = e.jumpIf(4);
  // 32-bit code has nothing above 4 GiB, though 64-bit code of the same tables may.
  e.op(kOpTest, kTemp0, kTemp0, false);
  none[4] = e.jumpIf(4);
  for (const std::int32_t half : {1, 0}) {
    e.move(kTemp1, kTemp0);
    e.shift(5, kTemp1, 8);
    e.arith(4, kTemp1, static_cast<std::int32_t>((Tlb::kEntries - 1) * sizeof(Tlb::Entry)), false);
    e.op(kOpAdd, kTemp1, Mem::state(areaOffset(&area.tlb)));
    e.op(kOpCmp, kTemp0, Mem::at(kTemp1, table));
    none[2 + static_cast<std::size_t>(half)] = e.jumpIf(5);
    e.load(kTemp1, Mem::at(kTemp1, table + 8));
    e.op(kOpAdd, kTemp1, kTemp0);
    if (write) e.store(Mem::state(areaOffset(&area.copyTo[static_cast<std::size_t>(half)])), kTemp1);
    for (std::int32_t at = 0; at < kHalf; at += 8) {
      e.load(kTemp2, Mem::at(kTemp1, half == 1 ? at : Tlb::kPageBytes - kHalf + at));
      e.store(Mem::state(areaOffset(area.copied.data()) + half * kHalf + at), kTemp2);
    }
    if (half == 1) e.arith(0, kTemp0, -Tlb::kPageBytes);
  }
  e.load(kTemp0, Mem::state(areaOffset(&area.missed)));
  e.arith(4, kTemp0, Tlb::kPageBytes - 1, false);
  if (write) chooseMovers(e);
  e.constant(kTemp2, reinterpret_cast<std::uint64_t>(area.copied.data()) + kHalf - Tlb::kPageBytes);
  e.op(kOpAdd, kTemp0, kTemp2);
  e.load(kTemp1, Mem::state(areaOffset(&area.missedBy)));
  e.op(0x63, kTemp2, Mem::at(kTemp1, 20));  // movsxd
  e.op(kOpAdd, kTemp2, kTemp1);
  e.bytes({0x41, 0xff, 0xe7});  // jmp r15
  for (const std::uint32_t place : none) e.patch(place, e.here());
}

// r10 is the operand's offset in the first page, and stays.
void Engine::chooseMovers(Emitter& e) {
  constexpr unsigned kAddTo = 0x01;
  const Area& area = cpu_.area;
  const auto choose = [&](std::size_t half) {  // for r11 bytes
    const Mem mover = Mem::state(areaOffset(&area.mover[half]));
    e.shift(4, kTemp1, kMoverBits);
    e.store(mover, kTemp1);
    e.constant(kTemp1, cache_->address(0) + movers_[half]);
    e.op(kAddTo, kTemp1, mover);
  };
  e.op(kAddTo, kTemp0, Mem::state(areaOffset(&area.copyTo[0])));
  e.constant(kTemp2, static_cast<std::uint64_t>(Tlb::kPageBytes));
  e.op(kOpSub, kTemp2, kTemp0);
  e.move(kTemp1, kTemp2);
  choose(0);
  e.load(kTemp1, Mem::state(areaOffset(&area.missedBy)));
  e.op(kOpMovLoad, kTemp1, Mem::at(kTemp1, 24), false);
  e.op(kOpSub, kTemp1, kTemp2);
  choose(1);
}

}  // namespace rhea::x86::t1
