// Translated code against the interpreter: random programs from the tables, all state at their end. RHEA_CASES=N
// programs of each kind; RHEA_SOAK=SECONDS goes on for that long; RHEA_SEED=N begins elsewhere.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

#include "target/x86/t1/engine.h"
#include "tests/target/guest.h"
#include "tests/target/random-program.h"
#include "tests/target/trial-difference.h"

namespace rhea::x86::test {
namespace {

constexpr std::size_t kLength = 24;
constexpr int kBreakpointTrap = 3;
constexpr int kGeneralProtectionTrap = 13;

const Row& anyRow() { return rows()[0]; }

CodeSize sizeOf(GuestMode mode) { return mode == GuestMode::k64 ? CodeSize::k64 : CodeSize::k32; }

// What the data page's end is followed by: what reaches over it faults, or only what is written there.
enum class Behind : std::uint8_t { kNothing, kPage, kReadOnlyPage };

class Lockstep {
 public:
  explicit Lockstep(GuestMode mode) : interpreted_("max", nullptr, mode), translated_("max", nullptr, mode) {}

  // False: this build cannot translate.
  bool begin(Behind behind) {
    if (behind != Behind::kNothing) {
      for (TestGuest* guest : {&interpreted_, &translated_}) guest->mapBehind(behind == Behind::kPage);
    }
    if (!translated_.cpu().translateCode().ok()) return false;
    translated_.cpu().engine()->setHeat(1);
    return true;
  }

  std::string differences(const RandomProgram& program) {
    const std::vector<std::uint8_t> code = program.code();
    const Trial start = startOf(program);
    const Trial expected = interpreted_.runToTrap(code, start);
    const Trial found = translated_.runToTrap(code, start);
    return test::differences(anyRow(), expected, found, Flags::kAll) + pointerDifferences() +
           (interpreted_.behind() == translated_.behind() ? "" : "  the page behind the window\n");
  }

  // Exceptions of SIMD and of the x87 unit that programs do not mask.
  void unmask(std::uint8_t exceptions) { unmasked_ = exceptions; }

  std::uint64_t variants() { return translated_.cpu().engine()->statistics().variants; }
  std::uint64_t translatedBlocks() { return translated_.cpu().engine()->statistics().blocks; }
  // Blocks that ran in the interpreter because of what code they were.
  std::uint64_t refusedBlocks() {
    const auto& fallbacks = translated_.cpu().engine()->statistics().fallbacks;
    return fallbacks[static_cast<std::size_t>(t1::Fallback::kMode)] +
           fallbacks[static_cast<std::size_t>(t1::Fallback::kSegments)];
  }

  // Most of what faults in the first round is taken out, so that something is left to translate.
  void tame(RandomProgram& program, Random& random) {
    for (int patience = 200; patience > 0; --patience) {
      const Trial end = interpreted_.runToTrap(program.code(), startOf(program));
      const std::size_t group = program.groupAt(end.out.rip);
      if (end.trap == kBreakpointTrap || end.trap == kNoTrap || group == program.size() || random.chance(4)) return;
      program.remove(group);
    }
  }

  // The least program that still differs.
  void shrink(RandomProgram& program) {
    for (bool smaller = true; smaller;) {
      smaller = false;
      for (std::size_t n = 0; n < program.size(); ++n) {
        RandomProgram less = program;
        less.remove(n);
        if (differences(less).empty()) continue;
        program = less;
        smaller = true;
        break;
      }
    }
  }

 private:
  Trial startOf(const RandomProgram& program) const {
    Trial start = program.start();
    if (unmasked_ == 0) return start;
    // None is pending.
    start.in.fx[2] = 0;
    start.in.fx[3] &= 0x7f;
    start.in.fx[0] &= static_cast<std::uint8_t>(~unmasked_);
    start.in.fx[24] &= static_cast<std::uint8_t>(~(unmasked_ << 7));
    start.in.fx[25] &= static_cast<std::uint8_t>(~(unmasked_ >> 1));
    return start;
  }
  // Of the x87 unit, to its last instruction and operand.
  std::string pointerDifferences() {
    const auto text = [](const Fpu& fpu) {
      return fmt::format("x87 opcode {:#x} at {:#x}:{:#x}, operand {:#x}:{:#x}", fpu.opcode, fpu.ipSelector, fpu.ip,
                         fpu.dpSelector, fpu.dp);
    };
    const std::string expected = text(interpreted_.cpu().st.fpu);
    const std::string found = text(translated_.cpu().st.fpu);
    return expected == found ? "" : fmt::format("  {}, found {}\n", expected, found);
  }

