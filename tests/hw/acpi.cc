// The ACPI tables hold together: checksums, pointers, lengths; and the ACPI compiler can read the byte code.
#include <fstream>

#include "emu/base/bytes.h"
#include "hw/acpi/power-management.h"
#include "hw/acpi/tables.h"
#include "tests/hw/platform.h"
#include "tests/lib/command.h"
#include "tests/lib/temp-dir.h"

namespace rhea::hw {
namespace {

Layout layoutOf(std::uint64_t memory) {
  Layout layout = Layout::of(memory);
  layout.cpus = 4;
  layout.ecamBase = 0xb0000000;
  layout.ecamSize = 0x10000000;
  return layout;
}

class AcpiTablesTest : public testing::Test {
 protected:
  const std::uint8_t* at(std::uint64_t address) const { return tables_.image.data() + (address - AcpiTables::kBase); }
  std::string_view table(std::string_view signature) const {
    const std::uint64_t root = loadLittle<std::uint64_t>(at(tables_.rsdp()) + 24);
    const std::uint32_t length = loadLittle<std::uint32_t>(at(root) + 4);
    for (std::uint64_t entry = root + 36; entry < root + length; entry += 8) {
      const std::uint8_t* found = at(loadLittle<std::uint64_t>(at(entry)));
      const std::string_view text(reinterpret_cast<const char*>(found), loadLittle<std::uint32_t>(found + 4));
      if (text.starts_with(signature)) return text;
    }
    return {};
  }
  static unsigned sum(std::string_view bytes) {
    unsigned total = 0;
    for (const char c : bytes) total += static_cast<std::uint8_t>(c);
    return total & 0xff;
  }
  AcpiTables tables_ = *makeAcpiTables(layoutOf(std::uint64_t{6} << 30), AcpiParts());
};

TEST_F(AcpiTablesTest, EverySumIsZeroAndEveryLengthIsThatOfItsVersion) {
  const std::string_view rsdp(reinterpret_cast<const char*>(at(tables_.rsdp())), 36);
  EXPECT_EQ(rsdp.substr(0, 8), "RSD PTR ");
  EXPECT_EQ(sum(rsdp.substr(0, 20)), 0U);
  EXPECT_EQ(sum(rsdp), 0U);
  for (const std::string_view name : {"FACP", "APIC", "MCFG", "HPET"}) {
    EXPECT_FALSE(table(name).empty()) << name;
    EXPECT_EQ(sum(table(name)), 0U) << name;
  }
  EXPECT_EQ(table("FACP").size(), 244U);
  EXPECT_EQ(table("HPET").size(), 56U);
  EXPECT_EQ(table("MCFG").size(), 60U);
  EXPECT_EQ(table("APIC").size(), 44U + 4 * 8 + 12 + 2 * 10 + 6);
}

TEST_F(AcpiTablesTest, TheFadtNamesTheRegistersThatTheDeviceHas) {
  const char* fadt = table("FACP").data();
  EXPECT_EQ(loadLittle<std::uint32_t>(fadt + 56), PowerManagement::kBase);
  EXPECT_EQ(loadLittle<std::uint32_t>(fadt + 64), PowerManagement::kBase + PowerManagement::kControl);
  EXPECT_EQ(loadLittle<std::uint32_t>(fadt + 76), PowerManagement::kBase + PowerManagement::kTimer);
  EXPECT_EQ(loadLittle<std::uint64_t>(fadt + 120), 0xcf9U);
  const std::uint32_t dsdt = loadLittle<std::uint32_t>(fadt + 40);
  EXPECT_EQ(std::memcmp(at(dsdt), "DSDT", 4), 0);
}

TEST_F(AcpiTablesTest, TheAcpiCompilerReadsTheByteCodeWithoutComplaint) {
  if (!test::haveProgram("iasl")) GTEST_SKIP() << "iasl (acpica-tools) is not installed";
  const test::TempDir folder;
  const std::uint8_t* dsdt = at(loadLittle<std::uint32_t>(table("FACP").data() + 40));
  std::ofstream(folder.file("dsdt.aml"), std::ios::binary)
      .write(reinterpret_cast<const char*>(dsdt), loadLittle<std::uint32_t>(dsdt + 4));
  const test::CommandResult disassembled = test::run(fmt::format("cd {} && iasl -d dsdt.aml", folder.path()));
  EXPECT_EQ(disassembled.status, 0) << disassembled.output;
  const test::CommandResult compiled = test::run(fmt::format("cd {} && iasl -p again dsdt.dsl", folder.path()));
  EXPECT_EQ(compiled.status, 0) << compiled.output;
  EXPECT_NE(compiled.output.find(" 0 Errors"), std::string::npos) << compiled.output;
  EXPECT_NE(compiled.output.find(" 0 Warnings"), std::string::npos) << compiled.output;
}

TEST(Aml, PackageLengthsGrowByBytes) {
  EXPECT_EQ(aml::buffer(aml::Bytes(4)).size(), 1U + 1 + 2 + 4);
  EXPECT_EQ(aml::buffer(aml::Bytes(60)).at(1) >> 6, 0);
  EXPECT_EQ(aml::buffer(aml::Bytes(61)).at(1) >> 6, 1);
  EXPECT_EQ(aml::buffer(aml::Bytes(5000)).at(1) >> 6, 2);
  EXPECT_EQ(aml::integer(0x1234), (aml::Bytes{0x0b, 0x34, 0x12}));
  EXPECT_EQ(aml::eisaId("PNP0A08"), (aml::Bytes{0x0c, 0x41, 0xd0, 0x0a, 0x08}));
  EXPECT_EQ(aml::path("\\_SB.PCI0"), (aml::Bytes{'\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0'}));
}

TEST(MemoryMap, LeavesTheHoleBelowFourGigabytes) {
  const Layout small = layoutOf(std::uint64_t{1} << 30);
  EXPECT_EQ(small.lowEnd, std::uint64_t{1} << 30);
  EXPECT_EQ(small.highEnd, Layout::kFourGiB);
  const Layout large = layoutOf(std::uint64_t{6} << 30);
  EXPECT_EQ(large.lowEnd, 0x80000000U);
  EXPECT_EQ(large.highEnd, Layout::kFourGiB + (std::uint64_t{4} << 30));
  std::uint64_t end = 0, ram = 0;
  for (const MapEntry& entry : memoryMap(large)) {
    EXPECT_GE(entry.base, end);
    end = entry.base + entry.size;
    if (entry.kind == MapEntry::Kind::kRam) ram += entry.size;
  }
  EXPECT_EQ(ram, (std::uint64_t{6} << 30) - (Layout::kBiosEnd - Layout::kConventionalEnd));
}

class PowerBoard final : public Board {
 public:
  Loop& mainLoop() override { std::terminate(); }
  mem::AddressSpace& memory() override { std::terminate(); }
  mem::AddressSpace& ports() override { std::terminate(); }
  object::VirtualClock& clock() override { return clock_; }
  MsiSink& msi() override { std::terminate(); }
  void wish(Wish what, std::string_view) override { wishes_.push_back(what); }
  Task<void> forgetLookups() override { co_return; }

