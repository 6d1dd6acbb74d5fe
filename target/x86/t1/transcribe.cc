#include "target/x86/t1/transcribe.h"

namespace rhea::x86::t1 {

namespace {

// One register field of the encoding.
struct Field {
  std::uint8_t number = 0;  // of the host
  bool byte = false;        // a byte register: 4 to 7 take a REX prefix
  bool high = false;        // ah to bh, of the register `number`
};

// No-operations, and those that were instructions of the 80287: what they name is not reached.
bool doesNothing(const Row& row) {
  const Pattern& p = row.pattern;
  if (p.map == 0 && p.opcode == 0x90 && p.opcodeCount == 1) return p.prefix == Pattern::kAny;
  if (p.map == 1 && (p.opcode == 0x0d || (p.opcode >= 0x18 && p.opcode <= 0x1f))) return true;
  return p.map == 0 && p.opcode == 0xdb && p.reg == 4 && (p.rm == 0 || p.rm == 1 || p.rm == 4);
}

// inc and dec of one byte, which are prefixes in 64-bit code.
bool isShortCount(const Row& row) {
  const Pattern& p = row.pattern;
  return p.map == 0 && (p.opcode == 0x40 || p.opcode == 0x48) && p.mode < 0;
}

class Transcriber {
 public:
  Transcriber(const Insn& insn, const Place& place, std::span<std::uint8_t> to)
      : i_(insn), row_(rows()[insn.row]), place_(place), to_(to) {}

  Encoded run() {
    if (!doesNothing(row_)) {
      chooseOpcode();
      for (unsigned n = 0; n < row_.operandCount; ++n) operand(row_.operands[n]);
      const unsigned exchanged = highByte();
      if (exchanged > kNoExchange) return {};
      if (setsFreshFlags(row_)) byte(0x39), byte(0xc0);  // cmp eax, eax: as the interpreter does
      if (exchanged != kNoExchange) exchange(exchanged);
      out_.at = out_.size;
      emit();
      if (exchanged != kNoExchange) exchange(exchanged);
    }
    out_.good = true;
    return out_;
  }

 private:
  void chooseOpcode() {
    const Pattern& p = row_.pattern;
    map_ = p.map >= 4 ? p.map - 4U : p.map;
    opcode_ = p.opcode;
    hasModrm_ = p.hasModrm;
    reg_.number = static_cast<std::uint8_t>(p.reg >= 0 ? p.reg : i_.reg & 7);
    rm_.number = i_.rm & 7;
    inOpcode_ = p.opcodeCount == 8;
    if (isShortCount(row_)) {
      opcode_ = 0xff;
      hasModrm_ = true;
      inOpcode_ = false;
      reg_.number = p.opcode >= 0x48 ? 1 : 0;
    }
  }

  Field gpr(std::uint8_t at, const Operand& o) const {
    return {place_.map[registerOf(at)], o.size == OperandSize::kByte, isHighByte(at)};
  }
  void operand(const Operand& o) {
    switch (o.kind) {
      case OperandClass::kGpr:
        reg_ = gpr(i_.reg, o);
        return;
      case OperandClass::kRm:
      case OperandClass::kRmRegister:
        if (!i_.memory()) rm_ = gpr(i_.rm, o);
        return;
      case OperandClass::kOpcode:
        rm_ = gpr(i_.rm, o);
        return;
      case OperandClass::kVexGpr:
        vvvv_ = gpr(i_.vvvv, o).number;
        return;
      case OperandClass::kVector:
        reg_.number = i_.reg;
        return;
      case OperandClass::kVectorRm:
      case OperandClass::kVectorRmRegister:
        if (!i_.memory()) rm_.number = i_.rm;
        return;
      case OperandClass::kVexVector:
        vvvv_ = i_.vvvv;
        return;
      default:
        return;
    }
  }

  bool usesRm() const { return (hasModrm_ && !i_.memory()) || inOpcode_; }
  // REX or VEX bits: W 8, R 4, X 2, B 1.
  unsigned extension() const {
    unsigned bits = i_.w() ? 8 : 0;
    if (hasModrm_ && reg_.number >= 8) bits |= 4;
    if (i_.memory() ? place_.base >= 8 : usesRm() && rm_.number >= 8) bits |= 1;
    return bits;
  }
  bool needsRex() const {
    const auto lowOfHighNumber = [](const Field& f) { return f.byte && !f.high && f.number >= 4; };
    return extension() != 0 || (hasModrm_ && lowOfHighNumber(reg_)) || (usesRm() && lowOfHighNumber(rm_));
  }

  // The host register whose two low bytes must change places around the instruction, so that what was its high byte has
  // a name beside a REX prefix. kNoExchange: none need; more: it cannot be done.
  static constexpr unsigned kNoExchange = 4;
  unsigned highByte() {
    const bool inReg = hasModrm_ && reg_.high;
    const bool inRm = usesRm() && rm_.high;
    if (!inReg && !inRm) return kNoExchange;
    if (!needsRex() && (!inReg || reg_.number < 4) && (!inRm || rm_.number < 4)) return kNoExchange;
    constexpr unsigned kImpossible = 5;
    Field& high = inReg ? reg_ : rm_;
    const Field& other = inReg ? rm_ : reg_;
    const bool otherIsGpr = inReg ? usesRm() : hasModrm_ && row_.pattern.reg < 0;
    if (high.number >= 4 || (otherIsGpr && (other.high || other.number == high.number))) return kImpossible;
    if ((factsOf(i_).fixed >> high.number & 1) != 0) return kImpossible;
    high.high = false;
    return high.number;
  }

