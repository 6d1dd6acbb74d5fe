// The drivers host_device and host_cdrom, on loop devices: root only.
#include <fcntl.h>
#include <sys/stat.h>

#include "block/driver/file/file.h"
#include "block/driver/host-device/host-device.h"
#include "qapi/types-block-options.h"
#include "tests/block/driver-harness.h"
#include "tests/lib/command.h"

namespace rhea::block {
namespace {

using test::DriverHarness;
using test::TempDir;

class HostDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "loop devices need root";
    image_ = dir_.makeFile("disk.img", kSize, 0x42);
    const auto made = rhea::test::run("losetup -f --show " + image_);
    if (made.status != 0) GTEST_SKIP() << "no loop device: " << made.output;
    device_ = made.output.substr(0, made.output.find('\n'));
  }
  void TearDown() override {
    if (node_.isOpen()) node_.close();
    if (!device_.empty()) rhea::test::run("losetup -d " + device_);
  }
  qapi::BlockdevOptionsFile options() const {
    qapi::BlockdevOptionsFile made;
    made.filename = device_;
    return made;
  }
  void open(bool direct = false) {
    OpenFlags flags;
    flags.direct = direct;
    auto opened = node_.open(hostDeviceDriver(), options(), flags);
    ASSERT_TRUE(opened.ok()) << opened.error().describe();
  }

  static constexpr std::uint64_t kSize = 4 << 20;
  TempDir dir_;
  std::string image_;
  std::string device_;
  DriverHarness node_;
};

TEST_F(HostDevice, ReadsWritesAndFlushesInBothModes) {
  for (const bool direct : {false, true}) {
    open(direct);
    EXPECT_EQ(node_.driver().length(), kSize);
    ASSERT_TRUE(node_.write(8192, 4096, 0x17, WriteFlags()).ok());
    ASSERT_TRUE(node_.flush().ok());
    EXPECT_TRUE(node_.read(8192, 4096)->isAll(0x17));
    EXPECT_TRUE(node_.read(16384, 4096)->isAll(0x42));
    EXPECT_GE(node_.driver().limits().requestAlignment, direct ? 512U : 1U);
    node_.close();
  }
}

TEST_F(HostDevice, DiscardsAndWritesZeroes) {
  open();
  auto& zeroes = node_.ability<ZeroWriter>();
  ASSERT_TRUE(node_.loop().run(zeroes.writeZeroes(Extent(0, 65536), WriteFlags::stable())).ok());
  EXPECT_TRUE(node_.read(0, 65536)->isAll(0));
  const auto unmapped = node_.loop().run(zeroes.writeZeroes(Extent(65536, 65536), WriteFlags::mayUnmap()));
  ASSERT_TRUE(unmapped.ok()) << unmapped.error().message();
  EXPECT_TRUE(node_.read(65536, 65536)->isAll(0));
  const auto discarded = node_.loop().run(node_.ability<Discards>().discard(Extent(131072, 65536), {}));
  EXPECT_TRUE(discarded.ok() || discarded.error().code() == EOPNOTSUPP) << discarded.error().message();
  EXPECT_TRUE(node_.read(262144, 4096)->isAll(0x42));
}

TEST_F(HostDevice, ResizeReadsTheDevicesSizeAgain) {
  open();
  auto& resizer = node_.ability<Resizer>();
  const auto refused = node_.loop().run(resizer.resize(2 * kSize, Preallocation::kOff));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find(device_), std::string::npos);
  std::filesystem::resize_file(image_, 2 * kSize);
  ASSERT_EQ(rhea::test::run("losetup -c " + device_).status, 0);
  ASSERT_TRUE(node_.loop().run(resizer.resize(2 * kSize, Preallocation::kOff)).ok());
  EXPECT_EQ(node_.driver().length(), 2 * kSize);
}

TEST_F(HostDevice, TheDriversAreNotMixedUp) {
  const auto asFile = node_.open(fileDriver(), options());
  ASSERT_FALSE(asFile.ok());
  EXPECT_NE(asFile.error().hintText().find("host_device"), std::string::npos);
  qapi::BlockdevOptionsFile file;
  file.filename = image_;
  const auto asDevice = node_.open(hostDeviceDriver(), file);
  ASSERT_FALSE(asDevice.ok());
  EXPECT_NE(asDevice.error().hintText().find("file"), std::string::npos);
}

TEST_F(HostDevice, ACdromIsAlwaysReadOnly) {
  ASSERT_TRUE(node_.open(hostCdromDriver(), options()).ok());
  EXPECT_TRUE(node_.driver().isReadOnly());
  EXPECT_EQ(node_.write(0, 4096, 1).error().code(), EROFS);
  EXPECT_TRUE(node_.read(0, 4096)->isAll(0x42));
}

TEST_F(HostDevice, FactsNameTheDevice) {
  open();
  const auto facts = node_.loop().run(node_.ability<Informer>().storageFacts());
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->device, device_);
  EXPECT_TRUE(facts->fileSystem.empty());
  EXPECT_FALSE(facts->deviceWriteCache.empty());
}

}  // namespace
}  // namespace rhea::block
