// String instructions. Not repeated: two operands at RSI and RDI, each probed by itself before anything changes.
// Repeated: the host's own upwards within a page of each side; what goes on beyond is T0's, from where that ended.
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

bool isRepeated(const Insn& insn) { return insn.has(Insn::kRepe) || insn.has(Insn::kRepne); }
bool readsSource(unsigned kind) { return kind == 0xa4 || kind == 0xa6 || kind == 0xac; }

}  // namespace

bool Translator::string(const Insn& insn) {
  const unsigned kind = rows()[insn.row].pattern.opcode & 0xfe;
  if (insn.addressBytes() != word_) return false;
  if (readsSource(kind) && (insn.segment() >= kFs || (!wide_ && insn.segment() == kCs))) return false;
  // Under -icount T0 says where a repetition is interrupted.
  if (isRepeated(insn) && cpu_.counts()) return false;
  if (!isRepeated(insn))
    oneString(insn);
  else if (kind == 0xa4 || kind == 0xaa)
    repeatMove(insn, kind == 0xa4);
  else
    repeatRead(insn, kind);
  return true;
}

// Downwards it is T0's. Changes the flags.
void Translator::needUpwards() {
  e_.bytes({0x65, 0xf7});  // test dword
  e_.modrm(0, Mem::state(static_cast<std::int32_t>(offsetof(State, system))));
  e_.dword(static_cast<std::uint32_t>(kDf));
  coldStep(e_.jumpIf(5));
}

