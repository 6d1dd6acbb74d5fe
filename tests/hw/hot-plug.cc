// Plugging and unplugging behind a root port while the machine runs, as pciehp in a guest would take it.
#include <gtest/gtest.h>

#include "tests/lib/temp-dir.h"
#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

constexpr std::uint16_t kButton = 1U << 0;
constexpr std::uint16_t kPresenceChanged = 1U << 3;
constexpr std::uint16_t kPresent = 1U << 6;
constexpr std::uint16_t kEverything = 0x1039;  // button, presence, command completed, hot-plug interrupts
constexpr std::uint16_t kPowerOn = 1U << 8;    // indicator on, power on
constexpr std::uint16_t kPowerOff = (3U << 8) | (1U << 10);
constexpr unsigned kPortMessage = 0x77;

class HotPlug : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(rig_.device("pcie-root-port,id=port0,addr=2,chassis=1").ok());
    rig_.machineStarts();
    for (unsigned at = rig_.readConfig(2, pci::kCapabilities, 1); at != 0; at = rig_.readConfig(2, at + 1, 1)) {
      const unsigned id = rig_.readConfig(2, at, 1);
      if (id == pci::kCapExpress) express_ = at;
      if (id == pci::kCapMsi) msi_ = at;
    }
    // Bus 1 behind it, with windows where the driver will want them.
    rig_.writeConfig(2, pci::kPrimaryBus, 0x00010100);
    rig_.writeConfig(2, pci::kMemoryBase, 0xfff0fe00);
    rig_.writeConfig(2, pci::kCommand, pci::kCommandMemory | pci::kCommandBusMaster, 2);
    rig_.writeConfig(2, msi_ + 4, 0xfee00000);
    rig_.writeConfig(2, msi_ + 12, kPortMessage, 2);
    rig_.writeConfig(2, msi_ + 2, 1, 2);
    rig_.writeConfig(2, express_ + pci::kSlotStatus, 0xffff, 2);
    rig_.writeConfig(2, express_ + pci::kSlotControl, kEverything | kPowerOff, 2);
    rig_.writeConfig(2, express_ + pci::kSlotStatus, 0xffff, 2);
    while (rig_.messages(kPortMessage) > 0) rig_.waitForMessage(kPortMessage);
  }
  std::uint32_t slotStatus() { return rig_.readConfig(2, express_ + pci::kSlotStatus, 2); }
  void clearSlotStatus() { rig_.writeConfig(2, express_ + pci::kSlotStatus, 0xffff, 2); }
  void power(bool on) {
    rig_.writeConfig(2, express_ + pci::kSlotControl, kEverything | (on ? kPowerOn : kPowerOff), 2);
    clearSlotStatus();
  }
  Result<hw::Device*> plug(const std::string& id = "vda") {
    return rig_.device("virtio-blk-pci,drive=n0,bus=port0,id=" + id);
  }
  PciRig rig_;
  unsigned express_ = 0;
  unsigned msi_ = 0;
};

TEST_F(HotPlug, TellsTheGuestAndServesTheDisk) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576,read-zeroes=on").ok());
  EXPECT_EQ(0xffffffffU, rig_.readConfig(0, 0, 4, 1));
  ASSERT_TRUE(plug().ok());
  EXPECT_TRUE(rig_.waitForMessage(kPortMessage));
  EXPECT_EQ(kPresent | kPresenceChanged, slotStatus() & (kPresent | kPresenceChanged | kButton));
  power(true);
  EXPECT_EQ(0x10421af4U, rig_.readConfig(0, 0, 4, 1));
  BlkDriver guest(rig_, 0, 0, 1);
  ASSERT_TRUE(guest.agreed());
  EXPECT_EQ(std::string(3, '\0'), guest.read(0, 3));
}

TEST_F(HotPlug, LetsGoWhenTheGuestTurnsThePowerOff) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576").ok());
  ASSERT_TRUE(plug().ok());
  power(true);
  clearSlotStatus();
  ASSERT_TRUE(rig_.unplug("vda").ok());
  EXPECT_EQ(kButton, slotStatus() & kButton);
  EXPECT_EQ(0x10421af4U, rig_.readConfig(0, 0, 4, 1)) << "the guest has not answered yet";
  power(false);
  ASSERT_TRUE(rig_.waitForEvent("DEVICE_DELETED")) << rig_.events();
  EXPECT_NE(std::string::npos, rig_.events().find("/machine/peripheral/vda"));
  EXPECT_EQ(0xffffffffU, rig_.readConfig(0, 0, 4, 1));
  EXPECT_EQ(0U, slotStatus() & kPresent);
  EXPECT_TRUE(plug("vdb").ok()) << "place and node are free again";
}

