// copy-on-read over a chain: what is read from below is stored at the top, once, and nothing else is.
#include "block/driver/copy-on-read/copy-on-read.h"

#include "qapi/types-block-options.h"
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{64} * 1024;

class Promotion : public GraphTest {
 protected:
  Promotion() {
    drivers_.add(copyOnReadDriver());
    for (std::uint64_t at = 0; at < kSize; at += 4096) {
      const std::string text = fmt::format("base {}", at);
      base_->write({at, text.size()}, IoVector(text.data(), text.size()), false);
    }
    NodeOptions lower = memory("base", base_);
    lower.readOnly = true;
    add(lower);
    add(memory("data", top_));
    NodeOptions over = above("over", "data", "overlay");
    over.children.push_back(ChildOptions::reference("backing", "base"));
    add(over);
  }
  NodeOptions filter(const std::string& name, std::optional<std::string> bottom = std::nullopt) {
    qapi::BlockdevOptionsCor own;
    own.file.u = std::string("over");
    own.bottom = std::move(bottom);
    NodeOptions options("copy-on-read", DriverOptions::of(own));
    options.nodeName = name;
    options.children.push_back(ChildOptions::reference("file", "over"));
    return options;
  }
  ImagePtr base_ = std::make_shared<MemoryImage>(kSize);
  ImagePtr top_ = std::make_shared<MemoryImage>(kSize);
};

TEST_F(Promotion, WhatIsReadIsStoredInTheTopOnce) {
  add(filter("cor"));
  const DiskPtr disk = attach("d0", "cor");
  EXPECT_EQ(read(disk, 8192, 9), "base 8192");
  EXPECT_EQ(top_->count(MemoryOp::kWrite), 1U);
  EXPECT_EQ(top_->at(8192), std::byte{'b'});
  const std::uint64_t fromBase = base_->count(MemoryOp::kRead);
  EXPECT_EQ(read(disk, 8192, 9), "base 8192");
  EXPECT_EQ(base_->count(MemoryOp::kRead), fromBase) << "it is at the top now";
  EXPECT_EQ(top_->count(MemoryOp::kWrite), 1U);
  EXPECT_EQ(top_->at(4096), std::byte{0}) << "what was not read is not copied";
}

TEST_F(Promotion, AReadAcrossBothLayersCopiesTheLowerPartAlone) {
  add(filter("cor"));
  const DiskPtr disk = attach("d0", "cor");
  EXPECT_TRUE(write(disk, 4096, std::string(4096, 'w')).ok());
  const std::uint64_t before = top_->count(MemoryOp::kWrite);
  const std::string all = read(disk, 0, 12288);
  EXPECT_EQ(all.substr(0, 6), "base 0");
  EXPECT_EQ(all.substr(4096, 2), "ww");
  EXPECT_EQ(all.substr(8192, 9), "base 8192");
  EXPECT_EQ(top_->count(MemoryOp::kWrite), before + 2);
}

TEST_F(Promotion, AWriteThatComesWhileItCopiesIsNotOverwritten) {
  add(filter("cor"));
  const DiskPtr disk = attach("d0", "cor");
  base_->hold(MemoryOp::kRead);
  std::string got(4096, '?');
  const auto reading = start(disk->read({0, 4096}, IoVector(got.data(), got.size())));
  until([&] { return base_->waiting(MemoryOp::kRead) == 1; });
  const std::string fresh(4096, 'n');
  const auto writing = start(disk->write({0, 4096}, IoVector(fresh.data(), fresh.size())));
  static_cast<void>(run(loop_->sleep(std::chrono::milliseconds(2))));
  base_->release(MemoryOp::kRead);
  until([&] { return reading->has_value() && writing->has_value(); });
  EXPECT_EQ(got.substr(0, 6), "base 0");
  EXPECT_EQ(read(disk, 0, 4), "nnnn");
  EXPECT_EQ(top_->at(0), std::byte{'n'});
}

TEST_F(Promotion, AReadSucceedsWhereItsCopyCannotBeStored) {
  add(filter("cor"));
  const DiskPtr disk = attach("d0", "cor");
  top_->fail(MemoryOp::kWrite, ENOSPC);
  EXPECT_EQ(read(disk, 0, 6), "base 0");
  EXPECT_EQ(read(disk, 0, 6), "base 0");  // fetched again, and stored now
  EXPECT_EQ(top_->at(0), std::byte{'b'});
}

TEST_F(Promotion, NothingIsCopiedFromBelowTheBottom) {
  add(filter("cor", "over"));
  const DiskPtr disk = attach("d0", "cor");
  EXPECT_EQ(read(disk, 0, 6), "base 0");
  EXPECT_EQ(top_->count(MemoryOp::kWrite), 0U);
}

TEST_F(Promotion, AReopenMovesTheBottomAndRefusesOneThatIsNotInTheChain) {
  add(filter("cor"));
  const DiskPtr disk = attach("d0", "cor");
  std::vector<NodeOptions> none(1, filter("cor", "data"));
  const Result<void> refused = run(graph_->reopen(none, {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().whereText(), "bottom");
  std::vector<NodeOptions> top(1, filter("cor", "over"));
  ASSERT_TRUE(run(graph_->reopen(top, {})).ok());
  EXPECT_EQ(read(disk, 0, 6), "base 0");
  EXPECT_EQ(top_->count(MemoryOp::kWrite), 0U);
  std::vector<NodeOptions> all(1, filter("cor"));
  ASSERT_TRUE(run(graph_->reopen(all, {})).ok());
  EXPECT_EQ(read(disk, 0, 6), "base 0");
  EXPECT_EQ(top_->count(MemoryOp::kWrite), 1U);
}

}  // namespace
}  // namespace rhea::block::test
