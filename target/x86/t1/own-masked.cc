// Moves of chosen lanes: maskmov*, vmaskmov*, vpmaskmov* and the gathers. A lane that is not chosen is not accessed.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

constexpr unsigned kVexMap1 = 5, kVexMap2 = 6;

// vmaskmovps and pd, vpmaskmovd and q.
bool isVexMasked(const Pattern& p) {
  return p.map == kVexMap2 && ((p.opcode >= 0x2c && p.opcode <= 0x2f) || p.opcode == 0x8c || p.opcode == 0x8e);
}
bool storesAtRdi(const Pattern& p) { return (p.map == 1 || p.map == kVexMap1) && p.opcode == 0xf7; }
bool gathers(const Pattern& p) { return p.map == kVexMap2 && p.opcode >= 0x90 && p.opcode <= 0x93; }
bool isMmx(const Pattern& p) { return p.map == 1 && p.opcode == 0xf7 && p.prefix != Pattern::k66; }

}  // namespace

bool movesChosen(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  return isVexMasked(p) || storesAtRdi(p) || gathers(p);
}
bool movesChosenMmx(const Insn& insn) { return isMmx(rows()[insn.row].pattern); }

bool Translator::chosenLanes(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  if (insn.segment() >= kFs || (!wide_ && insn.segment() == kCs)) return false;
  if (gathers(p)) {
    if (insn.reg == insn.index || insn.reg == insn.vvvv || insn.index == insn.vvvv || insn.base >= 16) return false;
    // A thousand bytes each, and the others of the block need room as well.
    if (e_.size() + 1024 + std::size_t{256} * block_.count > kMostCode) return false;
    gather(insn);
    return true;
  }
  if (storesAtRdi(p)) {
    if (insn.addressBytes() != word_) return false;
    storeAtRdi(insn);
    return true;
  }
  if (!isVexMasked(p)) return false;
  maskedMove(insn);
  return true;
}

// The address of an operand of `bytes` of which the lanes with a bit in kTemp1 are accessed, which is in kTemp0. Of
// none of them, a place of the emulator's own: no table may show an access that there was none of. One that lies in a
// single page may fault by its page, whichever lanes it has; one of two pages is T0's.
void Translator::probeChosen(const Insn& insn, unsigned bytes, bool write) {
  const bool atRdi = storesAtRdi(rows()[insn.row].pattern);
  e_.op(kOpTest, kTemp1, kTemp1, false);
  const std::uint32_t none = e_.jumpIf(4);
  loseFlags();
  if (atRdi)
    moveWord(kTemp0, kHostRdi);
  else
    loadAddress(insn);
  probe({bytes, write});
  const std::uint32_t some = e_.jump();
  e_.patch(none, e_.here());
  e_.constant(kTemp0, reinterpret_cast<std::uint64_t>(cpu_.area.behindNowhere.data()));
  e_.patch(some, e_.here());
}

void Translator::maskedMove(const Insn& insn) {
  const unsigned opcode = rows()[insn.row].pattern.opcode;
  keepFlags();
  // vmovmskps or vmovmskpd r11d, the mask.
  const bool quad = opcode == 0x2d || opcode == 0x2f || (opcode >= 0x8c && insn.w());
  e_.bytes({0xc4, 0x41U | (insn.vvvv >= 8 ? 0U : 0x20U), 0x78U | (insn.vexL() ? 4U : 0U) | (quad ? 1U : 0U), 0x50,
            0xc0U | (kTemp1 & 7U) << 3 | (insn.vvvv & 7U)});
  probeChosen(insn, insn.vexL() ? 32 : 16, opcode == 0x2e || opcode == 0x2f || opcode == 0x8e);
  Place place;
  place.base = kTemp0;
  emitCopy(insn, place);
}

