#include "tests/target/row-trial.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "target/x86/operand-size.h"

namespace rhea::x86::test {
namespace {

constexpr std::uint64_t kMiddle = kWindow + kWindowSize / 2;

class Maker {
 public:
  Maker(const Row& row, Random& random, CodeSize size)
      : row_(row), random_(random), narrow_(size == CodeSize::k32), registers_(narrow_ ? 8 : 16) {}

  Trial make() {
    fillState();
    chooseSizes();
    chooseRegisters();
    if (hasMemory_) chooseAddress();
    prepareImplied();
    assemble();
    return trial_;
  }

 private:
  const Pattern& pattern() const { return row_.pattern; }
  bool vex() const { return pattern().map >= 4; }
  bool named(std::initializer_list<std::string_view> names) const {
    return std::find(names.begin(), names.end(), std::string_view(row_.name)) != names.end();
  }
  bool has(OperandClass kind) const {
    return std::any_of(row_.operands.begin(), row_.operands.begin() + row_.operandCount,
                       [&](const Operand& o) { return o.kind == kind; });
  }

  void fillState() {
    for (std::uint64_t& r : trial_.in.gpr) r = randomInteger(random_);
    trial_.in.gpr[4] = kMiddle - 8 * random_.below(4);
    trial_.in.rflags = 0x202 | (random_.next() & 0x8d5) | (random_.chance(25) ? 0x400 : 0);
    for (auto& v : trial_.in.ymm) randomLanes(random_, v);
    if (random_.chance(20)) {
      // Equal inputs are rare among random ones.
      for (std::size_t n = 1; n < 16; ++n) {
        if (random_.chance(50)) trial_.in.ymm[n] = trial_.in.ymm[0];
      }
    }
    if (random_.chance(30)) {
      for (auto& v : trial_.in.ymm) std::fill(v.begin() + 16, v.end(), std::uint8_t{0});
    }
    for (std::size_t at = 0; at < kWindowSize; at += 32) {
      randomLanes(random_, std::span(trial_.memoryIn).subspan(at, 32));
    }
    fillFloatingPoint();
  }

  void fillFloatingPoint() {
    auto& fx = trial_.in.fx;
    std::uint16_t control = 0x37f;
    if (random_.chance(60)) {
      control = static_cast<std::uint16_t>(0x40 | (random_.next() & 0x0f00) | 0x3f);
      if (random_.chance(40)) control &= static_cast<std::uint16_t>(~random_.below(0x40));
    }
    std::uint16_t status = static_cast<std::uint16_t>(random_.next() & 0x7f00);
    std::uint8_t tags = static_cast<std::uint8_t>(random_.chance(60) ? 0xff : random_.next());
    if (!row_.is(kFpuClass) && random_.chance(50)) status &= 0x4700, tags = 0;
    // Flags from before; an unmasked one among them is an exception that waits.
    if (random_.chance(30))
      status |= static_cast<std::uint16_t>(random_.below(0x40) & (random_.chance(90) ? control : 0x3f));
    if (status & ~control & 0x3f) status |= 0x8080;
    std::memcpy(fx.data(), &control, 2);
    std::memcpy(fx.data() + 2, &status, 2);
    fx[4] = tags;
    for (std::size_t n = 0; n < 8; ++n) {
      if (row_.is(kMmxClass) && random_.chance(80)) {
        randomLanes(random_, std::span(fx).subspan(32 + 16 * n, 8));
        fx[32 + 16 * n + 8] = fx[32 + 16 * n + 9] = 0xff;
      } else {
        randomExtended(random_, fx.data() + 32 + 16 * n);
      }
    }
    std::uint32_t mxcsr = 0x1f80;
    if (random_.chance(60)) {
      mxcsr |= static_cast<std::uint32_t>(random_.next() & 0x603f);
      if (random_.chance(40)) mxcsr |= static_cast<std::uint32_t>(random_.next() & 0x8040);
      if (random_.chance(40)) mxcsr &= static_cast<std::uint32_t>(~(random_.next() & 0x1f80));
      // Flags whose exceptions are unmasked do no harm, unlike x87's.
    }
    std::memcpy(fx.data() + 24, &mxcsr, 4);
  }

