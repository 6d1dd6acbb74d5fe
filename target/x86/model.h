// Model: which CPU the guest sees: its name, family and features. Built by findModel() (models.cc) from -cpu's text.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

// Each CPUID word that holds feature bits.
enum class Word : std::uint8_t {
  k1Edx,
  k1Ecx,
  k7Ebx,
  k7Ecx,
  k7Edx,
  k7_1Eax,
  k80000001Edx,
  k80000001Ecx,
  k80000007Edx,
  k80000008Ebx,
  kD1Eax,
  k6Eax,
  kCount
};

struct Feature {
  const char* name;  // as QEMU's -cpu spells it, with '-' ('_' is taken too)
  Word word;
  std::uint8_t bit;
  bool implemented;  // by T0; others can be asked for in vain
};
std::span<const Feature> features();
const Feature* findFeature(std::string_view name);

struct Model {
  std::string name;
  std::string vendor = "GenuineIntel";
  std::string description;
  unsigned family = 6, modelNumber = 6, stepping = 3;
  std::uint32_t level = 0xd, extendedLevel = 0x8000000a;
  std::array<std::uint32_t, static_cast<std::size_t>(Word::kCount)> words{};
  unsigned physicalBits = 40;
  unsigned cores = 1, threads = 1;  // of one package, for the topology leaves
  bool hypervisor = true;

  bool has(Word word, unsigned bit) const { return (words[static_cast<std::size_t>(word)] >> bit & 1) != 0; }
  // Name as in the tables' cpuid column; "base" is always there.
  bool has(std::string_view feature) const;
  void set(const Feature& feature, bool on);
};

// `text`: MODEL[,+FEATURE|-FEATURE|FEATURE=on|off]...  Error: unknown name with candidates.
Result<Model> findModel(std::string_view text);
std::vector<std::string> modelNames();

}  // namespace rhea::x86