  TestGuest interpreted_;
  TestGuest translated_;
  std::uint8_t unmasked_ = 0;
};

unsigned long fromEnvironment(const char* name, unsigned long otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoul(text, nullptr, 10) : otherwise;
}

// kRaised: most are taken out; of floating-point exceptions one is not masked.
enum class Faults : std::uint8_t { kTakenOut, kStay, kRaised };

// `make`: a program of kLength groups.
template <class Make>
void tryEach(Make make, Behind behind, GuestMode mode = GuestMode::k64, Faults faults = Faults::kTakenOut) {
  Lockstep lockstep(mode);
  if (!lockstep.begin(behind)) GTEST_SKIP() << "this build does not translate";
  // Those that are not looked over first are quick.
  const unsigned long count = fromEnvironment("RHEA_CASES", 60) * (faults == Faults::kStay ? 16 : 1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(fromEnvironment("RHEA_SOAK", 0));
  std::uint64_t seed = fromEnvironment("RHEA_SEED", 1);
  int failures = 0;
  do {
    for (unsigned long n = 0; n < count && failures < 3; ++n, ++seed) {
      Random random(seed);
      RandomProgram program = make(random);
      if (faults == Faults::kRaised) lockstep.unmask(static_cast<std::uint8_t>(1U << random.below(6)));
      if (faults != Faults::kStay) lockstep.tame(program, random);
      const std::string first = lockstep.differences(program);
      if (first.empty()) continue;
      ++failures;
      lockstep.shrink(program);
      ADD_FAILURE() << fmt::format("seed {}: interpreter (host) and translated code (rhea) differ\n{}least:\n{}{}{}",
                                   seed, first, lockstep.differences(program), program.text(),
                                   stateText(program.start()));
    }
  } while (std::chrono::steady_clock::now() < end && failures == 0);
  EXPECT_GT(lockstep.translatedBlocks(), count) << "so little was translated that nothing was compared";
  EXPECT_EQ(lockstep.refusedBlocks(), 0U);
  if (faults == Faults::kStay) {
    EXPECT_GT(lockstep.variants(), 0U) << "no edge was passed often enough";
  }
}

void tryPrograms(bool (*belongs)(const Row&), Behind behind = Behind::kNothing, GuestMode mode = GuestMode::k64) {
  tryEach([&](Random& random) { return RandomProgram(random, kLength, belongs, sizeOf(mode)); }, behind, mode);
}

bool isX87(const Row& row) { return row.is(kFpuClass) || row.is(kMmxClass) || row.is(kWaitClass); }
bool isVector(const Row& row) { return row.is(kSseClass) || row.is(kAvxClass); }
bool isString(const Row& row) {
  return row.pattern.map == 0 && row.pattern.opcode >= 0xa4 && row.pattern.opcode <= 0xaf;
}
// Gathers and masked moves.
bool movesLanes(const Row& row) {
  const std::string_view name = row.name;
  return name.find("gather") != name.npos || name.find("maskmov") != name.npos;
}
// Those that the translator has its own ways with, besides strings.
bool isRare(const Row& row) {
  const std::string_view name = row.name;
  return name == "div" || name == "idiv" || name == "xlat" || name == "enter" || name == "leave" || name == "pusha" ||
         name == "popa" || name.starts_with("push") || name.starts_with("loop") ||
         (name == "pop" && row.pattern.hasModrm);
}
bool isInteger(const Row& row) { return !isX87(row) && !isVector(row); }

TEST(Lockstep, IntegerProgramsEndAsInterpreted) { tryPrograms(isInteger); }
TEST(Lockstep, VectorProgramsEndAsInterpreted) { tryPrograms(isVector); }
TEST(Lockstep, X87AndMmxProgramsEndAsInterpreted) { tryPrograms(isX87); }
TEST(Lockstep, StringsEndAsInterpreted) {
  tryPrograms(isString);
  tryPrograms(isString, Behind::kPage);
}
TEST(Lockstep, ChosenLanesEndAsInterpreted) {
  tryPrograms(movesLanes);
  tryPrograms(movesLanes, Behind::kPage);
}
TEST(Lockstep, RareInstructionsEndAsInterpreted) {
  tryPrograms(isRare);
  tryPrograms(isRare, Behind::kPage);
}
TEST(Lockstep, X87EnvironmentsEndAsInterpreted) {
  const auto make = [](Random& random) { return RandomProgram::environments(random, kLength); };
  tryEach(make, Behind::kNothing);
  tryEach(make, Behind::kPage);
}
// The host raises it, at an instruction whose flags are only in its register, and the loop before it is translated.
TEST(Lockstep, ExceptionsThatTheGuestUnmasksAreRaisedWhereTheyAre) {
  constexpr std::uint8_t kCode[] = {0xb9, 0x10, 0x27, 0,    0,  // mov ecx, 10000
                                    0xf2, 0x0f, 0x58, 0xc1,     // addsd xmm0, xmm1
                                    0xd8, 0xc0,                 // fadd st(0), st(0)
                                    0xff, 0xc9, 0x75, 0xf6,     // dec ecx; jnz
                                    0x48, 0x83, 0xe8, 0x05,     // sub rax, 5
                                    0xf2, 0x0f, 0x5e, 0xc2, 0xd9,
                                    0xee, 0xd8, 0xf0,              // divsd xmm0, xmm2; fld1; fldz; fdivp
                                    0x83, 0xc0, 0x01, 0x9b, 0x90,  // add eax, 1; fwait; nop
                                    0x01, 0xc0};                   // add eax, eax
  std::vector<std::uint8_t> code(std::begin(kCode), std::end(kCode));
  code.insert(code.end(), 16, 0xcc);
  for (const bool vector : {true, false}) {
    TestGuest interpreted, translated;
    if (!translated.cpu().translateCode().ok()) GTEST_SKIP() << "this build does not translate";
    Random random(1);
    Trial start = RandomProgram(random, 1, isInteger).start();
    start.in.fx.fill(0);
    start.in.fx[0] = vector ? 0x7f : 0x7b, start.in.fx[1] = 3;
    start.in.fx[24] = 0x80, start.in.fx[25] = vector ? 0x1d : 0x1f;  // all but divisions by zero
    for (auto& v : start.in.ymm) v.fill(0);
    const double one = 1;
    std::memcpy(start.in.ymm[1].data(), &one, sizeof one);
    const Trial expected = interpreted.runToTrap(code, start);
    const Trial found = translated.runToTrap(code, start);
    EXPECT_EQ(test::differences(anyRow(), expected, found, Flags::kAll), "");
    EXPECT_TRUE(!vector || found.trap == 19) << found.trap;
    EXPECT_LT(translated.cpu().engine()->statistics().fallbacks[static_cast<std::size_t>(t1::Fallback::kMasks)], 4U);
    EXPECT_GT(translated.cpu().engine()->statistics().blocks, 0U);
  }
}
TEST(Lockstep, ProgramsThatUnmaskAnExceptionEndAsInterpreted) {
  // Without dot products: which of two NaNs they answer depends on the host.
  const auto vector = [](const Row& row) {
    return isVector(row) && std::string_view(row.name).find("dpp") == std::string_view::npos;
  };
  for (bool (*const belongs)(const Row&) : {+vector, &isX87}) {
    const auto make = [&](Random& random) { return RandomProgram(random, kLength, belongs); };
    tryEach(make, Behind::kPage, GuestMode::k64, Faults::kRaised);
  }
}
// The copy of an instruction that writes to two pages raises what the instruction does.
TEST(Lockstep, ExceptionsOfStoresToTwoPagesAreRaised) {
  constexpr std::uint8_t kCode[] = {0xb9, 0x10, 0x27, 0,    0,           // mov ecx, 10000
                                    0xc4, 0xe3, 0x79, 0x1d, 0x0f, 0x04,  // vcvtps2ph [rdi], xmm1, 4
                                    0xff, 0xc9, 0x75, 0xf6,              // dec ecx; jnz
                                    0x0f, 0x28, 0xca,                    // movaps xmm1, xmm2
                                    0xc4, 0xe3, 0x79, 0x1d, 0x0f, 0x04,  // vcvtps2ph [rdi], xmm1, 4
                                    0x01, 0xc0};                         // add eax, eax
  std::vector<std::uint8_t> code(std::begin(kCode), std::end(kCode));
  code.insert(code.end(), 16, 0xcc);
  TestGuest interpreted, translated;
  for (TestGuest* guest : {&interpreted, &translated}) guest->mapBehind(true);
  if (!translated.cpu().translateCode().ok()) GTEST_SKIP() << "this build does not translate";
  translated.cpu().engine()->setWarm(0);
  Random random(1);
  Trial start = RandomProgram(random, 1, isInteger).start();
  start.in.gpr[kRdi] = kDataPage + 0xffd;
  start.in.fx.fill(0);
  start.in.fx[0] = 0x7f, start.in.fx[1] = 3;
  start.in.fx[24] = 0x80, start.in.fx[25] = 0x0f;  // all but inexact results
  for (auto& v : start.in.ymm) v.fill(0);
  const float inexact = 1.1F;
  std::memcpy(start.in.ymm[2].data(), &inexact, sizeof inexact);
  const Trial expected = interpreted.runToTrap(code, start);
  const Trial found = translated.runToTrap(code, start);
  EXPECT_EQ(expected.trap, 19);
  EXPECT_EQ(test::differences(anyRow(), expected, found, Flags::kAll), "");
  EXPECT_EQ(interpreted.behind(), translated.behind());
}
// What lies above 4 GiB is there for 64-bit code of the same address space, and in the same tables.
TEST(Lockstep, OperandsOfNarrowCodeThatReachOver4GiBFault) {
  constexpr std::uint8_t kCode[] = {0x6a, 0x33, 0x68, 0x08, 0x08, 0x00, 0x10, 0xcb,  // push 0x33; push 1f; retf
                                    0x48, 0xa1, 0,    0,    0,    0,    1,    0,    0,    0,  // 1: mov rax, [1 << 32]
                                    0x6a, 0x23, 0x68, 0x1b, 0x08, 0x00, 0x10, 0x48, 0xcb,  // push 0x23; push 2f; retf
                                    0xa1, 0x00, 0xf0, 0xff, 0xff,                          // 2: mov eax, [0xfffff000]
                                    0xbb, 0xfe, 0xff, 0xff, 0xff,                          // mov ebx, 0xfffffffe
                                    0x8b, 0x03};                                           // mov eax, [ebx]
  std::vector<std::uint8_t> code(std::begin(kCode), std::end(kCode));
  code.insert(code.end(), 16, 0xcc);
  TestGuest interpreted("max", nullptr, GuestMode::kCompatible), translated("max", nullptr, GuestMode::kCompatible);
  for (TestGuest* guest : {&interpreted, &translated}) {
    const auto entry = [guest](std::uint64_t at, std::uint64_t value) {
      value |= 7;
      ASSERT_EQ(guest->memory().write(at, std::as_bytes(std::span(&value, 1))), mem::Access::kDone);
    };
    // The directory of pointers is at 0x2000.
    entry(0x2000 + 3 * 8, 0x20000), entry(0x2000 + 4 * 8, 0x21000);
    entry(0x20000 + 511 * 8, 0x22000), entry(0x21000, 0x23000);
    entry(0x22000 + 511 * 8, 0x24000), entry(0x23000, 0x25000);
  }
  if (!translated.cpu().translateCode().ok()) GTEST_SKIP() << "this build does not translate";
  translated.cpu().engine()->setWarm(0);
  Random random(1);
  Trial start = RandomProgram(random, 1, isInteger, CodeSize::k32).start();
  const Trial expected = interpreted.runToTrap(code, start);
  const Trial found = translated.runToTrap(code, start);
  EXPECT_EQ(expected.trap, kGeneralProtectionTrap);
  EXPECT_EQ(expected.out.rip, 0x10000825U);
  EXPECT_EQ(test::differences(anyRow(), expected, found, Flags::kAll), "");
}
// The jump table compares sums of an address and its mode's key: with a key that can be told, one that is not canonical
// would be found in an empty slot, or where the kernel's code is.
TEST(Lockstep, JumpsToWhatIsNotCanonicalFault) {
  TestGuest guest;
  if (!guest.cpu().translateCode().ok()) GTEST_SKIP() << "this build does not translate";
  guest.cpu().engine()->setWarm(0);
  Random random(1);
  const Trial start = RandomProgram(random, 1, isInteger).start();
  for (std::uint64_t mode = 0; mode < 2048; ++mode) {
    std::vector<std::uint8_t> code{0x48, 0xb8};  // mov rax, -((mode + 1) << 48)
    for (unsigned n = 0; n < 8; ++n) code.push_back(static_cast<std::uint8_t>(-((mode + 1) << 48) >> (8 * n)));
    const bool byReturn = mode % 2 != 0;
    const std::initializer_list<std::uint8_t> jump{0xff, 0xe0};  // jmp rax
    const std::initializer_list<std::uint8_t> back{0x48, 0x89, 0x03, 0x48,
                                                   0x89, 0xdc, 0xc3};  // mov [rbx], rax; mov rsp, rbx; ret
    code.insert(code.end(), byReturn ? back : jump);
    code.insert(code.end(), 16, 0xcc);
    Trial trial = start;
    trial.in.gpr[kRbx] = kDataPage + 256;
    const Trial end = guest.runToTrap(code, trial);
    ASSERT_EQ(end.trap, kGeneralProtectionTrap) << mode;
  }
}
// The handler is there for what translated code raises. Another program's signal does what it always does.
TEST(Lockstep, AnotherProgramsSignalStillEndsThisOne) {
  if (!Cpu::translationIsBuilt()) GTEST_SKIP() << "this build does not translate";
  const auto runAndBeSignalled = [] {
    Lockstep lockstep(GuestMode::k64);
    if (!lockstep.begin(Behind::kNothing)) std::_Exit(2);
    lockstep.unmask(1);
    Random random(1);
    RandomProgram program(random, kLength, isVector);
    lockstep.tame(program, random);
    static_cast<void>(lockstep.differences(program));
    struct sigaction handled {};
    ::sigaction(SIGFPE, nullptr, &handled);
    if (handled.sa_handler == SIG_DFL) std::_Exit(3);
    std::raise(SIGFPE);
    std::_Exit(0);
  };
  EXPECT_EXIT(runAndBeSignalled(), testing::KilledBySignal(SIGFPE), "");
}
TEST(Lockstep, MixedProgramsEndAsInterpreted) {
  tryPrograms([](const Row&) { return true; });
}
TEST(Lockstep, ProgramsWhoseOperandsReachIntoTheNextPageEndAsInterpreted) {
  tryPrograms([](const Row& row) { return !isX87(row); }, Behind::kPage);
}
TEST(Lockstep, ProgramsWhoseOperandsReachIntoAReadOnlyPageEndAsInterpreted) {
  tryPrograms([](const Row& row) { return !isX87(row); }, Behind::kReadOnlyPage);
}
TEST(Lockstep, OperandsUnderOneProbeEndAsInterpreted) {
  const auto make = [](Random& random) { return RandomProgram::neighbours(random, kLength); };
  tryEach(make, Behind::kNothing);
  tryEach(make, Behind::kPage);
}
// What faults in a late round stays in.
TEST(Lockstep, FlagsAreTheGuestsWhereAnOperandMissesOrFaults) {
  const auto make = [](Random& random) { return RandomProgram::flagsAroundMemory(random, kLength); };
  tryEach(make, Behind::kNothing, GuestMode::k64, Faults::kStay);
  tryEach(make, Behind::kPage, GuestMode::k64, Faults::kStay);
  tryEach(make, Behind::kReadOnlyPage, GuestMode::k64, Faults::kStay);
}

// 32-bit code, under a 64-bit system and under a 32-bit one.
class NarrowLockstep : public testing::TestWithParam<GuestMode> {};

TEST_P(NarrowLockstep, IntegerProgramsEndAsInterpreted) { tryPrograms(isInteger, Behind::kNothing, GetParam()); }
TEST_P(NarrowLockstep, VectorProgramsEndAsInterpreted) { tryPrograms(isVector, Behind::kNothing, GetParam()); }
TEST_P(NarrowLockstep, X87AndMmxProgramsEndAsInterpreted) { tryPrograms(isX87, Behind::kNothing, GetParam()); }
TEST_P(NarrowLockstep, ProgramsWhoseOperandsReachIntoTheNextPageEndAsInterpreted) {
  tryPrograms([](const Row& row) { return !isX87(row); }, Behind::kPage, GetParam());
}
TEST_P(NarrowLockstep, StringsEndAsInterpreted) { tryPrograms(isString, Behind::kPage, GetParam()); }
TEST_P(NarrowLockstep, ChosenLanesEndAsInterpreted) { tryPrograms(movesLanes, Behind::kPage, GetParam()); }
TEST_P(NarrowLockstep, RareInstructionsEndAsInterpreted) { tryPrograms(isRare, Behind::kPage, GetParam()); }
TEST_P(NarrowLockstep, X87EnvironmentsEndAsInterpreted) {
  const auto make = [](Random& random) { return RandomProgram::environments(random, kLength, CodeSize::k32); };
  tryEach(make, Behind::kPage, GetParam());
}
TEST_P(NarrowLockstep, OperandsUnderOneProbeEndAsInterpreted) {
  const auto make = [](Random& random) { return RandomProgram::neighbours(random, kLength, CodeSize::k32); };
  tryEach(make, Behind::kNothing, GetParam());
  tryEach(make, Behind::kPage, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Lockstep, NarrowLockstep, testing::Values(GuestMode::kCompatible, GuestMode::kProtected),
                         [](const auto& mode) {
                           return mode.param == GuestMode::kCompatible ? "UnderA64BitSystem" : "UnderA32BitSystem";
                         });

}  // namespace
}  // namespace rhea::x86::test