  void chooseSizes() {
    const Pattern& p = pattern();
    bool sized = false;
    bool natural = false;
    for (unsigned n = 0; n < row_.operandCount; ++n) {
      const OperandSize size = row_.operands[n].size;
      sized = sized || size == OperandSize::kOperand || size == OperandSize::kOperand32;
      natural = natural || size == OperandSize::kNatural;
    }
    w_ = p.w >= 0 ? p.w != 0 : sized || natural ? random_.chance(40) : random_.chance(10);
    l_ = p.l >= 0 ? p.l != 0 : vex() && hasVectorLength() && random_.chance(50);
    if (p.osize == 16)
      operand66_ = true, w_ = false;
    else if (p.osize == 32)
      w_ = false;
    else if (p.osize == 64)
      w_ = true;
    else if (!vex() && p.prefix == Pattern::kAny && sized)
      operand66_ = random_.chance(25);
    if (row_.is(kForce64)) operand66_ = false;  // differs between makers of CPUs
    if (narrow_ && !vex()) w_ = false;
  }
  bool hasVectorLength() const {
    return std::any_of(row_.operands.begin(), row_.operands.begin() + row_.operandCount,
                       [](const Operand& o) { return o.size == OperandSize::kVectorLength; });
  }

  unsigned bytes(const Operand& o) const {
    if (const unsigned fixed = fixedBytes(o.size); fixed != 0) return fixed;
    switch (o.size) {
      case OperandSize::kNatural:
        return w_ ? 8 : 4;
      case OperandSize::kVectorLength:
        return l_ ? 32 : 16;
      case OperandSize::kOperand:
        if (narrow_) return operand66_ ? 2 : 4;
        return w_ || (row_.is(kForce64)) || (row_.is(kDefault64) && !operand66_) ? 8 : operand66_ ? 2 : 4;
      case OperandSize::kOperand32:
        return operand66_ && !w_ ? 2 : 4;
      default:
        return 8;
    }
  }

  void chooseRegisters() {
    const Pattern& p = pattern();
    const bool either = has(OperandClass::kRm) || has(OperandClass::kVectorRm) || has(OperandClass::kMmxRm);
    vsib_ = has(OperandClass::kSib);
    if (p.hasModrm) {
      hasMemory_ =
          p.mod == 1 || has(OperandClass::kMemory) || vsib_ || (p.mod == 0 && (either ? random_.chance(50) : false));
      if (p.mod == 0 && !either && !has(OperandClass::kMemory)) hasMemory_ = false;
    }
    if (p.mod == 2) hasMemory_ = false;
    const bool low = has(OperandClass::kSegment);
    reg_ = p.reg >= 0 ? static_cast<unsigned>(p.reg) : static_cast<unsigned>(random_.below(low ? 6 : registers_));
    rm_ = p.rm >= 0 ? static_cast<unsigned>(p.rm) : static_cast<unsigned>(random_.below(registers_));
    vvvv_ = static_cast<unsigned>(random_.below(registers_));
    usesVvvv_ = has(OperandClass::kVexVector) || has(OperandClass::kVexGpr);
    if (has(OperandClass::kMmx)) reg_ &= 7;
    if (!hasMemory_ && (has(OperandClass::kMmxRm) || has(OperandClass::kMmxRmRegister) || has(OperandClass::kFpu)))
      rm_ &= 7;
    lock_ = hasMemory_ && row_.is(kLockable) && random_.chance(15);
  }

