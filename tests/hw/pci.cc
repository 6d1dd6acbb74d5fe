// The PCI host, functions, windows and interrupts, by configuration accesses alone.
#include <gtest/gtest.h>

#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

class Pci : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576").ok());
    ASSERT_TRUE(rig_.device("virtio-blk-pci,drive=n0,id=vda,addr=3").ok());
  }
  PciRig rig_;
};

TEST_F(Pci, FindsFunctionsByBothWaysAndNothingElse) {
  EXPECT_EQ(0x29c08086U, rig_.readConfig(0, 0));
  EXPECT_EQ(0x10011af4U, rig_.readConfig(3, 0));
  EXPECT_EQ(0xffffffffU, rig_.readConfig(4, 0));
  EXPECT_EQ(0xffffffffU, rig_.readConfig(3, 0, 4, 1));
  rig_.ports().writeValue(0xcf8, 0x80000000U | (3U << 11), 4);
  EXPECT_EQ(0x10011af4U, rig_.ports().readValue(0xcfc, 4));
  EXPECT_EQ(0x1001U, rig_.ports().readValue(0xcfe, 2));
  rig_.ports().writeValue(0xcf8, 3U << 11, 4);
  EXPECT_EQ(0xffffffffU, rig_.ports().readValue(0xcfc, 4));
}

TEST_F(Pci, TellsSizesAndMovesWindows) {
  rig_.writeConfig(3, 0x14, 0xffffffff);
  EXPECT_EQ(0xfffff000U, rig_.readConfig(3, 0x14));
  rig_.writeConfig(3, 0x20, 0xffffffff);
  rig_.writeConfig(3, 0x24, 0xffffffff);
  EXPECT_EQ(0xffffc00cU, rig_.readConfig(3, 0x20)) << "64 bits, prefetchable, 16 KiB";
  EXPECT_EQ(0xffffffffU, rig_.readConfig(3, 0x24));

  rig_.writeConfig(3, 0x20, 0x40000000);
  rig_.writeConfig(3, 0x24, 0x8);
  EXPECT_EQ(0xffU, rig_.memory().readValue(0x840000014, 1)) << "not decoded yet";
  rig_.writeConfig(3, pci::kCommand, pci::kCommandMemory, 2);
  EXPECT_EQ(0U, rig_.memory().readValue(0x840000014, 1));
  rig_.writeConfig(3, 0x20, 0xfe100000);
  rig_.writeConfig(3, 0x24, 0);
  EXPECT_EQ(0xffU, rig_.memory().readValue(0x840000014, 1));
  EXPECT_EQ(1U, rig_.memory().readValue(0xfe100000 + virtio::kQueueCount, 2));
  rig_.writeConfig(3, pci::kCommand, 0, 2);
  EXPECT_EQ(0xffffU, rig_.memory().readValue(0xfe100000 + virtio::kQueueCount, 2));
}

TEST_F(Pci, KeepsReadOnlyRegistersAsTheyAre) {
  rig_.writeConfig(3, 0, 0xffffffff);
  rig_.writeConfig(3, 8, 0xffffffff);
  rig_.writeConfig(3, pci::kSubsystemVendorId, 0xffffffff);
  EXPECT_EQ(0x10011af4U, rig_.readConfig(3, 0));
  EXPECT_EQ(0x01000000U, rig_.readConfig(3, 8));
  EXPECT_EQ(0x00021af4U, rig_.readConfig(3, pci::kSubsystemVendorId));
}

TEST_F(Pci, ReachesWindowsThroughConfigurationSpace) {
  VirtioDriver driver(rig_, 3);
  const unsigned at = driver.capability(virtio::kAccessWindow);
  rig_.writeConfig(3, at + 4, virtio::kWindowBar, 1);
  rig_.writeConfig(3, at + 8, virtio::kQueueCount);
  rig_.writeConfig(3, at + 12, 2);
  EXPECT_EQ(1U, rig_.readConfig(3, at + 16));
  rig_.writeConfig(3, at + 8, virtio::kDeviceStatus);
  rig_.writeConfig(3, at + 12, 1);
  rig_.writeConfig(3, at + 16, virtio::kAcknowledge);
  EXPECT_EQ(virtio::kAcknowledge, driver.status());
  rig_.writeConfig(3, at + 8, 0xfffffffc);
  rig_.writeConfig(3, at + 16, 1);  // beyond the window: nothing
  EXPECT_EQ(virtio::kAcknowledge, driver.status());
}