TEST_F(HotPlug, AsksNobodyWhereTheSlotHasNoPower) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576").ok());
  ASSERT_TRUE(plug().ok());
  ASSERT_TRUE(rig_.unplug("vda").ok());
  EXPECT_TRUE(rig_.waitForEvent("DEVICE_DELETED"));
}

TEST_F(HotPlug, SurvivesRemovalWhileTheGuestWrites) {
  const TempDir dir;
  ASSERT_TRUE(rig_.object("iothread,id=io0").ok());
  for (int round = 0; round < 10; ++round) {
    const std::string node = fmt::format("n{}", round);
    ASSERT_TRUE(rig_.blockdev(fmt::format("driver=file,node-name={},filename={}", node,
                                          dir.makeFile(fmt::format("disk{}", round), 1 << 20)))
                    .ok());
    ASSERT_TRUE(rig_.device(fmt::format("virtio-blk-pci,drive={},bus=port0,iothread=io0,id=vd{}", node, round)).ok());
    power(true);
    VirtioDriver driver(rig_, 0, 1);
    ASSERT_TRUE(driver.negotiate(virtio::kVersion1 | virtio::bit(9)));
    driver.enableMsix(2, 0x40);
    GuestQueue queue = driver.setUpQueue(0, BlkDriver::kRing, 64);
    driver.driverOk();
    for (unsigned slot = 0; slot < 16; ++slot) {
      const std::uint64_t header = BlkDriver::kHeaderAt + 64 * slot;
      rig_.at<std::uint32_t>(header) = 1;
      rig_.at<std::uint64_t>(header + 8) = 8 * slot;
      queue.chain(4 * slot,
                  {{header, 16, false}, {BlkDriver::kDataAt + 4096 * slot, 4096, false}, {header + 32, 1, true}});
      queue.offer(4 * slot);
      if (slot % 4 == 3) driver.notify(0);
    }
    ASSERT_TRUE(rig_.unplug(fmt::format("vd{}", round)).ok());
    power(false);  // in the middle of it
    ASSERT_TRUE(rig_.waitForEvent("DEVICE_DELETED", round + 1));
    EXPECT_LE(queue.usedIndex(), 16);
  }
}

TEST_F(HotPlug, RefusesPlacesThatStayAsTheyAre) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576").ok());
  EXPECT_NE(std::string::npos, rig_.device("virtio-blk-pci,drive=n0,bus=pcie.0").error().describe().find("root-port"));
  ASSERT_TRUE(plug().ok());
  EXPECT_NE(std::string::npos, plug("vdb").error().describe().find("no address of bus 'port0' is free"));
  EXPECT_NE(std::string::npos, rig_.unplug("port0").error().describe().find("pcie.0"));
  EXPECT_NE(std::string::npos, rig_.unplug("vdx").error().describe().find("vda"));
}

TEST_F(HotPlug, HandsOnOnlyWhatItsWindowsHold) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576").ok());
  ASSERT_TRUE(plug().ok());
  VirtioDriver driver(rig_, 0, 1);
  EXPECT_EQ(1U, driver.common(virtio::kQueueCount, 2));
  rig_.writeConfig(2, pci::kMemoryBase, 0xc000c000);
  EXPECT_EQ(0xffffU, driver.common(virtio::kQueueCount, 2));
  rig_.writeConfig(2, pci::kMemoryBase, 0xfff0fe00);
  EXPECT_EQ(1U, driver.common(virtio::kQueueCount, 2));
  rig_.writeConfig(2, pci::kCommand, 0, 2);
  EXPECT_EQ(0xffffU, driver.common(virtio::kQueueCount, 2));
  rig_.writeConfig(2, pci::kPrimaryBus, 0);
  EXPECT_EQ(0xffffffffU, rig_.readConfig(0, 0, 4, 1));
}

TEST_F(HotPlug, GoesOnFromSavedState) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576").ok());
  ASSERT_TRUE(plug().ok());
  power(true);
  VirtioDriver driver(rig_, 0, 1);
  auto* port = dynamic_cast<hw::Device*>(*rig_.tree().find("/machine/peripheral/port0"));
  migrate::StateWriter saved;
  rig_.onMain([&] { port->save(saved); });
  rig_.writeConfig(2, pci::kPrimaryBus, 0);
  EXPECT_EQ(0xffffU, driver.common(virtio::kQueueCount, 2));
  rig_.onMain([&] {
    Result<migrate::StateReader> reader = migrate::StateReader::open("port0", saved.bytes());
    ASSERT_TRUE(reader.ok());
    const Result<void> loaded = port->load(*reader);
    EXPECT_TRUE(loaded.ok()) << loaded.error().describe();
  });
  EXPECT_EQ(1U, driver.common(virtio::kQueueCount, 2));
  EXPECT_EQ(kPresent, slotStatus() & kPresent);
}

}  // namespace
}  // namespace rhea::test
