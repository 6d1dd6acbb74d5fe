// The software path of fused multiply-add against the host's instruction: results and flags, in every rounding mode.
#include "target/x86/simd/fma.h"

#include <gtest/gtest.h>

#include "tests/target/random-values.h"

namespace rhea::x86::simd {
namespace {

struct Answer {
  Vec value;
  std::uint32_t mxcsr;
};

Answer onHost(std::uint32_t mxcsr, bool doubles, Vec a, Vec b, Vec c) {
  MxcsrScope scope(mxcsr);
  if (doubles)
    asm volatile("vfmadd213pd %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
  else
    asm volatile("vfmadd213ps %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
  if (!scope.finish()) ADD_FAILURE() << "all exceptions are masked";
  return {a, mxcsr};
}

template <class Bits>
Answer inSoftware(std::uint32_t mxcsr, Vec a, Vec b, Vec c) {
  MxcsrScope scope(mxcsr);
  const Vec r = fusedInSoftware<Bits>(scope, FmaForm::k213, FmaKind::kAdd, a, b, c, kLanes<Bits>);
  if (!scope.finish()) ADD_FAILURE() << "all exceptions are masked";
  return {r, mxcsr};
}

TEST(SoftwareFma, GivesWhatTheHostGives) {
  if (!hostHasFma()) GTEST_SKIP() << "the host has no FMA to compare with";
  test::Random random(20);
  for (int n = 0; n < 300000; ++n) {
    const bool doubles = random.chance(50);
    std::array<Vec, 3> v;
    for (Vec& x : v) {
      std::array<std::uint8_t, 16> bytes;
      test::randomLanes(random, bytes);
      x = loadVec(bytes.data());
    }
    if (random.chance(10)) v[2] = v[0];
    const std::uint32_t mxcsr = kMxcsrDefault | static_cast<std::uint32_t>(random.next() & 0xe040);
    const Answer host = onHost(mxcsr, doubles, v[0], v[1], v[2]);
    const Answer mine = doubles ? inSoftware<std::uint64_t>(mxcsr, v[0], v[1], v[2])
                                : inSoftware<std::uint32_t>(mxcsr, v[0], v[1], v[2]);
    ASSERT_TRUE(host.value[0] == mine.value[0] && host.value[1] == mine.value[1] && host.mxcsr == mine.mxcsr)
        << std::hex << (doubles ? "doubles" : "singles") << " mxcsr " << mxcsr << "\n a " << v[0][1] << ":" << v[0][0]
        << "\n b " << v[1][1] << ":" << v[1][0] << "\n c " << v[2][1] << ":" << v[2][0] << "\n host " << host.value[1]
        << ":" << host.value[0] << " mxcsr " << host.mxcsr << "\n mine " << mine.value[1] << ":" << mine.value[0]
        << " mxcsr " << mine.mxcsr;
  }
}

}  // namespace
}  // namespace rhea::x86::simd
