// -m, -smp and the other options of a PC.
#include "emu/machine/pc-options.h"

#include <gtest/gtest.h>

#include "qapi/options.h"

namespace rhea::machine {
namespace {

Result<PcOptions> read(std::vector<std::string_view> words) {
  static object::CommandLine line(qapi::options());
  line = object::CommandLine(qapi::options());
  RHEA_CHECK(line.addWords(words));
  return readPcOptions(line);
}

std::string errorOf(std::vector<std::string_view> words) {
  const Result<PcOptions> options = read(std::move(words));
  return options.ok() ? "no error" : options.error().message();
}

TEST(PcOptions, MemoryCountsMebibytesUnlessItHasAUnit) {
  EXPECT_EQ(read({})->memory, std::uint64_t{128} << 20);
  EXPECT_EQ(read({"-m", "512"})->memory, std::uint64_t{512} << 20);
  EXPECT_EQ(read({"-m", "size=4G"})->memory, std::uint64_t{4} << 30);
  EXPECT_EQ(read({"-m", "512G"})->memory, std::uint64_t{512} << 30);
  EXPECT_NE(errorOf({"-m", "1M"}).find("1M of memory cannot be had"), std::string::npos);
  EXPECT_NE(errorOf({"-m", "513G"}).find("cannot be had"), std::string::npos);
  EXPECT_NE(errorOf({"-m", "1G,slots=2,maxmem=4G"}).find("added while the machine runs"), std::string::npos);
}

TEST(PcOptions, CpusAreArrangedAsGivenAndCoresComeBeforeSockets) {
  EXPECT_EQ(read({})->cpus, 1U);
  const PcOptions four = *read({"-smp", "4"});
  EXPECT_EQ(four.cpus, 4U);
  EXPECT_EQ(four.cores, 4U);
  const PcOptions arranged = *read({"-smp", "sockets=2,cores=2,threads=2"});
  EXPECT_EQ(arranged.cpus, 8U);
  EXPECT_EQ(arranged.threads, 2U);
  EXPECT_EQ(read({"-smp", "6,cores=3"})->cpus, 6U);
  EXPECT_NE(errorOf({"-smp", "3,cores=2"}).find("are not 3 CPUs"), std::string::npos);
  EXPECT_NE(errorOf({"-smp", "0"}).find("no number that can be had"), std::string::npos);
  EXPECT_NE(errorOf({"-smp", "2,maxcpus=4"}).find("CPUs cannot be added"), std::string::npos);
  EXPECT_NE(errorOf({"-smp", "256"}).find("no number"), std::string::npos);
}

TEST(PcOptions, TheCodeCacheIsSharedOutAmongCpus) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  EXPECT_EQ(read({})->codeCacheOfEach(), 64 * kMiB);
  EXPECT_EQ(read({"-smp", "64"})->codeCacheOfEach(), 8 * kMiB);
  EXPECT_EQ(read({"-smp", "4", "-accel", "tcg,tb-size=64"})->codeCacheOfEach(), 16 * kMiB);
  EXPECT_EQ(read({"-smp", "4", "-accel", "tcg,tb-size=2"})->codeCacheOfEach(), kMiB);
  EXPECT_NE(errorOf({"-accel", "tcg,tb-size=0"}).find("no number that can be had"), std::string::npos);
  EXPECT_NE(errorOf({"-accel", "interp,tb-size=8"}).find("for the accelerator tcg"), std::string::npos);
}

TEST(PcOptions, AnAcceleratorsOptionsAreTakenOrRefusedByName) {
  EXPECT_FALSE(read({})->oneInsn);
  EXPECT_TRUE(read({"-singlestep"})->oneInsn);
  EXPECT_TRUE(read({"-accel", "tcg,one-insn-per-tb=on"})->oneInsn);
  EXPECT_TRUE(read({"-accel", "tcg,thread=multi,split-wx=on"}).ok());
  EXPECT_NE(errorOf({"-accel", "tcg,thread=single"}).find("'thread=single' cannot be had"), std::string::npos);
  EXPECT_NE(errorOf({"-accel", "tcg,split-wx=off"}).find("never writable where it is executed"), std::string::npos);
}

TEST(PcOptions, InstructionsAreCountedWithAFixedShift) {
  EXPECT_FALSE(read({})->count.has_value());
  const PcOptions counted = *read({"-icount", "3,sleep=off", "-accel", "tcg,thread=single"});
  EXPECT_EQ(counted.count->shift, 3U);
  EXPECT_FALSE(counted.count->sleeps);
  EXPECT_TRUE(counted.rtc.start.has_value()) << "the host's time would be another in each run";
  EXPECT_TRUE(read({"-icount", "shift=0"})->count->sleeps);
  EXPECT_EQ(*read({"-icount", "shift=0", "-rtc", "base=1970-01-02"})->rtc.start, 86400);
  EXPECT_NE(errorOf({"-icount", "shift=auto"}).find("not to depend on the host"), std::string::npos);
  EXPECT_NE(errorOf({"-icount", "shift=11"}).find("no shift that can be had"), std::string::npos);
  EXPECT_NE(errorOf({"-icount", "shift=1,align=on"}).find("'align=on' cannot be had"), std::string::npos);
  EXPECT_NE(errorOf({"-icount", "shift=1,rr=record"}).find("nothing is recorded"), std::string::npos);
  EXPECT_NE(errorOf({"-icount", "shift=1", "-accel", "tcg,thread=multi"}).find("take turns"), std::string::npos);
}

TEST(PcOptions, AKernelsCompanionsNeedOne) {
  EXPECT_NE(errorOf({"-append", "quiet"}).find("-append is for a kernel"), std::string::npos);
  const PcOptions options = *read({"-kernel", "k", "-initrd", "i", "-append", "a b", "-no-reboot"});
  EXPECT_EQ(options.kernel, "k");
  EXPECT_EQ(options.append, "a b");
  EXPECT_EQ(options.actions.reboot, qapi::RebootAction::shutdown);
  EXPECT_EQ(options.actions.shutdown, qapi::ShutdownAction::poweroff);
}

TEST(PcOptions, ABoardWithoutCpusRefusesAKernel) {
  object::CommandLine line(qapi::options());
  const std::vector<std::string_view> words = {"-kernel", "k"};
  ASSERT_TRUE(line.addWords(words).ok());
  EXPECT_FALSE(refusePcOptions(line, "none").ok());
}

}  // namespace
}  // namespace rhea::machine
