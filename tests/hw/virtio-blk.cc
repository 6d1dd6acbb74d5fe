// The virtio disk, by a driver that plays the guest.
#include "tests/hw/file-disk.h"

namespace rhea::test {
namespace {

constexpr std::uint64_t kDiscard = virtio::bit(13);
constexpr std::uint64_t kWriteZeroes = virtio::bit(14);

class VirtioBlk : public FileDiskTest {};

TEST_F(VirtioBlk, ReadsWhatWasWritten) {
  start();
  BlkDriver guest(rig_, 3, kFlush);
  ASSERT_TRUE(guest.agreed());
  EXPECT_EQ(0, guest.write(8, "hello, disk"));
  EXPECT_EQ("hello, disk", guest.read(8, 11));
  EXPECT_EQ(0, guest.request(4, 0, 0, false)) << "flush";
  EXPECT_EQ(2048U, guest.driver().deviceConfig(0, 8)) << "sectors";
}

TEST_F(VirtioBlk, ServesIndirectDescriptorsAndTheEventIndex) {
  start();
  BlkDriver guest(rig_, 3, kFlush | virtio::kIndirect | virtio::kEventIndex);
  for (int round = 0; round < 600; ++round) {
    const std::string text = fmt::format("round {}", round);
    ASSERT_EQ(0, guest.write(static_cast<std::uint64_t>(round % 200) * 8, text, true)) << round;
    ASSERT_EQ(text, guest.read(static_cast<std::uint64_t>(round % 200) * 8, text.size(), true)) << round;
  }
}

TEST_F(VirtioBlk, ServesSeveralQueuesOnAnIoThread) {
  ASSERT_TRUE(rig_.object("iothread,id=io0").ok());
  start(",iothread=io0,num-queues=3,queue-size=64");
  VirtioDriver driver(rig_, 3);
  ASSERT_TRUE(driver.negotiate(virtio::kVersion1 | kFlush | virtio::bit(12)));
  EXPECT_EQ(3U, driver.common(virtio::kQueueCount, 2));
  EXPECT_EQ(3U, driver.deviceConfig(34, 2));
  driver.enableMsix(4, 0x40);
  std::vector<GuestQueue> queues;
  for (unsigned i = 0; i < 3; ++i) queues.push_back(driver.setUpQueue(i, BlkDriver::kRing + i * 0x10000, 64));
  driver.driverOk();
  for (unsigned i = 0; i < 3; ++i) {
    const std::uint64_t header = BlkDriver::kHeaderAt + i * 0x1000;
    rig_.at<std::uint32_t>(header) = 1;
    rig_.at<std::uint64_t>(header + 8) = 8 * i;
    rig_.at<std::uint32_t>(BlkDriver::kDataAt + i * 4096) = 0x1000 + i;
    queues[i].chain(0, {{header, 16, false}, {BlkDriver::kDataAt + i * 4096, 4096, false}, {header + 64, 1, true}});
    queues[i].offer(0);
    driver.notify(i);
  }
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_TRUE(rig_.waitForMessage(0x41 + i)) << i;
    EXPECT_TRUE(queues[i].take());
    EXPECT_EQ(0, rig_.at<std::uint8_t>(BlkDriver::kHeaderAt + i * 0x1000 + 64));
  }
  EXPECT_EQ(3U, disk_->statistics().counts(block::IoKind::kWrite).operations);
  // The disk's own code has moved there too, and comes back when the device goes.
  block::NodePtr node;
  rig_.onMain([&] { node = rig_.graph().findNode("n0"); });
  EXPECT_NE(&node->home(), &rig_.mainLoop());
  rig_.machineStarts();
  rig_.onMain([&] { disk_ = nullptr; });
  ASSERT_TRUE(rig_.run(rig_.devices().removeAll(CancelToken())).ok());
  EXPECT_EQ(&node->home(), &rig_.mainLoop());
  rig_.onMain([&] { node = nullptr; });
}

TEST_F(VirtioBlk, AnswersWhatItCannotDo) {
  start(",serial=abc123");
  BlkDriver guest(rig_, 3, kFlush);
  EXPECT_EQ(1, guest.request(0, 1U << 20, 4096, true)) << "beyond the end";
  EXPECT_EQ(1, guest.request(0, UINT64_MAX, 4096, true)) << "an offset that overflows";
  EXPECT_EQ(1, guest.request(1, 0, 100, false)) << "not whole sectors";
  EXPECT_EQ(2, guest.request(77, 0, 0, false)) << "an unknown type";
  EXPECT_EQ(2, guest.request(11, 0, 16, false)) << "discard that was not negotiated";
  EXPECT_EQ(0, guest.request(8, 0, 20, true)) << "id";
  EXPECT_EQ("abc123", std::string(&rig_.at<char>(BlkDriver::kDataAt)));
  EXPECT_EQ(0, guest.write(0, "still well"));
}

TEST_F(VirtioBlk, DiscardsAndWritesZeroes) {
  start("", ",discard=unmap");
  BlkDriver guest(rig_, 3, kFlush | kDiscard | kWriteZeroes);
  ASSERT_EQ(0, guest.write(8, "to be zeroed"));
  rig_.at<std::uint64_t>(BlkDriver::kDataAt) = 8;
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 8) = 8;
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 12) = 1;
  EXPECT_EQ(0, guest.request(13, 0, 16, false));
  EXPECT_EQ(std::string(4, '\0'), guest.read(8, 4));
  rig_.at<std::uint64_t>(BlkDriver::kDataAt) = 16;
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 8) = 8;
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 12) = 0;
  EXPECT_EQ(0, guest.request(11, 0, 16, false));
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 12) = 1;
  EXPECT_EQ(2, guest.request(11, 0, 16, false)) << "a flag that discards do not have";
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 12) = 0;
  rig_.at<std::uint32_t>(BlkDriver::kDataAt + 8) = 0xffffffff;
  EXPECT_EQ(1, guest.request(11, 0, 16, false)) << "more than was told";
}

