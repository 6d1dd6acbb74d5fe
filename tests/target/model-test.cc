// CPU models and features by name, and what CPUID answers for them; a vCPU's state saved and read back.
#include "target/x86/model.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "target/x86/cpu.h"
#include "target/x86/decode.h"

namespace rhea::x86 {
namespace {

TEST(Model, EveryFeatureOfTheInstructionTableIsKnown) {
  for (const Row& row : rows()) {
    EXPECT_TRUE(std::string_view(row.cpuid) == "base" || findFeature(row.cpuid) != nullptr)
        << row.name << ": " << row.cpuid;
  }
}

TEST(Model, OffersWhatItsNameSays) {
  const Model nehalem = *findModel("Nehalem");
  EXPECT_TRUE(nehalem.has("sse4.2"));
  EXPECT_TRUE(nehalem.has("popcnt"));
  EXPECT_FALSE(nehalem.has("avx"));
  EXPECT_EQ(nehalem.vendor, "GenuineIntel");
  const Model haswell = *findModel("Haswell-noTSX-IBRS");
  EXPECT_TRUE(haswell.has("avx2"));
  EXPECT_TRUE(haswell.has("bmi2"));
  EXPECT_FALSE(haswell.has("rtm"));
}

TEST(Model, FeaturesAreAddedAndTakenAway) {
  const Model model = *findModel("qemu64,+avx2,-nx,sse4_2=on,lm=off");
  EXPECT_TRUE(model.has("avx2"));
  EXPECT_TRUE(model.has("sse4.2"));
  EXPECT_FALSE(model.has("nx"));
  EXPECT_FALSE(model.has("lm"));
}

TEST(Model, UnknownNamesAreAnsweredWithNearOnes) {
  const Result<Model> model = findModel("Haswel");
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().describe().find("Haswell"), std::string::npos) << model.error().describe();
  const Result<Model> feature = findModel("max,+avx3");
  ASSERT_FALSE(feature.ok());
  EXPECT_NE(feature.error().describe().find("avx"), std::string::npos) << feature.error().describe();
  EXPECT_FALSE(findModel("max,+avx512f").ok());
}

// Every name, version and alias, by its CPUID words; what we add is taken away where QEMU does not have it.
TEST(Model, IsBitForBitTheModelOfQemu72) {
  std::ifstream lines("tests/data/cpu-models-7.2.txt");
  unsigned count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    ++count;
    std::istringstream fields(line);
    std::string name, vendor, description;
    unsigned family, number, stepping, bits;
    std::uint32_t level, extendedLevel;
    fields >> name >> vendor >> family >> number >> stepping >> std::hex >> level >> extendedLevel >> std::dec >> bits;
    SCOPED_TRACE(name);
    const Result<Model> model = findModel(name);
    ASSERT_TRUE(model.ok()) << model.error().describe();
    for (std::size_t word = 0; word <= static_cast<std::size_t>(Word::k8000000aEdx); ++word) {
      std::uint32_t expected;
      fields >> std::hex >> expected;
      std::uint32_t whole = model->words[word] | model->missing[word];
      EXPECT_EQ(model->words[word] & model->missing[word], 0U);
      // AMD repeats leaf 1 there, which cpuid() adds.
      if (word == static_cast<std::size_t>(Word::k80000001Edx) && vendor == "AuthenticAMD")
        whole |= model->words[0] & 0x0183f3ff;
      for (const std::string_view added : additions()) {
        const Feature& feature = *findFeature(added);
        const std::uint32_t bit = std::uint32_t{1} << feature.bit;
        if (static_cast<std::size_t>(feature.word) == word && (expected & bit) == 0) whole &= ~bit;
      }
      EXPECT_EQ(whole, expected) << "word " << word;
    }
    ASSERT_TRUE(fields);
    std::getline(fields >> std::ws, description);
    EXPECT_EQ(model->vendor, vendor);
    EXPECT_EQ(model->family, family);
    EXPECT_EQ(model->modelNumber, number);
    EXPECT_EQ(model->stepping, stepping);
    EXPECT_EQ(model->level, level);
    EXPECT_EQ(model->extendedLevel, extendedLevel);
    EXPECT_EQ(model->physicalBits, bits);
    EXPECT_EQ(model->description, description);
  }
  EXPECT_EQ(count, 129U);
  EXPECT_EQ(count + 3, modelNames().size()) << "max, host and base are the others";
}

TEST(Model, HasWhatSavesA64BitGuestTime) {
  for (const std::string_view added : additions()) {
    EXPECT_TRUE(findModel("qemu64")->has(added)) << added;
    EXPECT_TRUE(findModel("EPYC-v1")->has(added)) << added;
    EXPECT_FALSE(findModel("qemu32")->has(added)) << added;
    EXPECT_FALSE(findModel("base")->has(added)) << added;
    EXPECT_FALSE(findModel(fmt::format("qemu64,-{}", added))->has(added)) << added;
  }
  // Its leaves end before the one with invpcid, and stay as they are.
  const Model old = *findModel("Opteron_G1");
  EXPECT_EQ(old.level, 5U);
  EXPECT_TRUE(old.has("pcid"));
  EXPECT_FALSE(old.has("invpcid"));
}

