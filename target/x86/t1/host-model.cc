// What the host's CPU has, in the words of a model, so that a RowSet answers which rows may be copied.
#include <cpuid.h>

#include "target/x86/t1/transcribe.h"

namespace rhea::x86::t1 {

namespace {

struct Leaf {
  Word word;
  std::uint32_t leaf, subleaf;
  unsigned place;  // 0 to 3: eax to edx
};
constexpr Leaf kLeaves[] = {
    {Word::k1Edx, 1, 0, 3},
    {Word::k1Ecx, 1, 0, 2},
    {Word::k7Ebx, 7, 0, 1},
    {Word::k7Ecx, 7, 0, 2},
    {Word::k7Edx, 7, 0, 3},
    {Word::k7_1Eax, 7, 1, 0},
    {Word::k80000001Edx, 0x80000001, 0, 3},
    {Word::k80000001Ecx, 0x80000001, 0, 2},
    {Word::kD1Eax, 0xd, 1, 0},
};

// Vector registers of 256 bits are there only if the host's system saves them.
bool savesYmm() {
  std::uint32_t low;
  std::uint32_t high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & 6) == 6;
}

}  // namespace

Model hostModel() {
  Model host;
  for (const Leaf& leaf : kLeaves) {
    std::array<std::uint32_t, 4> r{};
    if (__get_cpuid_count(leaf.leaf, leaf.subleaf, &r[0], &r[1], &r[2], &r[3]) != 0)
      host.words[static_cast<std::size_t>(leaf.word)] = r[leaf.place];
  }
  constexpr std::uint32_t kOsxsave = 1U << 27;
  const bool ymm = (host.words[static_cast<std::size_t>(Word::k1Ecx)] & kOsxsave) != 0 && savesYmm();
  if (!ymm) {
    for (const char* name : {"avx", "avx2", "fma", "f16c"}) {
      const Feature& feature = *findFeature(name);
      host.words[static_cast<std::size_t>(feature.word)] &= ~(1U << feature.bit);
    }
  }
  return host;
}

}  // namespace rhea::x86::t1