TEST_F(VirtioBlk, IsWriteBackOnlyForWhoCanFlush) {
  start();
  EXPECT_FALSE(disk_->effectiveWriteback()) << "no driver yet";
  {
    const BlkDriver guest(rig_, 3, kFlush);
    EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
    rig_.onMain([&] { EXPECT_EQ(block::GuestView::kWriteBack, disk_->guestView()); });
  }
  {
    const BlkDriver guest(rig_, 3, 0);
    EXPECT_TRUE(eventually([&] { return !disk_->effectiveWriteback(); }));
    rig_.onMain([&] { EXPECT_EQ(block::GuestView::kCannotFlush, disk_->guestView()); });
  }
}

TEST_F(VirtioBlk, FollowsTheGuestsOwnSwitch) {
  start();
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  ASSERT_EQ(1U, guest.driver().deviceConfig(kWritebackAt, 1));
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
  guest.driver().setDeviceConfig(kWritebackAt, 0, 1);
  EXPECT_EQ(0U, guest.driver().deviceConfig(kWritebackAt, 1));
  EXPECT_TRUE(eventually([&] { return !disk_->effectiveWriteback(); }));
  rig_.onMain([&] { EXPECT_EQ(block::GuestView::kWriteThrough, disk_->guestView()); });
  guest.driver().setDeviceConfig(kWritebackAt, 1, 1);
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
  // A reset takes the guest's choice back.
  guest.driver().setDeviceConfig(kWritebackAt, 0, 1);
  const BlkDriver again(rig_, 3, kFlush | kConfigWce);
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
}

TEST_F(VirtioBlk, ArmsWriteBackForAGuestThatCannotBeTold) {
  start(",write-cache=off");
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  EXPECT_EQ(0U, guest.driver().deviceConfig(kWritebackAt, 1));
  block::CacheRequest request;
  request.writeback = true;
  auto change = rig_.run(rig_.graph().setCache("vda", request, block::ChangeContext()));
  ASSERT_TRUE(change.ok()) << change.error().describe();
  EXPECT_TRUE(change->pendingGuest);
  EXPECT_FALSE(disk_->effectiveWriteback());
  const BlkDriver again(rig_, 3, kFlush | kConfigWce);
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
}