  // The memory operand's size, and whether SSE wants it aligned.
  unsigned memoryBytes() const {
    for (unsigned n = 0; n < row_.operandCount; ++n) {
      const Operand& o = row_.operands[n];
      switch (o.kind) {
        case OperandClass::kRm:
        case OperandClass::kMemory:
        case OperandClass::kVectorRm:
        case OperandClass::kMmxRm:
        case OperandClass::kSib:
          return bytes(o);
        default:
          break;
      }
    }
    return 8;
  }

  void chooseAddress() {
    const unsigned size = memoryBytes();
    std::uint64_t at = random_.below(kWindowSize - size - 64) + 32;
    // SHA instructions fault on misaligned operands with one maker's CPUs only.
    const bool sha = std::string_view(row_.cpuid) == "sha-ni";
    if (sha || random_.chance(size >= 16 ? 80 : 50)) at &= ~std::uint64_t{size - 1};
    if (random_.chance(3) && !sha) at = kWindowSize - random_.below(size + 4);  // over the page's end
    at_ = at;
    if (narrow_ && !vsib_ && random_.chance(25)) chooseSegment();
    const std::uint64_t target = kWindow + at - segmentBase_;
    addressForm_ = vsib_ ? 2 : static_cast<unsigned>(random_.below(10));
    disp_ = static_cast<std::int32_t>(random_.chance(50) ? random_.below(256) - 128 : random_.below(0x20000) - 0x10000);
    if (random_.chance(20)) disp_ = 0;
    scale_ = static_cast<unsigned>(random_.below(4));
    do {
      base_ = static_cast<unsigned>(random_.below(registers_));
      index_ = static_cast<unsigned>(random_.below(registers_));
    } while (base_ == index_ || base_ == 4 || index_ == 4 || implied(base_) || implied(index_));
    auto& gpr = trial_.in.gpr;
    if (vsib_) {
      gatherIndices(target);
    } else if (addressForm_ == 0) {
      disp_ = static_cast<std::int32_t>(target);  // absolute
    } else if (addressForm_ == 1) {
      disp_ = static_cast<std::int32_t>(target);
      ripTarget_ = target;
    } else if (addressForm_ < 6) {
      gpr[base_] = target - static_cast<std::uint64_t>(std::int64_t{disp_});
    } else {
      gpr[index_] = random_.below(64) - 32;
      gpr[base_] = target - static_cast<std::uint64_t>(std::int64_t{disp_}) - (gpr[index_] << scale_);
    }
    if (named({"bt", "bts", "btr", "btc"}) && has(OperandClass::kGpr)) {
      // The bit offset moves the address.
      while (reg_ == base_ || reg_ == index_) reg_ = static_cast<unsigned>(random_.below(registers_));
      gpr[reg_] = random_.below(400) - 200;
    }
  }

  // Registers that prepareImplied() sets, which then cannot make the address.
  bool implied(unsigned number) const {
    const std::string_view name = row_.name;
    if (name.find("pcmpestr") != std::string_view::npos || name.starts_with("cmpxchg"))
      return number == 0 || number == 2;
    if (name.starts_with("div") || name.starts_with("idiv")) return number == 2;
    return false;
  }

  void chooseSegment() {
    constexpr std::uint8_t kPrefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x65};
    segment_ = random_.pick(kPrefixes);
    segmentBase_ = segment_ == 0x64 ? kFsBase : segment_ == 0x65 ? kGsBase : 0;
  }

  void gatherIndices(std::uint64_t target) {
    index_ = static_cast<unsigned>(random_.below(registers_));
    trial_.in.gpr[base_] = target - static_cast<std::uint64_t>(std::int64_t{disp_});
    const bool wide = std::string_view(row_.name).find("gatherq") != std::string_view::npos;
    auto& v = trial_.in.ymm[index_];
    for (std::size_t n = 0; n < 32; n += wide ? 8 : 4) {
      const std::int64_t index = static_cast<std::int64_t>(random_.below(9)) - 4;
      std::memcpy(v.data() + n, &index, wide ? 8 : 4);
    }
    if (random_.chance(85)) {
      while (reg_ == index_) reg_ = static_cast<unsigned>(random_.below(registers_));
      while (vvvv_ == index_ || vvvv_ == reg_) vvvv_ = static_cast<unsigned>(random_.below(registers_));
    }
  }

