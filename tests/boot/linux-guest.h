// The Linux guest with a copy of its ext4 disk, for tests; skipped, or failed with RHEA_NEEDS_GUEST, where its kernel
// cannot be had.
#pragma once

#include <gtest/gtest.h>

#include "tests/lib/command.h"
#include "tests/lib/guest-machine.h"

namespace rhea::test {

inline constexpr double kBoot = 240;  // seconds; an interpreter under a sanitizer takes its time

class LinuxGuestTest : public ::testing::Test {
 protected:
  static const LinuxGuest& guest() {
    static const LinuxGuest made;
    return made;
  }
  void SetUp() override {
    if (guest().folder.empty()) {
      if (std::getenv("RHEA_NEEDS_GUEST") != nullptr) FAIL() << guest().why;
      GTEST_SKIP() << guest().why;
    }
    image_ = folder_.file("disk.ext4");
    std::filesystem::copy_file(guest().folder + "/disk.ext4", image_);
  }
  std::unique_ptr<GuestMachine> boot(const std::vector<std::string>& more, const std::string& drive = "") {
    std::vector<std::string> options = {
        "-m",      "256",
        "-kernel", guest().folder + "/vmlinuz",
        "-initrd", guest().folder + "/initrd",
        "-append", "console=ttyS0 quiet quiet-shell panic=-1",
        "-drive",  "if=none,id=disk0,discard=unmap,format=" + format_ + ",file=" + image_ + drive,
        "-device", "virtio-blk-pci,drive=disk0,id=vdisk,serial=rhea0"};
    options.insert(options.end(), more.begin(), more.end());
    auto machine = std::make_unique<GuestMachine>(std::move(options));
    machine->await("guest ready: Linux", kBoot);
    machine->await("\n");
    return machine;
  }
  void turnOff(GuestMachine& machine) {
    machine.type("umount /mnt; poweroff -f\n");
    EXPECT_EQ(machine.emulator().wait(60), 0) << machine.transcript();
  }
  std::string check() const { return run("PATH=$PATH:/sbin:/usr/sbin e2fsck -fn " + image_).output; }

  TempDir folder_;
  std::string image_;
  std::string format_ = "raw";
};

}  // namespace rhea::test