TEST_F(VirtioBlk, GoesWriteBackAsSoonAsTheGuestLooks) {
  start(",write-cache=off");
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  EXPECT_EQ(0U, guest.driver().deviceConfig(kWritebackAt, 1));
  block::CacheRequest request;
  request.writeback = true;
  auto change = rig_.run(rig_.graph().setCache("vda", request, block::ChangeContext()));
  ASSERT_TRUE(change.ok()) << change.error().describe();
  EXPECT_TRUE(change->pendingGuest);
  EXPECT_FALSE(disk_->effectiveWriteback());
  EXPECT_EQ(1U, guest.driver().deviceConfig(kWritebackAt, 1));
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
}

TEST_F(VirtioBlk, TellsTheGuestOfANewLength) {
  start();
  BlkDriver guest(rig_, 3, kFlush);
  const auto generation = guest.driver().common(virtio::kConfigGeneration, 1);
  ASSERT_TRUE(rig_.run(rig_.graph().resizeNode("n0", 2 << 20, block::ChangeContext())).ok());
  EXPECT_TRUE(rig_.waitForMessage(0x40));
  EXPECT_EQ(4096U, guest.driver().deviceConfig(0, 8));
  EXPECT_NE(generation, guest.driver().common(virtio::kConfigGeneration, 1));
}

TEST_F(VirtioBlk, RefusesFeaturesThatWereNotOffered) {
  start(",config-wce=off");
  VirtioDriver driver(rig_, 3);
  EXPECT_EQ(0U, driver.offered() & kConfigWce);
  EXPECT_FALSE(driver.negotiate(virtio::kVersion1 | kConfigWce));
  EXPECT_FALSE(driver.negotiate(kFlush)) << "without version 1";
  EXPECT_TRUE(driver.negotiate(virtio::kVersion1 | kFlush));
}

// What a driver of before virtio 1.0 does: ports alone, a queue by its page, no features to agree on.
TEST_F(VirtioBlk, ServesADriverOfBeforeVirtio10) {
  start(",serial=old");
  constexpr std::uint64_t kPorts = 0xc000, kQueue = 0x100000;
  rig_.writeConfig(3, 0x10, kPorts);
  rig_.writeConfig(3, pci::kCommand, pci::kCommandIo | pci::kCommandBusMaster, 2);
  const auto get = [this](unsigned at, unsigned size) { return rig_.ports().readValue(kPorts + at, size); };
  const auto put = [this](unsigned at, std::uint64_t value, unsigned size) {
    rig_.ports().writeValue(kPorts + at, value, size);
  };
  EXPECT_EQ(0U, rig_.readConfig(3, 8, 1)) << "its revision says transitional";
  EXPECT_EQ(2048U, get(20, 4)) << "sectors, in the device's own registers";
  EXPECT_EQ(kFlush, get(0, 4) & kFlush);
  put(18, 0, 1);
  put(18, 3, 1);
  put(4, kFlush, 4);
  put(14, 0, 2);
  const auto entries = static_cast<unsigned>(get(12, 2));
  ASSERT_EQ(256U, entries);
  std::memset(&rig_.at<char>(kQueue), 0, 0x4000);
  put(8, kQueue >> 12, 4);
  EXPECT_EQ(kQueue >> 12, get(8, 4));
  put(18, 7, 1);
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));

  const std::uint64_t available = kQueue + 16 * 256, used = kQueue + 0x2000;
  std::uint16_t sent = 0;
  const auto request = [&](std::uint32_t type, bool deviceWrites) {
    rig_.at<std::uint32_t>(BlkDriver::kHeaderAt) = type;
    rig_.at<std::uint64_t>(BlkDriver::kHeaderAt + 8) = 8;
    rig_.at<std::uint8_t>(BlkDriver::kStatusAt) = 0xee;
    const std::uint64_t places[] = {BlkDriver::kHeaderAt, BlkDriver::kDataAt, BlkDriver::kStatusAt};
    const std::uint32_t lengths[] = {16, 512, 1};
    const std::uint16_t flags[] = {1, static_cast<std::uint16_t>(deviceWrites ? 3 : 1), 2};
    for (unsigned i = 0; i < 3; ++i) {
      rig_.at<std::uint64_t>(kQueue + 16 * i) = places[i];
      rig_.at<std::uint32_t>(kQueue + 16 * i + 8) = lengths[i];
      rig_.at<std::uint16_t>(kQueue + 16 * i + 12) = flags[i];
      rig_.at<std::uint16_t>(kQueue + 16 * i + 14) = static_cast<std::uint16_t>(i + 1);
    }
    std::atomic_ref(rig_.at<std::uint16_t>(available + 2)).store(++sent, std::memory_order_release);
    put(16, 0, 2);
    EXPECT_TRUE(rig_.waitForLine(3, true)) << "a pin: message interrupts are off";
    EXPECT_EQ(1U, get(19, 1));
    EXPECT_EQ(sent, rig_.at<std::uint16_t>(used + 2));
    return rig_.at<std::uint8_t>(BlkDriver::kStatusAt);
  };
  std::memcpy(&rig_.at<char>(BlkDriver::kDataAt), "old but well", 12);
  EXPECT_EQ(0, request(1, false));
  std::memset(&rig_.at<char>(BlkDriver::kDataAt), 0, 512);
  EXPECT_EQ(0, request(0, true));
  EXPECT_EQ("old but well", std::string(&rig_.at<char>(BlkDriver::kDataAt), 12));
  // A reset is done when the write has ended, and everything can begin anew.
  put(18, 0, 1);
  EXPECT_EQ(0U, get(18, 1));
  EXPECT_EQ(0U, get(8, 4));
  BlkDriver modern(rig_, 3, kFlush);
  EXPECT_EQ("old but well", modern.read(8, 12));
}

