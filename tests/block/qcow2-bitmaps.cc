// Persistent dirty bitmaps of qcow2 images: recorded, kept, and not lost by a kill.
#include "tests/block/qcow2-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

class Qcow2Bitmaps : public Qcow2Test {
 protected:
  static BitmapInfo named(const std::string& name, bool recording = true) {
    BitmapInfo info;
    info.name = name;
    info.granularity = 65536;
    info.recording = recording;
    return info;
  }
  static void expectDone(const Result<void>& done) { EXPECT_TRUE(done.ok()) << done.error().describe(); }
  static std::vector<Extent> ranges(ImageGraph& graph, const DiskPtr& disk, const std::string& name) {
    auto found = graph.run(ImageGraph::qcow2(disk).dirtyRanges(name, 0));
    EXPECT_TRUE(found.ok()) << found.error().describe();
    return found.ok() ? *found : std::vector<Extent>();
  }
  static bool covers(const std::vector<Extent>& ranges, Extent at) {
    return std::ranges::any_of(ranges, [at](Extent range) { return range.contains(at); });
  }
  // What a kill would leave at this moment.
  void keepAsKilled(const std::string& name) { ASSERT_EQ(shell("cp " + file("a") + " " + file(name)), 0); }
  void madeWithBitmap() {
    created(file("a"), sized(64 * kMiB));
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    expectDone(graph.run(ImageGraph::qcow2(disk).addBitmap(named("b"))));
  }
};

TEST_F(Qcow2Bitmaps, RecordExactlyWhatIsWritten) {
  madeWithBitmap();
  expectClean(file("a"));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 3 * kMiB + 5, 100, 'x').ok());
    ASSERT_TRUE(graph.zero(disk, 20 * kMiB, 65536, true).ok());
    EXPECT_EQ(ranges(graph, disk, "b"), (std::vector<Extent>{Extent(3 * kMiB, 65536), Extent(20 * kMiB, 65536)}));
  }
  expectClean(file("a"));
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  EXPECT_EQ(ranges(graph, disk, "b"), (std::vector<Extent>{Extent(3 * kMiB, 65536), Extent(20 * kMiB, 65536)}));
  const auto list = graph.run(ImageGraph::qcow2(disk).bitmaps()).value();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(list[0].recording);
  EXPECT_FALSE(list[0].inconsistent);
  EXPECT_EQ(list[0].dirtyBytes, 2 * 65536U);
}

TEST_F(Qcow2Bitmaps, SurviveAKillEnlarged) {
  madeWithBitmap();
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 3 * kMiB, 100, 'x').ok());
    ASSERT_TRUE(graph.write(disk, 50 * kMiB, 100, 'x').ok());
    keepAsKilled("killed");
  }
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("killed")));
    const auto list = graph.run(ImageGraph::qcow2(disk).bitmaps()).value();
    ASSERT_EQ(list.size(), 1U);
    EXPECT_FALSE(list[0].inconsistent);
    const auto found = ranges(graph, disk, "b");
    EXPECT_TRUE(covers(found, Extent(3 * kMiB, 100)));
    EXPECT_TRUE(covers(found, Extent(50 * kMiB, 100)));
    EXPECT_FALSE(covers(found, Extent(20 * kMiB, 100)));
    // Killed once more, it is still right; closed, everybody believes it.
    ASSERT_TRUE(graph.write(disk, 30 * kMiB, 100, 'y').ok());
  }
  expectClean(file("killed"));
  if (!hasPeer()) return;
  const std::string told = output("qemu-img info " + file("killed"));
  EXPECT_EQ(told.find("in-use"), std::string::npos) << told;
}

TEST_F(Qcow2Bitmaps, AreNotBelievedAfterAForeignWriter) {
  if (!hasPeer()) GTEST_SKIP() << "there is no qemu-io";
  madeWithBitmap();
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 3 * kMiB, 100, 'x').ok());
    keepAsKilled("killed");
  }
  ASSERT_EQ(shell("qemu-io -c 'write 40M 64k' " + file("killed")), 0);
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("killed")));
  const auto list = graph.run(ImageGraph::qcow2(disk).bitmaps()).value();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_TRUE(list[0].inconsistent);
  EXPECT_FALSE(graph.run(ImageGraph::qcow2(disk).dirtyRanges("b", 0)).ok());
  expectDone(graph.run(ImageGraph::qcow2(disk).removeBitmap("b")));
}