// maskmovq, maskmovdqu.
void Translator::storeAtRdi(const Insn& insn) {
  const bool mmx = movesChosenMmx(insn);
  keepFlags();
  // An exception of the x87 unit that waits is raised here, not where RDI is the host's.
  if (mmx && engine_.raises_) noteRaising(e_.here());
  if (!mmx) e_.byte(0x66);
  e_.op(0xfd7, kTemp1, static_cast<std::uint8_t>(insn.rm), false);  // pmovmskb
  probeChosen(insn, mmx ? 8 : 16, true);
  e_.op(0x87, kTemp0, kHostRdi);  // xchg
  Place place;
  emitCopy(insn, place);
  e_.move(kHostRdi, kTemp0);
}

void Translator::emitCopy(const Insn& insn, const Place& place) {
  std::array<std::uint8_t, kMostEncoded> bytes;
  const Encoded encoded = transcribe(insn, place, bytes);
  if (!encoded.good) std::abort();
  for (unsigned n = 0; n < encoded.size; ++n) e_.byte(bytes[n]);
}

// Lane by lane into a copy of the destination beside the State. Where one misses, T0 does all of them from the first
// on: nothing of the guest has changed so far.
void Translator::gather(const Insn& insn) {
  const Pattern& p = rows()[insn.row].pattern;
  const unsigned data = insn.w() ? 8 : 4, index = (p.opcode & 1) == 0 ? 4 : 8;
  const unsigned lanes = (insn.vexL() ? 32U : 16U) / std::max(data, index);
  const auto copy = [&](unsigned which) { return area(cpu_.area.gather[which].data()); };
  const auto vector = [&](unsigned opcode, unsigned prefix, std::uint8_t reg, unsigned which, bool whole) {
    e_.byte(0x65);
    e_.bytes({0xc5, (reg >= 8 ? 0U : 0x80U) | 0x78U | (whole ? 4U : 0U) | prefix, opcode});
    e_.modrm(reg, Mem::state(copy(which)));
  };
  constexpr unsigned kDestination = 0, kMask = 1, kIndices = 2;
  keepFlags();
  vector(0x7f, 2, insn.reg, kDestination, true);  // vmovdqu
  vector(0x7f, 2, insn.vvvv, kMask, true);
  vector(0x7f, 2, insn.index, kIndices, true);
  // Each lane has a page of its own: windows would show the one before.
  const bool windows = std::exchange(windows_, false);
  for (unsigned n = 0; n < lanes; ++n) {
    e_.op(0x83, 7, Mem::state(copy(kMask) + static_cast<std::int32_t>((n + 1) * data) - 4), false);  // cmp
    e_.byte(0);
    const std::uint32_t unchosen = e_.jumpIf(0xd);
    loseFlags();
    const Mem at = Mem::state(copy(kIndices) + static_cast<std::int32_t>(n * index));
    if (index == 4)
      e_.op(0x63, kTemp0, at);  // movsxd
    else
      e_.load(kTemp0, at);
    Mem place = Mem::at(guestIn(insn.base, kTemp1), insn.disp);
    place.index = kTemp0;
    place.scale = insn.scale & 3;
    e_.op(kOpLea, kTemp0, place, insn.addressBytes() == 8);
    probe({data, false});
    e_.op(kOpMovLoad, kTemp1, Mem::at(kTemp0), data == 8);
    e_.op(kOpMovStore, kTemp1, Mem::state(copy(kDestination) + static_cast<std::int32_t>(n * data)), data == 8);
    e_.patch(unchosen, e_.here());
  }
  windows_ = windows;
  const unsigned filled = lanes * data;
  if (filled == 8)
    vector(0x7e, 2, insn.reg, kDestination, false);  // vmovq
  else
    vector(0x6f, 2, insn.reg, kDestination, filled == 32);
  const unsigned mask = insn.vvvv;
  e_.bytes({0xc4, (mask >= 8 ? 0x41U : 0xe1U), (~mask & 15U) << 3 | 1U, 0xef, 0xc0U | (mask & 7U) << 3 | (mask & 7U)});
}

}  // namespace rhea::x86::t1
