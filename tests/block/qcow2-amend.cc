// Options of qcow2 images that exist; and checks and repairs of images in use.
#include "tests/block/qcow2-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

class Qcow2Amend : public Qcow2Test {
 protected:
  static void expectDone(const Result<void>& done) { EXPECT_TRUE(done.ok()) << done.error().describe(); }
  static Result<void> amend(ImageGraph& graph, const DiskPtr& disk, Create options) {
    Progress progress;
    return graph.run(ImageGraph::qcow2(disk).amend(DriverOptions::of(std::move(options)), progress, {}));
  }
  void filled() {
    created(file("a"), sized(4 * kMiB));
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 1000, 300000, 'a').ok());
  }
};

TEST_F(Qcow2Amend, ChangesTheWidthOfRefcounts) {
  filled();
  for (const int bits : {64, 1, 16}) {
    {
      ImageGraph graph;
      const DiskPtr disk = graph.opened(qcow2(file("a")));
      ASSERT_TRUE(graph.write(disk, 2 * kMiB, 70000, 'b').ok());
      Create options;
      options.refcountBits = bits;
      expectDone(amend(graph, disk, options));
      ASSERT_TRUE(graph.write(disk, 3 * kMiB, 70000, 'c').ok());
      EXPECT_EQ(graph.read(disk, 1000, 300000).value(), std::string(300000, 'a'));
      EXPECT_EQ(graph.read(disk, 3 * kMiB, 70000).value(), std::string(70000, 'c'));
    }
    expectClean(file("a"));
  }
}

TEST_F(Qcow2Amend, RefusesAWidthThatCannotCountSnapshots) {
  filled();
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  SnapshotInfo info;
  info.name = "s";
  expectDone(graph.run(ImageGraph::qcow2(disk).createSnapshot(info)));
  Create options;
  options.refcountBits = 1;
  EXPECT_FALSE(amend(graph, disk, options).ok());
  EXPECT_EQ(graph.read(disk, 1000, 300000).value(), std::string(300000, 'a'));
}

TEST_F(Qcow2Amend, ChangesVersionsBothWays) {
  filled();
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.zero(disk, 0, 65536, false).ok());
    Create options;
    options.version = qapi::BlockdevQcow2Version::v2;
    expectDone(amend(graph, disk, options));
    EXPECT_EQ(graph.read(disk, 0, 65536).value(), std::string(65536, '\0'));
    EXPECT_EQ(graph.read(disk, 65536, 1000).value(), std::string(1000, 'a'));
  }
  expectClean(file("a"));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    Create options;
    options.version = qapi::BlockdevQcow2Version::v3;
    options.lazyRefcounts = true;
    options.size = 8 * kMiB;
    expectDone(amend(graph, disk, options));
    EXPECT_EQ(disk->length(), 8 * kMiB);
    EXPECT_EQ(graph.read(disk, 65536, 1000).value(), std::string(1000, 'a'));
  }
  expectClean(file("a"));
}

TEST_F(Qcow2Amend, RefusesByNameWhatCannotChange) {
  filled();
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  Create options;
  options.clusterSize = 4096;
  options.size = 16 * kMiB;
  const auto refused = amend(graph, disk, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "cluster-size");
  EXPECT_EQ(disk->length(), 4 * kMiB);
}

TEST_F(Qcow2Amend, AKilledLazyImageIsMendedWhenItIsWrittenTo) {
  Create options = sized(16 * kMiB);
  options.lazyRefcounts = true;
  created(file("a"), options);
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 0, 300000, 'a').ok());
    expectDone(graph.flush(disk));
    ASSERT_EQ(shell("cp " + file("a") + " " + file("killed")), 0);
  }
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("killed")));
    EXPECT_EQ(graph.read(disk, 0, 300000).value(), std::string(300000, 'a'));
    expectDone(graph.write(disk, 5 * kMiB, 300000, 'b'));
    EXPECT_EQ(graph.read(disk, 0, 300000).value(), std::string(300000, 'a'));
  }
  expectClean(file("killed"));
}

TEST_F(Qcow2Amend, AnImageInUseIsCheckedAndRepaired) {
  filled();
  // A leak: the last cluster of the file, counted and used by nobody.
  ASSERT_EQ(shell("truncate -s +65536 " + file("a")), 0);
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    Qcow2Driver& image = ImageGraph::qcow2(disk);
    expectDone(graph.run(image.image().beginWriting()));
    ASSERT_TRUE(graph.run(image.image().allocator.take(1)).ok());
    Progress progress;
    auto report = graph.run(image.check(CheckWish(), progress, {}));
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report->leaks, 1U);
    report = graph.run(image.check(CheckWish{.repairLeaks = true, .repairErrors = false}, progress, {}));
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report->leaks, 0U);
    EXPECT_EQ(report->leaksFixed, 1U);
    expectDone(graph.write(disk, 3 * kMiB, 70000, 'c'));
    EXPECT_EQ(graph.read(disk, 1000, 300000).value(), std::string(300000, 'a'));
  }
  expectClean(file("a"));
}

}  // namespace
}  // namespace rhea::block::test