  // Registers that an instruction uses without naming them.
  void prepareImplied() {
    auto& gpr = trial_.in.gpr;
    const std::string_view name = row_.name;
    if (named({"leave", "enter"})) gpr[5] = kMiddle - 64 + 8 * random_.below(8);
    if (named({"xlat"})) gpr[3] = kWindow + random_.below(200);
    if (name.starts_with("maskmov") || name.starts_with("vmaskmovdq"))
      gpr[7] = kWindow + random_.below(kWindowSize - 16);
    const bool text = row_.operandCount == 0 || row_.operands[0].kind == OperandClass::kImplied || name.size() == 5;
    if (text &&
        (name.starts_with("movs") || name.starts_with("cmps") || name.starts_with("stos") || name.starts_with("lods") ||
         name.starts_with("scas")) &&
        !pattern().hasModrm) {
      gpr[6] = kMiddle - 32 + random_.below(64);
      gpr[7] = kMiddle - 32 + random_.below(64);
      gpr[1] = random_.below(12);
      if (random_.chance(25)) {
        // Over the page's end, or nearly.
        gpr[6 + random_.below(2)] = kWindow + kWindowSize - random_.below(100);
        gpr[1] = random_.below(30);
      }
      if (random_.chance(40)) repeat_ = random_.chance(50) ? 0xf3 : 0xf2;
    }
    if (name.starts_with("cmpxchg") && random_.chance(50) && hasMemory_ && at_ + 16 <= kWindowSize) {
      // Equal, so that something is written.
      std::array<std::uint64_t, 2> value;
      std::memcpy(value.data(), trial_.memoryIn.data() + at_, 16);
      if (name != "cmpxchg") gpr[2] = w_ ? value[1] : value[0] >> 32;
      gpr[0] = value[0];
    }
    if (name.find("ldmxcsr") != std::string_view::npos && at_ + 4 <= kWindowSize) {
      trial_.memoryIn[at_ + 2] &= 0xfd;  // a bit that some hosts have, and the guest has not
    }
    if ((name.starts_with("div") || name.starts_with("idiv")) && pattern().hasModrm && !vex() && pattern().map == 0) {
      if (random_.chance(70)) gpr[2] = random_.chance(50) ? 0 : random_.below(16);
    }
    if (name.starts_with("pcmpestr") || name.starts_with("vpcmpestr")) {
      gpr[0] = random_.below(40) - 20;
      gpr[2] = random_.below(40) - 20;
    }
  }

  void byte(unsigned value) { trial_.code[trial_.codeSize++] = static_cast<std::uint8_t>(value); }
  void little(std::uint64_t value, unsigned size) {
    for (unsigned n = 0; n < size; ++n) byte(static_cast<unsigned>(value >> (8 * n)) & 255);
  }

