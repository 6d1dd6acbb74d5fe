#include "target/x86/t1/recipe.h"

#include "target/x86/t1/registers.h"
#include "target/x86/t1/transcribe.h"

namespace rhea::x86::t1 {

namespace {

enum class Kind : std::uint8_t { kNone, kAdd, kSub, kLogic, kCompare, kIncrement, kDecrement, kNegate };

constexpr std::uint16_t bit(unsigned number) { return static_cast<std::uint16_t>(1U << number); }

Kind ofGroup1(unsigned operation) {
  constexpr Kind kKinds[] = {Kind::kAdd,   Kind::kLogic, Kind::kNone,  Kind::kNone,
                             Kind::kLogic, Kind::kSub,   Kind::kLogic, Kind::kCompare};
  return kKinds[operation & 7];
}

Kind kindOf(const Pattern& p) {
  if (p.map != 0) return Kind::kNone;
  if (p.opcode < 0x40 && (p.opcode & 7) < 6) return ofGroup1(p.opcode >> 3);
  if (p.opcode >= 0x80 && p.opcode <= 0x83) return ofGroup1(static_cast<unsigned>(p.reg));
  if (p.opcode == 0x40 || p.opcode == 0x48) return p.opcode == 0x40 ? Kind::kIncrement : Kind::kDecrement;
  if ((p.opcode & 0xfe) == 0x84 || (p.opcode & 0xfe) == 0xa8) return Kind::kCompare;
  if ((p.opcode & 0xfe) == 0xf6) {
    if (p.reg == 0 || p.reg == 1) return Kind::kCompare;
    return p.reg == 3 ? Kind::kNegate : Kind::kNone;
  }
  if ((p.opcode & 0xfe) == 0xfe && p.reg == 0) return Kind::kIncrement;
  if ((p.opcode & 0xfe) == 0xfe && p.reg == 1) return Kind::kDecrement;
  return Kind::kNone;
}

class Writer {
 public:
  Writer(const Insn& insn, const Facts& facts, const Recipe& before)
      : i_(insn), row_(rows()[insn.row]), facts_(facts), before_(before), e_(recipe_.bytes, 0) {}

  Recipe run() {
    const Kind kind = kindOf(row_.pattern);
    const bool good = kind == Kind::kCompare ? compare() : kind != Kind::kNone && result(kind);
    if (!good || e_.overflow()) return {};
    recipe_.size = static_cast<std::uint8_t>(e_.size());
    return recipe_;
  }

 private:
  // The instruction itself.
  bool compare() {
    if (facts_.memory != Facts::kNone) return false;
    Place place;
    unsigned displaced = 0;
    for (unsigned guest = 0; guest < 16; ++guest) {
      if (!isDisplaced(guest) || (facts_.reads >> guest & 1) == 0) continue;
      if (++displaced > 1) return false;
      place.map[guest] = kTemp1;
      e_.load(kTemp1, Mem::state(gprOffset(guest)));
    }
    std::array<std::uint8_t, kMostEncoded> bytes;
    const Encoded encoded = transcribe(i_, place, bytes);
    if (!encoded.good || encoded.at != 0) return false;
    for (unsigned n = 0; n < encoded.size; ++n) e_.byte(bytes[n]);
    recipe_.inputs = facts_.reads;
    return true;
  }

  // From what is in the register that the instruction has written.
  bool result(Kind kind) {
    const Operand& target = row_.operands[0];
    std::uint8_t at = i_.rm;
    if (target.kind == OperandClass::kGpr)
      at = i_.reg;
    else if (i_.memory())
      return false;
    bytes_ = operandBytes(i_, target);
    if (bytes_ == 0 || isHighByte(at)) return false;
    to_ = static_cast<std::uint8_t>(registerOf(at));
    recipe_.inputs = bit(to_);
    if (kind == Kind::kIncrement || kind == Kind::kDecrement) return step(kind == Kind::kIncrement);
    if (kind == Kind::kNegate) return negate();
    if (row_.operandCount < 2) return false;
    const Operand& source = row_.operands[1];
    const bool constant = source.kind == OperandClass::kImmediate || source.kind == OperandClass::kSigned;
    if (!constant) from_ = source.kind == OperandClass::kGpr ? i_.reg : i_.rm;
    const bool inMemory = !constant && source.kind != OperandClass::kGpr && i_.memory();
    if (!constant && !inMemory && from_ == at && zeroes()) return nothing();
    if (kind == Kind::kLogic) return test();
    if (inMemory || (!constant && (isHighByte(from_) || registerOf(from_) == to_))) return false;
    const unsigned digit = kind == Kind::kAdd ? 0 : 5;
    copyTarget();
    apply(5 - digit, constant);
    apply(digit, constant);
    if (!constant) recipe_.inputs |= bit(registerOf(from_));
    return true;
  }

