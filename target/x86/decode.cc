#include "target/x86/decode.h"

namespace rhea::x86 {

RowSet::RowSet(const Model& model) {
  for (const Row& row : rows()) present_.push_back(model.has(row.cpuid));
}

namespace {

// What the bytes say before the row is known.
struct Parts {
  std::uint8_t map = 0, opcode = 0;
  std::uint8_t modrm = 0, sib = 0;
  bool hasModrm = false;
  std::uint8_t rex = 0;  // WRXB in the low bits
  bool rexSeen = false;
  bool vex = false;
  std::uint8_t vvvv = 0;
  bool vexL = false;
  bool operand66 = false, address67 = false, lock = false;
  std::uint8_t repeat = 0;     // 0xf3, 0xf2: the last of them
  std::uint8_t vexPrefix = 0;  // Pattern::Prefix
  std::int8_t segment = -1;

  unsigned mod() const { return modrm >> 6; }
  unsigned reg() const { return (modrm >> 3) & 7; }
  unsigned rm() const { return modrm & 7; }
  bool w() const { return (rex & 8) != 0; }
};

class Decoder {
 public:
  Decoder(std::span<const std::uint8_t> bytes, std::uint32_t mode, unsigned offset, const RowSet& rowSet, Insn& to)
      : bytes_(bytes.first(std::min(bytes.size(), kLongestInsn))),
        mode_(mode),
        offset_(offset),
        rowSet_(rowSet),
        insn_(to) {}

  DecodeResult run() {
    insn_ = {};
    insn_.base = insn_.index = kZeroRegister;
    const DecodeResult result = decode();
    if (result == DecodeResult::kShort && bytes_.size() == kLongestInsn) return DecodeResult::kTooLong;
    return result;
  }

 private:
  bool mode64() const { return (mode_ & kModeSize) == 2; }

  DecodeResult decode() {
    if (!prefixes() || !opcode()) return short_ ? DecodeResult::kShort : DecodeResult::kInvalid;
    // The longest possible reading decides whether a ModRM byte is there: all rows of an opcode agree on it.
    const std::span<const std::uint16_t> ids = candidates(p_.map, p_.opcode);
    if (ids.empty()) return DecodeResult::kInvalid;
    for (const std::uint16_t id : ids) p_.hasModrm = p_.hasModrm || rows()[id].pattern.hasModrm;
    if (p_.hasModrm && !take(p_.modrm)) return DecodeResult::kShort;
    const Row* row = nullptr;
    for (const std::uint16_t id : ids) {
      if (!matches(rows()[id].pattern) || !rowSet_.has(id)) continue;
      row = &rows()[id];
      insn_.row = id;
      break;
    }
    if (row == nullptr) return DecodeResult::kInvalid;
    setSizes(*row);
    if (p_.hasModrm && p_.mod() != 3 && !memoryOperand(*row))
      return short_ ? DecodeResult::kShort : DecodeResult::kInvalid;
    if (!operands(*row)) return short_ ? DecodeResult::kShort : DecodeResult::kInvalid;
    if (!addRip()) return DecodeResult::kInvalid;
    return finish(*row);
  }

  bool take(std::uint8_t& byte) {
    if (at_ >= bytes_.size()) return !(short_ = true);
    byte = bytes_[at_++];
    return true;
  }
  bool takeNumber(unsigned size, bool isSigned, std::int64_t& to) {
    if (at_ + size > bytes_.size()) return !(short_ = true);
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes_[at_], size);
    at_ += size;
    const unsigned unused = 64 - size * 8;
    to = isSigned ? static_cast<std::int64_t>(value << unused) >> unused : static_cast<std::int64_t>(value);
    return true;
  }

  bool prefixes() {
    for (;;) {
      std::uint8_t byte;
      if (!take(byte)) return false;
      switch (byte) {
        case 0x26:
          p_.segment = kEs;
          break;
        case 0x2e:
          p_.segment = kCs;
          break;
        case 0x36:
          p_.segment = kSs;
          break;
        case 0x3e:
          p_.segment = kDs;
          break;
        case 0x64:
          p_.segment = kFs;
          break;
        case 0x65:
          p_.segment = kGs;
          break;
        case 0x66:
          p_.operand66 = true;
          break;
        case 0x67:
          p_.address67 = true;
          break;
        case 0xf0:
          p_.lock = true;
          break;
        case 0xf2:
        case 0xf3:
          p_.repeat = byte;
          break;
        default:
          if (mode64() && (byte & 0xf0) == 0x40) {
            p_.rex = byte & 0xf;
            p_.rexSeen = true;
            continue;  // counts only directly before the opcode
          }
          p_.opcode = byte;
          return true;
      }
      p_.rex = 0;
      p_.rexSeen = false;
    }
  }

