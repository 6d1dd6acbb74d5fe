// Guests that break the rules, and storage that fails: the device waits for a reset, or the machine for its user.
#include <gtest/gtest.h>

#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

using virtio::bit;
constexpr std::uint8_t kNeedsReset = virtio::kNeedsReset;

class HostileGuest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0,size=1048576,read-zeroes=on").ok());
    ASSERT_TRUE(rig_.device("virtio-blk-pci,drive=n0,id=vda,addr=3").ok());
  }
  // What `spoil` does to the ring of a working driver has the device wait for a reset, and say so; afterwards it works.
  void expectReset(const std::function<void(GuestQueue&)>& spoil, std::uint64_t features = 0) {
    BlkDriver guest(rig_, 3, features);
    ASSERT_TRUE(guest.agreed());
    spoil(guest.queue());
    guest.driver().notify(0);
    EXPECT_TRUE(guest.driver().waitForStatus(kNeedsReset, kNeedsReset));
    EXPECT_TRUE(rig_.waitForMessage(0x40)) << "a configuration interrupt";
    BlkDriver again(rig_, 3, 0);
    EXPECT_EQ(std::string(2, '\0'), again.read(0, 2));
  }
  static constexpr std::uint64_t kHeader = BlkDriver::kHeaderAt;
  static constexpr std::uint64_t kNowhere = std::uint64_t{1} << 40;
  PciRig rig_;
};

TEST_F(HostileGuest, ChainWithoutAnEnd) {
  expectReset([](GuestQueue& queue) {
    queue.setDescriptor(0, kHeader, 16, 1, 1);
    queue.setDescriptor(1, kHeader, 16, 1, 0);
    queue.offer(0);
  });
}
TEST_F(HostileGuest, HeadOutsideOfTheTable) {
  expectReset([](GuestQueue& queue) { queue.offer(256); });
}
TEST_F(HostileGuest, NextOutsideOfTheTable) {
  expectReset([](GuestQueue& queue) {
    queue.setDescriptor(0, kHeader, 16, 1, 9999);
    queue.offer(0);
  });
}
TEST_F(HostileGuest, IndexThatRunsAhead) {
  expectReset([](GuestQueue& queue) { queue.setIndex(300); });
}
TEST_F(HostileGuest, BuffersThatAreNoMemory) {
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{kNowhere, 16, false}, {kHeader, 1, true}});
    queue.offer(0);
  });
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{kHeader, 16, false}, {PciRig::kRamSize - 8, 4096, true}});
    queue.offer(0);
  });
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{kHeader, 16, false}, {UINT64_MAX - 100, 4096, true}});
    queue.offer(0);
  });
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{pci::PciHost::kEcamBase, 16, false}, {kHeader, 1, true}});
    queue.offer(0);
  });
}
TEST_F(HostileGuest, BuffersInTheWrongOrder) {
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{kHeader, 16, true}, {kHeader, 16, false}});
    queue.offer(0);
  });
}
TEST_F(HostileGuest, NoRoomForHeaderOrStatus) {
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{kHeader, 15, false}, {kHeader, 1, true}});
    queue.offer(0);
  });
  expectReset([](GuestQueue& queue) {
    queue.chain(0, {{kHeader, 16, false}});
    queue.offer(0);
  });
}
TEST_F(HostileGuest, IndirectTablesThatAreNone) {
  expectReset(
      [](GuestQueue& queue) {
        queue.setDescriptor(0, kHeader, 16, 4, 0);
        queue.offer(0);
      },
      0);  // not negotiated
  const auto spoiled = [this](std::uint64_t address, std::uint32_t length, unsigned flags) {
    expectReset(
        [=](GuestQueue& queue) {
          queue.setDescriptor(0, address, length, flags, 0);
          queue.offer(0);
        },
        virtio::kIndirect);
  };
  spoiled(kHeader, 17, 4);
  spoiled(kHeader, 0, 4);
  spoiled(kHeader, 16 * 2000, 4);
  spoiled(kNowhere, 32, 4);
  spoiled(kHeader, 32, 5);
  // A table in the table.
  rig_.at<std::uint64_t>(0x400000) = 0x400000;
  rig_.at<std::uint32_t>(0x400008) = 16;
  rig_.at<std::uint16_t>(0x40000c) = 4;
  spoiled(0x400000, 16, 4);
}
TEST_F(HostileGuest, RingsThatAreNoMemory) {
  for (const unsigned part : {virtio::kQueueDescriptors, virtio::kQueueAvailable, virtio::kQueueUsed}) {
    VirtioDriver driver(rig_, 3);
    ASSERT_TRUE(driver.negotiate(virtio::kVersion1));
    driver.setCommon(virtio::kQueueSelect, 0, 2);
    driver.setCommon(virtio::kQueueDescriptors, 0x1000, 8);
    driver.setCommon(virtio::kQueueAvailable, 0x3000, 8);
    driver.setCommon(virtio::kQueueUsed, 0x4000, 8);
    driver.setCommon(part, kNowhere, 8);
    driver.setCommon(virtio::kQueueEnable, 1, 2);
    driver.driverOk();
    EXPECT_TRUE(driver.waitForStatus(kNeedsReset, kNeedsReset)) << part;
  }
}

