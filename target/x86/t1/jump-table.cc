// The table of jumps that are looked up: sets of four slots in a line of the host's cache. Translated code looks at one
// of them, which the address says; what it does not find there a gate looks for in the other three, and puts it in
// front.
#include <random>

#include "target/x86/t1/engine.h"
#include "target/x86/t1/registers.h"

namespace rhea::x86::t1 {

std::uint64_t Engine::jumpKey(std::uint32_t mode) {
  const auto known = std::ranges::find(jumpKeys_, mode, &JumpKey::mode);
  if (known != jumpKeys_.end()) return known->key;
  // Canonical addresses are 2^48 in a row, around 0.
  const auto isApart = [](std::uint64_t one, std::uint64_t other) {
    return std::min(one - other, other - one) >= std::uint64_t{1} << 48;
  };
  std::random_device random;
  std::uint64_t key;
  do {
    key = std::uint64_t{random()} << 32 ^ random();
  } while (!isApart(key, 0) ||
           !std::ranges::all_of(jumpKeys_, [&](const JumpKey& other) { return isApart(key, other.key); }));
  jumpKeys_.push_back({mode, key});
  return key;
}

// In front; what was there moves to another slot of the set.
void Engine::fillJump(const Native& to) {
  if (cpu_.eachBlock_) return;
  Area& area = cpu_.area;
  const std::uint64_t key = to.rip + area.jumpKey;
  if (knownJump(to.rip) == nullptr) {
    const std::size_t front = jumpSlot(to.rip);
    std::size_t way = 1;
    while (way < Area::kJumpWays && area.jumps[front ^ way].key != 0) ++way;
    if (area.jumps[front].key != 0) {
      if (way == Area::kJumpWays) way = 1 + nextWay_++ % (Area::kJumpWays - 1);
      area.jumps[front ^ way] = area.jumps[front];
    }
  }
  area.jumps[jumpSlot(to.rip)] = {key, cache_->address(to.arrival)};
}

// Found, it is in front.
const JumpSlot* Engine::knownJump(std::uint64_t rip) {
  Area& area = cpu_.area;
  const std::uint64_t key = rip + area.jumpKey;
  JumpSlot& front = area.jumps[jumpSlot(rip)];
  for (std::size_t way = 0; way < Area::kJumpWays; ++way) {
    JumpSlot& slot = area.jumps[jumpSlot(rip) ^ way];
    if (slot.key != key) continue;
    if (way != 0) std::swap(slot, front);
    return &front;
  }
  return nullptr;
}

// r11 is the sum that the front slot, in Area::missedTag, does not have, and r15 points at the cold code: behind its
// two instructions are the site, for T0, and the distance to where the code goes on with r15 the front slot and r10 as
// it was. The flags are free.
void Engine::makeLookAgain(Emitter& e) {
  constexpr std::uint8_t kHost = kTemp0, kKey = kTemp1, kSlot = kTemp2;
  const Area& area = cpu_.area;
  const Mem by = Mem::state(areaOffset(&area.missedBy));
  const Mem key = Mem::state(areaOffset(&area.missed));
  const Mem kept = Mem::state(areaOffset(&area.found));
  const std::int32_t jumps = areaOffset(area.jumps.data());
  const auto keyAt = [&](std::uint8_t slot) { return Mem::stateIndexed(slot, jumps); };
  const auto codeAt = [&](std::uint8_t slot) {
    return Mem::stateIndexed(slot, jumps + static_cast<std::int32_t>(offsetof(JumpSlot, code)));
  };
  gates_.lookAgain = e.here();
  e.store(by, kSlot);
  e.store(kept, kHost);
  e.store(key, kKey);
  e.load(kHost, Mem::state(areaOffset(&area.missedTag)));
  e.op(kOpMovLoad, kSlot, kHost, false);
  std::array<std::uint32_t, Area::kJumpWays - 1> hits{};
  for (std::size_t way = 1; way < Area::kJumpWays; ++way) {
    e.arith(6, kSlot, static_cast<std::int32_t>((way ^ (way - 1)) * sizeof(JumpSlot)), false);  // xor
    e.op(kOpCmp, kKey, keyAt(kSlot));
    hits[way - 1] = e.jumpIf(4);
  }
  e.load(kTemp1, by);
  e.op(kOpMovLoad, kTemp0, Mem::at(kTemp1, 12), false);
  e.jumpTo(gates_.step);

  for (const std::uint32_t hit : hits) e.patch(hit, e.here());
  e.load(kTemp1, keyAt(kHost));
  e.store(keyAt(kSlot), kTemp1);
  e.load(kTemp1, key);
  e.store(keyAt(kHost), kTemp1);
  e.load(kTemp1, codeAt(kHost));
  e.store(key, kTemp1);
  e.load(kTemp1, codeAt(kSlot));
  e.store(codeAt(kHost), kTemp1);
  e.load(kTemp1, key);
  e.store(codeAt(kSlot), kTemp1);
  e.move(kSlot, kHost);
  e.load(kTemp1, by);
  e.op(0x63, kHost, Mem::at(kTemp1, 16));  // movsxd
  e.op(kOpAdd, kTemp1, kHost);
  e.load(kHost, kept);
  e.bytes({0x41, 0xff, 0xe3});  // jmp r11
}

}  // namespace rhea::x86::t1
