// The stack's windows: one that shows the page where somebody last read the stack, one for who wrote there. Nearly all
// that pushes, pops, calls and returns reach is in that page, in straight code as in loops, and so is what lies near
// RSP: four instructions in place of the nine that look in the table. They are many and seldom miss, so what happens
// when a window shows another page is done by gates, and an access has but a few bytes for it. Those of loops walk from
// page to page: the way back from a gate, which the host cannot predict, would cost them more than their own code does.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

using Tlb = cpu::SoftTlb;

constexpr std::int32_t kPage = -4096;

// Behind the hot code, in this order: kTemp2 is loaded with this place, a jump to the gate, and
constexpr std::int32_t kReach = 12;   // the distance from the operand's address to where its last unit begins,
constexpr std::int32_t kMask = 16;    // what of that address says the page and whether it is aligned,
constexpr std::int32_t kSite = 20;    // the number of the WindowSite,
constexpr std::int32_t kFound = 24;   // a jump to behind the probe,
constexpr std::int32_t kAbsent = 29;  // a jump to where a probe's miss is seen to.

}  // namespace

void Translator::probeStack(const Access& access, const Cold& miss) {
  const Window& window = windows().shown[access.write ? 1 : 0][Area::kStack];
  WindowMiss missed{miss.kind, miss.site, miss.recipe, Area::kStack, 0, e_.here(), 0, access};
  e_.op(kOpSub, kTemp0, Mem::state(area(&window.page)));
  std::uint32_t jump = 0;
  compareWindow(access, jump, missed.second);
  e_.op(kOpAdd, kTemp0, Mem::state(area(&window.host)));
  missed.back = e_.here();
  cold_.push_back({Cold::kWindow, jump, static_cast<std::uint32_t>(windowMisses_.size()), 0});
  windowMisses_.push_back(missed);
  loseFlags();
}

void Translator::stackMissed(const WindowMiss& missed) {
  const Access& access = missed.access;
  const bool user = (block_.mode & kModeUser) != 0;
  const Engine::Gates::Stack& gates = engine_.gates_.stack[user ? 0 : 1][access.write ? 1 : 0];
  const std::uint32_t self = e_.here();
  const auto unit = std::max<std::uint32_t>(access.align, 1);
  e_.bytes({0x4c, 0x8d, 0x3d});  // lea r15, [rip - 7]: this
  e_.dword(static_cast<std::uint32_t>(-7));
  e_.jumpTo(gates.missed);
  e_.dword(access.bytes - unit);
  e_.dword(static_cast<std::uint32_t>(kPage) | (unit - 1));
  e_.dword(engine_.addWindowSite({missed.probe, self, gates.worn, Area::kStack, access.write, user, false}));
  e_.jumpTo(missed.back);
  const std::uint32_t absent = e_.jump();
  cold_.push_back(
      {missed.kind, absent, missed.site, missed.back, missed.recipe, false, access.copied ? missed.back : 0});
}

void Engine::leadToTable(const WindowSite& at) {
  const auto lead = [this](std::uint32_t from, std::uint32_t to) {
    std::uint8_t* const code = cache_->writable(from);
    const std::uint32_t distance = to - (from + 5);
    code[0] = 0xe9;
    std::memcpy(code + 1, &distance, 4);
  };
  lead(at.probe, at.again);
  if (at.window == Area::kStack) lead(at.again + 7, gates_.stack[at.user ? 0 : 1][at.write ? 1 : 0].plain);
}

// r15 is the access's place behind the hot code, r10 the distance from the window's page.
void Engine::makeStackWindow(Emitter& e, bool user, bool write) {
  Area& area = cpu_.area;
  const Area::Windows& windows = area.windows[user ? 0 : 1];
  const Window& window = windows.shown[write ? 1 : 0][Area::kStack];
  const Mem by = Mem::state(areaOffset(&area.missedBy));
  const Mem missed = Mem::state(areaOffset(&area.missed));
  const auto entry = static_cast<std::int32_t>(write ? offsetof(Tlb::Tables, write) : offsetof(Tlb::Tables, read));
  Gates::Stack& gates = gates_.stack[user ? 0 : 1][write ? 1 : 0];

  // As far as the jump that is taken when the table does not have it.
  const auto look = [&] {
    e.op(0x63, kTemp1, Mem::at(kTemp2, kMask));  // movsxd
    e.op(0x63, kTemp2, Mem::at(kTemp2, kReach));
    e.op(kOpAdd, kTemp2, kTemp0);
    e.op(kOpAnd, kTemp2, kTemp1);
    e.move(kTemp1, kTemp0);
    e.shift(5, kTemp1, 8);
    e.arith(4, kTemp1, static_cast<std::int32_t>((Tlb::kEntries - 1) * sizeof(Tlb::Entry)), false);
    e.op(kOpAdd, kTemp1, Mem::state(areaOffset(&area.tlb)));
    e.op(kOpCmp, kTemp2, Mem::at(kTemp1, entry));
    return e.jumpIf(5);
  };
  const auto found = [&] {
    e.op(kOpAdd, kTemp0, Mem::at(kTemp1, entry + 8));
    e.load(kTemp2, by);
    e.arith(0, kTemp2, kFound);
    e.bytes({0x41, 0xff, 0xe7});  // jmp r15
  };

  gates.missed = e.here();
  e.store(by, kTemp2);
  e.op(kOpAdd, kTemp0, Mem::state(areaOffset(&window.page)));
  e.op(0x83, 5, Mem::state(areaOffset(&windows.credit[write ? 1 : 0][Area::kStack])), false);  // sub
  e.byte(1);
  const std::uint32_t worn = e.jumpIf(8);
  const std::uint32_t absent = look();
  e.store(Mem::state(areaOffset(&window.page)), kTemp2);
  e.op(kOpAdd, kTemp2, Mem::at(kTemp1, entry + 8));
  e.store(Mem::state(areaOffset(&window.host)), kTemp2);
  found();

  // The window is no help to this access: it looks in the table at once (leadToTable()).
  gates.worn = e.here();
  e.load(kTemp0, missed);
  e.load(kTemp2, by);
  gates.plain = e.here();
  e.store(by, kTemp2);
  const std::uint32_t absentToo = look();
  found();

  e.patch(absent, e.here());
  e.patch(absentToo, e.here());
  e.load(kTemp1, by);
  e.arith(0, kTemp1, kAbsent);
  e.bytes({0x41, 0xff, 0xe3});  // jmp r11

  e.patch(worn, e.here());
  e.store(missed, kTemp0);
  e.op(kOpMovLoad, kTemp0, Mem::at(kTemp2, kSite), false);
  e.jumpTo(gates_.step);
}

}  // namespace rhea::x86::t1