  // xor and sub of a register with itself.
  bool zeroes() const {
    const unsigned operation = row_.pattern.opcode >> 3;
    return operation == 6 || operation == 5;
  }
  bool nothing() {
    e_.op(0x39, kHostRax, kHostRax, false);
    recipe_.inputs = 0;
    return true;
  }

  bool test() {
    std::uint8_t host = to_;
    if (isDisplaced(to_)) {
      host = kTemp1;
      e_.load(kTemp1, Mem::state(gprOffset(to_)));
    }
    if (bytes_ == 2) e_.byte(0x66);
    e_.op(bytes_ == 1 ? 0x84 : 0x85, host, host, bytes_ == 8, true);
    return true;
  }

  // These leave CF, which must be that of before.
  bool step(bool increments) {
    if (!before_ || (before_.inputs >> to_ & 1) != 0) return false;
    for (const std::uint8_t byte : before_.code()) e_.byte(byte);
    recipe_.inputs |= before_.inputs;
    recipe_.kept |= before_.kept;
    copyTarget();
    unary(bytes_ == 1 ? 0xfe : 0xff, increments ? 1 : 0);
    unary(bytes_ == 1 ? 0xfe : 0xff, increments ? 0 : 1);
    return true;
  }
  bool negate() {
    copyTarget();
    unary(bytes_ == 1 ? 0xf6 : 0xf7, 3);
    unary(bytes_ == 1 ? 0xf6 : 0xf7, 3);
    return true;
  }

  void copyTarget() {
    if (isDisplaced(to_))
      e_.load(kTemp1, Mem::state(gprOffset(to_)));
    else
      e_.move(kTemp1, to_);
  }
  void unary(unsigned opcode, unsigned digit) {
    if (bytes_ == 2) e_.byte(0x66);
    e_.op(opcode, digit, kTemp1, bytes_ == 8);
  }
  // add (digit 0) or sub (5) of the source to what is in kTemp1.
  void apply(unsigned digit, bool constant) {
    if (bytes_ == 2) e_.byte(0x66);
    if (constant) {
      const auto value = static_cast<std::uint32_t>(i_.imm);
      e_.op(bytes_ == 1 ? 0x80 : 0x81, digit, kTemp1, bytes_ == 8);
      for (unsigned n = 0; n < std::min(bytes_, 4U); ++n) e_.byte(value >> (8 * n) & 0xff);
      return;
    }
    const unsigned opcode = (digit << 3 | 2) + (bytes_ == 1 ? 0U : 1U);
    const auto from = static_cast<std::uint8_t>(registerOf(from_));
    if (isDisplaced(from))
      e_.op(opcode, kTemp1, Mem::state(gprOffset(from)), bytes_ == 8);
    else
      e_.op(opcode, kTemp1, from, bytes_ == 8);
  }

