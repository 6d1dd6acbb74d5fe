// CPUID (Intel SDM 2A; AMD APM 3, appendix E).
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

using Registers = std::array<std::uint32_t, 4>;  // eax, ebx, ecx, edx

std::uint32_t textWord(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t n = 0; n < 4 && at + n < text.size(); ++n) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + n])) << (n * 8);
  }
  return value;
}

unsigned bitsFor(unsigned count) {
  unsigned bits = 0;
  while ((1U << bits) < count) ++bits;
  return bits;
}

// Deterministic cache parameters, leaf 4: 32 KiB L1, 512 KiB L2, 16 MiB L3.
Registers cacheLeaf(const Model& model, std::uint32_t subleaf) {
  struct Cache {
    std::uint32_t type, level, ways, sets;
    bool shared;
  };
  constexpr Cache kCaches[] = {
      {1, 1, 8, 64, false}, {2, 1, 8, 64, false}, {3, 2, 8, 1024, false}, {3, 3, 16, 16384, true}};
  if (subleaf >= std::size(kCaches)) return {0, 0, 0, 0};
  const Cache& c = kCaches[subleaf];
  const std::uint32_t sharing = c.shared ? model.cores * model.threads - 1 : model.threads - 1;
  return {c.type | (c.level << 5) | 0x100 | (sharing << 14) | ((model.cores - 1) << 26), 63U | ((c.ways - 1) << 22),
          c.sets - 1, 0};
}

}  // namespace

std::uint32_t Cpu::signature() const {
  const Model& m = model();
  const std::uint32_t family = m.family > 15 ? 15 : m.family;
  const std::uint32_t extended = m.family > 15 ? m.family - 15 : 0;
  return m.stepping | ((m.modelNumber & 15) << 4) | (family << 8) | ((m.modelNumber >> 4) << 16) | (extended << 20);
}

// Beyond the last leaf: the last basic one.
std::uint32_t Cpu::answeringLeaf(std::uint32_t leaf) const {
  const Model& m = model();
  return (leaf < 0x80000000 ? leaf > m.level : leaf > m.extendedLevel) ? m.level : leaf;
}

// Programs ask for the same few leaves, and for one of them again and again where all they want is an instruction that
// serializes. Translated code looks here by itself (Translator::identify).
const Registers& Cpu::knownLeaf(std::uint32_t leaf, std::uint32_t subleaf) {
  t1::KnownLeaf& known = area.leaves[t1::KnownLeaf::slot(leaf)];
  const auto cr4 = static_cast<std::uint32_t>(st.cr4);
  const auto xcr0 = static_cast<std::uint32_t>(st.xcr0);
  if (known.leaf == leaf && known.subleaf == (subleaf & known.subleafMask) && known.cr4 == cr4 && known.xcr0 == xcr0)
    return known.result;
  constexpr std::uint32_t kWithSubleaves[] = {4, 7, 0xb, 0xd};
  const std::uint32_t mask = std::ranges::count(kWithSubleaves, answeringLeaf(leaf)) != 0 ? ~0U : 0U;
  known = {leaf, subleaf & mask, mask, cr4, xcr0, {}};
  cpuid(leaf, subleaf, known.result);
  return known.result;
}

void Cpu::cpuid(std::uint32_t leaf, std::uint32_t subleaf, Registers& r) const {
  const Model& m = model();
  const auto word = [&](Word w) { return m.words[static_cast<std::size_t>(w)]; };
  r = {};
  if (leaf >= 0x40000000 && leaf < 0x40000100) {
    if (m.has("hypervisor") && leaf == 0x40000000)
      r = {0x40000001, textWord("RheaRheaRhea", 0), textWord("RheaRheaRhea", 4), textWord("RheaRheaRhea", 8)};
    return;
  }
  leaf = answeringLeaf(leaf);
  const unsigned logical = m.cores * m.threads;
  switch (leaf) {
    case 0:
      r = {m.level, textWord(m.vendor, 0), textWord(m.vendor, 8), textWord(m.vendor, 4)};
      break;
    case 1: {
      std::uint32_t ecx = word(Word::k1Ecx);
      if ((st.cr4 & kCr4Osxsave) != 0) ecx |= 1U << 27;
      std::uint32_t edx = word(Word::k1Edx);
      if (logical > 1) edx |= 1U << 28;
      r = {signature(), (index() << 24) | (std::min(logical, 255U) << 16) | 0x0800, ecx, edx};
      break;
    }
    case 2:
      r = {0x00000001, 0, 0, 0x002c307d};
      break;
    case 4:
      r = cacheLeaf(m, subleaf);
      break;
    case 6:
      r[0] = word(Word::k6Eax);
      break;
    case 7:
      if (subleaf == 0) r = {0, word(Word::k7Ebx), word(Word::k7Ecx), word(Word::k7Edx)};
      break;
    case 0xb: {
      const unsigned shift = subleaf == 0 ? bitsFor(m.threads) : bitsFor(m.threads) + bitsFor(m.cores);
      if (subleaf == 0)
        r = {shift, m.threads, 0x100, index()};
      else if (subleaf == 1)
        r = {shift, logical, 0x201, index()};
      else
        r = {0, 0, subleaf & 0xff, index()};
      break;
    }
    case 0xd: {
      if (!m.has("xsave")) break;
      const bool avx = m.has("avx");
      const std::uint32_t whole = avx ? 576 + 256 : 576;
      const std::uint32_t now = (st.xcr0 & 4) != 0 ? 832U : 576U;
      if (subleaf == 0)
        r = {avx ? 7U : 3U, now, whole, 0};
      else if (subleaf == 1)
        r = {word(Word::kD1Eax), (word(Word::kD1Eax) & 0xa) != 0 ? now : 0U, 0, 0};
      else if (subleaf == 2 && avx)
        r = {256, 576, 0, 0};
      break;
    }
    case 0x80000000:
      r = {m.extendedLevel, 0, 0, 0};
      if (m.vendor != "GenuineIntel")
        r = {m.extendedLevel, textWord(m.vendor, 0), textWord(m.vendor, 8), textWord(m.vendor, 4)};
      break;
    case 0x80000001: {
      std::uint32_t edx = word(Word::k80000001Edx);
      // AMD repeats leaf 1 there.
      if (m.vendor == "AuthenticAMD") edx |= word(Word::k1Edx) & 0x0183f3ff;
      r = {signature(), 0, word(Word::k80000001Ecx), edx};
      break;
    }
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      for (std::size_t n = 0; n < 4; ++n) r[n] = textWord(m.description, std::size_t{leaf - 0x80000002} * 16 + n * 4);
      break;
    case 0x80000005:
      r = {0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140};
      break;
    case 0x80000006:
      r = {0, 0x42004200, 0x02008140, 0x00808140};
      break;
    case 0x80000007:
      r[3] = word(Word::k80000007Edx);
      break;
    case 0x80000008: {
      const std::uint32_t linear = m.has("lm") ? 48 : 32;
      r = {m.physicalBits | (linear << 8), word(Word::k80000008Ebx), logical > 1 ? logical - 1 : 0, 0};
      break;
    }
    default:
      break;
  }
}

}  // namespace rhea::x86