  void assemble() {
    const Pattern& p = pattern();
    if (segment_ != 0) byte(segment_);
    if (lock_) byte(0xf0);
    if (repeat_ != 0) byte(repeat_);
    const unsigned rexR = p.hasModrm ? reg_ >> 3 : 0;
    const unsigned rexX = hasMemory_ && usesIndex() ? index_ >> 3 : 0;
    unsigned rexB = 0;
    if (hasMemory_)
      rexB = usesBase() ? base_ >> 3 : 0;
    else if (p.hasModrm || p.opcodeCount == 8)
      rexB = rm_ >> 3;
    if (vex()) {
      vexPrefix(rexR, rexX, rexB);
    } else {
      if (operand66_) byte(0x66);
      if (p.prefix == Pattern::k66) byte(0x66);
      if (p.prefix == Pattern::kF3) byte(0xf3);
      if (p.prefix == Pattern::kF2) byte(0xf2);
      const unsigned rex = (w_ ? 8u : 0u) | rexR << 2 | rexX << 1 | rexB;
      if (rex != 0 || (!narrow_ && random_.chance(20))) byte(0x40 | rex);
      if (p.map >= 1) byte(0x0f);
      if (p.map == 2) byte(0x38);
      if (p.map == 3) byte(0x3a);
    }
    byte(p.opcode + (p.opcodeCount == 8 ? rm_ & 7 : 0));
    const unsigned immediates = immediateBytes();
    if (p.hasModrm) modrm(immediates);
    immediate();
    if (trial_.codeSize > 15) throw std::logic_error("an instruction of more than 15 bytes was made");
  }

  void vexPrefix(unsigned r, unsigned x, unsigned b) {
    constexpr unsigned kPp[] = {0, 0, 1, 2, 3};
    const unsigned pp = kPp[pattern().prefix];
    const unsigned v = usesVvvv_ ? vvvv_ : 0;
    const unsigned last = (~v & 15) << 3 | (l_ ? 4u : 0u) | pp;
    if (pattern().map == 5 && !w_ && x == 0 && b == 0 && random_.chance(70)) {
      byte(0xc5);
      byte((r ? 0u : 0x80u) | last);
      return;
    }
    byte(0xc4);
    byte((r ? 0u : 0x80u) | (x ? 0u : 0x40u) | (b ? 0u : 0x20u) | (pattern().map - 4u));
    byte((w_ ? 0x80u : 0u) | last);
  }

  bool usesIndex() const { return vsib_ || addressForm_ >= 6; }
  bool usesBase() const { return vsib_ || addressForm_ >= 2; }

  void modrm(unsigned immediates) {
    const unsigned reg = (reg_ & 7) << 3;
    if (!hasMemory_) {
      byte(0xc0 | reg | (rm_ & 7));
      return;
    }
    if (!vsib_ && addressForm_ == 0) {
      byte(reg | 4), byte(0x25), little(static_cast<std::uint32_t>(disp_), 4);
      return;
    }
    if (!vsib_ && addressForm_ == 1) {
      byte(reg | 5);
      if (narrow_) return little(static_cast<std::uint32_t>(ripTarget_), 4);
      const std::uint64_t next = kCodeAt + trial_.codeSize + 4 + immediates;
      little(static_cast<std::uint32_t>(ripTarget_ - next), 4);
      return;
    }
    const bool short8 = disp_ >= -128 && disp_ < 128;
    const bool none = disp_ == 0 && (base_ & 7) != 5;
    const unsigned mod = none ? 0 : short8 ? 0x40 : 0x80;
    if (usesIndex() || (base_ & 7) == 4) {
      byte(mod | reg | 4);
      byte(scale_ << 6 | (usesIndex() ? (index_ & 7) << 3 : 0x20) | (base_ & 7));
    } else {
      byte(mod | reg | (base_ & 7));
    }
    if (!none) little(static_cast<std::uint32_t>(disp_), short8 ? 1 : 4);
  }

  unsigned immediateSize(const Operand& o) const {
    switch (o.kind) {
      case OperandClass::kSigned:
      case OperandClass::kIs4:
        return 1;
      case OperandClass::kImmediate:
      case OperandClass::kRelative:
        return bytes(o);
      case OperandClass::kOffset:
        return narrow_ ? 4 : 8;
      default:
        return 0;
    }
  }
  unsigned immediateBytes() const {
    unsigned sum = 0;
    for (unsigned n = 0; n < row_.operandCount; ++n) sum += immediateSize(row_.operands[n]);
    return sum;
  }
  void immediate() {
    for (unsigned n = 0; n < row_.operandCount; ++n) {
      const Operand& o = row_.operands[n];
      const unsigned size = immediateSize(o);
      if (size == 0) continue;
      if (o.kind == OperandClass::kRelative)
        little(14 + random_.below(size == 1 ? 0x30 : 0x300), size);  // behind the way out
      else if (o.kind == OperandClass::kOffset)
        little(kWindow + random_.below(kWindowSize - 8), size);
      else
        little(randomInteger(random_), size);
    }
  }

