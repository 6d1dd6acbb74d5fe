// What the translator copies, run natively in a guarded page with its registers elsewhere, against the interpreter: all
// state, and that the facts about an instruction hold: what it does not read may be anything, what it does not write
// stays as it was. RHEA_CASES, RHEA_ROW as in isa-host-test.cc.
#include "target/x86/t1/transcribe.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "tests/target/guest.h"
#include "tests/target/row-trial.h"
#include "tests/target/trial-difference.h"

namespace rhea::x86::t1 {
namespace {

using namespace test;

constexpr std::uint32_t kMode = 2 | kModeOsfxsr | kModeAvx | kModeUser;

const RowSet& rowsOfMax() {
  static const RowSet set(*findModel("max"));
  return set;
}

std::string hexText(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

// One instruction of the guest, and its copy with registers wherever chance put them.
class Copied {
 public:
  // False: nothing to try here, the instruction is not copied or not with such registers.
  bool make(const Trial& guest, Random& random) {
    guest_ = guest;
    native_ = guest;
    if (decode({guest.code.data(), guest.codeSize}, kMode, 0, rowsOfMax(), insn_) != DecodeResult::kGood) return false;
    if (!describe(insn_, facts_)) return false;
    choosePlace(random);
    encoded_ = transcribe(insn_, place_, native_.code);
    if (!encoded_.good) return false;
    native_.codeSize = encoded_.size;
    placeRegisters(random);
    return true;
  }

  const Trial& guest() const { return guest_; }
  Trial& native() { return native_; }
  const Facts& facts() const { return facts_; }
  bool exchanges() const { return encoded_.at != 0; }
  std::uint64_t address() const { return address_; }
  std::string text() const {
    return fmt::format("{} [{}] as [{}]", disassemble(insn_, kCodeAt), hexText({guest_.code.data(), guest_.codeSize}),
                       hexText({native_.code.data(), native_.codeSize}));
  }

  // The native result with the registers where the guest has them; complaints about registers that had to stay.
  Trial result(std::string& complaints) const {
    Trial result = native_;
    for (unsigned g = 0; g < 16; ++g) {
      const unsigned h = place_.map[g];
      const std::uint64_t before = native_.in.gpr[h];
      const std::uint64_t after = native_.out.gpr[h];
      const bool mayChange = native_.trap == kNoTrap && (facts_.writes >> g & 1) != 0;
      result.out.gpr[g] = mayChange ? after : guest_.in.gpr[g];
      if (!mayChange && before != after) complaints += fmt::format("  host register {} changed\n", h);
    }
    result.out.rip = native_.trap == kNoTrap ? kCodeAt + guest_.codeSize : native_.out.rip - encoded_.at;
    return result;
  }

 private:
  void choosePlace(Random& random) {
    const std::uint16_t used = facts_.reads | facts_.writes;
    if (random.chance(60)) {
      // As the engine does: three registers of the guest are in memory, any of the host's three stands for them.
      const std::uint8_t first = random.pick<std::uint8_t>({10, 11, 15});
      std::swap(place_.map[10], place_.map[first]);
      std::swap(place_.map[11], place_.map[random.pick<std::uint8_t>({11, 15})]);
    } else {
      // High bytes exist only of the first four registers; those stay among themselves.
      shuffle(random, 0, 4);
      shuffle(random, 4, 16);
    }
    do {
      place_.base = static_cast<std::uint8_t>(random.below(16));
    } while (holdsOperand(used, place_.base));
    place_.disp = static_cast<std::int32_t>(random.chance(50) ? random.below(256) - 128 : random.next());
    if (random.chance(30)) place_.disp = 0;
  }
  void shuffle(Random& random, unsigned from, unsigned to) {
    for (unsigned n = from; n < to; ++n) {
      const auto other = static_cast<unsigned>(from + random.below(to - from));
      if (((facts_.fixed >> n | facts_.fixed >> other) & 1) == 0) std::swap(place_.map[n], place_.map[other]);
    }
  }
  bool holdsOperand(std::uint16_t used, unsigned host) const {
    for (unsigned g = 0; g < 16; ++g) {
      if (place_.map[g] == host) return (used >> g & 1) != 0;
    }
    return false;
  }
  void placeRegisters(Random& random) {
    for (unsigned g = 0; g < 16; ++g)
      native_.in.gpr[place_.map[g]] = (facts_.reads >> g & 1) != 0 ? guest_.in.gpr[g] : random.next();
    if (!insn_.memory()) return;
    const auto& gpr = guest_.in.gpr;
    address_ = static_cast<std::uint64_t>(static_cast<std::int64_t>(insn_.disp));
    if (insn_.base == kRipRegister) address_ += kCodeAt;
    if (insn_.base < 16) address_ += gpr[insn_.base];
    if (insn_.index < 16) address_ += gpr[insn_.index] << (insn_.scale & 3);
    native_.in.gpr[place_.base] = address_ - static_cast<std::uint64_t>(static_cast<std::int64_t>(place_.disp));
  }

  Trial guest_, native_;
  Insn insn_;
  Facts facts_;
  Place place_;
  Encoded encoded_;
  std::uint64_t address_ = 0;
};

class Session {
 public:
  void add(const Row& row, std::uint64_t seed, std::size_t count) {
    Random random(seed);
    for (std::size_t n = 0; n < count; ++n) {
      Copied copied;
      if (!copied.make(makeTrial(row, random), random)) continue;
      rows_.push_back(&row);
      copies_.push_back(copied);
      tried_.insert(&row);
    }
    if (copies_.size() >= 500) finish();
  }
  void finish() {
    std::vector<Trial> trials;
    for (Copied& copied : copies_) {
      trials.push_back(copied.native());
      trials.push_back(copied.native());
      // Flags that are surely written and not read may be anything before.
      trials.back().in.rflags ^= copied.facts().flagsWritten & ~copied.facts().flagsRead;
    }
    oracle_.run(trials);
    for (std::size_t n = 0; n < copies_.size(); ++n) {
      if (failed_.contains(rows_[n]->name)) continue;
      copies_[n].native() = trials[2 * n];
      check(*rows_[n], copies_[n], trials[2 * n + 1]);
    }
    copies_.clear();
    rows_.clear();
  }
  bool tried(const Row& row) const { return tried_.contains(&row); }
  bool failed() const { return !failed_.empty(); }

 private:
  void check(const Row& row, Copied& copied, const Trial& again) {
    std::string text;
    const Trial native = copied.result(text);
    if (copied.exchanges() && native.trap != kNoTrap) return;  // the translator has looked at the page before
    text += differences(row, native, guest_.run(copied.guest()), comparedFlags(row));
    if (again.trap == kNoTrap && (again.out.rflags ^ native.out.rflags) & copied.facts().flagsWritten)
      text += fmt::format("  flags that were to be lost mattered: {:#x}, then {:#x}\n", native.out.rflags,
                          again.out.rflags);
    text += memoryComplaints(copied, native);
    if (text.empty()) return;
    failed_.insert(row.name);
    ADD_FAILURE() << fmt::format("{} trap {}\n{}{}\n", copied.text(), native.trap, text, stateText(copied.native()));
  }
  // The interpreter leaves undefined flags to the host's own instruction, but for these, which not every host has.
  static Flags comparedFlags(const Row& row) {
    const std::string_view feature = row.cpuid;
    const bool portable = feature == "bmi1" || feature == "bmi2" || feature == "abm";
    return portable && !__builtin_cpu_is("amd") ? Flags::kDefined : Flags::kAll;
  }
  static std::string memoryComplaints(const Copied& copied, const Trial& native) {
    const Facts& facts = copied.facts();
    const std::uint64_t address = copied.address();
    for (std::size_t n = 0; n < kWindowSize; ++n) {
      if (native.memoryIn[n] == native.memoryOut[n]) continue;
      const std::uint64_t at = kWindow + n;
      if ((facts.memory & Facts::kWrite) == 0 || at < address || at >= address + facts.memoryBytes)
        return fmt::format("  memory at {:#x} changed, the operand is {:#x} with {} bytes\n", at, address,
                           facts.memoryBytes);
    }
    const bool inside = address >= kDataPage && address + facts.memoryBytes <= kDataPage + kPageSize;
    const bool misaligned = facts.align != 0 && address % facts.align != 0;
    if (facts.memory != Facts::kNone && inside && native.trap != 16 && misaligned != (native.trap == 13))
      return fmt::format("  alignment {} and address {:#x}: trap {}\n", facts.align, address, native.trap);
    return {};
  }

  HostOracle oracle_;
  TestGuest guest_;
  std::vector<Copied> copies_;
  std::vector<const Row*> rows_;
  std::set<const Row*> tried_;
  std::set<std::string> failed_;
};

void tryRows(bool (*belongs)(const Row&)) {
  const char* const only = std::getenv("RHEA_ROW");
  const char* const cases = std::getenv("RHEA_CASES");
  const std::size_t count = cases ? std::strtoul(cases, nullptr, 10) : 40;
  Session session;
  std::uint64_t seed = 77;
  for (const Row& row : rows()) {
    ++seed;
    const bool wanted = only == nullptr || std::string_view(only) == row.name;
    if (wanted && belongs(row) && row.is(kCopy) && canBeTried(row) && hostHas(row)) session.add(row, seed, count);
  }
  session.finish();
}

bool isX87(const Row& row) { return row.is(kFpuClass) || row.is(kMmxClass) || row.is(kWaitClass); }
bool isSse(const Row& row) { return row.is(kSseClass); }
bool isAvx(const Row& row) { return row.is(kAvxClass); }
bool isInteger(const Row& row) { return !isX87(row) && !isSse(row) && !isAvx(row); }

TEST(Transcribe, CopiedIntegerInstructionsComputeAsTheInterpreter) { tryRows(isInteger); }
TEST(Transcribe, CopiedSseInstructionsComputeAsTheInterpreter) { tryRows(isSse); }
TEST(Transcribe, CopiedAvxInstructionsComputeAsTheInterpreter) { tryRows(isAvx); }
TEST(Transcribe, CopiedX87AndMmxInstructionsComputeAsTheInterpreter) { tryRows(isX87); }

// Guest bytes, the host's register that stands for r10, r11 and r15, the memory operand's base in r15 with no distance,
// and what has to come out.
struct Golden {
  const char* guest;
  unsigned displaced;
  const char* host;
};

std::vector<std::uint8_t> bytesOf(const char* text) {
  std::vector<std::uint8_t> bytes;
  for (const char* at = text; *at != 0; at += at[2] != 0 ? 3 : 2)
    bytes.push_back(static_cast<std::uint8_t>(std::strtoul(std::string(at, 2).c_str(), nullptr, 16)));
  return bytes;
}

TEST(Transcribe, EmitsTheSameInstructionWithItsOperandsReplaced) {
  constexpr Golden kGoldens[] = {
      {"01 d8", 10, "01 d8"},                                                  // add eax, ebx
      {"48 01 1c 24", 10, "49 01 1f"},                                         // add [rsp], rbx
      {"48 8b 84 8b 00 01 00 00", 10, "49 8b 07"},                             // mov rax, [rbx+rcx*4+0x100]
      {"8b 05 10 00 00 00", 10, "41 8b 07"},                                   // mov eax, [rip+0x10]
      {"64 48 8b 04 25 28 00 00 00", 10, "49 8b 07"},                          // mov rax, fs:[0x28]
      {"4c 01 d3", 10, "4c 01 d3"},                                            // add rbx, r10
      {"4c 01 fb", 10, "4c 01 d3"},                                            // add rbx, r15, in r10
      {"4d 8b 1f", 11, "4d 8b 1f"},                                            // mov r11, [r15]
      {"66 81 43 02 34 12", 10, "66 41 81 07 34 12"},                          // add word [rbx+2], 0x1234
      {"f0 0f b1 0b", 10, "f0 41 0f b1 0f"},                                   // lock cmpxchg [rbx], ecx
      {"88 23", 10, "86 c4 41 88 07 86 c4"},                                   // mov [rbx], ah: al and ah change places
      {"00 fb", 10, "00 fb"},                                                  // add bl, bh
      {"40 88 33", 10, "41 88 37"},                                            // mov [rbx], sil
      {"49 bf 08 07 06 05 04 03 02 01", 10, "49 ba 08 07 06 05 04 03 02 01"},  // mov r15, 0x102030405060708
      {"0f af c3", 10, "39 c0 0f af c3"},                                      // imul eax, ebx: cmp eax, eax before it
      {"0f 1f 44 00 00", 10, ""},                                              // nop [rax+rax]
      {"f3 0f 1e fa", 10, ""},                                                 // endbr64
      {"66 0f 6f 07", 10, "66 41 0f 6f 07"},                                   // movdqa xmm0, [rdi]
      {"f2 44 0f 58 c1", 10, "f2 44 0f 58 c1"},                                // addsd xmm8, xmm1
      {"f2 49 0f 2a c7", 10, "f2 49 0f 2a c2"},                                // cvtsi2sd xmm0, r15
      {"c5 f5 fe 07", 10, "c4 c1 75 fe 07"},                                   // vpaddd ymm0, ymm1, [rdi]
      {"c4 e2 f5 b8 d3", 10, "c4 e2 f5 b8 d3"},                                // vfmadd231pd ymm2, ymm1, ymm3
      {"c4 42 20 f2 d7", 10, "c4 42 28 f2 d2"},     // andn r10d, r11d, r15d, all of them in r10
      {"66 0f 38 dc 08", 10, "66 41 0f 38 dc 0f"},  // aesenc xmm1, [rax]
      {"dd 04 24", 10, "41 dd 07"},                 // fld qword [rsp]
      {"d8 c1", 10, "d8 c1"},                       // fadd st0, st1
      {"0f fc 0a", 10, "41 0f fc 0f"},              // paddb mm1, [rdx]
      {"48 0f a3 c2", 10, "48 0f a3 c2"},           // bt rdx, rax: no further than the register
      {"4d 0f b3 fb", 10, "4d 0f b3 d2"},           // btr r11, r15, both of them in r10
  };
  for (const Golden& golden : kGoldens) {
    const std::vector<std::uint8_t> bytes = bytesOf(golden.guest);
    Insn insn;
    Facts facts;
    ASSERT_EQ(decode(bytes, kMode, 0, rowsOfMax(), insn), DecodeResult::kGood) << golden.guest;
    ASSERT_TRUE(describe(insn, facts)) << golden.guest;
    Place place;
    for (const unsigned g : {10u, 11u, 15u}) place.map[g] = static_cast<std::uint8_t>(golden.displaced);
    place.base = 15;
    std::array<std::uint8_t, kMostEncoded> out;
    const Encoded encoded = transcribe(insn, place, out);
    ASSERT_TRUE(encoded.good) << golden.guest;
    EXPECT_EQ(hexText(std::span(out).first(encoded.size)), golden.host) << disassemble(insn, 0);
  }
}

TEST(Transcribe, RefusesWhatItCannotCopy) {
  // ret, push, movs, bt with a register and memory, div, fxsave, cpuid, pushf, gather, xlat
  for (const char* text :
       {"c3", "50", "a4", "0f a3 07", "f7 f1", "0f ae 00", "0f a2", "9c", "c4 e2 69 90 04 08", "d7"}) {
    Insn insn;
    Facts facts;
    ASSERT_EQ(decode(bytesOf(text), kMode, 0, rowsOfMax(), insn), DecodeResult::kGood) << text;
    EXPECT_FALSE(describe(insn, facts)) << text;
  }
  // cmpxchg [r15], ah: ah and the accumulator cannot change places.
  Insn insn;
  ASSERT_EQ(decode(bytesOf("0f b0 27"), kMode, 0, rowsOfMax(), insn), DecodeResult::kGood);
  Place place;
  place.base = 15;
  std::array<std::uint8_t, kMostEncoded> out;
  EXPECT_FALSE(transcribe(insn, place, out).good);
}

TEST(Transcribe, AHostModelHasTheRowsThatTheHostHas) {
  const RowSet host(hostModel());
  for (std::size_t n = 0; n < rows().size(); ++n)
    EXPECT_EQ(host.has(static_cast<std::uint16_t>(n)), hostHas(rows()[n])) << rows()[n].name << " " << rows()[n].cpuid;
}

}  // namespace
}  // namespace rhea::x86::t1