TEST(Model, TellsWhichOfItsFeaturesAreNotThere) {
  EXPECT_EQ(findModel("qemu64")->unavailable(), std::vector<std::string>{"svm"});
  EXPECT_EQ(findModel("qemu64,-svm")->unavailable(), std::vector<std::string>());
  EXPECT_EQ(findModel("max")->unavailable(), std::vector<std::string>());
  EXPECT_EQ(findModel("Haswell")->unavailable(), (std::vector<std::string>{"hle", "rtm"}));
  const Result<Model> strict = findModel("Haswell,enforce=on");
  ASSERT_FALSE(strict.ok());
  EXPECT_NE(strict.error().describe().find("hle, rtm"), std::string::npos) << strict.error().describe();
  EXPECT_TRUE(findModel("Haswell-noTSX,enforce").ok());
}

TEST(Model, NumbersAreSetAndLeavesFollowTheFeatures) {
  const Model model = *findModel("pentium3,family=0x10,stepping=2,+avx2,+invtsc");
  EXPECT_EQ(model.family, 16U);
  EXPECT_EQ(model.stepping, 2U);
  EXPECT_EQ(model.level, 7U);
  EXPECT_EQ(model.extendedLevel, 0x80000007U);
  EXPECT_FALSE(findModel("max,stepping=16").ok());
  EXPECT_FALSE(findModel("max,avx2=perhaps").ok());
}

TEST(RowSet, WithoutTheFeatureTheOlderReadingOfTheBytesCounts) {
  const std::array<std::uint8_t, 5> tzcnt{0xf3, 0x48, 0x0f, 0xbc, 0xc1};
  Insn insn;
  const RowSet with(*findModel("max"));
  ASSERT_EQ(decode(tzcnt, 2 | kModeCpl0, 0, with, insn), DecodeResult::kGood);
  EXPECT_EQ(disassemble(insn, 0), "tzcnt rax, rcx");
  const RowSet without(*findModel("Nehalem"));
  ASSERT_EQ(decode(tzcnt, 2 | kModeCpl0, 0, without, insn), DecodeResult::kGood);
  EXPECT_EQ(disassemble(insn, 0), "rep bsf rax, rcx");
}

TEST(Disassembly, NamesOperandsInIntelOrder) {
  const RowSet rowSet(*findModel("max"));
  const auto text = [&](std::initializer_list<std::uint8_t> bytes, std::uint32_t mode = 2) {
    Insn insn;
    const std::vector<std::uint8_t> copy(bytes);
    return decode(copy, mode | kModeCpl0, 0, rowSet, insn) == DecodeResult::kGood ? disassemble(insn, 0x1000)
                                                                                  : "invalid";
  };
  EXPECT_EQ(text({0x48, 0x89, 0x44, 0x8b, 0x10}), "mov qword [rbx+rcx*4+0x10], rax");
  EXPECT_EQ(text({0x65, 0x8a, 0x04, 0x25, 0x28, 0, 0, 0}), "mov al, byte [gs:0x28]");
  EXPECT_EQ(text({0xe8, 0xfb, 0xff, 0xff, 0xff}), "call 0x1000");
  EXPECT_EQ(text({0x8b, 0x05, 0x10, 0, 0, 0}), "mov eax, dword [0x1016]");
  EXPECT_EQ(text({0xf0, 0x0f, 0xb1, 0x0f}), "lock cmpxchg dword [rdi], ecx");
  EXPECT_EQ(text({0x88, 0xe0}), "mov al, ah");
  EXPECT_EQ(text({0x8b, 0x47, 0x05}, 0), "mov ax, word [bx+0x5]");
  EXPECT_EQ(text({0xf0, 0x89, 0x07}), "invalid");
}

class CpuState : public testing::Test {
 protected:
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  Model model_ = *findModel("max");
  Environment environment_{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}, {}};
};

TEST_F(CpuState, ReadsBackWhatWasSaved) {
  Cpu one(0, environment_);
  for (unsigned n = 0; n < 16; ++n) one.st.gpr[n] = n * 0x0101010101010101;
  one.st.gpr[kRipRegister] = 0x1234;
  one.st.setArithmetic(kZf | kOf);
  one.st.vector[3].bytes[31] = 7;
  one.st.fpu.registers[2] = {0x8000000000000000, 0x3fff};
  one.st.msr.lstar = 0xffffffff81000000;
  one.st.segments[kGs].base = 0x7000;
  one.halt();
  migrate::StateWriter saved;
  one.save(saved);
  Cpu two(0, environment_);
  Result<migrate::StateReader> reader = migrate::StateReader::open("vCPU 0", saved.bytes());
  ASSERT_TRUE(reader.ok());
  const Result<void> loaded = two.load(*reader);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(two.describe(), one.describe());
  migrate::StateWriter again;
  two.save(again);
  EXPECT_TRUE(std::ranges::equal(saved.bytes(), again.bytes()));
}

TEST_F(CpuState, CpuidRepeatsTheModel) {
  Cpu cpu(0, environment_);
  std::array<std::uint32_t, 4> r;
  cpu.cpuid(0, 0, r);
  EXPECT_EQ(r[1], 0x68747541U);  // "Auth"
  cpu.cpuid(7, 0, r);
  EXPECT_NE(r[1] & (1U << 5), 0U) << "AVX2";
  EXPECT_EQ(r[1] & (1U << 16), 0U) << "AVX-512";
  cpu.cpuid(1, 0, r);
  EXPECT_EQ(r[2] & (1U << 27), 0U) << "OSXSAVE follows CR4";
  cpu.st.cr4 |= kCr4Osxsave;
  cpu.cpuid(1, 0, r);
  EXPECT_NE(r[2] & (1U << 27), 0U);
}

}  // namespace
}  // namespace rhea::x86
