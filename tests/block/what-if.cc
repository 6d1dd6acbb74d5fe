// What a power cut now would leave of a node that is written to: the view is held against what the storage knows to be
// stable.
#include "block/command/what-if.h"

#include <random>

#include "block/driver/what-if/recorder.h"
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

using what_if::CrashImage;
using what_if::Spare;

constexpr std::uint64_t kSize = 64 << 10;

ImagePtr image() { return std::make_shared<MemoryImage>(kSize); }

class WhatIf : public GraphTest {
 protected:
  WhatIf() { addWhatIfDrivers(drivers_); }

  // A disk "d0" on node "n0", watched from a flush on.
  void arm(const ImagePtr& storage, std::uint64_t limit = 1 << 20) {
    NodeOptions options = memory("n0", storage);
    options.discard = DiscardPolicy::kUnmap;
    below_ = add(std::move(options));
    disk_ = attach("d0", "n0");
    NodeOptions filter(std::string(what_if::recorderDriver().name), DriverOptions::of(limit));
    auto put = run(graph_->insertFilter(disk_, below_, std::move(filter), {}));
    ASSERT_TRUE(put.ok()) << put.error().message();
    recorder_ = *put;
    ASSERT_TRUE(run(disk_->flush()).ok());
  }
  what_if::Recorder& recorder() { return *recorder_->ability<what_if::Recorder>(); }
  std::shared_ptr<const CrashImage> cut(Spare spare = Spare::kNothing, std::uint64_t seed = 1) {
    auto moment = run(recorder().stopped(CancelToken()));
    EXPECT_TRUE(moment.ok());
    return std::make_shared<const CrashImage>(recorder().log(), *std::move(moment), spare, seed);
  }
  // What the image holds, read through its node.
  std::string content(const std::shared_ptr<const CrashImage>& image) {
    NodeOptions options = what_if::crashViewNode(image, "n0");
    options.nodeName = "view";
    const auto node = run(graph_->addNode(std::move(options), {}));
    if (!node.ok()) return node.error().message();
    DiskPtr disk = *run(graph_->attachMonitor("view", Permissions::consistentRead(), {}));
    std::string bytes = read(disk, 0, disk->length());
    EXPECT_TRUE(run(graph_->removeDisk(disk, {})).ok());
    EXPECT_TRUE(run(graph_->removeNode("view", {})).ok());
    return bytes;
  }
  std::string stable(const MemoryImage& storage, std::uint64_t bytes) {
    std::string text;
    for (std::uint64_t i = 0; i < bytes; ++i) text += static_cast<char>(storage.stableAt(i));
    return text;
  }
  Result<void> writeStable(std::uint64_t offset, std::string_view text) {
    return run(disk_->write(Extent(offset, text.size()), IoVector(text.data(), text.size()), WriteFlags::stable()));
  }

  NodePtr below_;
  NodePtr recorder_;
  DiskPtr disk_;
};

TEST_F(WhatIf, ACutTakesWhatIsUnflushedAndNothingElse) {
  const ImagePtr storage = image();
  arm(storage);
  ASSERT_TRUE(write(disk_, 0, "flushed").ok());
  ASSERT_TRUE(run(disk_->flush()).ok());
  ASSERT_TRUE(write(disk_, 3, "LOST").ok());
  ASSERT_TRUE(writeStable(100, "stable").ok());
  EXPECT_EQ(content(cut()).substr(0, 8), std::string("flushed\0", 8));
  EXPECT_EQ(content(cut()).substr(100, 6), "stable");
  EXPECT_EQ(content(cut(Spare::kEverything)).substr(0, 7), "fluLOST");
  EXPECT_EQ(read(disk_, 0, 7), "fluLOST");
}

TEST_F(WhatIf, AStableWriteOverAnUnflushedOneStays) {
  arm(image());
  ASSERT_TRUE(write(disk_, 0, "aaaaaaaa").ok());
  ASSERT_TRUE(writeStable(2, "BB").ok());
  EXPECT_EQ(content(cut()).substr(0, 8), std::string("\0\0BB\0\0\0\0", 8));
  ASSERT_TRUE(write(disk_, 3, "cc").ok());
  EXPECT_EQ(content(cut()).substr(0, 8), std::string("\0\0BB\0\0\0\0", 8));
}

