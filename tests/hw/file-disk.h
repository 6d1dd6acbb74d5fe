// A virtio disk on a file of 1 MiB, as the tests of the device need it.
#pragma once

#include <gtest/gtest.h>

#include "tests/lib/temp-dir.h"
#include "tests/support/virtio-driver.h"

namespace rhea::test {

class FileDiskTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kFlush = virtio::bit(9);
  static constexpr std::uint64_t kConfigWce = virtio::bit(11);
  static constexpr unsigned kWritebackAt = 32;  // in the device's configuration

  // The file as node n0, and the device at 00:03.0. `more` and `node`: further options of the two, with their commas.
  void start(const std::string& more = "", const std::string& node = "") {
    const std::string path = dir_.makeFile("disk", 1 << 20);
    const Result<void> added = rig_.blockdev("driver=file,node-name=n0,filename=" + path + node);
    ASSERT_TRUE(added.ok()) << added.error().describe();
    const Result<hw::Device*> made = rig_.device("virtio-blk-pci,drive=n0,id=vda,addr=3" + more);
    ASSERT_TRUE(made.ok()) << made.error().describe();
    disk_ = rig_.graph().disks().front();
  }
  bool eventually(const std::function<bool()>& holds) {
    const TimePoint end = Clock::now() + std::chrono::seconds(10);
    while (!holds()) {
      if (Clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  TempDir dir_;
  PciRig rig_;
  block::DiskPtr disk_;
};

}  // namespace rhea::test
