// ext4 in a guest, and what a power cut leaves of it: files that the guest was told are stable are whole in every state
// that a cut at that moment could leave, by what the recorder below the format kept (what-if).
#include "tests/boot/linux-guest.h"

namespace rhea::test {
namespace {

struct Promise {
  const char* format;
  const char* mode;
};

class LinuxPowerCut : public LinuxGuestTest, public ::testing::WithParamInterface<Promise> {
 protected:
  static constexpr int kFiles = 6;

  void SetUp() override {
    LinuxGuestTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    format_ = GetParam().format;
    if (format_ == "raw") return;
    const std::string made = image_ + "." + format_;
    const CommandResult converted = run(img() + " convert -O " + format_ + " -f raw " + image_ + " " + made);
    ASSERT_EQ(converted.status, 0) << converted.output;
    image_ = made;
  }
  static std::string img() { return (std::filesystem::path(Emulator::program()).parent_path() / "rhea-img").string(); }
  // The file system as a cut now may leave it; its path.
  std::string cut(GuestMachine& machine, const std::string& keep, int seed) {
    const std::string left = folder_.file("cut" + std::to_string(seed));
    const json::Value losses =
        machine.qmp().returned("what-if-power-fail", R"({"device": "disk0", "file": ")" + left + R"(", "keep": ")" +
                                                         keep + R"(", "seed": )" + std::to_string(seed) + "}");
    const json::View loss = *losses.items().begin();
    EXPECT_TRUE(loss.find("image")->find("usable")->asBool()) << loss.find("verdict")->asString();
    if (format_ == "raw") return left;
    const CommandResult flat = run(img() + " convert -f " + format_ + " -O raw " + left + " " + left + ".raw");
    EXPECT_EQ(flat.status, 0) << flat.output;
    return left + ".raw";
  }
  // How many of the files are whole once the journal has been replayed.
  int wholeFiles(const std::string& disk, int files) {
    const CommandResult mended = run("PATH=$PATH:/sbin:/usr/sbin e2fsck -fy " + disk);
    // A journal that was replayed leaves nothing to mend by hand.
    if (std::string(GetParam().mode) != "unsafe") {
      EXPECT_LE(mended.status, 1) << mended.output;
    }
    int whole = 0;
    for (int n = 1; n <= files; ++n) {
      const std::string content = run("PATH=$PATH:/sbin:/usr/sbin debugfs -R 'cat /f" + std::to_string(n) + "' " +
                                      disk + " 2>/dev/null | md5sum")
                                      .output;
      whole += content == run(contentOf(n) + " | md5sum").output;
    }
    return whole;
  }
  static std::string contentOf(int n) { return "seq " + std::to_string(n) + "000 " + std::to_string(n) + "999"; }
  // Writes and syncs one file after another while another program writes and removes what nobody waits for; after each
  // sync, what a cut would have left is asked for whole files. Calls look(file's number, whole files).
  void cutAfterEachSync(const std::function<void(int, int)>& look) {
    const auto machine = boot({}, std::string(",cache=") + GetParam().mode);
    machine->qmp().returned("what-if-arm", R"({"device": "disk0"})");
    machine->shell(
        "(while [ ! -e /stop ]; do dd if=/dev/urandom of=/mnt/noise bs=4k count=32; rm -f /mnt/noise; done) "
        "2>/dev/null & "
        "true");
    constexpr std::array kKeep{"nothing", "some", "everything"};
    for (int n = 1; n <= kFiles; ++n) {
      machine->shell(contentOf(n) + " > /mnt/f" + std::to_string(n) + " && sync");
      const std::string disk = cut(*machine, kKeep[static_cast<std::size_t>(n) % kKeep.size()], n);
      look(n, wholeFiles(disk, n));
    }
    machine->shell("touch /stop");
  }
};

using LinuxPowerCutKeeps = LinuxPowerCut;
TEST_P(LinuxPowerCutKeeps, EveryFileThatWasSynced) {
  cutAfterEachSync([](int synced, int whole) { EXPECT_EQ(whole, synced); });
}
INSTANTIATE_TEST_SUITE_P(Modes, LinuxPowerCutKeeps,
                         ::testing::Values(Promise{"raw", "writeback"}, Promise{"raw", "directsync"},
                                           Promise{"qcow2", "none"}, Promise{"qcow2", "writethrough"}),
                         [](const auto& param) { return std::string(param.param.format) + "_" + param.param.mode; });

// What tells that the above can fail: flushes that nobody does.
using LinuxPowerCutLoses = LinuxPowerCut;
TEST_P(LinuxPowerCutLoses, WhatNoFlushMadeStable) {
  int lost = 0;
  cutAfterEachSync([&lost](int synced, int whole) { lost += synced - whole; });
  EXPECT_GT(lost, 0);
}
INSTANTIATE_TEST_SUITE_P(Unsafe, LinuxPowerCutLoses, ::testing::Values(Promise{"raw", "unsafe"}),
                         [](const auto& param) { return std::string(param.param.format); });

}  // namespace
}  // namespace rhea::test
