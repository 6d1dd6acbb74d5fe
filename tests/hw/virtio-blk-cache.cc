// The write cache between host and guest, by drivers that negotiate CONFIG_WCE, FLUSH alone, or neither: what each side
// may do, what is armed and what acts at once (docs/design/cache-modes.md).
#include "tests/hw/file-disk.h"

namespace rhea::test {
namespace {

class GuestCache : public FileDiskTest {
 protected:
  bool becomes(bool writeback) {
    return eventually([&] { return disk_->effectiveWriteback() == writeback; });
  }
  block::CacheChange host(bool writeback, bool force = false) {
    block::CacheRequest request;
    request.writeback = writeback;
    request.force = force;
    Result<block::CacheChange> change = rig_.run(rig_.graph().setCache("vda", request, block::ChangeContext()));
    if (!change.ok()) throw std::runtime_error(change.error().describe());
    return *std::move(change);
  }
  std::string verdict() {
    auto look = [](PciRig& rig, block::DiskPtr disk) -> Task<std::string> {
      block::DiskDurability seen = co_await rig.graph().durability(disk, std::chrono::seconds(1));
      co_return seen.verdict;
    };
    return rig_.run(look(rig_, disk_));
  }
  static std::uint64_t reads(BlkDriver& guest) { return guest.driver().deviceConfig(kWritebackAt, 1); }
  static void writes(BlkDriver& guest, bool writeback) {
    guest.driver().setDeviceConfig(kWritebackAt, writeback ? 1 : 0, 1);
  }
};

// A driver that only knows FLUSH takes its cache for volatile whatever the host does: nothing has to be armed for it.
TEST_F(GuestCache, OfADriverThatFlushesFollowsTheHostAtOnceBothWays) {
  start();
  BlkDriver guest(rig_, 3, kFlush);
  ASSERT_TRUE(becomes(true));
  EXPECT_FALSE(host(false).pendingGuest);
  EXPECT_FALSE(disk_->effectiveWriteback());
  EXPECT_EQ(0, guest.request(4, 0, 0, false)) << "a flush is always right";
  const block::CacheChange back = host(true);
  EXPECT_FALSE(back.pendingGuest);
  EXPECT_TRUE(back.guestTold);
  EXPECT_TRUE(disk_->effectiveWriteback());
}

// What such a driver writes to the register counts for nothing: it has not negotiated it.
TEST_F(GuestCache, OfADriverWithoutTheSwitchHasNone) {
  start();
  BlkDriver guest(rig_, 3, kFlush);
  ASSERT_TRUE(becomes(true));
  writes(guest, false);
  ASSERT_EQ(0, guest.write(0, "x"));
  EXPECT_TRUE(disk_->effectiveWriteback());
}

TEST_F(GuestCache, OfADriverThatCannotFlushIsWriteThroughWhateverTheHostSays) {
  start();
  BlkDriver guest(rig_, 3, 0);
  EXPECT_FALSE(disk_->effectiveWriteback());
  EXPECT_FALSE(host(false).pendingGuest);
  EXPECT_TRUE(host(true).pendingGuest);
  EXPECT_FALSE(disk_->effectiveWriteback());
  // Not by force either: nobody could ever flush.
  EXPECT_FALSE(host(false).pendingGuest);
  EXPECT_TRUE(host(true, true).pendingGuest);
  EXPECT_FALSE(disk_->effectiveWriteback());
  EXPECT_EQ(std::string::npos, verdict().find("forced")) << verdict();
  EXPECT_NE(std::string::npos, verdict().find("cannot flush")) << verdict();
  const BlkDriver better(rig_, 3, kFlush);
  EXPECT_TRUE(becomes(true)) << "the next driver can";
}

TEST_F(GuestCache, IsArmedOnceTheDriverHasSeenItOff) {
  start();
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  ASSERT_EQ(1U, reads(guest));
  ASSERT_TRUE(becomes(true));
  host(false);
  // It has not looked since, so it still flushes: on again acts at once.
  EXPECT_FALSE(host(true).pendingGuest);
  EXPECT_TRUE(disk_->effectiveWriteback());
  host(false);
  ASSERT_EQ(0U, reads(guest));
  EXPECT_TRUE(host(true).pendingGuest);
  EXPECT_FALSE(disk_->effectiveWriteback());
  EXPECT_NE(std::string::npos, verdict().find("next reset")) << verdict();
}

TEST_F(GuestCache, ThatIsArmedComesWithTheGuestsOwnSwitch) {
  start(",write-cache=off");
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  ASSERT_EQ(0U, reads(guest));
  ASSERT_TRUE(host(true).pendingGuest);
  writes(guest, true);
  EXPECT_TRUE(becomes(true));
  EXPECT_EQ(1U, reads(guest));
}

TEST_F(GuestCache, ThatIsArmedIsDisarmedByTheHost) {
  start(",write-cache=off");
  {
    BlkDriver guest(rig_, 3, kFlush | kConfigWce);
    ASSERT_EQ(0U, reads(guest));
    ASSERT_TRUE(host(true).pendingGuest);
    EXPECT_FALSE(host(false).pendingGuest);
  }
  BlkDriver again(rig_, 3, kFlush | kConfigWce);
  EXPECT_EQ(0U, reads(again));
  ASSERT_EQ(0, again.write(0, "x"));
  EXPECT_FALSE(disk_->effectiveWriteback());
}

TEST_F(GuestCache, CanBeForcedOnADriverThatBelievesInWriteThroughAndIsShownSo) {
  start(",write-cache=off");
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  ASSERT_EQ(0U, reads(guest));
  EXPECT_FALSE(host(true, true).pendingGuest);
  EXPECT_TRUE(disk_->effectiveWriteback());
  EXPECT_NE(std::string::npos, verdict().find("forced")) << verdict();
  // The next driver sees the truth, and nothing is forced any more.
  BlkDriver again(rig_, 3, kFlush | kConfigWce);
  EXPECT_EQ(1U, reads(again));
  EXPECT_TRUE(becomes(true));
  EXPECT_EQ(std::string::npos, verdict().find("forced")) << verdict();
}

TEST_F(GuestCache, OfAnAdministratorsWriteThroughCannotBeTurnedOnByTheGuest) {
  start(",write-cache=off");
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  writes(guest, true);
  ASSERT_EQ(0, guest.write(0, "x"));
  EXPECT_EQ(0U, reads(guest)) << "and the guest sees that it did not";
  EXPECT_FALSE(disk_->effectiveWriteback());
}

TEST_F(GuestCache, TurnedOffByTheGuestOnANoFlushDiskIsServedAndToldToBeVoid) {
  start("", ",cache.no-flush=on");
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  ASSERT_EQ(1U, reads(guest));
  writes(guest, false);
  EXPECT_TRUE(becomes(false));
  ASSERT_EQ(0, guest.write(0, "x"));
  EXPECT_NE(std::string::npos, verdict().find("void")) << verdict();
}

// From the moment of the switch on, whatever is still under way before it.
TEST_F(GuestCache, TurnedOffByTheGuestMakesItsNextWriteStable) {
  start();
  BlkDriver guest(rig_, 3, kFlush | kConfigWce);
  ASSERT_EQ(1U, reads(guest));
  ASSERT_TRUE(becomes(true));
  ASSERT_EQ(0, guest.write(0, "volatile"));
  EXPECT_NE(std::string::npos, verdict().find("may lose")) << verdict();
  writes(guest, false);
  ASSERT_EQ(0, guest.write(8, "stable"));
  // The switch ends with a flush of what came before it.
  const TimePoint end = Clock::now() + std::chrono::seconds(10);
  while (verdict().find("loses nothing") == std::string::npos && Clock::now() < end) std::this_thread::yield();
  EXPECT_NE(std::string::npos, verdict().find("loses nothing")) << verdict();
  EXPECT_FALSE(disk_->effectiveWriteback());
}

TEST_F(GuestCache, IsTheConfiguredOneAgainAfterADeviceReset) {
  start();
  {
    BlkDriver guest(rig_, 3, kFlush | kConfigWce);
    writes(guest, false);
    ASSERT_TRUE(becomes(false));
  }
  BlkDriver again(rig_, 3, kFlush | kConfigWce);
  EXPECT_EQ(1U, reads(again));
  EXPECT_TRUE(becomes(true));
  {
    writes(again, false);
    ASSERT_TRUE(becomes(false));
    rig_.reset();
  }
  BlkDriver third(rig_, 3, kFlush | kConfigWce);
  EXPECT_EQ(1U, reads(third));
  EXPECT_TRUE(becomes(true));
}

}  // namespace
}  // namespace rhea::test
