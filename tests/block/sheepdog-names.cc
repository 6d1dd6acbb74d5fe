// Names and options of sheepdog disks.
#include "block/driver/sheepdog/uri.h"
#include "block/options/file-name.h"
#include "tests/block/sheepdog-support.h"

namespace rhea::block::test {
namespace {

using sheepdog::parseUri;
using sheepdog::Uri;

std::string shown(const std::string& text) {
  const Result<Uri> uri = parseUri(text);
  if (!uri.ok()) return "error";
  return fmt::format("{} {} {} {}", uri->server ? uri->server->text() : "-", uri->vdi,
                     uri->snapId ? std::to_string(*uri->snapId) : "-", uri->tag.value_or("-"));
}

TEST(SheepdogNames, formsOfOld) {
  EXPECT_EQ(shown("sheepdog:vm"), "- vm - -");
  EXPECT_EQ(shown("sheepdog:vm#3"), "- vm 3 -");
  EXPECT_EQ(shown("sheepdog:vm#monday"), "- vm - monday");
  EXPECT_EQ(shown("sheepdog:///vm"), "127.0.0.1:7000 vm - -");
  EXPECT_EQ(shown("sheepdog://store/vm"), "store:7000 vm - -");
  EXPECT_EQ(shown("sheepdog://store:7001/vm#t"), "store:7001 vm - t");
  EXPECT_EQ(shown("sheepdog+tcp://10.1.2.3:7000/vm"), "10.1.2.3:7000 vm - -");
  EXPECT_EQ(shown("sheepdog://[::1]:7000/vm"), "[::1]:7000 vm - -");
  EXPECT_EQ(shown("sheepdog+unix:///vm?socket=/var/lib/sheepdog/sock#2"), "unix:/var/lib/sheepdog/sock vm 2 -");
  EXPECT_EQ(shown("sheepdog:my%20vm#a%23b"), "- my vm - a#b");
}

TEST(SheepdogNames, whatIsNoName) {
  for (const char* text :
       {"sheepdog:", "sheepdog://store", "sheepdog://store:0/vm", "sheepdog://store:x/vm", "sheepdog://store:70000/vm",
        "sheepdog:vm#", "sheepdog:vm#0", "sheepdog:vm#99999999999", "sheepdog:a/b", "sheepdog:vm?socket=/x",
        "sheepdog+unix:///vm", "sheepdog+unix:///vm?socket=", "sheepdog+unix://host/vm?socket=/x", "sheepdog:%zz",
        "sheepdog:vm%00", "sheepdog://[::1/vm", "nbd:vm"}) {
    EXPECT_EQ(shown(text), "error") << text;
  }
  EXPECT_EQ(shown("sheepdog:" + std::string(255, 'x')).size(), 2 + 255 + 4U);
  EXPECT_EQ(shown("sheepdog:" + std::string(256, 'x')), "error");
}

TEST(SheepdogNames, aNameComesBackFromItsOptions) {
  const sheepdog::Address store{"store", "7001", "", false};
  EXPECT_EQ(sheepdog::uriOf(store, "my vm", 0, ""), "sheepdog://store:7001/my%20vm");
  EXPECT_EQ(sheepdog::uriOf(store, "vm", 3, ""), "sheepdog://store:7001/vm#3");
  EXPECT_EQ(sheepdog::uriOf(store, "vm", 0, "t"), "sheepdog://store:7001/vm#t");
  const sheepdog::Address local{"", "", "/run/sock", false};
  EXPECT_EQ(sheepdog::uriOf(local, "vm", 0, ""), "sheepdog+unix:///vm?socket=/run/sock");
  const Result<FileName> file = parseFileName("sheepdog://store:7001/vm#3");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->driver, "sheepdog");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"server.type", "inet"}, {"server.host", "store"}, {"server.port", "7001"}, {"vdi", "vm"}, {"snap-id", "3"}};
  EXPECT_EQ(file->options, expected);
}

TEST(SheepdogNames, theNumberOfANameIsThatOfOtherClients) {
  EXPECT_EQ(sheepdog::hashOfName("t1"), 0x6a5e16U);
  EXPECT_EQ(sheepdog::hashOfName("w1"), 0x6d7b05U);
  EXPECT_EQ(sheepdog::hashOfName("q1"), 0x72d497U);
}

class SheepdogOptions : public SheepdogTest {};

TEST_F(SheepdogOptions, contradictionsAreTold) {
  beginWith(kObject);
  const auto refused = [&](const std::string& more) {
    const Result<DiskPtr> disk = tryOpen(more);
    return disk.ok() ? std::string("no error") : std::string(disk.error().whereText());
  };
  EXPECT_NE(refused("file.snap-id=1,file.tag=x,read-only=on").find("tag"), std::string::npos);
  EXPECT_NE(refused("file.queue-depth=0").find("queue-depth"), std::string::npos);
  const Result<DiskPtr> writable = tryOpen("file.tag=x");
  ASSERT_FALSE(writable.ok());
  EXPECT_EQ(writable.error().code(), EROFS);
}

TEST_F(SheepdogOptions, aQueueOfOneWorks) {
  beginWith(kObject);
  const DiskPtr disk = open("file.queue-depth=1");
  ASSERT_TRUE(write(disk, 0, 65536, 1).ok());
  EXPECT_TRUE(reads(disk, 0, 65536, 1));
}

}  // namespace
}  // namespace rhea::block::test