  object::VirtualClock clock_;
  std::vector<Wish> wishes_;
};

class PowerManagementTest : public testing::Test {
 protected:
  PowerBoard board_;
  Lines lines_;
  PowerManagement dev_{testClass(), board_, lines_.line(9)};
};

TEST_F(PowerManagementTest, TheButtonInterruptsWhereEnabledUntilItsStatusIsCleared) {
  dev_.pressPowerButton();
  EXPECT_FALSE(lines_.high(9));
  dev_.write(2, 0x100, 2);
  EXPECT_TRUE(lines_.high(9));
  EXPECT_EQ(dev_.read(0, 2), 0x100U);
  dev_.write(0, 0x100, 2);
  EXPECT_FALSE(lines_.high(9));
  EXPECT_EQ(dev_.read(0, 4), 0x1000000U);
}

TEST_F(PowerManagementTest, TheSleepTypeOfTheTablesTurnsTheMachineOff) {
  EXPECT_EQ(dev_.read(4, 2), 1U);
  dev_.write(4, 0x2000, 2);
  EXPECT_TRUE(board_.wishes_.empty());
  dev_.write(4, 0x2000 | PowerManagement::kSleepTypeOff << 10, 2);
  EXPECT_EQ(board_.wishes_, std::vector<Board::Wish>{Board::Wish::kPowerOff});
}

TEST_F(PowerManagementTest, TheTimerCountsVirtualTime) {
  board_.clock_.set(1'000'000'000);
  EXPECT_EQ(dev_.read(8, 4), PowerManagement::kTimerHz);
}

TEST_F(PowerManagementTest, ItsStateMovesToAnother) {
  dev_.write(2, 0x120, 2);
  dev_.pressPowerButton();
  Lines lines;
  PowerManagement other(testClass(), board_, lines.line(9));
  expectRoundTrip(dev_, other);
  EXPECT_TRUE(lines.high(9));
}

}  // namespace
}  // namespace rhea::hw