void Translator::oneString(const Insn& insn) {
  const unsigned opcode = rows()[insn.row].pattern.opcode;
  const unsigned kind = opcode & 0xfe;
  const bool source = readsSource(kind);
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
  needUpwards();
  if (source) {
    moveWord(kTemp0, kHostRsi);
    probe({size, false});
  }
  if (kind == 0xac) {
    changes(1U << kRax | 1U << kRsi);
    access(kOpMovLoad, kHostRax, Mem::at(kTemp0));
    advance(kHostRsi);
    return;
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
}

// The address in kTemp0, RCX elements from there, all in one page, becomes a host address.
void Translator::probeString(bool write, unsigned log) {
  using Tables = cpu::SoftTlb::Tables;
  const auto table = static_cast<std::int32_t>(write ? offsetof(Tables, write) : offsetof(Tables, read));
  e_.move(kTemp1, kTemp0);
  e_.shift(5, kTemp1, 8);
  e_.arith(4, kTemp1, 0x3ff0, false);
  e_.op(kOpAdd, kTemp1, Mem::state(area(&cpu_.area.tlb)));
  Mem last = Mem::at(kTemp0, -1);
  last.index = kHostRcx;
  last.scale = static_cast<std::uint8_t>(log);
  e_.op(kOpLea, kTemp2, last);
  e_.arith(4, kTemp2, -4096);
  e_.op(kOpCmp, kTemp2, Mem::at(kTemp1, table));
  const std::uint32_t missed = e_.jumpIf(5);
  e_.op(kOpAdd, kTemp0, Mem::at(kTemp1, table + 8));
  cold_.push_back({write ? Cold::kMissWrite : Cold::kMissRead, missed, stepSite(), e_.here()});
  flags_ = Flags::kState;
  recipe_ = {};
}

void Translator::repeated(unsigned prefix, unsigned opcode, unsigned size) {
  if (size == 2) e_.byte(0x66);
  e_.byte(prefix);
  if (size == 8) e_.byte(0x48);
  e_.byte(opcode);
}

// rep movs and rep stos, all of it or nothing. Of 32-bit code, a counter with upper bits is too much.
void Translator::repeatMove(const Insn& insn, bool moves) {
  const unsigned opcode = rows()[insn.row].pattern.opcode;
  const unsigned size = (opcode & 1) == 0 ? 1 : insn.operandBytes();
  const auto log = static_cast<unsigned>(std::countr_zero(size));
  const Mem kept = Mem::state(area(&cpu_.area.target));
  saveFlags();
  recipe_ = {};
  needUpwards();
  e_.op(kOpTest, kHostRcx, kHostRcx);
  const std::uint32_t nothing = e_.jumpIf(4);
  e_.arith(7, kHostRcx, static_cast<std::int32_t>(4096 / size));
  coldStep(e_.jumpIf(7));
  if (moves) {
    moveWord(kTemp0, kHostRsi);
    probeString(false, log);
    e_.store(kept, kTemp0);
  }
  moveWord(kTemp0, kHostRdi);
  probeString(true, log);
  if (moves) e_.load(kTemp1, kept);
  Mem length;
  length.index = kHostRcx;
  length.scale = static_cast<std::uint8_t>(log);
  if (log == 0)
    e_.move(kTemp2, kHostRcx);
  else
    e_.op(kOpLea, kTemp2, length);
  e_.op(0x87, kTemp0, kHostRdi);  // xchg
  if (moves) e_.op(0x87, kTemp1, kHostRsi);
  repeated(0xf3, opcode, size);
  Mem end = Mem::at(kTemp0);
  end.index = kTemp2;
  e_.op(kOpLea, kHostRdi, end, wide_);
  end.base = kTemp1;
  if (moves) e_.op(kOpLea, kHostRsi, end, wide_);
  e_.patch(nothing, e_.here());
  flags_ = Flags::kState;
  recipe_ = {};
}

// rep scas, cmps and lods: as far as both pages go.
void Translator::repeatRead(const Insn& insn, unsigned kind) {
  const unsigned opcode = rows()[insn.row].pattern.opcode;
  const unsigned size = (opcode & 1) == 0 ? 1 : insn.operandBytes();
  const auto log = static_cast<std::uint8_t>(std::countr_zero(size));
  const bool source = readsSource(kind), target = kind != 0xac;
  const Mem kept = Mem::state(area(&cpu_.area.target));
  saveFlags();
  recipe_ = {};
  needUpwards();
  e_.op(kOpTest, kHostRcx, kHostRcx);
  const std::uint32_t nothing = e_.jumpIf(4);
  flags_ = Flags::kState;
  if (!wide_) {
    e_.op(kOpMovLoad, kTemp0, kHostRcx, false);
    e_.op(kOpCmp, kTemp0, kHostRcx);
    coldStep(e_.jumpIf(5));
  }
  if (source) {
    moveWord(kTemp0, kHostRsi);
    probe({size, false});
    e_.store(kept, kTemp0);
  }
  if (target) {
    moveWord(kTemp0, kHostRdi);
    probe({size, false});
  }
  // What is left of the page, as a negative number: the smaller one of both.
  e_.op(kOpMovLoad, kTemp2, target ? kHostRdi : kHostRsi, false);
  e_.arith(1, kTemp2, -4096, false);
  if (source && target) {
    e_.op(kOpMovLoad, kTemp1, kHostRsi, false);
    e_.arith(1, kTemp1, -4096, false);
    e_.op(kOpCmp, kTemp1, kTemp2, false);
    e_.op(0xf4f, kTemp2, kTemp1, false);  // cmovg
  }
  e_.op(0xf7, 3, kTemp2, false);  // neg
  if (log != 0) e_.shift(5, kTemp2, log, false);
  e_.op(kOpCmp, kTemp2, kHostRcx);
  e_.op(0xf47, kTemp2, kHostRcx);  // cmova
  const auto swap = [&](std::uint8_t guest) { e_.store(Mem::state(gprOffset(guest)), guest); };
  swap(kHostRcx);
  e_.move(kHostRcx, kTemp2);
  if (source) {
    swap(kHostRsi);
    e_.load(kHostRsi, kept);
  }
  if (target) {
    swap(kHostRdi);
    e_.move(kHostRdi, kTemp0);
  }
  const bool whileEqual = insn.has(Insn::kRepe);
  repeated(whileEqual || !target ? 0xf3U : 0xf2U, opcode, size);
  if (target) emitFlagsToState(e_, kTemp1);
  e_.op(kOpSub, kTemp2, kHostRcx);
  e_.load(kHostRcx, Mem::state(gprOffset(kRcx)));
  e_.op(kOpSub, kHostRcx, kTemp2, wide_);
  const auto advance = [&](std::uint8_t guest) {
    e_.load(guest, Mem::state(gprOffset(guest)));
    Mem end = Mem::at(guest);
    end.index = kTemp2;
    end.scale = log;
    e_.op(kOpLea, guest, end, wide_);
  };
  if (source) advance(kHostRsi);
  if (target) advance(kHostRdi);
  e_.op(kOpTest, kHostRcx, kHostRcx);
  const std::uint32_t counted = e_.jumpIf(4);
  std::uint32_t found = 0;
  if (target) {
    e_.op(0xf6, 0, Mem::state(static_cast<std::int32_t>(offsetof(State, arith)) + 1), false);
    e_.byte(0x40);  // ZF
    found = e_.jumpIf(whileEqual ? 4 : 5);
  }
  coldStep(e_.jump());
  if (target) e_.patch(found, e_.here());
  e_.patch(counted, e_.here());
  e_.patch(nothing, e_.here());
}

}  // namespace rhea::x86::t1
