// Changes of the graph: adding, using, removing nodes and disks; drains.
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

ImagePtr image() { return std::make_shared<MemoryImage>(std::uint64_t{64} * 1024); }

class Graph : public GraphTest {
 protected:
  std::string errorOf(NodeOptions options) {
    const Result<NodePtr> node = run(graph_->addNode(std::move(options), {}));
    return node.ok() ? "" : node.error().describe();
  }
  Result<void> remove(const std::string& name) { return run(graph_->removeNode(name, {})); }
};

TEST_F(Graph, GivesNamesToThoseThatHaveNone) {
  const NodePtr node = add(memory("", image()));
  EXPECT_EQ(node->name(), "#block000");
  EXPECT_EQ(graph_->findNode("#block000"), node);
}

TEST_F(Graph, KeepsOneNamespaceForNodesAndDrives) {
  add(memory("n0", image()));
  EXPECT_NE(errorOf(memory("n0", image())).find("taken"), std::string::npos);
  attach("d0", "n0");
  EXPECT_NE(errorOf(memory("d0", image())).find("a drive is called so"), std::string::npos);
  DiskOptions options("n0");
  EXPECT_FALSE(run(graph_->addDisk(options, "n0", {})).ok());
  EXPECT_NE(errorOf(memory("9lives", image())).find("9lives"), std::string::npos);
  EXPECT_NE(errorOf(memory(std::string(32, 'a'), image())).find("31"), std::string::npos);
  EXPECT_EQ(graph_->nodes().size(), 1U);
}

TEST_F(Graph, NamesWhatIsNearToAnUnknownName) {
  add(memory("system", image()));
  EXPECT_NE(errorOf(above("top", "sytem")).find("system"), std::string::npos);
  EXPECT_NE(errorOf(memory("x", image(), "memroy")).find("memory"), std::string::npos);
  EXPECT_EQ(graph_->disk("none").error().errorClass(), ErrorClass::kDeviceNotFound);
}

TEST_F(Graph, AFailedOpenLeavesNothing) {
  const ImagePtr bottom = image();
  const ImagePtr broken = image();
  broken->fail(MemoryOp::kOpen, EIO);
  EXPECT_FALSE(run(graph_->addNode(memory("n0", broken), {})).ok());
  NodeOptions options = above("top", "gone");
  EXPECT_FALSE(run(graph_->addNode(options, {})).ok());
  // An inline child that opened goes with the parent that could not.
  NodeOptions parent("format", {});
  parent.children.push_back(ChildOptions::inlineNode("file", memory("inner", bottom)));
  parent.readOnly = false;
  parent.children.push_back(ChildOptions::reference("other", "n0"));
  EXPECT_FALSE(run(graph_->addNode(parent, {})).ok());
  EXPECT_TRUE(graph_->nodes().empty());
  EXPECT_EQ(bottom->count(MemoryOp::kOpen), bottom->count(MemoryOp::kClose));
  add(memory("n0", image()));  // the name is free again
}

TEST_F(Graph, InlineChildrenGoWithTheirParentAndNamedOnesStay) {
  const ImagePtr inner = image();
  NodeOptions parent("pass", {});
  parent.nodeName = "top";
  parent.children.push_back(ChildOptions::inlineNode("file", memory("inner", inner)));
  add(parent);
  EXPECT_NE(graph_->findNode("inner"), nullptr);
  EXPECT_NE(remove("inner").error().message().find("node 'top' as its file"), std::string::npos);
  EXPECT_TRUE(remove("top").ok());
  EXPECT_EQ(graph_->findNode("inner"), nullptr);
  EXPECT_EQ(inner->count(MemoryOp::kClose), 1U);

  add(memory("named", image()));
  add(above("top", "named"));
  EXPECT_TRUE(remove("top").ok());
  EXPECT_NE(graph_->findNode("named"), nullptr);
}

TEST_F(Graph, InlineChildrenTakeTheSwitchesOfTheirParent) {
  NodeOptions parent("pass", {});
  parent.nodeName = "top";
  parent.direct = true;
  parent.noFlush = true;
  parent.children.push_back(ChildOptions::inlineNode("file", memory("inner", image())));
  add(parent);
  EXPECT_TRUE(graph_->findNode("inner")->isDirect());
  EXPECT_TRUE(graph_->findNode("inner")->isNoFlush());
}

TEST_F(Graph, RefusesToRemoveWhatIsUsedAndNamesEveryUser) {
  add(memory("n0", image()));
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_NE(remove("n0").error().message().find("disk 'd0'"), std::string::npos);
  EXPECT_TRUE(run(graph_->removeDisk(disk, {})).ok());
  EXPECT_TRUE(remove("n0").ok());
  EXPECT_EQ(run(disk->flush()).error().code(), ENODEV);
}

TEST_F(Graph, FlushesBeforeItCloses) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  EXPECT_TRUE(run(graph_->removeDisk(disk, {})).ok());
  EXPECT_TRUE(remove("n0").ok());
  EXPECT_EQ(storage->stableAt(0), std::byte{'a'});
}

