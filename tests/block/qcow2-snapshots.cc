// Snapshots inside qcow2 images.
#include "tests/block/qcow2-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

class Qcow2Snapshots : public Qcow2Test {
 protected:
  static SnapshotInfo named(const std::string& name, std::uint64_t state = 0) {
    SnapshotInfo info;
    info.name = name;
    info.vmStateBytes = state;
    info.dateSeconds = 1700000000;
    info.vmClock = 123456789;
    return info;
  }
  static void expectDone(const Result<void>& done) { EXPECT_TRUE(done.ok()) << done.error().describe(); }
  // Our own check finds nothing either.
  static void expectWhole(ImageGraph& graph, const DiskPtr& disk) {
    Progress progress;
    const auto report = graph.run(ImageGraph::qcow2(disk).check(CheckWish(), progress, {}));
    ASSERT_TRUE(report.ok()) << report.error().describe();
    EXPECT_EQ(report->corruptions + report->leaks + report->checkErrors, 0U)
        << (report->findings.empty() ? "" : report->findings.front());
  }
};

TEST_F(Qcow2Snapshots, PutsBackWhatWasThere) {
  for (const char* cluster : {"512", "65536"}) {
    Create options = sized(4 * kMiB);
    options.clusterSize = std::stoull(cluster);
    const std::string path = file(std::string("a") + cluster);
    created(path, options);
    {
      ImageGraph graph;
      const DiskPtr disk = graph.opened(qcow2(path));
      Qcow2Driver& image = ImageGraph::qcow2(disk);
      ASSERT_TRUE(graph.write(disk, 0, 300000, 'a').ok());
      expectDone(graph.run(image.createSnapshot(named("one"))));
      ASSERT_TRUE(graph.write(disk, 100000, 100000, 'b').ok());
      ASSERT_TRUE(graph.zero(disk, 0, 70000, true).ok());
      expectDone(graph.run(image.createSnapshot(named("two"))));
      ASSERT_TRUE(graph.write(disk, 0, 2000000, 'c').ok());
      expectWhole(graph, disk);

      expectDone(graph.run(image.revertToSnapshot("one")));
      EXPECT_EQ(graph.read(disk, 0, 300000).value(), std::string(300000, 'a'));
      EXPECT_EQ(graph.read(disk, 300000, 1000).value(), std::string(1000, '\0'));
      expectWhole(graph, disk);
      ASSERT_TRUE(graph.write(disk, 10, 100, 'd').ok());

      expectDone(graph.run(image.revertToSnapshot("2")));
      EXPECT_EQ(graph.read(disk, 0, 70000).value(), std::string(70000, '\0'));
      EXPECT_EQ(graph.read(disk, 100000, 100000).value(), std::string(100000, 'b'));
      EXPECT_EQ(graph.read(disk, 200000, 100000).value(), std::string(100000, 'a'));

      expectDone(graph.run(image.revertToSnapshot("one")));
      EXPECT_EQ(graph.read(disk, 0, 300000).value(), std::string(300000, 'a'));
      expectDone(graph.run(image.deleteSnapshot("one")));
      EXPECT_EQ(graph.run(image.snapshots()).value().size(), 1U);
      expectWhole(graph, disk);
      expectDone(graph.run(image.deleteSnapshot("two")));
      expectWhole(graph, disk);
      EXPECT_EQ(graph.read(disk, 0, 300000).value(), std::string(300000, 'a'));
    }
    expectClean(path);
  }
}

