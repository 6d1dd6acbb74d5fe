// Nodes that move from one loop to another, and children that are given and taken away, while requests run.
#include <thread>

#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

ImagePtr watched() {
  auto image = std::make_shared<MemoryImage>(std::uint64_t{256} * 1024);
  image->watchHome = true;
  return image;
}

class Homes : public GraphTest {
 protected:
  Result<void> move(const std::string& node, Loop& home) {
    return run(graph_->moveHome(graph_->findNode(node), home, {}));
  }
  LoopThread other_{workers_, "other"};
};

// Writes and reads back its own block over and over until `stop`; counts what went wrong.
Task<void> load(DiskPtr disk, std::uint64_t offset, const std::atomic<bool>& stop, std::atomic<std::uint64_t>& done,
                std::atomic<int>& wrong) {
  std::array<unsigned char, 512> out{};
  std::array<unsigned char, 512> in{};
  for (unsigned round = 1; !stop; ++round) {
    out.fill(static_cast<unsigned char>(round));
    const Extent at(offset, out.size());
    const Result<void> written = co_await disk->write(at, IoVector(out.data(), out.size()));
    const Result<void> read = co_await disk->read(at, IoVector(in.data(), in.size()));
    if (!written.ok() || !read.ok() || in != out) ++wrong;
    ++done;
    static_cast<void>(co_await Loop::current()->sleep(std::chrono::microseconds(20)));
  }
}

TEST_F(Homes, ANodeMovesWithAllBelowItAndBack) {
  const ImagePtr image = watched();
  add(memory("n0", image, "memory-home"));
  add(above("top", "n0"));
  const DiskPtr disk = attach("d0", "top");
  ASSERT_TRUE(move("top", other_.loop()).ok());
  EXPECT_EQ(&graph_->findNode("n0")->home(), &other_.loop());
  EXPECT_EQ(&graph_->findNode("top")->home(), &other_.loop());
  EXPECT_EQ(image->moves, 1);
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  EXPECT_TRUE(run(graph_->flush("n0", {})).ok());
  ASSERT_TRUE(move("top", other_.loop()).ok());
  EXPECT_EQ(image->moves, 1) << "it is there already";
  ASSERT_TRUE(move("top", *loop_).ok());
  EXPECT_EQ(image->moves, 2);
  EXPECT_EQ(read(disk, 0, 3), "abc");
}

TEST_F(Homes, MovesUnderLoadFromTwoLoopsLoseNothing) {
  const ImagePtr image = watched();
  add(memory("n0", image, "memory-home"));
  add(above("top", "n0"));
  const DiskPtr disk = attach("d0", "top");
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> done{0};
  std::atomic<int> wrong{0};
  TaskGroup here;
  TaskGroup there;
  for (std::uint64_t i = 0; i < 4; ++i) {
    here.spawnOn(*loop_, load(disk, i * 512, stop, done, wrong));
    there.spawnOn(other_.loop(), load(disk, 65536 + i * 512, stop, done, wrong));
  }
  for (int round = 0; round < 60; ++round) {
    Loop& home = round % 2 == 0 ? other_.loop() : *loop_;
    ASSERT_TRUE(move("top", home).ok());
    const std::uint64_t before = done;
    until([&] { return done > before + 8; });
    if (round % 7 == 0) {
      EXPECT_TRUE(run(graph_->flush("n0", {})).ok());
    }
  }
  stop = true;
  const auto ended = [](TaskGroup& one, TaskGroup& two) -> Task<void> {
    co_await one.join();
    co_await two.join();
  };
  run(ended(here, there));
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(image->moves, 60);
}

TEST_F(Homes, AMoveThatCannotDrainIsUndone) {
  const ImagePtr image = watched();
  add(memory("n0", image, "memory-home"));
  const DiskPtr disk = attach("d0", "n0");
  image->hold(MemoryOp::kWrite);
  const std::string text = "held";
  const auto held = start(disk->write({0, 4}, IoVector(text.data(), text.size())));
  until([&] { return image->waiting(MemoryOp::kWrite) == 1; });
  ChangeContext context("test", soon());
  EXPECT_FALSE(run(graph_->moveHome(graph_->findNode("n0"), other_.loop(), context)).ok());
  image->release(MemoryOp::kWrite);
  until([&] { return held->has_value(); });
  EXPECT_TRUE((*held)->ok());
  EXPECT_EQ(&graph_->findNode("n0")->home(), loop_.get());
  EXPECT_TRUE(write(disk, 8, "on").ok());
}

