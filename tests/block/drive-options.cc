#include "block/options/drive-options.h"

#include <gtest/gtest.h>

#include "block/options/file-name.h"
#include "block/options/node-options-of.h"
#include "block/options/open-drive.h"

namespace rhea::block {
namespace {

DriveOptions parsed(std::string_view text, unsigned index = 0) {
  Result<DriveOptions> options = parseDrive(text, index);
  EXPECT_TRUE(options.ok()) << text << ": " << (options.ok() ? "" : options.error().describe());
  return options.ok() ? *std::move(options) : DriveOptions();
}

std::string errorOf(std::string_view text) {
  const Result<DriveOptions> options = parseDrive(text, 0);
  return options.ok() ? "no error" : options.error().message();
}

TEST(DriveOptions, PlainFileBecomesRawOnFileWithTheFormatToBeProbed) {
  const DriveOptions drive = parsed("file=a.raw,if=none,id=d0");
  EXPECT_EQ(drive.disk.id, "d0");
  EXPECT_FALSE(drive.formatKnown);
  const NodeOptions node = nodeOptionsOf(drive.node);
  EXPECT_EQ(node.driver, "raw");
  ASSERT_EQ(node.children.size(), 1U);
  EXPECT_EQ(node.children[0].inlined->driver, "file");
  EXPECT_EQ(node.children[0].inlined->specific.as<qapi::BlockdevOptionsFile>().filename, "a.raw");
}

TEST(DriveOptions, FirstWordIsTheFileAndTwoCommasAreOne) {
  const DriveOptions drive = parsed("a,,b.raw,format=raw,id=d0");
  EXPECT_TRUE(drive.formatKnown);
  const NodeOptions node = nodeOptionsOf(drive.node);
  EXPECT_EQ(node.children[0].inlined->specific.as<qapi::BlockdevOptionsFile>().filename, "a,b.raw");
}

TEST(DriveOptions, OptionsOfTheFileMayStandBesideItsName) {
  const DriveOptions drive = parsed("file=a.raw,file.locking=off,format=raw,aio=threads,id=d0");
  const auto file = nodeOptionsOf(drive.node).children[0].inlined->specific.as<qapi::BlockdevOptionsFile>();
  EXPECT_EQ(file.locking, qapi::OnOffAuto::off);
  EXPECT_EQ(file.aio, qapi::BlockdevAioOptions::threads);
}

TEST(DriveOptions, ProtocolDriverTakesTheFileItself) {
  const DriveOptions null = parsed("driver=null-co,size=1G,id=d0,node-name=n0");
  EXPECT_EQ(null.node.driver, qapi::BlockdevDriver::nullCo);
  EXPECT_EQ(std::get<qapi::BlockdevOptionsNull>(null.node.u).size, std::uint64_t{1} << 30);
  const DriveOptions file = parsed("driver=file,file=a.raw,id=d0");
  EXPECT_EQ(std::get<qapi::BlockdevOptionsFile>(file.node.u).filename, "a.raw");
  const DriveOptions scheme = parsed("file=null-co://,format=raw,id=d0");
  EXPECT_EQ(nodeOptionsOf(scheme.node).children[0].inlined->driver, "null-co");
}

TEST(DriveOptions, FiveCacheModesSetTheThreeSwitches) {
  const std::pair<std::string_view, CacheSwitches> modes[] = {{"writeback", {true, false, false}},
                                                              {"none", {true, true, false}},
                                                              {"writethrough", {false, false, false}},
                                                              {"directsync", {false, true, false}},
                                                              {"unsafe", {true, false, true}}};
  for (const auto& [name, switches] : modes) {
    const DriveOptions drive = parsed(fmt::format("file=a,id=d,cache={}", name));
    EXPECT_EQ(drive.cache, switches) << name;
    EXPECT_EQ(drive.disk.writeback, switches.writeback) << name;
    const NodeOptions node = nodeOptionsOf(drive.node);
    EXPECT_EQ(node.direct, switches.direct) << name;
    EXPECT_EQ(node.noFlush, switches.noFlush) << name;
  }
  EXPECT_TRUE(parsed("file=a,id=d,cache=none,cache.direct=off").cache == CacheSwitches(true, false, false));
}

TEST(DriveOptions, NamesAreThoseOfTheInterface) {
  EXPECT_EQ(parsed("file=a,if=ide", 3).disk.id, "ide1-hd1");
  EXPECT_EQ(parsed("file=a,if=virtio", 2).disk.id, "virtio2");
  EXPECT_EQ(parsed("file=a").disk.id, "none0");
  EXPECT_EQ(parsed("if=ide,media=cdrom,bus=1,unit=0").disk.id, "ide1-cd0");
}

TEST(DriveOptions, CdWithoutFileIsAnEmptyDrive) {
  const DriveOptions drive = parsed("if=ide,media=cdrom");
  EXPECT_TRUE(drive.empty);
  EXPECT_TRUE(drive.disk.removable);
  EXPECT_TRUE(drive.disk.readOnly);
}

TEST(DriveOptions, ThrottlingHasItsTwoSpellings) {
  const DriveOptions drive = parsed(
      "file=a,id=d,throttling.bps-total=1M,throttling.iops-read=100,throttling.iops-read-max=200,throttling.group=g");
  EXPECT_EQ(drive.throttle.of(BucketKind::kBytesTotal).average, 1048576U);
  EXPECT_EQ(drive.throttle.of(BucketKind::kOpsRead).burst, 200U);
  EXPECT_EQ(drive.throttleGroup, "g");
  EXPECT_EQ(parsed("file=a,id=d,iops_wr=7").throttle.of(BucketKind::kOpsWrite).average, 7U);
  EXPECT_EQ(errorOf("file=a,bps=1,throttling.bps-total=1"), "throttling.bps-total and bps are the same");
}

TEST(DriveOptions, AWrongKeyOfTheFileBelowIsAnsweredWithKeysAsTheyAreWritten) {
  const Result<DriveOptions> options = parseDrive("file=a,id=d,file.lokcing=on", 0);
  ASSERT_FALSE(options.ok());
  ASSERT_FALSE(options.error().candidateNames().empty());
  EXPECT_EQ(options.error().candidateNames().front(), "file.locking");
}

TEST(DriveOptions, DiscardHasTheWordsOfASwitchToo) {
  EXPECT_EQ(parsed("file=a,id=d,discard=on").node.discard, qapi::BlockdevDiscardOptions::unmap);
  EXPECT_EQ(parsed("file=a,id=d,discard=off").node.discard, qapi::BlockdevDiscardOptions::ignore);
  EXPECT_NE(errorOf("file=a,id=d,discard=perhaps").find("perhaps"), std::string::npos);
}

TEST(DriveOptions, DeviceFactsAreKeptForTheDevice) {
  const DriveOptions drive = parsed("file=a,id=d,serial=S1,addr=4,cyls=10,heads=2,secs=8");
  EXPECT_EQ(drive.place.serial, "S1");
  EXPECT_EQ(drive.place.geometry[0], 10U);
}

TEST(DriveOptions, WhatCannotBeIsRefusedByName) {
  EXPECT_EQ(errorOf("file=a,cache=fast"), errorOf("file=a,cache=fast"));
  EXPECT_NE(errorOf("file=a,cache=fast").find("fast"), std::string::npos);
  EXPECT_EQ(errorOf("if=none,id=d"), "the drive has no image");
  EXPECT_EQ(errorOf("file=a,if=usb"), "'usb' is no value for if");
  EXPECT_EQ(errorOf("file=a,readonly=maybe"), "'maybe' is no value for readonly");
  EXPECT_EQ(errorOf("file=a,media=cdrom,readonly=off"), "a CD cannot be written: media=cdrom with readonly=off");
  EXPECT_EQ(errorOf("file=a,index=1,unit=0"), "index and bus,unit both say where the drive goes");
  EXPECT_EQ(errorOf("file=a,format=raw,driver=null-co"), "format=raw and driver=null-co contradict one another");
  EXPECT_EQ(errorOf("file=a,snapshot=perhaps"), "'perhaps' is no value for snapshot");
  EXPECT_NE(errorOf("file=a,cache.writeback=off,cache.no-flush=on"), "no error");
  EXPECT_NE(errorOf("file=nbd:localhost:10809").find("'nbd:'"), std::string::npos);
  EXPECT_NE(errorOf("file=a,spead=3"), "no error");
  EXPECT_NE(errorOf("file=a,id=1x"), "no error");
}

TEST(FileNames, SchemesAreToldFromPaths) {
  EXPECT_EQ(parseFileName("/a:b/c")->driver, "file");
  EXPECT_EQ(parseFileName("./a:b")->options[0].second, "./a:b");
  EXPECT_EQ(parseFileName("file:a:b")->options[0].second, "a:b");
  EXPECT_EQ(parseFileName("host_device:/dev/sda")->driver, "host_device");
  const Result<FileName> tree = parseFileName(R"(json:{"driver":"file","filename":"x","locking":"off"})");
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(tree->driver, "file");
  EXPECT_EQ(tree->options.size(), 2U);
  EXPECT_FALSE(parseFileName("").ok());
  EXPECT_FALSE(parseFileName("json:{}").ok());
}

TEST(BlockdevOption, BothFormsDescribeTheSameNode) {
  const Result<NodeOptions> words =
      parseBlockdev("driver=raw,node-name=n,file.driver=null-co,file.size=64M,cache.direct=on");
  const Result<NodeOptions> tree = parseBlockdev(
      R"({"driver":"raw","node-name":"n","file":{"driver":"null-co","size":67108864},"cache":{"direct":true}})");
  ASSERT_TRUE(words.ok()) << words.error().describe();
  ASSERT_TRUE(tree.ok()) << tree.error().describe();
  for (const NodeOptions& node : {*words, *tree}) {
    EXPECT_EQ(node.nodeName, "n");
    EXPECT_EQ(node.direct, true);
    EXPECT_EQ(node.children[0].inlined->specific.as<qapi::BlockdevOptionsNull>().size, 67108864U);
  }
  EXPECT_FALSE(parseBlockdev("driver=null-co").ok()) << "a node without a name";
}

}  // namespace
}  // namespace rhea::block