TEST_F(Graph, TwoWritersOfOneNodeAreRefusedByName) {
  add(memory("n0", image()));
  attach("d0", "n0");
  DiskOptions options("d1");
  const Result<DiskPtr> second = run(graph_->addDisk(options, "n0", {}));
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("'d0'"), std::string::npos);
  EXPECT_NE(second.error().message().find("write"), std::string::npos);
  EXPECT_EQ(graph_->findDisk("d1"), nullptr);
  options.readOnly = true;
  EXPECT_FALSE(run(graph_->addDisk(options, "n0", {})).ok());  // a reader that shares no writing
  options.shared = Permissions::all();
  EXPECT_TRUE(run(graph_->addDisk(options, "n0", {})).ok());
}

TEST_F(Graph, AFormatKeepsItsFileToItself) {
  add(memory("n0", image()));
  add(above("f0", "n0", "format"));
  EXPECT_NE(errorOf(above("f1", "n0", "format")).find("node 'f0' as its file"), std::string::npos);
  DiskOptions options("d0");
  EXPECT_FALSE(run(graph_->addDisk(options, "n0", {})).ok());
  attach("d1", "f0");
}

TEST_F(Graph, AReadOnlyNodeTakesNoWriter) {
  NodeOptions options = memory("n0", image());
  options.readOnly = true;
  add(options);
  DiskOptions writer("d0");
  const Result<DiskPtr> refused = run(graph_->addDisk(writer, "n0", {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("read-only"), std::string::npos);
  EXPECT_NE(errorOf(above("f0", "n0", "format")).find("read-only"), std::string::npos);
}

TEST_F(Graph, TheDriverCanRefuseRights) {
  const ImagePtr storage = image();
  add(memory("n0", storage));
  storage->onRights = [](Rights rights) -> Result<void> {
    if (rights.used.has(Permissions::write())) return Error("locked by pid 4711 (qemu)");
    return success();
  };
  DiskOptions options("d0");
  const Result<DiskPtr> refused = run(graph_->addDisk(options, "n0", {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("4711"), std::string::npos);
  EXPECT_TRUE(graph_->findNode("n0")->parents().empty());
  storage->onRights = nullptr;
}

TEST_F(Graph, ResizeIsRefusedWhereItWouldHurt) {
  NodeOptions fixed = memory("ro", image());
  fixed.readOnly = true;
  add(fixed);
  EXPECT_NE(run(graph_->resizeNode("ro", 1024, {})).error().message().find("read-only"), std::string::npos);
  simple(image());
  EXPECT_FALSE(run(graph_->resizeNode("n0", 1000, {})).ok());
  EXPECT_TRUE(run(graph_->resizeNode("d0", 1024, {})).ok());
  EXPECT_EQ(graph_->findNode("n0")->length(), 1024U);
  DiskOptions reader("d1");
  reader.readOnly = true;
  reader.shared = Permissions::all();
  ASSERT_TRUE(run(graph_->addDisk(reader, "n0", {})).ok());
  const std::string shared = run(graph_->resizeNode("n0", 2048, {})).error().message();
  EXPECT_NE(shared.find("'d0'"), std::string::npos);
  EXPECT_NE(shared.find("'d1'"), std::string::npos);
}

TEST_F(Graph, AHungOpenEndsWithItsDeadlineAndIsCleanedUpLater) {
  const ImagePtr storage = image();
  storage->hold(MemoryOp::kOpen);
  ChangeContext context("test", soon());
  EXPECT_FALSE(run(graph_->addNode(memory("n0", storage), context)).ok());
  std::vector<StuckRequest> stuck = graph_->stuck(Duration::zero());
  ASSERT_EQ(stuck.size(), 1U);
  EXPECT_EQ(stuck.front().what, "open");
  add(memory("n1", image()));  // others are not kept waiting
  storage->release(MemoryOp::kOpen);
  until([&] { return storage->count(MemoryOp::kClose) == 1; });
  until([&] { return graph_->stuck(Duration::zero()).empty(); });
  EXPECT_EQ(graph_->findNode("n0"), nullptr);
}

TEST_F(Graph, ADrainWaitsForItsDiskAndLeavesTheOthersAlone) {
  const ImagePtr slow = image();
  const DiskPtr disk = simple(slow);
  add(memory("n1", image()));
  const DiskPtr other = attach("d1", "n1");
  slow->hold(MemoryOp::kWrite);
  const auto running = start(disk->write({0, 1}, IoVector("a", 1)));
  until([&] { return slow->waiting(MemoryOp::kWrite) == 1; });
  const auto drained = start(graph_->drain(graph_->findNode("n0"), {}));
  until([&] { return disk->gate().isShut(); });
  const auto late = start(disk->write({1, 1}, IoVector("b", 1)));
  EXPECT_TRUE(write(other, 0, "c").ok());
  EXPECT_FALSE(drained->has_value());
  slow->release(MemoryOp::kWrite);
  until([&] { return drained->has_value(); });
  EXPECT_TRUE(running->has_value());
  EXPECT_FALSE(late->has_value());
  EXPECT_EQ(slow->count(MemoryOp::kWrite), 1U);
  graph_->undrain(graph_->findNode("n0"));
  until([&] { return late->has_value(); });
  EXPECT_TRUE((*late)->ok());
}

TEST_F(Graph, ADrainThatTakesTooLongIsUndone) {
  const ImagePtr slow = image();
  const DiskPtr disk = simple(slow);
  slow->hold(MemoryOp::kWrite);
  const auto running = start(disk->write({0, 1}, IoVector("a", 1)));
  until([&] { return slow->waiting(MemoryOp::kWrite) == 1; });
  EXPECT_FALSE(run(graph_->drain(graph_->findNode("n0"), soon())).ok());
  EXPECT_FALSE(disk->gate().isShut());
  EXPECT_EQ(read(disk, 5, 1), std::string(1, '\0'));
  // drive_del that cannot wait any longer leaves the disk as it was.
  ChangeContext context("test", soon());
  EXPECT_FALSE(run(graph_->removeDisk(disk, context)).ok());
  EXPECT_EQ(graph_->findDisk("d0"), disk);
  EXPECT_EQ(read(disk, 5, 1), std::string(1, '\0'));
  slow->release(MemoryOp::kWrite);
  until([&] { return running->has_value(); });
}

TEST_F(Graph, ADriveOwnsItsNodes) {
  const ImagePtr storage = image();
  NodeOptions root("pass", {});
  root.children.push_back(ChildOptions::inlineNode("file", memory("", storage)));
  const Result<DiskPtr> disk = run(graph_->addDrive(DiskOptions("d0"), root, {}));
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(graph_->nodes().size(), 2U);
  EXPECT_TRUE(run(graph_->removeDisk(*disk, {})).ok());
  EXPECT_TRUE(graph_->nodes().empty());
  EXPECT_EQ(storage->count(MemoryOp::kClose), 1U);
}

TEST_F(Graph, AnEmptyDriveTakesAMediumAndGivesItBack) {
  DiskOptions options("cd0");
  options.readOnly = true;
  const DiskPtr disk = graph_->addEmptyDisk(options).value();
  EXPECT_EQ(run(disk->flush()).error().code(), ENOMEDIUM);
  add(memory("n0", image()));
  EXPECT_TRUE(run(graph_->insertMedium(disk, "n0", {})).ok());
  EXPECT_FALSE(run(graph_->insertMedium(disk, "n0", {})).ok());
  EXPECT_EQ(read(disk, 0, 1), std::string(1, '\0'));
  EXPECT_TRUE(run(graph_->removeMedium(disk, {})).ok());
  EXPECT_EQ(run(disk->flush()).error().code(), ENOMEDIUM);
  EXPECT_TRUE(remove("n0").ok());
}

TEST_F(Graph, AReopenReplacesAChild) {
  const ImagePtr one = image();
  const ImagePtr two = image();
  add(memory("n0", one));
  add(memory("n1", two));
  add(above("top", "n0"));
  const DiskPtr disk = attach("d0", "top");
  EXPECT_TRUE(write(disk, 0, "a").ok());
  std::vector<NodeOptions> reopen(1, above("top", "n1"));
  const Result<void> done = run(graph_->reopen(reopen, {}));
  ASSERT_TRUE(done.ok()) << done.error().describe();
  EXPECT_TRUE(write(disk, 0, "b").ok());
  EXPECT_EQ(one->at(0), std::byte{'a'});
  EXPECT_EQ(two->at(0), std::byte{'b'});
  EXPECT_TRUE(remove("n0").ok());
}

TEST_F(Graph, AReopenThatWouldMakeACycleIsRefused) {
  add(memory("n0", image()));
  add(above("a", "n0"));
  add(above("b", "a"));
  std::vector<NodeOptions> reopen(1, above("a", "b"));
  const Result<void> done = run(graph_->reopen(reopen, {}));
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message().find("its own child"), std::string::npos);
  EXPECT_EQ(graph_->findNode("a")->child("file")->node().name(), "n0");
}

TEST_F(Graph, DataShowsNodesDisksAndEdges) {
  add(memory("n0", image()));
  add(above("top", "n0"));
  attach("d0", "top");
  const GraphData data = graph_->data();
  ASSERT_EQ(data.vertices.size(), 3U);
  EXPECT_EQ(data.vertices[0].name, "d0");
  EXPECT_FALSE(data.vertices[0].isNode);
  ASSERT_EQ(data.edges.size(), 2U);
  EXPECT_EQ(data.edges[0].name, "root");
  EXPECT_TRUE(data.edges[1].rights.used.has(Permissions::write()));  // a filter's child is used as the filter is
}

TEST_F(Graph, ManyAddAndDeleteCyclesLeaveNothing) {
  for (int i = 0; i < 2000; ++i) {
    add(memory("n0", image()));
    add(above("top", "n0"));
    ASSERT_TRUE(remove("top").ok());
    ASSERT_TRUE(remove("n0").ok());
  }
  EXPECT_TRUE(graph_->nodes().empty());
  EXPECT_TRUE(graph_->stuck(Duration::zero()).empty());
}

}  // namespace
}  // namespace rhea::block::test
