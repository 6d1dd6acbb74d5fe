// An instruction's text: mnemonic and operands in Intel order, as the table names them.
#include "target/x86/decode.h"
#include "target/x86/operand-size.h"

namespace rhea::x86 {

namespace {

constexpr const char* kBytes[] = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"};
constexpr const char* kHighBytes[] = {"ah", "ch", "dh", "bh"};
constexpr const char* kWords[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
constexpr const char* kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs", "?", "?"};

unsigned bytesOf(const Insn& i, OperandSize size) {
  if (const unsigned fixed = fixedBytes(size); fixed != 0) return fixed;
  switch (size) {
    case OperandSize::kOperand32:
      return std::min(i.operandBytes(), 4U);
    case OperandSize::kNatural:
      return i.w() ? 8 : 4;
    case OperandSize::kVectorLength:
      return i.vexL() ? 32 : 16;
    default:
      return i.operandBytes();
  }
}

// `at` is a byte offset in State::gpr.
std::string gprName(unsigned at, unsigned bytes) {
  const unsigned number = at / 8;
  if (bytes == 1 && at % 8 == 1) return kHighBytes[number & 3];
  if (number >= 8) return fmt::format("r{}{}", number, bytes == 1 ? "b" : bytes == 2 ? "w" : bytes == 4 ? "d" : "");
  if (bytes == 1) return kBytes[number];
  return fmt::format("{}{}", bytes == 8 ? "r" : bytes == 4 ? "e" : "", kWords[number]);
}

std::string number(std::uint64_t value) { return value < 10 ? fmt::format("{}", value) : fmt::format("{:#x}", value); }

std::string memoryText(const Insn& i, unsigned bytes, std::uint64_t address, bool vsib) {
  std::string text;
  switch (bytes) {
    case 1:
      text = "byte ";
      break;
    case 2:
      text = "word ";
      break;
    case 4:
      text = "dword ";
      break;
    case 8:
      text = "qword ";
      break;
    case 10:
      text = "tword ";
      break;
    case 16:
      text = "oword ";
      break;
    case 32:
      text = "yword ";
      break;
    default:
      break;
  }
  text += "[";
  if (i.has(Insn::kSegment)) text += std::string(kSegments[i.segment()]) + ":";
  const unsigned width = i.addressBytes();
  if (i.base == kRipRegister) {
    const std::uint64_t start = address - (i.end - i.length);
    const std::uint64_t target =
        start + static_cast<std::uint64_t>(static_cast<std::int64_t>(i.disp)) + ((i.scale & 0x80) != 0 ? i.end : 0U);
    return text + fmt::format("{:#x}]", target);
  }
  bool first = true;
  if (i.base != kZeroRegister) {
    text += gprName(i.base * 8U, width);
    first = false;
  }
  if (i.index != kZeroRegister) {
    const std::string index =
        vsib ? fmt::format("{}mm{}", i.vexL() ? "y" : "x", i.index) : gprName(i.index * 8U, width);
    text += (first ? "" : "+") + index;
    if ((i.scale & 3) != 0) text += fmt::format("*{}", 1 << (i.scale & 3));
    first = false;
  }
  if (first)
    text += fmt::format("{:#x}", width == 8 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(i.disp))
                                            : static_cast<std::uint32_t>(i.disp));
  else if (i.disp != 0)
    text += fmt::format("{}{:#x}", i.disp < 0 ? "-" : "+",
                        i.disp < 0 ? -static_cast<std::int64_t>(i.disp) : std::int64_t{i.disp});
  return text + "]";
}

std::string operandText(const Insn& i, const Operand& operand, unsigned place, std::uint64_t address,
                        unsigned immediate) {
  const unsigned bytes = bytesOf(i, operand.size);
  const auto vector = [&](unsigned n) { return fmt::format("{}mm{}", bytes == 32 ? "y" : "x", n); };
  switch (operand.kind) {
    case OperandClass::kGpr:
      return gprName(i.reg, bytes);
    case OperandClass::kRm:
    case OperandClass::kRmRegister:
    case OperandClass::kMemory:
      return i.memory() ? memoryText(i, operand.size == OperandSize::kNone ? 0 : bytes, address, false)
                        : gprName(i.rm, bytes);
    case OperandClass::kOpcode:
      return gprName(i.rm, bytes);
    case OperandClass::kAccumulator:
      return gprName(place == 0 ? i.rm : i.reg, bytes);
    case OperandClass::kVexGpr:
      return gprName(i.vvvv, bytes);
    case OperandClass::kImmediate: {
      const auto value = static_cast<std::uint64_t>(immediate == 0 ? i.imm : i.imm >> 16);
      return number(bytes >= 8 ? value : value & ((std::uint64_t{1} << (bytes * 8)) - 1));
    }
    case OperandClass::kSigned:
      return i.imm < 0 ? "-" + number(static_cast<std::uint64_t>(-i.imm)) : number(static_cast<std::uint64_t>(i.imm));
    case OperandClass::kRelative:
      return fmt::format("{:#x}", address + i.length + static_cast<std::uint64_t>(i.imm));
    case OperandClass::kOffset:
      return fmt::format("[{}:{:#x}]", kSegments[i.segment()], static_cast<std::uint64_t>(i.imm));
    case OperandClass::kFar:
      return fmt::format("{:#x}:{:#x}", i.imm >> 32, i.imm & 0xffffffff);
    case OperandClass::kSegment:
      return kSegments[i.reg & 7];
    case OperandClass::kControl:
      return fmt::format("cr{}", i.reg);
    case OperandClass::kDebug:
      return fmt::format("dr{}", i.reg);
    case OperandClass::kVector:
      return vector(i.reg);
    case OperandClass::kVexVector:
      return vector(i.vvvv);
    case OperandClass::kIs4:
      return vector(static_cast<unsigned>(i.imm >> 4) & 15);
    case OperandClass::kVectorRm:
    case OperandClass::kVectorRmRegister:
      return i.memory()
                 ? memoryText(i, bytes, address, false)
                 : fmt::format("{}mm{}", operand.size == OperandSize::kVectorLength && i.vexL() ? "y" : "x", i.rm);
    case OperandClass::kMmx:
      return fmt::format("mm{}", i.reg & 7);
    case OperandClass::kMmxRm:
    case OperandClass::kMmxRmRegister:
      return i.memory() ? memoryText(i, bytes, address, false) : fmt::format("mm{}", i.rm & 7);
    case OperandClass::kFpu:
      return fmt::format("st{}", i.rm & 7);
    case OperandClass::kSib:
      return memoryText(i, bytes, address, true);
    default:
      return {};
  }
}

}  // namespace

std::string disassemble(const Insn& i, std::uint64_t address) {
  const Row& row = rows()[i.row];
  std::string text;
  if (i.has(Insn::kLock)) text += "lock ";
  if (i.has(Insn::kRepe) && row.pattern.prefix != Pattern::kF3) text += "rep ";
  if (i.has(Insn::kRepne) && row.pattern.prefix != Pattern::kF2) text += "repne ";
  text += row.name;
  bool first = true;
  unsigned immediates = 0;
  for (unsigned n = 0; n < row.operandCount; ++n) {
    const Operand& operand = row.operands[n];
    if (operand.kind == OperandClass::kImplied) continue;
    text += (first ? " " : ", ") + operandText(i, operand, n, address, immediates);
    if (operand.kind == OperandClass::kImmediate) ++immediates;
    first = false;
  }
  return text;
}

std::string listing(std::span<const std::uint8_t> bytes, std::uint64_t address, std::uint32_t mode,
                    const RowSet& rowSet, std::size_t most) {
  std::string text;
  for (std::size_t n = 0; n < most && !bytes.empty(); ++n) {
    Insn insn;
    const std::span<const std::uint8_t> whole = bytes.first(std::min(bytes.size(), kLongestInsn));
    const bool good = decode(whole, mode, 0, rowSet, insn) == DecodeResult::kGood && insn.length != 0;
    const std::size_t length = good ? insn.length : 1;
    std::string code;
    for (std::size_t i = 0; i < length; ++i) code += fmt::format("{:02x} ", bytes[i]);
    text += fmt::format("{:#x}:  {:<31}{}\n", address, code, good ? disassemble(insn, address) : "(bad)");
    bytes = bytes.subspan(length);
    address += length;
  }
  return text;
}

}  // namespace rhea::x86
