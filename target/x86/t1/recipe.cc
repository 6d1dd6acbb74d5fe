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

}  // namespace

Recipe recipeOf(const Insn& insn, const Facts& facts, const Recipe& before) {
  return facts.flagsWritten == 0 || facts.vector || facts.x87 ? Recipe() : Writer(insn, facts, before).run();
}

}  // namespace rhea::x86::t1