  bool opcode() {
    if ((p_.opcode == 0xc4 || p_.opcode == 0xc5) && isVex()) return vexOpcode();
    if (p_.opcode != 0x0f) return true;
    p_.map = 1;
    if (!take(p_.opcode)) return false;
    if (p_.opcode != 0x38 && p_.opcode != 0x3a) return true;
    p_.map = p_.opcode == 0x38 ? 2 : 3;
    return take(p_.opcode);
  }

  bool isVex() const {
    if (mode64()) return true;
    return (mode_ & kModeNoTables) == 0 && at_ < bytes_.size() && bytes_[at_] >= 0xc0;
  }
  bool vexOpcode() {
    if (p_.operand66 || p_.repeat != 0 || p_.lock || p_.rexSeen) return false;
    p_.vex = true;
    std::uint8_t first;
    std::uint8_t second;
    if (!take(first)) return false;
    p_.rex = (first & 0x80) != 0 ? 0 : 4;
    if (p_.opcode == 0xc4) {
      if (!take(second)) return false;
      p_.rex = static_cast<std::uint8_t>((~first >> 5 & 7) | ((second & 0x80) != 0 ? 8 : 0));
      if ((first & 0x1f) < 1 || (first & 0x1f) > 3) return false;
      p_.map = static_cast<std::uint8_t>(4 + (first & 0x1f));
    } else {
      second = first;
      p_.map = 5;
    }
    if (!mode64()) p_.rex &= 8;
    p_.vvvv = (~second >> 3) & 0xf;
    p_.vexL = (second & 4) != 0;
    constexpr std::uint8_t kPrefixes[] = {Pattern::kNoPrefix, Pattern::k66, Pattern::kF3, Pattern::kF2};
    p_.vexPrefix = kPrefixes[second & 3];
    return take(p_.opcode);
  }

  bool prefixFits(std::uint8_t wanted) const {
    if (wanted == Pattern::kAny) return true;
    if (p_.vex) return wanted == p_.vexPrefix;
    if (wanted == Pattern::kF3) return p_.repeat == 0xf3;
    if (wanted == Pattern::kF2) return p_.repeat == 0xf2;
    return p_.repeat == 0 && p_.operand66 == (wanted == Pattern::k66);
  }
  bool matches(const Pattern& pattern) const {
    if (!prefixFits(pattern.prefix)) return false;
    if (pattern.mode != 0 && (pattern.mode > 0) != mode64()) return false;
    if (pattern.w >= 0 && (pattern.w != 0) != p_.w()) return false;
    if (pattern.l >= 0 && (pattern.l != 0) != p_.vexL) return false;
    if (!pattern.hasModrm) {
      return pattern.rm < 0 || static_cast<unsigned>(pattern.rm) == ((p_.opcode & 7U) | ((p_.rex & 1U) << 3));
    }
    if (pattern.reg >= 0 && static_cast<unsigned>(pattern.reg) != p_.reg()) return false;
    if (pattern.mod == 1 && p_.mod() == 3) return false;
    if (pattern.mod == 2 && p_.mod() != 3) return false;
    return pattern.rm < 0 || static_cast<unsigned>(pattern.rm) == p_.rm();
  }