  const Insn& i_;
  const Row& row_;
  const Facts& facts_;
  const Recipe& before_;
  Recipe recipe_;
  Emitter e_;
  unsigned bytes_ = 0;
  std::uint8_t to_ = 0;
  std::uint8_t from_ = 0;  // as Insn has it
};

Recipe finished(Recipe recipe, const Emitter& e) {
  if (e.overflow()) return {};
  recipe.size = static_cast<std::uint8_t>(e.size());
  return recipe;
}

constexpr unsigned kDisplaced = 1U << 10 | 1U << 11 | 1U << 15;

bool writesAll(const Facts& facts) {
  return (facts.flagsWritten & kArithmeticFlags) == kArithmeticFlags && (facts.flagsRead & kArithmeticFlags) == 0;
}

}  // namespace

Recipe recipeOfTarget(const Insn& insn, const Facts& facts, const Keeper& keeper, std::optional<std::uint8_t>& target) {
  if (!writesAll(facts) || facts.vector || facts.x87 || facts.memory != Facts::kNone || facts.fixed != 0 ||
      std::popcount(facts.writes) != 1 || (facts.reads & ~facts.writes & kDisplaced) != 0)
    return {};
  const auto to = static_cast<std::uint8_t>(std::countr_zero(facts.writes));
  Recipe recipe;
  Emitter e(recipe.bytes, 0);
  Place place;
  place.map[to] = kTemp1;
  if ((facts.reads >> to & 1) != 0) {
    target = to;
    e.load(kTemp1, Mem::state(keeper.kept));
    recipe.kept = static_cast<std::uint8_t>(1U << keeper.number);
  }
  std::array<std::uint8_t, kMostEncoded> bytes;
  const Encoded encoded = transcribe(insn, place, bytes);
  if (!encoded.good) return {};
  for (unsigned n = 0; n < encoded.size; ++n) e.byte(bytes[n]);
  recipe.inputs = static_cast<std::uint16_t>(facts.reads & ~facts.writes);
  return finished(recipe, e);
}

Insn onRegister(const Insn& insn) {
  Insn changed = insn;
  changed.attributes = static_cast<decltype(changed.attributes)>(changed.attributes & ~Insn::kMemory);
  changed.rm = kLoaded * 8;
  return changed;
}

Recipe recipeOfOperand(const Insn& insn, const Facts& facts, const Keeper& keeper) {
  const Kind kind = kindOf(rows()[insn.row].pattern);
  if (!writesAll(facts) || facts.memory != Facts::kRead || ((facts.reads | facts.writes) & kDisplaced) != 0) return {};
  if (!std::has_single_bit(facts.memoryBytes) || facts.memoryBytes > 8) return {};
  Recipe recipe;
  Emitter e(recipe.bytes, 0);
  recipe.kept = static_cast<std::uint8_t>(1U << keeper.number);
  recipe.inputs = static_cast<std::uint16_t>(facts.reads | facts.writes);
  if (kind == Kind::kCompare) {
    Place place;
    place.map[kLoaded] = kTemp1;
    std::array<std::uint8_t, kMostEncoded> bytes;
    const Encoded encoded = transcribe(onRegister(insn), place, bytes);
    if (!encoded.good) return {};
    e.load(kTemp1, Mem::state(keeper.kept));
    for (unsigned n = 0; n < encoded.size; ++n) e.byte(bytes[n]);
    return finished(recipe, e);
  }
  // The sum less the operand, and the operand once more; the other way round.
  if ((kind != Kind::kAdd && kind != Kind::kSub) || std::popcount(facts.writes) != 1 || isHighByte(insn.reg)) return {};
  const unsigned byteOp = facts.memoryBytes == 1 ? 0 : 1;
  e.move(kTemp1, static_cast<std::uint8_t>(std::countr_zero(facts.writes)));
  for (const bool adds : {kind == Kind::kSub, kind == Kind::kAdd}) {
    if (facts.memoryBytes == 2) e.byte(0x66);
    e.op((adds ? 0x02U : 0x2aU) | byteOp, kTemp1, Mem::state(keeper.kept), facts.memoryBytes == 8);
  }
  return finished(recipe, e);
}

Recipe withKept(const Recipe& recipe, std::uint8_t guest, const Keeper& keeper) {
  Recipe changed;
  Emitter e(changed.bytes, 0);
  const Mem kept = Mem::state(keeper.kept), aside = Mem::state(keeper.aside);
  const bool displaced = isDisplaced(guest);
  const std::uint8_t host = displaced ? kTemp1 : guest;
  const auto load = [&] {
    if (displaced) e.load(kTemp1, Mem::state(gprOffset(guest)));
  };
  const auto store = [&] {
    if (displaced) e.store(Mem::state(gprOffset(guest)), kTemp1);
  };
  load();
  e.store(aside, host);
  e.load(host, kept);
  store();
  for (const std::uint8_t byte : recipe.code()) e.byte(byte);
  e.load(host, aside);
  store();
  changed.inputs = static_cast<std::uint16_t>(recipe.inputs & ~(1U << guest));
  changed.kept = static_cast<std::uint8_t>(recipe.kept | 1U << keeper.number);
  return finished(changed, e);
}

Recipe recipeOf(const Insn& insn, const Facts& facts, const Recipe& before) {
  return facts.flagsWritten == 0 || facts.vector || facts.x87 ? Recipe() : Writer(insn, facts, before).run();
}

}  // namespace rhea::x86::t1