TEST_F(WhatIf, AFlushCoversOnlyWhatCompletedBeforeIt) {
  const ImagePtr storage = image();
  arm(storage);
  ASSERT_TRUE(write(disk_, 0, "before").ok());
  storage->hold(MemoryOp::kSync);
  const auto flush = start(disk_->flush());
  until([&] { return storage->waiting(MemoryOp::kSync) == 1; });
  ASSERT_TRUE(write(disk_, 0, "during").ok());
  storage->release(MemoryOp::kSync);
  until([&] { return flush->has_value(); });
  ASSERT_TRUE((*flush)->ok());
  EXPECT_EQ(content(cut()).substr(0, 6), "before");
}

TEST_F(WhatIf, AFlushThatFailedCoversNothing) {
  const ImagePtr storage = image();
  arm(storage);
  ASSERT_TRUE(write(disk_, 0, "x").ok());
  storage->fail(MemoryOp::kSync, ETIMEDOUT);
  EXPECT_FALSE(run(disk_->flush()).ok());
  EXPECT_EQ(content(cut())[0], '\0');
}

TEST_F(WhatIf, ShowsTheMomentAlthoughTheDiskGoesOn) {
  const ImagePtr storage = image();
  arm(storage);
  ASSERT_TRUE(write(disk_, 0, "one").ok());
  ASSERT_TRUE(run(disk_->flush()).ok());
  ASSERT_TRUE(write(disk_, 0, "two").ok());
  const auto nothing = cut();
  const auto everything = cut(Spare::kEverything);
  ASSERT_TRUE(write(disk_, 0, "three").ok());
  ASSERT_TRUE(run(disk_->flush()).ok());
  ASSERT_TRUE(run(disk_->writeZeroes({0, 512})).ok());
  ASSERT_TRUE(run(graph_->resizeNode(recorder_->name(), 512, {})).ok());
  EXPECT_EQ(content(nothing).substr(0, 5), std::string("one\0\0", 5));
  EXPECT_EQ(content(everything).substr(0, 5), std::string("two\0\0", 5));
  EXPECT_EQ(content(nothing).size(), kSize);
}

TEST_F(WhatIf, AGrownFileIsShortAgainAndACutOneLong) {
  const ImagePtr storage = image();
  arm(storage);
  ASSERT_TRUE(write(disk_, kSize - 1, "z").ok());
  ASSERT_TRUE(run(disk_->flush()).ok());
  ASSERT_TRUE(run(graph_->resizeNode(recorder_->name(), 2 * kSize, {})).ok());
  EXPECT_EQ(content(cut()).size(), kSize);
  EXPECT_EQ(content(cut(Spare::kEverything)).size(), 2 * kSize);
  ASSERT_TRUE(run(disk_->flush()).ok());
  EXPECT_EQ(content(cut()).size(), 2 * kSize);
  ASSERT_TRUE(run(graph_->resizeNode(recorder_->name(), 512, {})).ok());
  EXPECT_EQ(content(cut()).size(), 2 * kSize);
  EXPECT_EQ(content(cut())[kSize - 1], 'z');
  EXPECT_EQ(content(cut(Spare::kEverything)).size(), 512U);
}

// Everything that a guest can do, in an order drawn by chance.
TEST_F(WhatIf, LeavesWhatTheStorageKnowsToBeStable) {
  const ImagePtr storage = image();
  arm(storage, kSize * 4);
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t offset = random() % 128 * 500;
    const Extent at(offset, 1 + random() % std::min<std::uint64_t>(3000, kSize - offset));
    const std::string text(at.length, static_cast<char>('a' + i % 26));
    const std::uint64_t drawn = random() % 16;
    if (drawn == 0) {
      ASSERT_TRUE(run(disk_->flush()).ok());
    } else if (drawn < 3) {
      ASSERT_TRUE(writeStable(at.offset, text).ok());
    } else if (drawn < 5) {
      ASSERT_TRUE(run(disk_->writeZeroes(at)).ok());
    } else if (drawn < 6) {
      ASSERT_TRUE(run(disk_->discard(at)).ok());
    } else {
      ASSERT_TRUE(write(disk_, at.offset, text).ok());
    }
    if (i % 40 != 0) continue;
    ASSERT_EQ(content(cut()), stable(*storage, kSize)) << i;
    ASSERT_EQ(content(cut(Spare::kEverything)), read(disk_, 0, kSize)) << i;
  }
}

