#include "tests/target/random-program.h"

#include <string>

#include "target/x86/t1/facts.h"

namespace rhea::x86::test {
namespace {

constexpr std::uint32_t modeOf(CodeSize size) {
  return (size == CodeSize::k64 ? 2U : 1U) | kModeOsfxsr | kModeAvx | kModeUser;
}
// Times around the loop.
constexpr std::uint32_t kRounds = 6;
constexpr auto kCounter = static_cast<std::uint32_t>(kCounterPage);

const RowSet& rowsOfMax() {
  static const RowSet set(*findModel("max"));
  return set;
}

void put32(std::vector<std::uint8_t>& to, std::uint32_t value) {
  for (unsigned n = 0; n < 4; ++n) to.push_back(static_cast<std::uint8_t>(value >> (8 * n)));
}

bool isString(const Row& row) {
  return row.pattern.map == 0 && row.pattern.opcode >= 0xa4 && row.pattern.opcode <= 0xaf &&
         (row.pattern.opcode & 0xfe) != 0xa8;
}
bool usesStack(const Row& row) {
  const std::string_view name = row.name;
  return name.starts_with("push") || name.starts_with("pop") || name == "leave" || name == "enter" || name == "call";
}

}  // namespace

void RandomProgram::loadRegister(std::vector<std::uint8_t>& to, unsigned number, std::uint64_t value) const {
  if (!narrow()) to.push_back(static_cast<std::uint8_t>(0x48 | number >> 3));
  to.push_back(static_cast<std::uint8_t>(0xb8 | (number & 7)));
  put32(to, static_cast<std::uint32_t>(value));
  if (!narrow()) put32(to, static_cast<std::uint32_t>(value >> 32));
}

// Branches: those whose distance can be set. The others end anywhere.
bool RandomProgram::isTaken(const Row& row) const {
  if (!canBeTried(row, size_) || !hostHas(row)) return false;
  if (!row.is(kBranch)) return true;
  const OperandClass first = row.operands[0].kind;
  return row.operandCount > 0 && first == OperandClass::kRelative;
}

RandomProgram::RandomProgram(Random& random, std::size_t length, bool (*belongs)(const Row&), CodeSize size)
    : size_(size) {
  std::vector<const Row*> some;
  for (const Row& row : rows()) {
    if (isTaken(row) && belongs(row)) some.push_back(&row);
  }
  start_ = makeTrial(*some[random.below(some.size())], random, size);
  for (std::size_t n = 0; n < length; ++n) groups_.push_back(makeGroup(*some[random.below(some.size())], random));
}

RandomProgram RandomProgram::neighbours(Random& random, std::size_t length, CodeSize size) {
  // Prefix or 0, escape or 0, opcode, bytes of an immediate, ModRM.reg if it is part of the opcode.
  struct Form {
    std::uint8_t prefix, escape, opcode;
    unsigned immediate;
    int digit;
  };
  constexpr Form kForms[] = {
      {0, 0, 0x8b, 0, -1},       {0, 0, 0x89, 0, -1},    {0, 0, 0x8a, 0, -1},    {0, 0, 0x88, 0, -1},
      {0, 0, 0x03, 0, -1},       {0, 0, 0x01, 0, -1},    {0, 0, 0x13, 0, -1},    {0, 0, 0x11, 0, -1},
      {0, 0, 0x3b, 0, -1},       {0, 0, 0x87, 0, -1},    {0x66, 0, 0x89, 0, -1}, {0x66, 0, 0x2b, 0, -1},
      {0, 0x0f, 0xb6, 0, -1},    {0, 0x0f, 0xbf, 0, -1}, {0, 0x0f, 0x42, 0, -1}, {0, 0x0f, 0x9f, 0, 0},
      {0, 0x0f, 0xaf, 0, -1},    {0, 0x0f, 0x10, 0, -1}, {0, 0x0f, 0x11, 0, -1}, {0, 0x0f, 0x28, 0, -1},
      {0, 0x0f, 0xc1, 0, -1},    {0, 0, 0x83, 1, 0},     {0, 0, 0x83, 1, 2},     {0, 0, 0xff, 0, 0},
      {0, 0, 0xff, 0, 1},        {0, 0, 0xd1, 0, 4},     {0, 0, 0xc7, 4, 0},     {0, 0, 0xf7, 0, 3},
      {0xf2, 0x0f, 0x58, 0, -1}, {0, 0x0f, 0xbd, 0, -1}, {0, 0x0f, 0x6f, 0, -1}, {0, 0, 0x8d, 0, -1},
  };
  const bool narrow = size == CodeSize::k32;
  const unsigned registers = narrow ? 8 : 16;
  const std::array<unsigned, 2> bases{kRbx, narrow ? unsigned{kRsi} : 13U};
  const unsigned index = narrow ? unsigned{kRdi} : 9U;
  const auto isBase = [&](unsigned guest) { return guest == bases[0] || guest == bases[1] || guest == index; };
  RandomProgram program(size);
  program.start_ = makeTrial(rows()[random.below(rows().size())], random, size);
  Group first;
  const bool aligned = random.chance(50);
  for (const unsigned base : bases) {
    const std::uint64_t fromEnd = random.chance(60) ? 40 + random.below(400) : random.below(40);
    program.loadRegister(first.bytes, base, kDataPage + kPageSize - (aligned ? fromEnd & ~15U : fromEnd));
  }
  program.loadRegister(first.bytes, index, 16 * random.below(4) + (random.chance(20) ? 3 : 0));
  program.loadRegister(first.bytes, kRsp, kDataPage + kPageSize + 64 - (narrow ? 4 : 8) * random.below(24));
  program.groups_.push_back(first);
  for (std::size_t n = 0; n < length; ++n) {
    Group group;
    if (random.chance(25)) {
      // As many as before, mostly, so that the stack stays where it is.
      const std::size_t count = 1 + random.below(5);
      for (const unsigned opcode : {0x50U, 0x58U}) {
        for (std::size_t k = 0; k < count; ++k) {
          unsigned guest = static_cast<unsigned>(random.below(registers));
          while (guest == kRsp || isBase(guest)) guest = static_cast<unsigned>(random.below(registers));
          if (guest >= 8) group.bytes.push_back(0x41);
          group.bytes.push_back(static_cast<std::uint8_t>(opcode | (guest & 7)));
        }
      }
    } else {
      const Form& form = kForms[random.below(std::size(kForms))];
      const unsigned base = bases[random.below(2)];
      unsigned reg =
          static_cast<unsigned>(form.digit >= 0 ? static_cast<std::uint64_t>(form.digit) : random.below(registers));
      // A base changes now and then only.
      while (form.digit < 0 && (reg == kRsp || (isBase(reg) && !random.chance(5))))
        reg = static_cast<unsigned>(random.below(registers));
      if (form.prefix != 0) group.bytes.push_back(form.prefix);
      const bool memory = random.chance(75) || form.opcode == 0x8d;
      // Behind the base alone, with an index, or at an address that the instruction says.
      const bool fixed = memory && random.chance(20);
      const bool indexed = memory && !fixed && random.chance(40);
      const unsigned rm = memory ? base : static_cast<unsigned>(random.below(3));
      const unsigned rex =
          (random.chance(50) ? 8U : 0U) | (reg >> 3) << 2 | (indexed ? index >> 3 << 1 : 0U) | (fixed ? 0U : rm >> 3);
      if (!narrow) group.bytes.push_back(static_cast<std::uint8_t>(0x40 | rex));
      if (form.escape != 0) group.bytes.push_back(form.escape);
      group.bytes.push_back(form.opcode);
      const unsigned mode = fixed ? 0 : memory ? 0x40U : 0xc0U;
      group.bytes.push_back(static_cast<std::uint8_t>(mode | (reg & 7) << 3 | (fixed || indexed ? 4 : rm & 7)));
      if (indexed) group.bytes.push_back(static_cast<std::uint8_t>((index & 7) << 3 | (rm & 7)));
      if (fixed) {
        group.bytes.push_back(0x25);
        const bool nearEnd = random.chance(30);
        put32(group.bytes, static_cast<std::uint32_t>(kDataPage + (nearEnd ? kPageSize - 20 : 256) + random.below(32)));
      } else if (memory) {
        group.bytes.push_back(static_cast<std::uint8_t>((random.below(64) & (aligned ? ~15U : ~0U)) - 16));
      }
      for (unsigned k = 0; k < form.immediate; ++k) group.bytes.push_back(static_cast<std::uint8_t>(random.next()));
    }
    program.groups_.push_back(group);
  }
  return program;
}

RandomProgram RandomProgram::environments(Random& random, std::size_t length, CodeSize size) {
  std::vector<const Row*> some;
  for (const Row& row : rows()) {
    if (canBeTried(row, size) && hostHas(row) && (row.is(kFpuClass) || row.is(kMmxClass))) some.push_back(&row);
  }
  RandomProgram program(size);
  program.start_ = makeTrial(*some.front(), random, size);
  // fnstenv (/6) and fldenv (/4) of [rbx + n * 32]: three in the page, the last one reaches over its end.
  const auto environment = [&](Group& group, unsigned digit, unsigned n) {
    program.loadRegister(group.bytes, kRbx, kDataPage + kPageSize - 3 * 32 - 20);
    for (const unsigned byte : {0xd9U, 0x43U | digit << 3, n * 32})
      group.bytes.push_back(static_cast<std::uint8_t>(byte));
  };
  Group first;
  first.bytes = {0xdb, 0xe3};  // fninit
  for (unsigned n = 0; n < 4; ++n) environment(first, 6, n);
  program.groups_.push_back(first);
  for (std::size_t n = 0; n < length; ++n) {
    Group group;
    if (random.chance(50))
      group = program.makeGroup(*some[random.below(some.size())], random);
    else
      environment(group, random.chance(50) ? 4 : 6, static_cast<unsigned>(random.below(4)));
    program.groups_.push_back(group);
  }
  return program;
}

// Indices of a gather from 0 to 7, and a mask of some of its lanes, whatever the registers hold.
void RandomProgram::nearIndices(std::vector<std::uint8_t>& to, const Insn& insn, Random& random) {
  const bool quad = (rows()[insn.row].pattern.opcode & 1) != 0;
  const auto shift = [&](unsigned target, unsigned digit, unsigned count) {
    const unsigned from = insn.index;
    for (const unsigned byte : {0xc4U, 0xc1U | (from >= 8 ? 0U : 0x20U), (~target & 15U) << 3 | 5U,
                                quad ? 0x73U : 0x72U, 0xc0U | digit << 3 | (from & 7U), count})
      to.push_back(static_cast<std::uint8_t>(byte));
  };
  shift(insn.index, 2, quad ? 61 : 29);  // vpsrld, vpsrlq
  if (insn.index != insn.vvvv)
    shift(insn.vvvv, 6, (quad ? 61U : 29U) + static_cast<unsigned>(random.below(3)));  // vpslld, vpsllq
}

RandomProgram::Group RandomProgram::makeGroup(const Row& row, Random& random) const {
  const Trial trial = makeTrial(row, random, size_);
  Insn insn;
  Group group;
  if (decode({trial.code.data(), trial.codeSize}, modeOf(size_), 0, rowsOfMax(), insn) != DecodeResult::kGood)
    return group;
  const t1::Facts facts = t1::factsOf(insn);
  unsigned wanted = facts.fixed;
  if (insn.memory()) {
    // rip-relative operands count from where the trial's code stands: those of the program lie elsewhere.
    if (insn.base == kRipRegister) return group;
    if (insn.base < 16) wanted |= 1U << insn.base;
    if (insn.index < 16) wanted |= 1U << insn.index;
  }
  if (isString(row) || std::string_view(row.name).find("maskmov") != std::string_view::npos)
    wanted |= 1U << kRsi | 1U << kRdi | 1U << kRcx;
  if (usesStack(row)) wanted |= 1U << kRsp | 1U << kRbp;
  if (row.pattern.map == 0 && row.pattern.opcode == 0xd7) wanted |= 1U << kRbx | 1U << kRax;
  // Bit strings: the register moves the address.
  if (insn.memory() && std::string_view(row.name).starts_with("bt")) wanted |= facts.reads;
  for (unsigned n = 0; n < 16; ++n) {
    if ((wanted >> n & 1) != 0) loadRegister(group.bytes, n, trial.in.gpr[n]);
  }
  if (row.operandCount > 1 && row.operands[1].kind == OperandClass::kSib) nearIndices(group.bytes, insn, random);
  group.bytes.insert(group.bytes.end(), trial.code.begin(),
                     trial.code.begin() + static_cast<std::ptrdiff_t>(trial.codeSize));
  if (row.is(kBranch)) group.jump = row.operands[0].size == OperandSize::kByte ? 1 : 4;
  return group;
}

std::vector<std::uint8_t> RandomProgram::code() const {
  std::vector<std::uint8_t> code{0xc7, 0x04, 0x25};  // mov dword [counter], rounds
  put32(code, kCounter);
  put32(code, kRounds);
  const std::size_t loop = code.size();
  std::size_t second = loop;
  for (std::size_t n = 0; n < groups_.size(); ++n) {
    if (n == 1) second = code.size();
    code.insert(code.end(), groups_[n].bytes.begin(), groups_[n].bytes.end());
    if (groups_[n].jump == 0) continue;
    if (groups_[n].back) {
      const auto distance = static_cast<std::uint32_t>(second - code.size());
      code.resize(code.size() - 4);
      put32(code, distance);
      continue;
    }
    const std::size_t over = n + 1 < groups_.size() ? groups_[n + 1].bytes.size() : 0;
    for (unsigned k = 0; k < groups_[n].jump; ++k)
      code[code.size() - groups_[n].jump + k] = static_cast<std::uint8_t>(k < 2 ? over >> (8 * k) : 0);
  }
  for (const unsigned byte : {0xffU, 0x0cU, 0x25U})
    code.push_back(static_cast<std::uint8_t>(byte));  // dec dword [counter]
  put32(code, kCounter);
  code.push_back(0x0f), code.push_back(0x85);  // jnz loop
  put32(code, static_cast<std::uint32_t>(loop - (code.size() + 4)));
  code.insert(code.end(), 16, 0xcc);
  return code;
}

std::size_t RandomProgram::groupAt(std::uint64_t address) const {
  std::uint64_t end = kCodeAt + 11;
  for (std::size_t n = 0; n < groups_.size(); ++n) {
    end += groups_[n].bytes.size();
    if (address >= kCodeAt && address < end) return n;
  }
  return groups_.size();
}

std::string RandomProgram::text() const {
  std::string text;
  const std::vector<std::uint8_t> bytes = code();
  std::uint64_t at = kCodeAt;
  for (std::span<const std::uint8_t> rest = bytes; !rest.empty() && rest[0] != 0xcc;) {
    Insn insn;
    if (decode(rest, modeOf(size_), 0, rowsOfMax(), insn) != DecodeResult::kGood) break;
    std::string hex;
    for (const std::uint8_t byte : rest.first(insn.length)) hex += fmt::format("{:02x}", byte);
    text += fmt::format("    {:x}  {:<24}{}\n", at, hex, disassemble(insn, at));
    at += insn.length;
    rest = rest.subspan(insn.length);
  }
  return text;
}

}  // namespace rhea::x86::test
