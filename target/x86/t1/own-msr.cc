// rdmsr and wrmsr of registers that are a field of the State and nothing more.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

// Where an MSR lies in the State. The lowest bit of a place: only canonical addresses may be written there.
struct FieldOf {
  std::uint32_t index = 0;  // no such MSR
  std::uint32_t place = 0;
};
constexpr unsigned kFoldedBits = 5;
constexpr std::size_t kSlots = 64;
using Fields = std::array<FieldOf, kSlots>;

constexpr std::size_t slotOf(std::uint32_t index) { return (index >> kFoldedBits ^ index) % kSlots; }

constexpr std::uint32_t inMsrs(std::size_t offset) { return static_cast<std::uint32_t>(offsetof(State, msr) + offset); }
constexpr std::uint32_t baseOf(SegmentIndex index) {
  return static_cast<std::uint32_t>(offsetof(State, segments) + index * sizeof(Segment) + offsetof(Segment, base));
}

// What T0 writes without a second look (Cpu::writeMsr); in 64-bit code the CPU has long mode.
constexpr FieldOf kWritten[] = {
    {0xc0000100, baseOf(kFs) | 1},
    {0xc0000101, baseOf(kGs) | 1},
    {0xc0000102, inMsrs(offsetof(Msrs, kernelGsBase)) | 1},
    {0xc0000081, inMsrs(offsetof(Msrs, star))},
    {0xc0000082, inMsrs(offsetof(Msrs, lstar)) | 1},
    {0xc0000083, inMsrs(offsetof(Msrs, cstar)) | 1},
    {0xc0000084, inMsrs(offsetof(Msrs, sfmask))},
    {0x174, inMsrs(offsetof(Msrs, sysenterCs))},
    {0x175, inMsrs(offsetof(Msrs, sysenterEsp)) | 1},
    {0x176, inMsrs(offsetof(Msrs, sysenterEip)) | 1},
};
constexpr FieldOf kOnlyRead[] = {
    {0xc0000080, inMsrs(offsetof(Msrs, efer))},
    {0xc0000103, inMsrs(offsetof(Msrs, tscAux))},
    {0x277, inMsrs(offsetof(Msrs, pat))},
    {0x1a0, inMsrs(offsetof(Msrs, miscEnable))},
};

constexpr Fields fields(bool write) {
  Fields fields;
  const auto add = [&fields](const FieldOf& field, bool readOnly) {
    FieldOf& slot = fields[slotOf(field.index)];
    if (slot.index != 0) std::abort();  // not in a constant: two of them meet
    slot = readOnly ? FieldOf{field.index, field.place & ~1U} : field;
  };
  for (const FieldOf& field : kWritten) add(field, !write);
  for (const FieldOf& field : kOnlyRead) {
    if (!write) add(field, true);
  }
  return fields;
}
constexpr Fields kRead = fields(false);
constexpr Fields kWrite = fields(true);

}  // namespace

// The place of the MSR that ECX names into kTemp0, or a step; kTemp1 is lost.
void Translator::findMsr(bool write) {
  const auto in = [](std::size_t offset) {
    Mem mem = Mem::at(kTemp1, static_cast<std::int32_t>(offset));
    mem.index = kTemp0;
    mem.scale = 3;
    return mem;
  };
  static_assert(sizeof(FieldOf) == 8);
  e_.constant(kTemp1, reinterpret_cast<std::uint64_t>((write ? kWrite : kRead).data()));
  e_.op(kOpMovLoad, kTemp0, kHostRcx, false);
  e_.shift(5, kTemp0, kFoldedBits, false);
  e_.op(kOpXor, kTemp0, kHostRcx, false);
  e_.arith(4, kTemp0, kSlots - 1, false);
  e_.op(kOpCmp, kHostRcx, in(offsetof(FieldOf, index)), false);
  coldStep(e_.jumpIf(5));
  e_.op(kOpMovLoad, kTemp0, in(offsetof(FieldOf, place)), false);
}

void Translator::readMsr() {
  saveFlags();
  recipe_ = {};
  findMsr(false);
  e_.load(kHostRax, Mem::stateIndexed(kTemp0, 0));
  e_.move(kHostRdx, kHostRax);
  e_.shift(5, kHostRdx, 32);
  e_.op(kOpMovLoad, kHostRax, kHostRax, false);
  flags_ = Flags::kState;
}

// It serializes: if code may have been rewritten, T0 does it, as it does what is not a field, and what is not canonical
// where an address belongs.
void Translator::writeMsr() {
  saveFlags();
  recipe_ = {};
  e_.bytes({0x65, 0xf7});  // test dword
  e_.modrm(0, Mem::state(offsetof(State, pending)));
  e_.dword(cpu::kCode);
  coldStep(e_.jumpIf(5));
  findMsr(true);
  e_.op(kOpMovLoad, kTemp1, kHostRdx, false);
  e_.shift(4, kTemp1, 32);
  e_.op(kOpMovLoad, kTemp2, kHostRax, false);
  e_.op(0x0b, kTemp1, kTemp2);    // or
  e_.op(0xf6, 0, kTemp0, false);  // test byte
  e_.byte(1);
  const std::uint32_t isAny = e_.jumpIf(4);
  needCanonical();
  e_.arith(4, kTemp0, -2, false);
  e_.patch(isAny, e_.here());
  e_.store(Mem::stateIndexed(kTemp0, 0), kTemp1);
  flags_ = Flags::kState;
}

}  // namespace rhea::x86::t1