TEST_F(Homes, AFlushWithoutADiskIsWaitedForToo) {
  const ImagePtr image = watched();
  const NodePtr node = add(memory("n0", image, "memory-home"));
  {
    const DiskPtr disk = attach("d0", "n0");
    EXPECT_TRUE(write(disk, 0, "x").ok());
    EXPECT_TRUE(run(graph_->removeDisk(disk, {})).ok());
  }
  image->hold(MemoryOp::kSync);
  const auto flushing = start(graph_->flush("n0", {}));
  until([&] { return image->waiting(MemoryOp::kSync) == 1; });
  const auto moving = start(graph_->moveHome(node, other_.loop(), {}));
  static_cast<void>(run(loop_->sleep(std::chrono::milliseconds(5))));
  EXPECT_FALSE(moving->has_value());
  image->release(MemoryOp::kSync);
  until([&] { return moving->has_value() && flushing->has_value(); });
  EXPECT_TRUE((*moving)->ok());
  EXPECT_TRUE((**flushing)->front().result.ok());
  ASSERT_TRUE(move("n0", *loop_).ok());  // before its loop ends
}

TEST_F(Homes, ANodeClosesAtTheGraphsLoopWhereverItLived) {
  const ImagePtr image = watched();
  add(memory("n0", image, "memory-home"));
  ASSERT_TRUE(move("n0", other_.loop()).ok());
  EXPECT_TRUE(run(graph_->removeNode("n0", {})).ok());
  EXPECT_EQ(image->home.load(), loop_.get());
  EXPECT_EQ(image->count(MemoryOp::kClose), 1U);
}

// --- optional children

TEST_F(Homes, AReopenGivesAndTakesAnOptionalChildUnderLoad) {
  const ImagePtr base = std::make_shared<MemoryImage>(std::uint64_t{256} * 1024);
  const std::string text = "from below";
  base->write({0, text.size()}, IoVector(text.data(), text.size()), false);
  NodeOptions lower = memory("base", base);
  lower.readOnly = true;
  add(lower);
  add(memory("data", std::make_shared<MemoryImage>(std::uint64_t{256} * 1024)));
  add(above("over", "data", "overlay"));
  const DiskPtr disk = attach("d0", "over");
  EXPECT_EQ(read(disk, 0, 4), std::string(4, '\0'));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> done{0};
  std::atomic<int> wrong{0};
  TaskGroup loads;
  loads.spawnOn(other_.loop(), load(disk, 65536, stop, done, wrong));

  std::vector<NodeOptions> with(1, above("over", "data", "overlay"));
  with.front().children.push_back(ChildOptions::reference("backing", "base"));
  std::vector<NodeOptions> without(1, above("over", "data", "overlay"));
  without.front().children.push_back(ChildOptions::none("backing"));
  for (int round = 0; round < 10; ++round) {
    const Result<void> given = run(graph_->reopen(with, {}));
    ASSERT_TRUE(given.ok()) << given.error().describe();
    EXPECT_EQ(read(disk, 0, text.size()), text);
    EXPECT_NE(run(graph_->removeNode("base", {})).error().message().find("node 'over' as its backing"),
              std::string::npos);
    ASSERT_TRUE(run(graph_->reopen(without, {})).ok());
    EXPECT_EQ(read(disk, 0, 4), std::string(4, '\0'));
  }
  stop = true;
  run(loads.join());
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(run(graph_->removeNode("base", {})).ok());

  std::vector<NodeOptions> fixed(1, above("over", "base", "overlay"));
  add(lower);
  const Result<void> refused = run(graph_->reopen(fixed, {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("'file' of node 'over'"), std::string::npos);
}

}  // namespace
}  // namespace rhea::block::test
