// Saving and restoring x87 and vector state, against the host; and what keeps such instructions from running.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "target/x86/isa.h"
#include "tests/target/guest.h"
#include "tests/target/row-trial.h"

namespace rhea::x86::test {
namespace {

// Not an initializer_list: these are kept in lists themselves.
using Code = std::vector<std::uint8_t>;

const Row& rowNamed(std::string_view name) {
  for (const Row& row : rows()) {
    if (name == row.name) return row;
  }
  throw std::logic_error("no row of that name");
}

// A random state, as for x87 instructions; rbx and rsp lead to memory, edx:eax asks for x87, SSE and AVX.
Trial trial(const Code& code, Random& random) {
  Trial t = makeTrial(rowNamed("fld1"), random);
  t.code = {};
  std::copy(code.begin(), code.end(), t.code.begin());
  t.codeSize = static_cast<std::uint32_t>(code.size());
  t.in.gpr[kRbx] = kWindow;
  t.in.gpr[kRax] = 7;
  t.in.gpr[kRdx] = 0;
  t.in.rflags = 0x202;
  // Nothing pending: the exceptions of these trials are of another kind.
  t.in.fx[2] &= 0x40;
  t.in.fx[3] &= 0x7f;
  return t;
}

template <class Bytes>
std::string hex(const Bytes& bytes, std::size_t from, std::size_t size) {
  std::string text;
  for (std::size_t n = 0; n < size; ++n) text += fmt::format("{:02x}", bytes[from + n]);
  return text;
}

// Registers, and the window but for bytes `unlike`, in which addresses of the two worlds stand.
void expectSame(const Trial& host, const Trial& guest, std::size_t unlikeFrom = 0, std::size_t unlikeTo = 0) {
  EXPECT_EQ(host.trap, guest.trap);
  for (std::size_t n = 0; n < 16; ++n)
    EXPECT_EQ(hex(host.out.ymm[n], 0, 32), hex(guest.out.ymm[n], 0, 32)) << "ymm" << n;
  for (const auto& [at, size] : {std::pair{0, 5}, {24, 4}, {32, 128}}) {
    if (at != 32) {
      EXPECT_EQ(hex(host.out.fx, at, size), hex(guest.out.fx, at, size)) << "fxsave field at " << at;
      continue;
    }
    for (int n = 0; n < 8; ++n)
      EXPECT_EQ(hex(host.out.fx, 32 + 16 * n, 10), hex(guest.out.fx, 32 + 16 * n, 10)) << "st" << n;
  }
  Trial a = host;
  Trial b = guest;
  for (std::size_t n = unlikeFrom; n < unlikeTo; ++n) a.memoryOut[n] = b.memoryOut[n] = 0;
  for (std::size_t n = 0; n < kWindowSize; n += 16) {
    EXPECT_EQ(hex(a.memoryOut, n, 16), hex(b.memoryOut, n, 16)) << "memory at " << n;
  }
}

class SavedState : public ::testing::Test {
 protected:
  Trial onHost(Trial t) {
    oracle_.run({&t, 1});
    return t;
  }
  HostOracle oracle_;
  TestGuest guest_;
  Random random_{77};
};

TEST_F(SavedState, FxsaveWritesWhatTheHostWrites) {
  for (int n = 0; n < 200; ++n) {
    for (const Code& code : {Code{0x0f, 0xae, 0x03}, Code{0x48, 0x0f, 0xae, 0x03}}) {
      const Trial t = trial(code, random_);
      Trial host = onHost(t);
      Trial mine = guest_.run(t);
      // MXCSR_MASK tells of one bit that some hosts have more.
      EXPECT_EQ(hex(mine.memoryOut, 28, 4), "ffff0000");
      std::memcpy(host.memoryOut.data() + 28, mine.memoryOut.data() + 28, 4);
      expectSame(host, mine, 6, 24);
      if (HasFailure()) return;
    }
  }
}

TEST_F(SavedState, FxrstorLoadsWhatTheHostLoads) {
  for (int n = 0; n < 200; ++n) {
    Trial t = trial({0x0f, 0xae, 0x0b}, random_);
    t.memoryIn[26] = t.memoryIn[27] = 0;
    expectSame(onHost(t), guest_.run(t));
    if (HasFailure()) return;
  }
  Trial reserved = trial({0x0f, 0xae, 0x0b}, random_);
  reserved.memoryIn[27] = 1;
  EXPECT_EQ(guest_.run(reserved).trap, kGeneralProtection);
  Trial askew = trial({0x0f, 0xae, 0x0b}, random_);
  askew.in.gpr[kRbx] -= 8;
  EXPECT_EQ(guest_.run(askew).trap, kGeneralProtection);
}

TEST_F(SavedState, EnvironmentsComeAndGoAsOnTheHost) {
  for (int n = 0; n < 100; ++n) {
    // fnstenv, fnsave, in both sizes; the pointers stand behind the tag word.
    for (const auto& [code, wide] : {std::pair{Code{0xd9, 0x33}, true},
                                     {Code{0xdd, 0x33}, true},
                                     {Code{0x66, 0xd9, 0x33}, false},
                                     {Code{0x66, 0xdd, 0x33}, false}}) {
      const Trial t = trial(code, random_);
      expectSame(onHost(t), guest_.run(t), wide ? 12 : 6, wide ? 28 : 14);
      if (HasFailure()) return;
    }
    for (const Code& code : {Code{0xd9, 0x23}, Code{0xdd, 0x23}, Code{0x66, 0xd9, 0x23}, Code{0x66, 0xdd, 0x23}}) {
      const Trial t = trial(code, random_);
      expectSame(onHost(t), guest_.run(t));
      if (HasFailure()) return;
    }
  }
}

TEST_F(SavedState, XsaveAndXrstorBringTheStateBack) {
  if (!hostHas(rowNamed("xsave")) || !hostHas(rowNamed("vzeroupper"))) GTEST_SKIP() << "the host saves no AVX state";
  for (int n = 0; n < 200; ++n) {
    // xsave, xsaveopt, xsavec; vzeroall; fninit; xrstor. Each has an area of its own in the rest of the data page,
    // for the header of one format is none of the other.
    std::uint64_t area = kDataPage;
    for (const Code& code : {Code{0x0f, 0xae, 0x23, 0xc5, 0xfc, 0x77, 0xdb, 0xe3, 0x0f, 0xae, 0x2b},
                             Code{0x0f, 0xae, 0x33, 0xc5, 0xfc, 0x77, 0xdb, 0xe3, 0x0f, 0xae, 0x2b},
                             Code{0x0f, 0xc7, 0x23, 0xc5, 0xfc, 0x77, 0xdb, 0xe3, 0x0f, 0xae, 0x2b}}) {
      Trial t = trial(code, random_);
      t.in.gpr[kRbx] = area;
      area += 1024;
      t.in.gpr[kRax] = random_.below(8);
      expectSame(onHost(t), guest_.run(t, 4));
      if (HasFailure()) return;
    }
  }
}

TEST_F(SavedState, XrstorRefusesBadHeaders) {
  // The header lies behind the legacy area; xsave has written a good one, and the byte at +512+offset is then changed:
  // mov byte [rbx+512+offset], 1; xrstor [rbx].
  const auto run = [&](std::uint8_t offset, std::uint8_t value) {
    Trial t = trial(
        {0x0f, 0xae, 0x23, 0xc6, 0x83, static_cast<std::uint8_t>(offset), 0x02, 0x00, 0x00, value, 0x0f, 0xae, 0x2b},
        random_);
    t.in.gpr[kRbx] = kDataPage + 1024;
    return guest_.run(t, 3).trap;
  };
  EXPECT_EQ(run(0, 7), kNoTrap);
  EXPECT_EQ(run(0, 0), kNoTrap);
  EXPECT_EQ(run(0, 8), kGeneralProtection);   // a component that XCR0 has not
  EXPECT_EQ(run(8, 1), kGeneralProtection);   // XCOMP_BV without its highest bit
  EXPECT_EQ(run(40, 1), kGeneralProtection);  // reserved
  Trial askew = trial({0x0f, 0xae, 0x23}, random_);
  askew.in.gpr[kRbx] = kDataPage + 16;
  EXPECT_EQ(guest_.run(askew).trap, kGeneralProtection);
}

TEST_F(SavedState, X87RemembersItsLastInstruction) {
  Trial t = trial({0x36, 0xd8, 0x43, 0x08, 0xd9, 0x33}, random_);  // fadd dword ss:[rbx+8]; fnstenv [rbx]
  t.in.fx[0] = 0x7f;
  const Trial mine = guest_.run(t, 2);
  ASSERT_EQ(mine.trap, kNoTrap);
  EXPECT_EQ(hex(mine.memoryOut, 12, 16),
            "00080010"
            "33004300"
            "080e0110"
            "0000ffff");
}

// What keeps an instruction from running, in order of precedence.
TEST_F(SavedState, ControlRegistersKeepInstructionsFromRunning) {
  struct Case {
    const char* what;
    Code code;
    std::uint64_t cr0Set, cr4Clear, xcr0;
    int trap;
  };
  const Case cases[] = {
      {"movaps", {0x0f, 0x28, 0xc1}, 0, 0, 7, kNoTrap},
      {"movaps, TS", {0x0f, 0x28, 0xc1}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"movaps, EM", {0x0f, 0x28, 0xc1}, kCr0Em | kCr0Ts, 0, 7, kInvalidOpcode},
      {"movaps, no OSFXSR", {0x0f, 0x28, 0xc1}, kCr0Ts, kCr4Osfxsr, 7, kInvalidOpcode},
      {"vmovaps", {0xc5, 0xf8, 0x28, 0xc1}, 0, 0, 7, kNoTrap},
      {"vmovaps, TS", {0xc5, 0xf8, 0x28, 0xc1}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"vmovaps, EM", {0xc5, 0xf8, 0x28, 0xc1}, kCr0Em, 0, 7, kNoTrap},
      {"vmovaps, no OSXSAVE", {0xc5, 0xf8, 0x28, 0xc1}, kCr0Ts, kCr4Osxsave, 7, kInvalidOpcode},
      {"vmovaps, XCR0 without AVX", {0xc5, 0xf8, 0x28, 0xc1}, kCr0Ts, 0, 3, kInvalidOpcode},
      {"paddb mm, TS", {0x0f, 0xfc, 0xc1}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"paddb mm, EM", {0x0f, 0xfc, 0xc1}, kCr0Ts | kCr0Em, 0, 7, kInvalidOpcode},
      {"fld1, EM", {0xd9, 0xe8}, kCr0Em, 0, 7, kDeviceNotAvailable},
      {"fnstsw ax, TS", {0xdf, 0xe0}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"fwait, TS, MP", {0x9b}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"fxsave, TS", {0x0f, 0xae, 0x03}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"fxsave, no OSFXSR", {0x0f, 0xae, 0x03}, 0, kCr4Osfxsr, 7, kNoTrap},
      {"ldmxcsr, no OSFXSR", {0x0f, 0xae, 0x13}, kCr0Ts, kCr4Osfxsr, 7, kInvalidOpcode},
      {"xsave, no OSXSAVE", {0x0f, 0xae, 0x23}, kCr0Ts, kCr4Osxsave, 7, kInvalidOpcode},
      {"xsave, TS", {0x0f, 0xae, 0x23}, kCr0Ts, 0, 7, kDeviceNotAvailable},
      {"lock movaps", {0xf0, 0x0f, 0x28, 0xc1}, kCr0Ts, 0, 7, kInvalidOpcode},
      {"vmovaps with REX", {0x40, 0xc5, 0xf8, 0x28, 0xc1}, 0, 0, 7, kInvalidOpcode},
      {"vmovaps with vvvv", {0xc5, 0xf0, 0x28, 0xc1}, 0, 0, 7, kInvalidOpcode},
      {"vpermd with L 0", {0xc4, 0xe2, 0x71, 0x36, 0xc2}, 0, 0, 7, kInvalidOpcode},
      {"vpermq with W 0", {0xc4, 0xe3, 0x7d, 0x00, 0xc1, 0x1b}, 0, 0, 7, kInvalidOpcode},
      {"vmovd with L 1", {0xc5, 0xfd, 0x6e, 0xc0}, 0, 0, 7, kInvalidOpcode},
  };
  const State start = guest_.start();
  for (const Case& c : cases) {
    guest_.start() = start;
    guest_.start().cr0 |= c.cr0Set;
    guest_.start().cr4 &= ~c.cr4Clear;
    guest_.start().xcr0 = c.xcr0;
    EXPECT_EQ(guest_.run(trial(c.code, random_)).trap, c.trap) << c.what;
  }
}

TEST_F(SavedState, SimdExceptionsWithoutTheSystemsLeaveAreInvalidOpcodes) {
  Trial t = trial({0x0f, 0x5e, 0xc1}, random_);  // divps by zero
  t.in.ymm[0].fill(0x3f);
  t.in.ymm[1].fill(0);
  const std::uint32_t mxcsr = 0x1f80 & ~0x200u;
  std::memcpy(t.in.fx.data() + 24, &mxcsr, 4);
  EXPECT_EQ(guest_.run(t).trap, kSimdException);
  guest_.start().cr4 &= ~kCr4Osxmmexcpt;
  EXPECT_EQ(guest_.run(t).trap, kInvalidOpcode);
}

}  // namespace
}  // namespace rhea::x86::test