TEST_F(Pci, ResetByPort0xcf9) {
  rig_.ports().writeValue(0xcf9, 2, 1);
  EXPECT_EQ(0, rig_.wishes(hw::Board::Wish::kReset));
  rig_.ports().writeValue(0xcf9, 6, 1);
  EXPECT_EQ(1, rig_.wishes(hw::Board::Wish::kReset));
}

TEST_F(Pci, RefusesPlacesThatAreTaken) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n1").ok());
  const auto refusal = [this](const std::string& options) { return rig_.device(options).error().describe(); };
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=n1,addr=03.0").find("taken by device 'vda'"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=n1,addr=03.1").find("multifunction=on"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=n1,addr=40").find("no address"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=n1,bus=pci.0").find("pcie.0"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=n1,id=vda").find("already"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,driv=n1").find("drive"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pi,drive=n1").find("virtio-blk-pci"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=nn1").find("n1"));
  EXPECT_NE(std::string::npos, refusal("virtio-blk-pci,drive=n0").find("n0"));
  EXPECT_TRUE(rig_.device("virtio-blk-pci,drive=n1").ok());
  EXPECT_EQ(0x10011af4U, rig_.readConfig(1, 0)) << "the first free address";
}

TEST_F(Pci, MsixWaitsWhileMasked) {
  VirtioDriver driver(rig_, 3);
  ASSERT_TRUE(driver.negotiate(virtio::kVersion1));
  driver.enableMsix(2, 0x40);
  GuestQueue queue = driver.setUpQueue(0, BlkDriver::kRing);
  driver.driverOk();
  rig_.memory().writeValue(driver.msixTable() + 16 + 12, 1, 4);
  rig_.at<std::uint32_t>(BlkDriver::kHeaderAt) = 4;  // flush
  queue.chain(0, {{BlkDriver::kHeaderAt, 16, false}, {BlkDriver::kStatusAt, 1, true}});
  queue.offer(0);
  driver.notify(0);
  ASSERT_TRUE(queue.poll());
  const TimePoint end = Clock::now() + std::chrono::seconds(5);
  while (rig_.memory().readValue(driver.msixTable() + 0x800, 8) != 2 && Clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(2U, rig_.memory().readValue(driver.msixTable() + 0x800, 8)) << "pending";
  EXPECT_EQ(0, rig_.messages(0x41));
  rig_.memory().writeValue(driver.msixTable() + 16 + 12, 0, 4);
  EXPECT_EQ(1, rig_.messages(0x41));
  EXPECT_EQ(0U, rig_.memory().readValue(driver.msixTable() + 0x800, 8));
}

TEST_F(Pci, IntxFollowsTheIsrAndTheCommandRegister) {
  VirtioDriver driver(rig_, 3);
  ASSERT_TRUE(driver.negotiate(virtio::kVersion1));
  GuestQueue queue = driver.setUpQueue(0, BlkDriver::kRing);
  driver.driverOk();
  rig_.at<std::uint32_t>(BlkDriver::kHeaderAt) = 4;
  queue.chain(0, {{BlkDriver::kHeaderAt, 16, false}, {BlkDriver::kStatusAt, 1, true}});
  queue.offer(0);
  driver.notify(0);
  EXPECT_TRUE(rig_.waitForLine(3, true)) << "INTA of device 3";
  EXPECT_NE(0U, rig_.readConfig(3, pci::kStatus, 2) & pci::kStatusInterrupt);
  const auto command = rig_.readConfig(3, pci::kCommand, 2);
  rig_.writeConfig(3, pci::kCommand, command | pci::kCommandIntxDisable, 2);
  EXPECT_TRUE(rig_.waitForLine(3, false));
  rig_.writeConfig(3, pci::kCommand, command, 2);
  EXPECT_TRUE(rig_.waitForLine(3, true));
  EXPECT_EQ(1, driver.isr());
  EXPECT_TRUE(rig_.waitForLine(3, false));
  EXPECT_EQ(0, driver.isr());
}

TEST_F(Pci, ResetForgetsWhatTheGuestSetUp) {
  VirtioDriver driver(rig_, 3);
  rig_.writeConfig(3, pci::kInterruptLine, 11, 1);
  rig_.reset();
  EXPECT_EQ(0U, rig_.readConfig(3, pci::kCommand, 2));
  EXPECT_EQ(0x0cU, rig_.readConfig(3, 0x20));
  EXPECT_EQ(0U, rig_.readConfig(3, pci::kInterruptLine, 1));
  EXPECT_EQ(0xffffU, rig_.memory().readValue(VirtioDriver::kWindowsAt + 0x30000 + virtio::kQueueCount, 2));
}

}  // namespace
}  // namespace rhea::test
