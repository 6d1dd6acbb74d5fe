// -icount: a machine that is given the same does the same: the built-in guest and Linux leave the same memory and the
// same disk in every run, whatever the host does meanwhile.
#include <gtest/gtest.h>

#include <fstream>

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

std::string hashOf(const std::string& file) {
  const CommandResult hash = run("sha256sum < " + file, 300);  // a quarter of a GiB, beside others that write
  EXPECT_EQ(hash.status, 0) << hash.output;
  return hash.output;
}

class CountedGuest : public ::testing::Test {
 protected:
  // To the guest's own end. Its memory is a file's, which is still there then.
  End runToEnd(std::vector<std::string> options, const std::string& firstDisk, unsigned mebibytes) {
    const std::string disk = folder_.file("disk");
    std::filesystem::copy_file(firstDisk, disk, std::filesystem::copy_options::overwrite_existing);
    const std::string memory = folder_.makeFile("memory", std::uintmax_t{mebibytes} << 20);
    const std::vector<std::string> more = {
        "-m",       std::to_string(mebibytes),
        "-machine", "memory-backend=ram0",
        "-object",  fmt::format("memory-backend-file,id=ram0,share=on,size={}M,mem-path={}", mebibytes, memory),
        "-drive",   "if=none,id=disk0,format=raw,file=" + disk,
        "-device",  "virtio-blk-pci,drive=disk0,id=vdisk"};
    options.insert(options.end(), more.begin(), more.end());
    GuestMachine machine(options);
    EXPECT_EQ(machine.emulator().wait(kPatience), 0) << machine.transcript() << machine.emulator().output();
    End end{hashOf(memory), hashOf(disk), machine.transcript()};
    std::filesystem::remove(memory);
    return end;
  }

  static constexpr double kPatience = 400;  // seconds; an interpreter under a sanitizer takes its time
  TempDir folder_;
};

TEST_F(CountedGuest, BuiltInGuestLeavesTheSameMemoryAndDiskInEachRun) {
  const std::string disk = folder_.makeFile("new-disk", 8 << 20);
  const auto once = [&](const std::string& accelerator, const std::string& count) {
    return runToEnd({"-accel", accelerator, "-icount", count, "-kernel", builtInGuest(), "-append", "rounds=3"}, disk,
                    64);
  };
  for (const char* accelerator : {"tcg", "interp"}) {
    const End first = once(accelerator, "shift=3,sleep=off");
    EXPECT_NE(first.disk, hashOf(disk)) << "the guest did not write";
    // How long an idle machine waits on the host makes no difference.
    for (const char* count : {"shift=3,sleep=off", "shift=3,sleep=on"}) {
      const End again = once(accelerator, count);
      EXPECT_EQ(again.memory, first.memory) << accelerator << ' ' << count;
      EXPECT_EQ(again.disk, first.disk) << accelerator << ' ' << count;
    }
    EXPECT_NE(once(accelerator, "shift=5,sleep=off").memory, first.memory) << "time did not follow the count";
  }
}

TEST_F(CountedGuest, LinuxLeavesTheSameMemoryAndDiskInEachRun) {
  const LinuxGuest guest;
  if (guest.folder.empty()) {
    if (std::getenv("RHEA_NEEDS_GUEST") != nullptr) FAIL() << guest.why;
    GTEST_SKIP() << guest.why;
  }
  const auto once = [&] {
    return runToEnd({"-icount", "shift=1,sleep=off", "-kernel", guest.folder + "/vmlinuz", "-initrd",
                     guest.folder + "/initrd", "-append", "console=ttyS0 quiet work-and-off"},
                    guest.folder + "/disk.ext4", 256);
  };
  // TwoEngines do the same with two vCPUs.
  const End first = once();
  const End second = once();
  EXPECT_EQ(first.memory, second.memory);
  EXPECT_EQ(first.disk, second.disk);
  EXPECT_NE(first.disk, hashOf(guest.folder + "/disk.ext4")) << "the guest did not write";
}

// The interpreter and the translator, turn by turn: the same instruction count, the same sum over all of the vCPU's
// state. The first line that differs says when they parted.
class TwoEngines : public CountedGuest {
 protected:
  void run(const std::vector<std::string>& options, const std::string& disk, unsigned mebibytes) {
    std::array<std::vector<std::string>, 2> turns;
    std::array<End, 2> ends;
    for (std::size_t n = 0; n < 2; ++n) {
      const std::string log = folder_.file(fmt::format("turns{}", n));
      std::vector<std::string> all = {"-accel", n == 0 ? "interp" : "tcg", "-d", "turns", "-D", log};
      all.insert(all.end(), options.begin(), options.end());
      ends[n] = runToEnd(all, disk, mebibytes);
      std::ifstream lines(log);
      for (std::string line; std::getline(lines, line);) turns[n].push_back(line);
    }
    ASSERT_GT(turns[0].size(), 10U);
    const auto [interpreted, translated] = std::ranges::mismatch(turns[0], turns[1]);
    if (interpreted != turns[0].end() && translated != turns[1].end()) {
      ADD_FAILURE() << "they part in turn " << interpreted - turns[0].begin() << " of " << turns[0].size() << ":\n"
                    << *interpreted << '\n'
                    << *translated;
    }
    EXPECT_EQ(turns[0].size(), turns[1].size());
    EXPECT_EQ(ends[0].memory, ends[1].memory);
    EXPECT_EQ(ends[0].disk, ends[1].disk);
    EXPECT_EQ(ends[0].console, ends[1].console);
  }
};

TEST_F(TwoEngines, TakeTheBuiltInGuestThroughTheSameStates) {
  run({"-icount", "shift=3,sleep=off", "-kernel", builtInGuest(), "-append", "rounds=3"},
      folder_.makeFile("new-disk", 8 << 20), 64);
}

TEST_F(TwoEngines, TakeLinuxThroughTheSameStates) {
  const LinuxGuest guest;
  if (guest.folder.empty()) {
    if (std::getenv("RHEA_NEEDS_GUEST") != nullptr) FAIL() << guest.why;
    GTEST_SKIP() << guest.why;
  }
  run({"-icount", "shift=1,sleep=off", "-smp", "2", "-kernel", guest.folder + "/vmlinuz", "-initrd",
       guest.folder + "/initrd", "-append", "console=ttyS0 quiet work-and-off"},
      guest.folder + "/disk.ext4", 256);
}

}  // namespace
}  // namespace rhea::test