TEST_F(WhatIf, SomeIsDrawnFromTheSeedWriteByWriteAndSectorBySector) {
  arm(image());
  for (std::uint64_t at = 0; at < kSize; at += 1024) {
    ASSERT_TRUE(write(disk_, at, std::string(1024, 'n')).ok());
  }
  const std::string one = content(cut(Spare::kSome, 1));
  EXPECT_EQ(one, content(cut(Spare::kSome, 1)));
  EXPECT_NE(one, content(cut(Spare::kSome, 2)));
  int whole = 0;
  int none = 0;
  int torn = 0;
  for (std::uint64_t at = 0; at < kSize; at += 1024) {
    // A sector is there or not.
    for (const std::uint64_t sector : {at, at + 512}) {
      EXPECT_EQ(one.substr(sector, 512), std::string(512, one[sector]));
    }
    const int there = (one[at] == 'n' ? 1 : 0) + (one[at + 512] == 'n' ? 1 : 0);
    (there == 2 ? whole : there == 0 ? none : torn) += 1;
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(none, 0);
  EXPECT_GT(torn, 0);
}

TEST_F(WhatIf, KnowsWhenItKeptTooLittleAndRecoversByAFlush) {
  arm(image(), 1024);
  ASSERT_TRUE(write(disk_, 0, std::string(2048, 'a')).ok());  // over zeroes: nothing to keep
  EXPECT_TRUE(recorder().log()->isWhole());
  ASSERT_TRUE(write(disk_, 0, std::string(2048, 'b')).ok());
  EXPECT_FALSE(recorder().log()->isWhole());
  ASSERT_TRUE(run(disk_->flush()).ok());
  EXPECT_TRUE(recorder().log()->isWhole());
  EXPECT_EQ(content(cut()).substr(0, 2048), std::string(2048, 'b'));
}

TEST_F(WhatIf, AMomentForWhichTooMuchWasWrittenSinceIsNotWhole) {
  arm(image(), 1024);
  ASSERT_TRUE(write(disk_, 0, std::string(4096, 'a')).ok());
  ASSERT_TRUE(run(disk_->flush()).ok());
  const auto image = cut();
  for (std::uint64_t at = 0; at < 4096; at += 512) {
    ASSERT_TRUE(write(disk_, at, std::string(512, 'b')).ok());
    ASSERT_TRUE(run(disk_->flush()).ok());
  }
  EXPECT_FALSE(recorder().log()->isWhole(image->moment));
}

TEST_F(WhatIf, ChangesThatAreUnderWayEndBeforeTheMoment) {
  const ImagePtr storage = image();
  arm(storage);
  storage->hold(MemoryOp::kWrite);
  const std::string text = "held";
  const auto held = start(disk_->write(Extent(0, 4), IoVector(text.data(), 4)));
  until([&] { return storage->waiting(MemoryOp::kWrite) == 1; });
  const auto moment = start(recorder().stopped(CancelToken()));
  const auto other = start(disk_->write(Extent(512, 4), IoVector(text.data(), 4)));
  storage->release(MemoryOp::kWrite);
  until([&] { return moment->has_value() && held->has_value() && other->has_value(); });
  ASSERT_TRUE((*moment)->ok());
  ASSERT_EQ((**moment)->unflushed.size(), 1U);
  EXPECT_EQ((**moment)->unflushed[0].at, Extent(0, 4));
}

TEST_F(WhatIf, AStableWriteThatWasUnderWayMayBeLostAndTorn) {
  const ImagePtr storage = image();
  arm(storage);
  const std::string old(4096, 'o');
  ASSERT_TRUE(run(disk_->write(Extent(0, 4096), IoVector(old.data(), 4096), WriteFlags::stable())).ok());
  storage->hold(MemoryOp::kStableWrite);
  const std::string text(4096, 'n');
  const auto held = start(disk_->write(Extent(0, 4096), IoVector(text.data(), 4096), WriteFlags::stable()));
  until([&] { return storage->waiting(MemoryOp::kStableWrite) == 1; });
  const auto moment = start(recorder().stopped(CancelToken()));
  storage->release(MemoryOp::kStableWrite);
  until([&] { return moment->has_value() && held->has_value(); });
  ASSERT_TRUE((*moment)->ok());
  const auto drawn = [&](Spare spare, std::uint64_t seed) {
    return content(std::make_shared<const CrashImage>(recorder().log(), ***moment, spare, seed)).substr(0, 4096);
  };
  EXPECT_EQ(drawn(Spare::kNothing, 1), old);
  EXPECT_EQ(drawn(Spare::kEverything, 1), text);
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) seen.insert(drawn(Spare::kSome, seed));
  EXPECT_TRUE(seen.contains(old) && seen.contains(text));
  EXPECT_GT(seen.size(), 2U);
  for (const std::string& each : seen) {
    for (std::size_t at = 0; at < each.size(); at += 512) {
      const std::string sector = each.substr(at, 512);
      EXPECT_TRUE(sector == std::string(512, 'o') || sector == std::string(512, 'n'));
    }
  }
  // Whoever asks once it was answered finds it.
  EXPECT_EQ(content(cut()).substr(0, 4096), text);
}