  void setSizes(const Row& row) {
    const unsigned code = mode_ & kModeSize;
    unsigned address = code == 2 ? (p_.address67 ? 2U : 3U) : ((code == 1) != p_.address67 ? 2U : 1U);
    unsigned operand = 2;
    if (code != 2) {
      operand = (code == 1) != p_.operand66 ? 2 : 1;
    } else if (row.is(kForce64)) {
      operand = 3;
    } else if (p_.w()) {
      operand = 3;
    } else if (p_.operand66) {
      operand = 1;
    } else if (row.is(kDefault64)) {
      operand = 3;
    }
    operandLog_ = operand;
    sizeLog_ = operand;
    for (unsigned n = 0; n < row.operandCount; ++n) {
      const Operand& o = row.operands[n];
      if (o.kind == OperandClass::kImplied) {
        if (o.implied[0] == 'b' && o.implied[1] == 0) sizeLog_ = 0;
        continue;
      }
      if (o.kind == OperandClass::kImmediate || o.kind == OperandClass::kSigned || o.kind == OperandClass::kRelative)
        continue;
      sizeLog_ = logOf(o.size);
      break;
    }
    addressLog_ = address;
  }
  unsigned logOf(OperandSize size) const {
    switch (size) {
      case OperandSize::kByte:
        return 0;
      case OperandSize::kWord:
        return 1;
      case OperandSize::kDword:
        return 2;
      case OperandSize::kQword:
      case OperandSize::kOcta:
        return 3;
      case OperandSize::kNatural:
        return mode64() && p_.w() ? 3 : 2;
      default:
        return operandLog_;
    }
  }

  // ModRM and SIB to base, index, scale, displacement.
  bool memoryOperand(const Row& row) {
    insn_.attributes |= Insn::kMemory;
    if (addressLog_ == 1) return memory16();
    unsigned base = p_.rm();
    bool hasBase = true;
    std::int64_t disp = 0;
    unsigned dispSize = p_.mod() == 1 ? 1 : p_.mod() == 2 ? 4 : 0;
    bool vsib = false;
    for (unsigned n = 0; n < row.operandCount; ++n) vsib = vsib || row.operands[n].kind == OperandClass::kSib;
    if (base == 4) {
      if (!take(p_.sib)) return false;
      base = p_.sib & 7;
      const unsigned index = ((p_.sib >> 3) & 7U) | ((p_.rex & 2U) << 2);
      if (index != 4 || vsib) insn_.index = static_cast<std::uint8_t>(index);
      insn_.scale = p_.sib >> 6;
      if (base == 5 && p_.mod() == 0) hasBase = false, dispSize = 4;
    } else if (vsib) {
      return false;
    } else if (base == 5 && p_.mod() == 0) {
      hasBase = false, dispSize = 4;
      ripRelative_ = mode64();
    }
    if (dispSize != 0 && !takeNumber(dispSize, true, disp)) return false;
    insn_.disp = static_cast<std::int32_t>(disp);
    if (ripRelative_)
      insn_.base = kRipRegister;
    else if (hasBase)
      insn_.base = static_cast<std::uint8_t>(base | ((p_.rex & 1U) << 3));
    const bool onStack = hasBase && (base | ((p_.rex & 1U) << 3)) == kRsp;
    const bool onFrame = hasBase && (base | ((p_.rex & 1U) << 3)) == kRbp;
    defaultSegment_ = onStack || onFrame ? kSs : kDs;
    return true;
  }
  bool memory16() {
    constexpr std::uint8_t kBases[] = {kRbx, kRbx, kRbp, kRbp, kRsi, kRdi, kRbp, kRbx};
    constexpr std::uint8_t kIndexes[] = {kRsi, kRdi, kRsi, kRdi, 16, 16, 16, 16};
    std::int64_t disp = 0;
    if (p_.mod() == 0 && p_.rm() == 6) {
      if (!takeNumber(2, false, disp)) return false;
    } else {
      insn_.base = kBases[p_.rm()];
      insn_.index = kIndexes[p_.rm()];
      if (p_.mod() != 0 && !takeNumber(p_.mod(), true, disp)) return false;
      if (insn_.base == kRbp) defaultSegment_ = kSs;
    }
    insn_.disp = static_cast<std::int32_t>(disp);
    return true;
  }

  static std::uint8_t wide(unsigned number) { return static_cast<std::uint8_t>(number * 8); }
  std::uint8_t gprOf(unsigned number, OperandSize size) const {
    if (size == OperandSize::kByte && !p_.rexSeen && !p_.vex && number >= 4 && number < 8)
      return static_cast<std::uint8_t>((number - 4) * 8 + 1);
    return wide(number);
  }

