// Direct kernel boot: what is put where, and what is said of files that are no kernels.
#include "hw/firmware/boot-plan.h"

#include <elf.h>
#include <gtest/gtest.h>

#include "emu/base/bytes.h"

namespace rhea::hw {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// A bzImage with one sector of setup code and `codeSize` bytes of kernel.
std::string bzImage(std::uint16_t version = 0x20f, std::size_t codeSize = 0x3000) {
  std::string file(1024 + codeSize, '\0');
  const auto put = [&file]<class T>(std::size_t at, T value) { storeLittle<T>(file.data() + at, value); };
  put(0x1f1, std::uint8_t{1});
  put(0x1fe, std::uint16_t{0xaa55});
  put(0x200, std::uint16_t{0x66eb});
  file.replace(0x202, 4, "HdrS");
  put(0x206, version);
  put(0x211, std::uint8_t{1});
  put(0x22c, std::uint32_t{0x7fffffff});
  put(0x230, std::uint32_t{0x200000});
  put(0x234, std::uint8_t{1});
  put(0x236, std::uint16_t{1});
  put(0x238, std::uint32_t{2047});
  put(0x258, std::uint64_t{0x1000000});
  put(0x260, std::uint32_t{0x100000});
  file[1024] = 'K';
  return file;
}

Layout layoutOf(std::uint64_t memory) {
  Layout layout = Layout::of(memory);
  layout.ecamBase = 0xb0000000;
  layout.ecamSize = 0x10000000;
  return layout;
}

BootFiles filesOf(std::string kernel) {
  BootFiles files;
  files.kernelName = "vmlinuz";
  files.kernel = std::move(kernel);
  files.commandLine = "console=ttyS0";
  return files;
}

const BootPlan::Piece* pieceAt(const BootPlan& plan, std::uint64_t address) {
  for (const BootPlan::Piece& piece : plan.pieces) {
    if (piece.address == address) return &piece;
  }
  return nullptr;
}

std::string errorOf(BootFiles files, std::uint64_t memory = 256 * kMiB) {
  const Result<BootPlan> plan = planBoot(std::move(files), layoutOf(memory), 0xe0000);
  return plan.ok() ? "no error" : plan.error().message();
}

TEST(LinuxBoot, A64BitKernelIsEnteredInLongModeWhereItPrefersToBe) {
  BootFiles files = filesOf(bzImage());
  files.initrd = std::string(5000, 'i');
  const Result<BootPlan> plan = planBoot(std::move(files), layoutOf(256 * kMiB), 0xe0000);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->protocol, "bzImage, protocol 2.15, 64-bit entry");
  EXPECT_EQ(plan->entry.mode, BootEntry::Mode::kLong);
  EXPECT_EQ(plan->entry.address, 0x1000200U);
  EXPECT_EQ(pieceAt(*plan, 0x1000000)->bytes.at(0), 'K');
  const std::string& parameters = pieceAt(*plan, plan->entry.rsi)->bytes;
  EXPECT_EQ(loadLittle<std::uint64_t>(parameters.data() + 0x70), 0xe0000U);
  EXPECT_EQ(loadLittle<std::uint32_t>(parameters.data() + 0x214), 0x1000000U);
  const std::uint32_t initrd = loadLittle<std::uint32_t>(parameters.data() + 0x218);
  EXPECT_EQ(initrd, 256 * kMiB - 0x2000);
  EXPECT_EQ(pieceAt(*plan, initrd)->bytes.size(), 5000U);
  EXPECT_EQ(loadLittle<std::uint32_t>(parameters.data() + 0x21c), 5000U);
  EXPECT_EQ(parameters[0x1e8], 5);
  EXPECT_EQ(pieceAt(*plan, loadLittle<std::uint32_t>(parameters.data() + 0x228))->bytes, "console=ttyS0");
  const std::string& tables = pieceAt(*plan, plan->entry.pageTables)->bytes;
  EXPECT_EQ(loadLittle<std::uint64_t>(tables.data()), plan->entry.pageTables + 0x1003);
  EXPECT_EQ(loadLittle<std::uint64_t>(tables.data() + 0x2000 + 8 * 8), 0x1000083U);
}