class FailingDisk : public testing::Test {
 protected:
  void start(const std::string& rule, const std::string& more) {
    const std::string node = R"({"driver":"blkdebug","node-name":"n0","image":{"driver":"null-co","size":1048576},)"
                             R"("inject-error":[)" +
                             rule + "]}";
    const Result<void> added = rig_.blockdev(node);
    ASSERT_TRUE(added.ok()) << added.error().describe();
    const Result<hw::Device*> made = rig_.device("virtio-blk-pci,drive=n0,id=vda,addr=3" + more);
    ASSERT_TRUE(made.ok()) << made.error().describe();
  }
  bool stopped() {
    bool running = true;
    rig_.onMain([&] { running = rig_.runState().running(); });
    return !running;
  }
  PciRig rig_;
};

TEST_F(FailingDisk, ReportsToTheGuest) {
  start(R"({"event":"write_aio","once":true,"errno":5})", ",werror=report");
  BlkDriver guest(rig_, 3, bit(9));
  EXPECT_EQ(1, guest.write(0, "x"));
  EXPECT_EQ(0, guest.write(0, "x"));
  EXPECT_EQ(0, rig_.ioErrorStops());
}

TEST_F(FailingDisk, StopsTheMachineAndTriesAgain) {
  start(R"({"event":"write_aio","once":true,"errno":28})", ",werror=stop");
  rig_.onMain([&] {
    if (!rig_.runState().running()) (void)rig_.runState().resume();
  });
  BlkDriver guest(rig_, 3, bit(9));
  guest.start(1, 0, 4096, false);
  EXPECT_TRUE(rig_.waitForEvent("STOP"));
  EXPECT_EQ(1, rig_.ioErrorStops());
  EXPECT_EQ(0U, guest.queue().usedIndex()) << "the guest hears nothing of it";
  rig_.onMain([&] {
    EXPECT_TRUE(rig_.runState().resume().ok());
    rig_.graph().disks().front()->retryHeld();
  });
  EXPECT_EQ(0, guest.finish());
}

TEST_F(FailingDisk, ResetEndsWhatIsHeld) {
  start(R"({"event":"write_aio","errno":28})", ",werror=stop");
  BlkDriver guest(rig_, 3, bit(9));
  guest.start(1, 0, 4096, false);
  EXPECT_TRUE(rig_.waitForEvent("STOP"));
  rig_.reset();
  EXPECT_EQ(0U, guest.queue().usedIndex());
  EXPECT_EQ(0U, rig_.readConfig(3, pci::kCommand, 2));
}

TEST_F(FailingDisk, RefusesPoliciesThatDoNotFit) {
  ASSERT_TRUE(rig_.blockdev("driver=null-co,node-name=n0").ok());
  const auto refusal = [this](const std::string& more) {
    return rig_.device("virtio-blk-pci,drive=n0" + more).error().describe();
  };
  EXPECT_NE(std::string::npos, refusal(",werror=stopp").find("stop"));
  EXPECT_NE(std::string::npos, refusal(",rerror=enospc").find("read"));
  EXPECT_NE(std::string::npos, refusal(",queue-size=3").find("power of two"));
  EXPECT_NE(std::string::npos, refusal(",num-queues=0").find("num-queues"));
  EXPECT_NE(std::string::npos, refusal(",logical_block_size=1000").find("logical_block_size"));
  EXPECT_NE(std::string::npos, refusal(",physical_block_size=512,logical_block_size=4096").find("physical_block_size"));
  EXPECT_NE(std::string::npos, refusal(",serial=123456789012345678901").find("20 bytes"));
  EXPECT_NE(std::string::npos, refusal(",iothread=io7").find("io7"));
  EXPECT_NE(std::string::npos, refusal(",scsi=on").find("scsi"));
  EXPECT_TRUE(rig_.device("virtio-blk-pci,drive=n0").ok()) << "nothing is left of what was refused";
}

}  // namespace
}  // namespace rhea::test
