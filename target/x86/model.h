// Model: which CPU the guest sees: its name, family and features, from -cpu's text (models.cc).
#pragma once

#include "emu/base/base.h"

namespace rhea::x86 {

// Each CPUID word that holds feature bits; the last two are MSRs (0x10a and 0xcf).
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
  k8000000aEdx,
  kArchCapabilities,
  kCoreCapability,
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
  using Words = std::array<std::uint32_t, static_cast<std::size_t>(Word::kCount)>;

  std::string name;
  std::string vendor = "GenuineIntel";
  std::string description;
  unsigned family = 6, modelNumber = 6, stepping = 3;
  std::uint32_t level = 0xd, extendedLevel = 0x8000000a;
  Words words{};    // what the guest sees
  Words missing{};  // what the model has by its name, or was to have, and T0 does not execute
  unsigned physicalBits = 40;
  unsigned cores = 1, threads = 1;  // of one package, for the topology leaves
  bool enforce = false;             // findModel() refuses a model of which something is missing
  bool quiet = false;               // check=off: nobody wants to be told

  bool has(Word word, unsigned bit) const { return (words[static_cast<std::size_t>(word)] >> bit & 1) != 0; }
  // Name as in the tables' cpuid column; "base" is always there.
  bool has(std::string_view feature) const;
  bool lacks(const Feature& feature) const {
    return (missing[static_cast<std::size_t>(feature.word)] >> feature.bit & 1) != 0;
  }
  // A feature that is not implemented becomes a missing one.
  void set(const Feature& feature, bool on);
  // NAME=VALUE as -cpu has it: a feature on or off, vendor, model-id, family, model, stepping, level, xlevel,
  // phys-bits, enforce, check.  Error: no such name, with candidates, or no such value.
  Result<void> set(std::string_view name, std::string_view value);
  // Raises the last leaves to those that features need.
  void raiseLevels();
  // Names of what is missing, in CPUID's order.
  std::vector<std::string> unavailable() const;
};

// `text`: MODEL[,+FEATURE|-FEATURE|NAME=VALUE]...  Error: unknown name with candidates, or a feature asked for by its
// own name that T0 does not have.
Result<Model> findModel(std::string_view text);
// Features that 64-bit models have here and not in QEMU, where their leaves go so far; -NAME takes one away.
std::span<const std::string_view> additions();
// MODEL alone, and without raised levels.
Result<Model> modelNamed(std::string_view name);

struct ModelName {
  std::string name;
  std::string aliasOf;      // the version that it stands for, if another name
  std::string description;  // may be empty
  bool migrationSafe = true;
};
std::vector<ModelName> modelNames();

}  // namespace rhea::x86