TEST_F(WhatIf, IsPutInAndTakenOutUnderLoad) {
  const ImagePtr storage = image();
  below_ = add(memory("n0", storage));
  disk_ = attach("d0", "n0");
  for (int round = 0; round < 5; ++round) {
    storage->hold(MemoryOp::kWrite);
    const std::string text = "load";
    const auto held = start(disk_->write(Extent(0, 4), IoVector(text.data(), 4)));
    until([&] { return storage->waiting(MemoryOp::kWrite) == 1; });
    NodeOptions filter(std::string(what_if::recorderDriver().name), DriverOptions::of(std::uint64_t{1024}));
    const auto put = start(graph_->insertFilter(disk_, below_, std::move(filter), {}));
    EXPECT_FALSE(put->has_value());
    storage->release(MemoryOp::kWrite);
    until([&] { return put->has_value() && held->has_value(); });
    ASSERT_TRUE((*put)->ok()) << (*put)->error().message();
    EXPECT_EQ(&disk_->root(), (***put).get());
    ASSERT_TRUE(write(disk_, 8, "through").ok());
    const NodePtr filterNode = ***put;
    ASSERT_TRUE(run(graph_->removeFilter(disk_, filterNode, {})).ok());
    EXPECT_EQ(&disk_->root(), below_.get());
    EXPECT_EQ(graph_->nodes().size(), 1U);
  }
  EXPECT_EQ(read(disk_, 8, 7), "through");
}

TEST_F(WhatIf, AFilterIsPutOnlyInFrontOfWhatTheDiskHas) {
  add(memory("n0", image()));
  NodePtr other = add(memory("other", image()));
  disk_ = attach("d0", "n0");
  NodeOptions filter(std::string(what_if::recorderDriver().name), DriverOptions::of(std::uint64_t{1024}));
  const auto put = run(graph_->insertFilter(disk_, other, std::move(filter), {}));
  ASSERT_FALSE(put.ok());
  EXPECT_NE(put.error().message().find("not in the chain"), std::string::npos);
  EXPECT_EQ(graph_->nodes().size(), 2U);
}

TEST_F(WhatIf, PlacesOfUnflushedChangesAreToldInOrderAndForgottenByAFlush) {
  arm(image());
  FlushLedger& ledger = below_->ledger();
  ledger.keepPlaces(true);
  ASSERT_TRUE(write(disk_, 4096, "abcd").ok());
  ASSERT_TRUE(write(disk_, 4100, "efgh").ok());
  ASSERT_TRUE(write(disk_, 0, "x").ok());
  EXPECT_EQ(ledger.places().extents, (std::vector<Extent>{Extent(0, 1), Extent(4096, 8)}));
  EXPECT_TRUE(ledger.places().complete);
  ASSERT_TRUE(run(disk_->flush()).ok());
  EXPECT_TRUE(ledger.places().extents.empty());
}

}  // namespace
}  // namespace rhea::block::test
