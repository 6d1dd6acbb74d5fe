#include "tests/target/random-program.h"

#include <string>

#include "target/x86/t1/facts.h"
#include "tests/target/row-trial.h"

namespace rhea::x86::test {
namespace {

constexpr std::uint32_t kMode = 2 | kModeOsfxsr | kModeAvx | kModeUser;
// Times around the loop; the counter lies in the data page, before the window.
constexpr std::uint32_t kRounds = 6;
constexpr std::uint32_t kCounter = static_cast<std::uint32_t>(kDataPage) + 64;

const RowSet& rowsOfMax() {
  static const RowSet set(*findModel("max"));
  return set;
}

void put32(std::vector<std::uint8_t>& to, std::uint32_t value) {
  for (unsigned n = 0; n < 4; ++n) to.push_back(static_cast<std::uint8_t>(value >> (8 * n)));
}
void loadRegister(std::vector<std::uint8_t>& to, unsigned number, std::uint64_t value) {
  to.push_back(static_cast<std::uint8_t>(0x48 | number >> 3));
  to.push_back(static_cast<std::uint8_t>(0xb8 | (number & 7)));
  put32(to, static_cast<std::uint32_t>(value));
  put32(to, static_cast<std::uint32_t>(value >> 32));
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

// Branches: those whose distance can be set. The others end anywhere.
bool RandomProgram::isTaken(const Row& row) {
  if (!canBeTried(row) || !hostHas(row)) return false;
  if (!row.is(kBranch)) return true;
  const OperandClass first = row.operands[0].kind;
  return row.operandCount > 0 && first == OperandClass::kRelative;
}

RandomProgram::RandomProgram(Random& random, std::size_t length, bool (*belongs)(const Row&)) {
  std::vector<const Row*> some;
  for (const Row& row : rows()) {
    if (isTaken(row) && belongs(row)) some.push_back(&row);
  }
  start_ = makeTrial(*some[random.below(some.size())], random);
  for (std::size_t n = 0; n < length; ++n) groups_.push_back(makeGroup(*some[random.below(some.size())], random));
}

RandomProgram::Group RandomProgram::makeGroup(const Row& row, Random& random) const {
  const Trial trial = makeTrial(row, random);
  Insn insn;
  Group group;
  if (decode({trial.code.data(), trial.codeSize}, kMode, 0, rowsOfMax(), insn) != DecodeResult::kGood) return group;
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
  for (std::size_t n = 0; n < groups_.size(); ++n) {
    code.insert(code.end(), groups_[n].bytes.begin(), groups_[n].bytes.end());
    if (groups_[n].jump == 0) continue;
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
    if (decode(rest, kMode, 0, rowsOfMax(), insn) != DecodeResult::kGood) break;
    std::string hex;
    for (const std::uint8_t byte : rest.first(insn.length)) hex += fmt::format("{:02x}", byte);
    text += fmt::format("    {:x}  {:<24}{}\n", at, hex, disassemble(insn, at));
    at += insn.length;
    rest = rest.subspan(insn.length);
  }
  return text;
}

}  // namespace rhea::x86::test
