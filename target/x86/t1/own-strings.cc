// String instructions that are not repeated: two operands at RSI and RDI, each probed by itself before anything
// changes.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

// A string instruction without a prefix that repeats it, upwards.
bool Translator::oneString(const Insn& insn) {
  const unsigned opcode = rows()[insn.row].pattern.opcode;
  const unsigned kind = opcode & 0xfe;
  const bool source = kind == 0xa4 || kind == 0xa6 || kind == 0xac;
  if (insn.has(Insn::kRepe) || insn.has(Insn::kRepne) || insn.addressBytes() != word_) return false;
  if (source && (insn.segment() >= kFs || (!wide_ && insn.segment() == kCs))) return false;
  const bool bytes = (opcode & 1) == 0;
  const unsigned size = bytes ? 1 : insn.operandBytes();
  const bool wide = size == 8;
  const Mem kept = Mem::state(area(&cpu_.area.target));
  const auto access = [&](unsigned op, std::uint8_t reg, const Mem& place) {
    if (size == 2) e_.byte(0x66);
    e_.op(bytes ? op - 1 : op, reg, place, wide);
  };
  const auto advance = [&](std::uint8_t reg) {
    e_.op(kOpLea, reg, Mem::at(reg, static_cast<std::int32_t>(size)), wide_);
  };
  keepFlags();
  loseFlags();
  e_.bytes({0x65, 0xf7});  // test dword
  e_.modrm(0, Mem::state(static_cast<std::int32_t>(offsetof(State, system))));
  e_.dword(static_cast<std::uint32_t>(kDf));
  coldStep(e_.jumpIf(5));
  if (source) {
    moveWord(kTemp0, kHostRsi);
    probe({size, false});
  }
  if (kind == 0xac) {
    changes(1U << kRax | 1U << kRsi);
    access(kOpMovLoad, kHostRax, Mem::at(kTemp0));
    advance(kHostRsi);
    return true;
  }
  if (source) {
    access(kOpMovLoad, kTemp1, Mem::at(kTemp0));
    e_.store(kept, kTemp1);
  }
  moveWord(kTemp0, kHostRdi);
  const bool compares = kind == 0xa6 || kind == 0xae;
  probe({size, !compares});
  if (!compares) changes(1U << kRdi | (source ? 1U << kRsi : 0U));
  if (source) e_.load(kTemp1, kept);
  if (compares) {
    access(kOpCmp, source ? std::uint8_t{kTemp1} : std::uint8_t{kHostRax}, Mem::at(kTemp0));
    flags_ = Flags::kHost;
    recipe_ = {};
  } else {
    access(kOpMovStore, source ? std::uint8_t{kTemp1} : std::uint8_t{kHostRax}, Mem::at(kTemp0));
  }
  if (source) advance(kHostRsi);
  advance(kHostRdi);
  return true;
}

}  // namespace rhea::x86::t1