  const Row& row_;
  Random& random_;
  const bool narrow_;
  const unsigned registers_;
  Trial trial_;
  bool w_ = false, l_ = false, operand66_ = false, lock_ = false;
  bool hasMemory_ = false, vsib_ = false, usesVvvv_ = false;
  unsigned reg_ = 0, rm_ = 0, vvvv_ = 0, base_ = 0, index_ = 0, scale_ = 0, addressForm_ = 0, repeat_ = 0;
  std::int32_t disp_ = 0;
  std::uint64_t ripTarget_ = 0, at_ = 0, segmentBase_ = 0;
  unsigned segment_ = 0;  // prefix
};

std::set<std::string> hostFlags() {
  std::set<std::string> flags;
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) flags.insert(word);
    break;
  }
  return flags;
}

}  // namespace

bool canBeTried(const Row& row, CodeSize codeSize) {
  const bool narrow = codeSize == CodeSize::k32;
  if (row.is(kNoMemoryTest) || row.is(kCpl0) || (narrow ? row.pattern.mode > 0 : row.pattern.mode < 0)) return false;
  if (narrow && row.pattern.map < 4 && (row.pattern.w == 1 || row.pattern.osize == 64)) return false;
  if (row.is(kEnd) && !row.is(kBranch)) return false;
  for (unsigned n = 0; n < row.operandCount; ++n) {
    switch (row.operands[n].kind) {
      case OperandClass::kSegment:
      case OperandClass::kControl:
      case OperandClass::kDebug:
      case OperandClass::kFar:
        return false;
      default:
        break;
    }
  }
  // Time, randomness, ports, system calls, what only privileged code may do, and the state images that hold host
  // addresses: these have tests of their own.
  static const std::set<std::string_view> kOthers{
      "syscall", "sysenter", "sysret",   "sysexit", "int",        "int3",     "int1",     "icebp",    "into",
      "cpuid",   "rdtsc",    "rdtscp",   "rdpmc",   "rdrand",     "rdseed",   "rdpid",    "in",       "out",
      "ins",     "outs",     "cli",      "sti",     "hlt",        "sgdt",     "sidt",     "sldt",     "str",
      "smsw",    "lar",      "lsl",      "verr",    "verw",       "iret",     "pushf",    "popf",     "xgetbv",
      "xsetbv",  "fxsave",   "fxrstor",  "xsave",   "xrstor",     "xsaveopt", "xsavec",   "xsaves",   "xrstors",
      "fnstenv", "fldenv",   "fnsave",   "frstor",  "rdfsbase",   "rdgsbase", "wrfsbase", "wrgsbase", "retf",
      "callf",   "jmpf",     "call far", "jmp far", "pause",      "monitor",  "mwait",    "enqcmd",   "insb",
      "insd",    "outsb",    "outsd",    "clflush", "clflushopt", "clwb",     "ud0",      "ud1",      "ud2"};
  return !kOthers.contains(row.name);
}

bool hostHas(const Row& row) {
  static const std::set<std::string> flags = hostFlags();
  std::string name = row.cpuid;
  if (name == "base") return true;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return flags.contains(name);
}

Trial makeTrial(const Row& row, Random& random, CodeSize size) { return Maker(row, random, size).make(); }

std::string codeText(const Trial& trial) {
  std::string text;
  for (std::uint32_t n = 0; n < trial.codeSize; ++n) text += fmt::format("{}{:02x}", n ? " " : "", trial.code[n]);
  return text;
}

}  // namespace rhea::x86::test