  bool operands(const Row& row) {
    const unsigned reg = p_.reg() | ((p_.rex & 4U) << 1);
    const unsigned rm = p_.rm() | ((p_.rex & 1U) << 3);
    insn_.reg = static_cast<std::uint8_t>(p_.reg());
    insn_.rm = insn_.memory() ? p_.modrm : static_cast<std::uint8_t>(p_.rm());  // whole for x87's opcode register
    insn_.vvvv = p_.vvvv;
    bool usesVvvv = false;
    unsigned immediates = 0;
    for (unsigned n = 0; n < row.operandCount; ++n) {
      const Operand& o = row.operands[n];
      switch (o.kind) {
        case OperandClass::kGpr:
          insn_.reg = gprOf(reg, o.size);
          break;
        case OperandClass::kRm:
        case OperandClass::kRmRegister:
          if (!insn_.memory()) insn_.rm = gprOf(rm, o.size);
          break;
        case OperandClass::kOpcode:
          insn_.rm = gprOf((p_.opcode & 7U) | ((p_.rex & 1U) << 3), o.size);
          break;
        case OperandClass::kAccumulator:
          (n == 0 ? insn_.rm : insn_.reg) = 0;
          break;
        case OperandClass::kVexGpr:
          insn_.vvvv = wide(mode64() ? p_.vvvv : p_.vvvv & 7U), usesVvvv = true;
          break;
        case OperandClass::kVexVector:
          insn_.vvvv = static_cast<std::uint8_t>(mode64() ? p_.vvvv : p_.vvvv & 7U), usesVvvv = true;
          break;
        case OperandClass::kVector:
        case OperandClass::kControl:
        case OperandClass::kDebug:
          insn_.reg = static_cast<std::uint8_t>(reg);
          break;
        case OperandClass::kVectorRm:
        case OperandClass::kVectorRmRegister:
          insn_.rm = static_cast<std::uint8_t>(rm);
          break;
        case OperandClass::kImmediate:
        case OperandClass::kSigned:
        case OperandClass::kRelative:
        case OperandClass::kOffset:
        case OperandClass::kIs4:
        case OperandClass::kFar:
          if (!immediate(o, immediates++)) return false;
          break;
        default:
          break;
      }
    }
    return !p_.vex || usesVvvv || p_.vvvv == 0;
  }

  bool immediate(const Operand& operand, unsigned number) {
    std::int64_t value = 0;
    unsigned size = 1;
    bool isSigned = operand.kind == OperandClass::kSigned || operand.kind == OperandClass::kRelative;
    switch (operand.size) {
      case OperandSize::kWord:
        size = 2;
        break;
      case OperandSize::kOperand:
        size = 1U << operandLog_;
        break;
      case OperandSize::kOperand32:
        size = operandLog_ == 1 ? 2 : 4, isSigned = true;
        break;
      case OperandSize::kFarPointer:
        size = operandLog_ == 1 ? 2 : 4;
        break;
      default:
        break;
    }
    if (operand.kind == OperandClass::kOffset) {
      size = 1U << addressLog_;
      insn_.attributes |= Insn::kMemory;
    }
    if (!takeNumber(size, isSigned, value)) return false;
    if (operand.kind == OperandClass::kFar) {
      std::int64_t selector = 0;
      if (!takeNumber(2, false, selector)) return false;
      value |= selector << 32;
    }
    insn_.imm = number == 0 ? value : insn_.imm | (value << 16);
    return true;
  }

  // rip-relative displacements count from the block's start; one that does not fit then takes the slow address.
  bool addRip() {
    insn_.length = static_cast<std::uint8_t>(at_);
    insn_.end = static_cast<std::uint8_t>(offset_ + at_);
    if (!ripRelative_) return true;
    const std::int64_t sum = static_cast<std::int64_t>(insn_.disp) + insn_.end;
    if (sum == static_cast<std::int32_t>(sum)) {
      insn_.disp = static_cast<std::int32_t>(sum);
    } else {
      insn_.attributes |= Insn::kSlowAddress;
      insn_.scale |= 0x80;
    }
    return true;
  }