TEST(LinuxBoot, AnOldKernelIsEnteredIn32BitsAtOneMegabyteAndKnowsNoRsdpField) {
  std::string kernel = bzImage(0x206);
  const Result<BootPlan> plan = planBoot(filesOf(kernel), layoutOf(256 * kMiB), 0xe0000);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->protocol, "bzImage, protocol 2.06, 32-bit entry");
  EXPECT_EQ(plan->entry.mode, BootEntry::Mode::kProtected);
  EXPECT_EQ(plan->entry.address, 0x100000U);
  EXPECT_EQ(loadLittle<std::uint64_t>(pieceAt(*plan, plan->entry.rsi)->bytes.data() + 0x70), 0U);
}

TEST(LinuxBoot, ARelocatableKernelMovesDownWhereItsPlaceIsNoRam) {
  const Result<BootPlan> plan = planBoot(filesOf(bzImage()), layoutOf(8 * kMiB), 0xe0000);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->entry.address, 0x200200U);
}

TEST(LinuxBoot, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(errorOf(filesOf("")).find("'vmlinuz' is no kernel"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(std::string(4096, 'x'))).find("neither a bzImage's header nor an ELF"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(bzImage(0x205))).find("protocol is 2.05"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(bzImage().substr(0, 1000))).find("cut short"), std::string::npos);
  std::string low = bzImage();
  low[0x211] = 0;
  EXPECT_NE(errorOf(filesOf(low)).find("zImage"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(bzImage()), 2 * kMiB).find("too little memory"), std::string::npos);
  BootFiles files = filesOf(bzImage());
  files.initrdName = "initrd.img";
  files.initrd = std::string(std::size_t{20} << 20, 'i');
  EXPECT_NE(errorOf(std::move(files), 32 * kMiB).find("'initrd.img' does not fit"), std::string::npos);
  files = filesOf(bzImage());
  files.commandLine = std::string(3000, 'a');
  EXPECT_NE(errorOf(std::move(files)).find("command line has 3000 bytes"), std::string::npos);
}

std::string elf(std::uint64_t address, bool withNote) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = withNote ? 2 : 1;
  Elf64_Phdr load{}, note{};
  load.p_type = PT_LOAD;
  load.p_offset = 0x100;
  load.p_paddr = address;
  load.p_filesz = 4;
  load.p_memsz = 0x2000;
  note.p_type = PT_NOTE;
  note.p_offset = 0x104;
  note.p_filesz = 20;
  note.p_align = 4;
  std::string file(0x118, '\0');
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), &load, sizeof(load));
  std::memcpy(file.data() + sizeof(header) + sizeof(load), &note, sizeof(note));
  file.replace(0x100, 4, "CODE");
  const std::uint32_t words[] = {4, 4, 18};
  std::memcpy(file.data() + 0x104, words, sizeof(words));
  file.replace(0x110, 4, std::string("Xen\0", 4));
  storeLittle<std::uint32_t>(file.data() + 0x114, static_cast<std::uint32_t>(address + 1));
  return file;
}

TEST(PvhBoot, LoadsSegmentsAndTellsTheStartInfo) {
  BootFiles files = filesOf(elf(0x200000, true));
  files.initrd = "initrd";
  const Result<BootPlan> plan = planBoot(std::move(files), layoutOf(64 * kMiB), 0xe0000);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->entry.address, 0x200001U);
  EXPECT_EQ(plan->entry.mode, BootEntry::Mode::kProtected);
  EXPECT_EQ(pieceAt(*plan, 0x200000)->bytes, "CODE");
  EXPECT_EQ(pieceAt(*plan, 0x200000)->zeros, 0x1ffcU);
  const std::string& info = pieceAt(*plan, plan->entry.rbx)->bytes;
  EXPECT_EQ(loadLittle<std::uint32_t>(info.data()), 0x336ec578U);
  EXPECT_EQ(loadLittle<std::uint64_t>(info.data() + 32), 0xe0000U);
  const std::uint64_t module = loadLittle<std::uint64_t>(info.data() + 16);
  EXPECT_EQ(loadLittle<std::uint64_t>(info.data() + (module - plan->entry.rbx)), 64 * kMiB - 0x1000);
}

TEST(PvhBoot, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(errorOf(filesOf(elf(0x200000, false))).find("no PVH entry"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(elf(0x1000, true))).find("RAM is from 0x100000"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(elf(0x20000000, true))).find("RAM is from"), std::string::npos);
  EXPECT_NE(errorOf(filesOf(elf(0x200000, true).substr(0, 100))).find("program headers"), std::string::npos);
}

}  // namespace
}  // namespace rhea::hw