TEST_F(VirtioBlk, StaysInStepOverAMachineReset) {
  start();
  {
    BlkDriver guest(rig_, 3, kFlush);
    ASSERT_EQ(0, guest.write(0, "before"));
  }
  rig_.reset();
  EXPECT_EQ(0xffffU, rig_.memory().readValue(VirtioDriver::kWindowsAt + 0x30000, 2)) << "the window is gone";
  BlkDriver guest(rig_, 3, kFlush);
  EXPECT_EQ("before", guest.read(0, 6));
}

TEST_F(VirtioBlk, GoesOnFromSavedState) {
  start();
  BlkDriver guest(rig_, 3, kFlush | virtio::kEventIndex);
  ASSERT_EQ(0, guest.write(0, "saved"));
  auto* device = dynamic_cast<hw::Device*>(*rig_.tree().find("/machine/peripheral/vda"));
  ASSERT_NE(nullptr, device);
  ASSERT_TRUE(rig_.run(rig_.runState().stop()).ok());
  migrate::StateWriter saved;
  rig_.onMain([&] { device->save(saved); });
  rig_.reset();
  rig_.onMain([&] {
    Result<migrate::StateReader> reader = migrate::StateReader::open("vda", saved.bytes());
    ASSERT_TRUE(reader.ok());
    const Result<void> loaded = device->load(*reader);
    EXPECT_TRUE(loaded.ok()) << loaded.error().describe();
  });
  rig_.onMain([&] { EXPECT_TRUE(rig_.runState().resume().ok()); });
  EXPECT_EQ("saved", guest.read(0, 5));
  EXPECT_TRUE(eventually([&] { return disk_->effectiveWriteback(); }));
}

TEST_F(VirtioBlk, TakesNothingWhileTheMachineIsStopped) {
  start();
  BlkDriver guest(rig_, 3, kFlush);
  ASSERT_TRUE(rig_.run(rig_.runState().stop()).ok());
  guest.start(4, 0, 0, false);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(0U, guest.queue().usedIndex());
  rig_.onMain([&] { EXPECT_TRUE(rig_.runState().resume().ok()); });
  EXPECT_EQ(0, guest.finish());
}

}  // namespace
}  // namespace rhea::test
