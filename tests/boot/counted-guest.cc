// -icount: a machine that is given the same does the same: the built-in guest and Linux leave the same memory and the
// same disk in every run, whatever the host does meanwhile.
#include <gtest/gtest.h>

#include "emu/base/files.h"
#include "tests/lib/command.h"
#include "tests/lib/guest-machine.h"

namespace rhea::test {
namespace {

// What a run left behind.
struct End {
  std::string memory;  // hash
  std::string disk;    // hash
  std::string console;
};

std::string hashOf(const std::string& file) { return run("sha256sum < " + file).output; }

class CountedGuest : public ::testing::Test {
 protected:
  // To the guest's own end. The machine stays then, stopped.
  End runToEnd(std::vector<std::string> options, const std::string& firstDisk, unsigned mebibytes) {
    const std::string disk = folder_.file("disk");
    std::filesystem::copy_file(firstDisk, disk, std::filesystem::copy_options::overwrite_existing);
    const std::vector<std::string> more = {"-m",
                                           std::to_string(mebibytes),
                                           "-no-shutdown",
                                           "-drive",
                                           "if=none,id=disk0,format=raw,file=" + disk,
                                           "-device",
                                           "virtio-blk-pci,drive=disk0,id=vdisk"};
    options.insert(options.end(), more.begin(), more.end());
    GuestMachine machine(options);
    machine.qmp().event("SHUTDOWN", kPatience);
    machine.qmp().event("STOP", kPatience);
    const std::string memory = folder_.file("memory");
    machine.qmp().returned("pmemsave", fmt::format(R"({{"val": 0, "size": {}, "filename": "{}"}})",
                                                   std::uint64_t{mebibytes} << 20, memory));
    return {hashOf(memory), hashOf(disk), machine.transcript()};
  }

  static constexpr double kPatience = 400;  // seconds; an interpreter under a sanitizer takes its time
  TempDir folder_;
};

TEST_F(CountedGuest, BuiltInGuestLeavesTheSameMemoryAndDiskInEachRun) {
  const std::string disk = folder_.makeFile("new-disk", 8 << 20);
  const auto once = [&](const char* accelerator, const char* count) {
    return runToEnd({"-accel", accelerator, "-icount", count, "-kernel", builtInGuest(), "-append", "rounds=3"}, disk,
                    64);
  };
  for (const char* accelerator : {"tcg", "interp"}) {
    const End first = once(accelerator, "shift=3,sleep=off");
    const End second = once(accelerator, "shift=3,sleep=off");
    EXPECT_EQ(first.memory, second.memory) << first.console << second.console;
    EXPECT_EQ(first.disk, second.disk);
    EXPECT_NE(first.disk, hashOf(disk)) << "the guest did not write";
    // A different length of an instruction is a different run.
    EXPECT_NE(once(accelerator, "shift=5,sleep=off").memory, first.memory);
  }
}

}  // namespace
}  // namespace rhea::test