TEST_F(Qcow2Bitmaps, AreExchangedWithThePeer) {
  if (!hasPeer()) GTEST_SKIP() << "there is no qemu-io";
  ASSERT_EQ(
      shell("cd " + dir_.path() + " && qemu-img create -f qcow2 a 64M && qemu-img bitmap --add -g 64k a theirs && " +
            "qemu-io -c 'write 8M 64k' a"),
      0);
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    EXPECT_EQ(ranges(graph, disk, "theirs"), std::vector<Extent>{Extent(8 * kMiB, 65536)});
    ASSERT_TRUE(graph.write(disk, 9 * kMiB, 1, 'x').ok());
    expectDone(graph.run(ImageGraph::qcow2(disk).addBitmap(named("ours", false))));
    std::vector<Extent> some;
    some.emplace_back(kMiB, kMiB);
    expectDone(graph.run(ImageGraph::qcow2(disk).markDirty("ours", some)));
  }
  expectClean(file("a"));
  const std::string told = output("qemu-img info " + file("a"));
  EXPECT_NE(told.find("name: ours"), std::string::npos) << told;
  EXPECT_EQ(told.find("in-use"), std::string::npos) << told;
  // They merge ours into one of theirs, which they would refuse for one that is inconsistent.
  EXPECT_EQ(shell("qemu-img bitmap --merge ours " + file("a") + " theirs"), 0);
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  EXPECT_EQ(ranges(graph, disk, "theirs"),
            (std::vector<Extent>{Extent(kMiB, kMiB), Extent(8 * kMiB, 65536), Extent(9 * kMiB, 65536)}));
}

TEST_F(Qcow2Bitmaps, FollowTheirCommands) {
  madeWithBitmap();
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  Qcow2Driver& image = ImageGraph::qcow2(disk);
  EXPECT_FALSE(graph.run(image.addBitmap(named("b"))).ok());
  ASSERT_TRUE(graph.write(disk, 0, 100, 'x').ok());
  expectDone(graph.run(image.setBitmapRecording("b", false)));
  ASSERT_TRUE(graph.write(disk, 5 * kMiB, 100, 'x').ok());
  EXPECT_EQ(ranges(graph, disk, "b"), std::vector<Extent>{Extent(0, 65536)});
  expectDone(graph.run(image.clearBitmap("b")));
  EXPECT_TRUE(ranges(graph, disk, "b").empty());
  expectDone(graph.run(image.setBitmapRecording("b", true)));
  ASSERT_TRUE(graph.write(disk, 6 * kMiB, 100, 'x').ok());
  EXPECT_EQ(ranges(graph, disk, "b"), std::vector<Extent>{Extent(6 * kMiB, 65536)});
  const auto missing = graph.run(image.clearBitmap("c"));
  ASSERT_FALSE(missing.ok());
  expectDone(graph.run(image.removeBitmap("b")));
  EXPECT_TRUE(graph.run(image.bitmaps()).value().empty());
  graph.close();
  expectClean(file("a"));
}

TEST_F(Qcow2Bitmaps, GrowAndShrinkWithTheDisk) {
  madeWithBitmap();
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 0, 100, 'x').ok());
    expectDone(graph.run(graph.graph().resizeNode("image0", 1000 * kMiB, {})));
    ASSERT_TRUE(graph.write(disk, 900 * kMiB, 100, 'x').ok());
    EXPECT_EQ(ranges(graph, disk, "b"), (std::vector<Extent>{Extent(0, 65536), Extent(900 * kMiB, 65536)}));
    keepAsKilled("killed");
  }
  expectClean(file("a"));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("killed")));
    const auto found = ranges(graph, disk, "b");
    EXPECT_TRUE(covers(found, Extent(0, 65536)) && covers(found, Extent(900 * kMiB, 65536)));
  }
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    expectDone(graph.run(graph.graph().resizeNode("image0", 10 * kMiB, {})));
    EXPECT_EQ(ranges(graph, disk, "b"), std::vector<Extent>{Extent(0, 65536)});
  }
  expectClean(file("a"));
}

}  // namespace
}  // namespace rhea::block::test
