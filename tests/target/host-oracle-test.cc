// The oracle itself: it must tell what a host instruction did, and live through what one can do.
#include "tests/target/host-oracle.h"

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <vector>

namespace rhea::x86::test {
namespace {

Trial trial(std::initializer_list<std::uint8_t> code) {
  Trial t;
  std::copy(code.begin(), code.end(), t.code.begin());
  t.codeSize = static_cast<std::uint32_t>(code.size());
  const std::uint16_t control = 0x37f;
  const std::uint32_t mxcsr = 0x1f80;
  std::memcpy(t.in.fx.data(), &control, 2);
  std::memcpy(t.in.fx.data() + 24, &mxcsr, 4);
  t.in.gpr[4] = kWindow + 256;
  return t;
}

Trial run(Trial t) {
  HostOracle oracle;
  oracle.run({&t, 1});
  return t;
}

TEST(HostOracle, RunsAnInstructionOnRegistersAndFlags) {
  Trial t = trial({0x48, 0x01, 0xd8});  // add rax, rbx
  t.in.gpr[0] = ~std::uint64_t{0};
  t.in.gpr[3] = 1;
  t.in.gpr[15] = 0x1234;
  t = run(t);
  EXPECT_EQ(t.trap, kNoTrap);
  EXPECT_EQ(t.out.gpr[0], 0u);
  EXPECT_EQ(t.out.gpr[15], 0x1234u);
  EXPECT_EQ(t.out.gpr[4], kWindow + 256);
  EXPECT_EQ(t.out.rflags & 0x8d5, 0x55u);  // zero, carry, parity, auxiliary
  EXPECT_EQ(t.out.rip, kCodeAt + 3);
}

TEST(HostOracle, ShowsMemoryAndVectorRegisters) {
  Trial t = trial({0xf3, 0x0f, 0x7f, 0x4c, 0x24, 0x10});  // movdqu [rsp+16], xmm1
  for (std::size_t i = 0; i < 32; ++i) t.in.ymm[1][i] = static_cast<std::uint8_t>(i + 1);
  t = run(t);
  EXPECT_EQ(t.trap, kNoTrap);
  EXPECT_EQ(0, std::memcmp(t.memoryOut.data() + 256 + 16, t.in.ymm[1].data(), 16));
  EXPECT_EQ(t.out.ymm[1], t.in.ymm[1]);
}

TEST(HostOracle, TellsFaultsWithTheStateBeforeThem) {
  Trial t = trial({0x48, 0x8b, 0x03});  // mov rax, [rbx]
  t.in.gpr[3] = kDataPage + kPageSize - 4;
  t.in.gpr[0] = 77;
  t.in.ymm[7][31] = 9;
  t = run(t);
  EXPECT_EQ(t.trap, 14);
  EXPECT_EQ(t.errorCode, 4u);
  EXPECT_EQ(t.faultAddress, kDataPage + kPageSize);
  EXPECT_EQ(t.out.gpr[0], 77u);
  EXPECT_EQ(t.out.rip, kCodeAt);
  EXPECT_EQ(t.out.ymm[7], t.in.ymm[7]);
  EXPECT_EQ(run(trial({0x0f, 0x0b})).trap, 6);              // ud2
  EXPECT_EQ(run(trial({0x31, 0xc9, 0xf7, 0xf1})).trap, 0);  // xor ecx, ecx; div ecx
  EXPECT_EQ(run(trial({0xf4})).trap, 13);                   // hlt
}

TEST(HostOracle, TellsWhereABranchLed) {
  const Trial t = run(trial({0xeb, 0x10}));
  EXPECT_EQ(t.trap, 3);
  EXPECT_EQ(t.out.rip, kCodeAt + 0x12);
}

TEST(HostOracle, GoesOnAfterEveryKindOfDeath) {
  std::vector<Trial> trials;
  Trial wild = trial({0x48, 0xab});  // stosq into the oracle's own gate
  wild.in.gpr[7] = 0x10100000 + 1216;
  trials.push_back(wild);
  trials.push_back(trial({0xeb, 0xfe}));  // jmp to itself
  Trial good = trial({0xff, 0xc0});       // inc eax
  good.in.gpr[0] = 41;
  trials.push_back(good);
  HostOracle oracle;
  oracle.run(trials);
  EXPECT_TRUE(trials[0].died);
  EXPECT_TRUE(trials[1].died);
  EXPECT_FALSE(trials[2].died);
  EXPECT_EQ(trials[2].out.gpr[0], 42u);
}

TEST(HostOracle, KeepsX87ExceptionsForTheNextInstruction) {
  Trial t = trial({0xd9, 0xfa});  // fsqrt of an empty register, invalid unmasked: nothing happens yet
  t.in.fx[0] = 0x7e;
  t = run(t);
  EXPECT_EQ(t.trap, kNoTrap);
  EXPECT_EQ(t.out.fx[2] & 0xc1, 0xc1);
  Trial next = trial({0xd9, 0xe8});  // fld1 with the exception pending
  next.in = t.out;
  next.in.rip = kCodeAt;
  EXPECT_EQ(run(next).trap, 16);
}

}  // namespace
}  // namespace rhea::x86::test