  void byte(unsigned value) { to_[out_.size++] = static_cast<std::uint8_t>(value); }
  void little(std::uint64_t value, unsigned size) {
    for (unsigned n = 0; n < size; ++n) byte(static_cast<unsigned>(value >> (8 * n)) & 0xff);
  }
  void exchange(unsigned number) {  // xchg al,ah and so on: leaves the flags
    byte(0x86);
    byte(0xc0 | (number << 3) | (number + 4));
  }

  void emit() {
    if (i_.has(Insn::kLock)) byte(0xf0);
    if (i_.has(Insn::kVex)) {
      vex();
    } else {
      legacyPrefixes();
      if (map_ != 0) byte(0x0f);
      if (map_ == 2) byte(0x38);
      if (map_ == 3) byte(0x3a);
    }
    byte(opcode_ + (inOpcode_ ? code(rm_) : 0U));
    if (hasModrm_) {
      if (i_.memory())
        memory();
      else
        byte(0xc0 | modrmReg() | code(rm_));
    }
    immediates();
  }
  static unsigned code(const Field& field) { return field.high ? field.number + 4U : field.number & 7U; }
  unsigned modrmReg() const { return code(reg_) << 3; }

  void legacyPrefixes() {
    const Pattern::Prefix prefix = static_cast<Pattern::Prefix>(row_.pattern.prefix);
    if (i_.has(Insn::k66) || prefix == Pattern::k66) byte(0x66);
    if (prefix == Pattern::kF3) byte(0xf3);
    if (prefix == Pattern::kF2) byte(0xf2);
    if (needsRex()) byte(0x40 | extension());
  }

  void vex() {
    const unsigned bits = extension();
    constexpr unsigned kPp[] = {0, 0, 1, 2, 3};
    const unsigned last = (~static_cast<unsigned>(vvvv_) & 15) << 3 | (i_.vexL() ? 4U : 0U) | kPp[row_.pattern.prefix];
    const unsigned r = (bits & 4) != 0 ? 0U : 0x80U;
    if (map_ == 1 && (bits & 0xb) == 0) {
      byte(0xc5);
      byte(r | last);
      return;
    }
    byte(0xc4);
    byte(r | ((bits & 2) != 0 ? 0U : 0x40U) | ((bits & 1) != 0 ? 0U : 0x20U) | map_);
    byte(((bits & 8) != 0 ? 0x80U : 0U) | last);
  }

  void memory() {
    const bool none = place_.disp == 0 && (place_.base & 7) != kRbp;
    const bool small = place_.disp >= -128 && place_.disp < 128;
    byte((none ? 0 : small ? 0x40U : 0x80U) | modrmReg() | (place_.base & 7U));
    if ((place_.base & 7) == kRsp) byte(0x24);
    if (!none) little(static_cast<std::uint32_t>(place_.disp), small ? 1 : 4);
  }

  void immediates() {
    for (unsigned n = 0; n < row_.operandCount; ++n) {
      const Operand& o = row_.operands[n];
      if (o.kind == OperandClass::kSigned || o.kind == OperandClass::kIs4)
        byte(static_cast<unsigned>(i_.imm) & 0xff);
      else if (o.kind == OperandClass::kImmediate)
        little(static_cast<std::uint64_t>(i_.imm), operandBytes(i_, o));
    }
  }

  const Insn& i_;
  const Row& row_;
  const Place& place_;
  std::span<std::uint8_t> to_;
  Encoded out_;
  Field reg_, rm_;
  std::uint8_t vvvv_ = 0;
  unsigned map_ = 0;
  unsigned opcode_ = 0;
  bool hasModrm_ = false;
  bool inOpcode_ = false;  // a register's number is part of the opcode
};

// Instructions of class copy that the translator has its own ways with: a division faults by design, fldcw may unmask
// exceptions, fninit clears what the host does not have.
bool isLeftOut(const Row& row) {
  const Pattern& p = row.pattern;
  if (p.map != 0) return false;
  if (p.opcode == 0xf6 || p.opcode == 0xf7) return p.reg >= 6;       // div, idiv
  if (p.opcode == 0xd9 && p.mod == 1) return p.reg == 5;             // fldcw
  return p.opcode == 0xdb && p.mod == 2 && p.reg == 4 && p.rm == 3;  // fninit
}

// bt, bts, btr and btc of a register: only in memory do they reach beyond their operand.
bool isBitOfRegister(const Insn& insn, const Row& row) {
  const Pattern& p = row.pattern;
  return p.map == 1 && (p.opcode & 0xe7) == 0xa3 && !insn.memory();
}

}  // namespace

bool describe(const Insn& insn, Facts& to) {
  const Row& row = rows()[insn.row];
  if (!(row.is(kCopy) || isBitOfRegister(insn, row)) || isLeftOut(row)) return false;
  if (row.pattern.mode < 0 && !isShortCount(row)) return false;
  to = factsOf(insn);
  return true;
}

Encoded transcribe(const Insn& insn, const Place& place, std::span<std::uint8_t> to) {
  return Transcriber(insn, place, to).run();
}

}  // namespace rhea::x86::t1