TEST_F(Qcow2Snapshots, KeepsAMachinesState) {
  created(file("a"), sized(4 * kMiB));
  const std::string state(3 * kMiB + 777, 's');
  std::string found(state.size(), '?');
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    Qcow2Driver& image = ImageGraph::qcow2(disk);
    ASSERT_TRUE(graph.write(disk, 0, 1000, 'a').ok());
    expectDone(graph.run(image.writeVmState(Extent(0, state.size()), IoVector(state.data(), state.size()))));
    expectDone(graph.run(image.createSnapshot(named("saved", state.size()))));
    expectWhole(graph, disk);
  }
  expectClean(file("a"));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    Qcow2Driver& image = ImageGraph::qcow2(disk);
    const auto list = graph.run(image.snapshots()).value();
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list[0].vmStateBytes, state.size());
    EXPECT_EQ(list[0].vmClock, 123456789U);
    EXPECT_EQ(list[0].dateSeconds, 1700000000);
    expectDone(graph.run(image.revertToSnapshot("saved")));
    expectDone(graph.run(image.readVmState(Extent(0, found.size()), IoVector(found.data(), found.size()))));
    EXPECT_EQ(found, state);
    EXPECT_EQ(disk->length(), 4 * kMiB);
  }
  expectClean(file("a"));
}

TEST_F(Qcow2Snapshots, ExchangesThemWithThePeer) {
  if (!hasPeer()) GTEST_SKIP() << "there is no qemu-img";
  ASSERT_EQ(shell("cd " + dir_.path() + " && qemu-img create -f qcow2 a 4M && qemu-io -c 'write -P 1 0 1M' a && " +
                  "qemu-img snapshot -c theirs a && qemu-io -c 'write -P 2 0 2M' a"),
            0);
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    Qcow2Driver& image = ImageGraph::qcow2(disk);
    expectDone(graph.run(image.createSnapshot(named("ours"))));
    expectDone(graph.run(image.revertToSnapshot("theirs")));
    EXPECT_EQ(graph.read(disk, 0, kMiB).value(), std::string(kMiB, '\1'));
    EXPECT_EQ(graph.read(disk, kMiB, kMiB).value(), std::string(kMiB, '\0'));
    ASSERT_TRUE(graph.write(disk, 0, kMiB, '\3').ok());
  }
  expectClean(file("a"));
  ASSERT_EQ(
      shell("cd " + dir_.path() + " && qemu-img snapshot -a ours a && qemu-io -c 'read -P 2 0 2M' a | grep -v failed"),
      0);
  EXPECT_EQ(output("cd " + dir_.path() + " && qemu-io -c 'read -P 2 0 2M' a").find("failed"), std::string::npos);
  ASSERT_EQ(shell("cd " + dir_.path() + " && qemu-img snapshot -d theirs a && qemu-img snapshot -d ours a"), 0);
  expectClean(file("a"));
}

TEST_F(Qcow2Snapshots, NamesThoseThatThereAre) {
  created(file("a"), sized(kMiB));
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  Qcow2Driver& image = ImageGraph::qcow2(disk);
  EXPECT_FALSE(graph.run(image.revertToSnapshot("nightly")).ok());
  expectDone(graph.run(image.createSnapshot(named("nightly"))));
  const auto missing = graph.run(image.deleteSnapshot("nigthly"));
  ASSERT_FALSE(missing.ok());
  ASSERT_EQ(missing.error().candidateNames().size(), 1U);
  EXPECT_EQ(missing.error().candidateNames().front(), "nightly");
}

TEST_F(Qcow2Snapshots, AreUndoneWhereRefcountsAreTooNarrow) {
  Create options = sized(4 * kMiB);
  options.refcountBits = 2;
  created(file("a"), options);
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    Qcow2Driver& image = ImageGraph::qcow2(disk);
    ASSERT_TRUE(graph.write(disk, 0, 300000, 'a').ok());
    expectDone(graph.run(image.createSnapshot(named("1st"))));
    expectDone(graph.run(image.createSnapshot(named("2nd"))));
    const auto third = graph.run(image.createSnapshot(named("3rd")));
    ASSERT_FALSE(third.ok());
    EXPECT_EQ(graph.run(image.snapshots()).value().size(), 2U);
    EXPECT_EQ(graph.read(disk, 0, 300000).value(), std::string(300000, 'a'));
    expectWhole(graph, disk);
  }
  expectClean(file("a"));
}

}  // namespace
}  // namespace rhea::block::test