  DecodeResult finish(const Row& row) {
    const bool overridden = p_.segment >= 0 && (!mode64() || p_.segment >= kFs);
    const unsigned segment = overridden ? static_cast<unsigned>(p_.segment) : static_cast<unsigned>(defaultSegment_);
    if (!mode64() || segment >= kFs || addressLog_ != 3) insn_.attributes |= Insn::kSlowAddress;
    insn_.scale = static_cast<std::uint8_t>(insn_.scale | (segment << 2) | (p_.vexL ? 0x20 : 0) | (p_.w() ? 0x40 : 0));
    insn_.attributes = static_cast<std::uint8_t>(insn_.attributes | sizeLog_ | (addressLog_ << 2));
    insn_.prefixes = static_cast<std::uint8_t>((p_.lock ? Insn::kLock : 0) | (p_.repeat == 0xf3 ? Insn::kRepe : 0) |
                                               (p_.repeat == 0xf2 ? Insn::kRepne : 0) | (p_.operand66 ? Insn::k66 : 0) |
                                               (p_.address67 ? Insn::k67 : 0) | (p_.rexSeen ? Insn::kRex : 0) |
                                               (p_.vex ? Insn::kVex : 0) | (overridden ? Insn::kSegment : 0));
    insn_.exec = function(row);
    return insn_.exec == &execInvalid ? DecodeResult::kInvalid : DecodeResult::kGood;
  }

  Exec function(const Row& row) const {
    if (p_.lock && !(row.is(kLockable) && insn_.memory() && isRmLike(row.operands[0].kind))) return &execInvalid;
    if (row.is(kNoMode16) && (mode_ & kModeNoTables) != 0) return &execInvalid;
    if (row.is(kAvxClass)) {
      if ((mode_ & kModeAvx) == 0 || (mode_ & kModeNoTables) != 0) return &execInvalid;
      if ((mode_ & kModeTs) != 0) return &execNoDevice;
    } else if (row.is(kSseClass)) {
      if ((mode_ & kModeEm) != 0 || (mode_ & kModeOsfxsr) == 0) return &execInvalid;
      if ((mode_ & kModeTs) != 0) return &execNoDevice;
    } else if (row.is(kMmxClass)) {
      if ((mode_ & kModeEm) != 0) return &execInvalid;
      if ((mode_ & kModeTs) != 0) return &execNoDevice;
    } else if (row.is(kFpuClass)) {
      if ((mode_ & (kModeEm | kModeTs)) != 0) return &execNoDevice;
    } else if (row.is(kWaitClass)) {
      if ((mode_ & (kModeMp | kModeTs)) == (kModeMp | kModeTs)) return &execNoDevice;
    }
    if (row.is(kCpl0) && (mode_ & kModeCpl0) == 0) return &execPrivileged;
    return row.exec->pick(formOf(row), insn_.memory(), sizeLog_);
  }

  static bool isRmLike(OperandClass kind) {
    return kind == OperandClass::kRm || kind == OperandClass::kRmRegister || kind == OperandClass::kMemory ||
           kind == OperandClass::kOpcode || kind == OperandClass::kAccumulator;
  }
  static Form formOf(const Row& row) {
    if (row.operandCount < 2) return Form::kOther;
    const OperandClass first = row.operands[0].kind;
    const OperandClass second = row.operands[1].kind;
    if (isRmLike(first)) {
      if (second == OperandClass::kImmediate || second == OperandClass::kSigned) return Form::kRmImm;
      if (second == OperandClass::kGpr || second == OperandClass::kAccumulator) return Form::kRmReg;
    }
    return first == OperandClass::kGpr && isRmLike(second) ? Form::kRegRm : Form::kOther;
  }

  std::span<const std::uint8_t> bytes_;
  const std::uint32_t mode_;
  const unsigned offset_;
  const RowSet& rowSet_;
  Insn& insn_;
  std::size_t at_ = 0;
  bool short_ = false, ripRelative_ = false;
  Parts p_;
  unsigned operandLog_ = 2, sizeLog_ = 2, addressLog_ = 2;
  SegmentIndex defaultSegment_ = kDs;
};

}  // namespace

DecodeResult decode(std::span<const std::uint8_t> bytes, std::uint32_t mode, unsigned offset, const RowSet& rowSet,
                    Insn& to) {
  return Decoder(bytes, mode, offset, rowSet, to).run();
}

}  // namespace rhea::x86
