// The virtio entropy device, by a driver that plays the guest, and where its bytes come from.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/io/fd.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

class VirtioRng : public testing::Test {
 protected:
  void start(const std::string& more = "") {
    const Result<hw::Device*> made = rig_.device("virtio-rng-pci,id=rng0,addr=4" + more);
    ASSERT_TRUE(made.ok()) << made.error().describe();
    driver_.emplace(rig_, 4U);
    ASSERT_TRUE(driver_->negotiate(virtio::kVersion1));
    driver_->enableMsix(2, 0x40);
    queue_.emplace(driver_->setUpQueue(0, BlkDriver::kRing, 8));
    driver_->driverOk();
  }
  // An rng-random object named r0 on a pipe of ours, which stays open for writing until hangUp().
  void sourceFromPipe() {
    const std::string path = dir_.file("pipe");
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    pipe_ = Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    const Result<void> made = rig_.object("rng-random,id=r0,filename=" + path);
    ASSERT_TRUE(made.ok()) << made.error().describe();
  }
  void give(std::string_view bytes) {
    ASSERT_EQ(::write(pipe_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void ask(std::uint32_t bytes) {
    queue_->chain(0, {{BlkDriver::kDataAt, bytes, true}});
    queue_->offer(0);
    driver_->notify(0);
  }
  // How many came; nothing where no answer did.
  std::optional<std::uint32_t> answer() {
    if (!rig_.waitForMessage(0x41)) return std::nullopt;
    const auto done = queue_->take();
    return done ? std::optional(done->second) : std::nullopt;
  }
  std::string data(std::size_t count) { return {&rig_.at<char>(BlkDriver::kDataAt), count}; }

  TempDir dir_;
  Fd pipe_;
  PciRig rig_;
  std::optional<VirtioDriver> driver_;
  std::optional<GuestQueue> queue_;
};

TEST_F(VirtioRng, GivesRandomBytesIntoEveryPieceButNotWithoutEnd) {
  start();
  queue_->chain(0, {{BlkDriver::kDataAt, 64, true}, {BlkDriver::kDataAt + 100, 100000, true}});
  queue_->offer(0);
  driver_->notify(0);
  EXPECT_EQ(answer(), 65536U);
  EXPECT_FALSE(
      std::ranges::all_of(rig_.ram().subspan(BlkDriver::kDataAt, 64), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(VirtioRng, WaitsForItsSourceAndGivesWhatItHas) {
  sourceFromPipe();
  start(",rng=r0");
  ask(64);
  give("entropy");
  ASSERT_EQ(answer(), 7U);
  EXPECT_EQ(data(7), "entropy");
  give("more than is wanted");
  ask(4);
  ASSERT_EQ(answer(), 4U);
  EXPECT_EQ(data(4), "more");
}

TEST_F(VirtioRng, ARequestThatWaitsHoldsUpNeitherAResetNorTheRemoval) {
  sourceFromPipe();
  start(",rng=r0");
  ask(64);
  ASSERT_TRUE(driver_->negotiate(virtio::kVersion1)) << "reset, with the request still waiting";
  driver_->enableMsix(2, 0x40);
  queue_.emplace(driver_->setUpQueue(0, BlkDriver::kRing, 8));
  driver_->driverOk();
  ask(64);
  give("late");
  EXPECT_EQ(answer(), 4U);
  ask(64);  // and the end of the machine does not wait for this one
}

TEST_F(VirtioRng, GivesNoMoreInAPeriodThanItsQuota) {
  start(",max-bytes=10,period=1");
  for (int round = 0; round < 3; ++round) {
    ask(64);
    EXPECT_EQ(answer(), 10U);
  }
}

TEST_F(VirtioRng, RefusesASourceThatIsNoneAndASilentQuota) {
  const auto refusal = [this](const std::string& options) {
    const Result<hw::Device*> made = rig_.device("virtio-rng-pci" + options);
    return made.ok() ? std::string("it was taken") : made.error().describe();
  };
  EXPECT_NE(refusal(",rng=nowhere").find("nowhere"), std::string::npos) << refusal(",rng=nowhere");
  ASSERT_TRUE(rig_.object("iothread,id=io0").ok());
  EXPECT_NE(refusal(",rng=io0").find("rng-backend"), std::string::npos) << refusal(",rng=io0");
  EXPECT_NE(refusal(",period=0").find("period"), std::string::npos);
  EXPECT_NE(refusal(",max-bytes=0").find("max-bytes"), std::string::npos);
  const Result<void> missing = rig_.object("rng-random,id=r1,filename=" + dir_.file("none"));
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().describe().find("cannot open"), std::string::npos);
}

}  // namespace
}  // namespace rhea::test
