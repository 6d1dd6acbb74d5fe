// Cache modes, and changing them while requests run.
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

ImagePtr image() { return std::make_shared<MemoryImage>(std::uint64_t{1} << 20); }

CacheRequest mode(std::string name) {
  CacheRequest request;
  request.mode = std::move(name);
  return request;
}

class FakeGuest : public GuestLink {
 public:
  bool canFlush() const override { return flushes; }
  bool believesVolatile() const override { return believes; }
  bool tell(bool writeback) override {
    ++told;
    if (hears) believes = writeback;
    return hears;
  }
  bool flushes = true;
  bool believes = true;
  bool hears = false;
  int told = 0;
};

class Cache : public GraphTest {
 protected:
  Result<CacheChange> set(const std::string& target, CacheRequest request, CancelToken cancel = {}) {
    return run(graph_->setCache(target, std::move(request), ChangeContext("test", std::move(cancel))));
  }
  // "top" over "n0", with disk "d0".
  DiskPtr chain(ImagePtr storage) {
    add(memory("n0", std::move(storage)));
    add(above("top", "n0"));
    return attach("d0", "top");
  }
  CacheSwitches of(const DiskPtr& disk) { return BlockGraph::cacheOf(*disk); }
};

TEST_F(Cache, ModesHaveTheirNames) {
  for (const std::string_view name : {"writeback", "none", "writethrough", "directsync", "unsafe"}) {
    const Result<CacheSwitches> switches = cacheSwitchesOf(name);
    ASSERT_TRUE(switches.ok());
    EXPECT_EQ(describe(*switches), name);
  }
  EXPECT_EQ(cacheSwitchesOf("writetrough").error().candidateNames().front(), "writethrough");
  EXPECT_EQ(describe(CacheSwitches(true, true, true)), "direct+no-flush");
}

TEST_F(Cache, EveryChangeBetweenTheFiveModesTakesEffectAtOnce) {
  const std::array<std::string, 5> modes = {"writeback", "none", "writethrough", "directsync", "unsafe"};
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  for (const std::string& from : modes) {
    for (const std::string& to : modes) {
      ASSERT_TRUE(set("d0", mode(from)).ok());
      const CacheSwitches before = *cacheSwitchesOf(from);
      const CacheSwitches after = *cacheSwitchesOf(to);
      EXPECT_TRUE(write(disk, 0, "a").ok());
      const Result<CacheChange> change = set("d0", mode(to));
      ASSERT_TRUE(change.ok()) << from << " -> " << to << ": " << change.error().describe();
      EXPECT_EQ(change->from, before);
      EXPECT_EQ(change->to, after);
      EXPECT_EQ(storage->isDirect, after.direct);
      const bool stronger = (before.writeback && !after.writeback) || (!before.direct && after.direct) ||
                            (before.noFlush && !after.noFlush);
      if (stronger) {
        EXPECT_EQ(storage->stableAt(0), std::byte{'a'}) << from << " -> " << to;
      }

      const std::uint64_t stableWrites = storage->count(MemoryOp::kStableWrite);
      const std::uint64_t syncs = storage->count(MemoryOp::kSync);
      EXPECT_TRUE(write(disk, 1, "b").ok());
      EXPECT_TRUE(run(disk->flush()).ok());
      EXPECT_EQ(storage->count(MemoryOp::kStableWrite) - stableWrites, after.writeback ? 0U : 1U) << to;
      if (after.noFlush) {
        EXPECT_EQ(storage->count(MemoryOp::kSync), syncs) << to;
      } else if (after.writeback) {
        EXPECT_EQ(storage->count(MemoryOp::kSync), syncs + 1) << to;
      }
      EXPECT_TRUE(write(disk, 0, "c").ok());
      if (!after.noFlush) {
        EXPECT_TRUE(run(disk->flush()).ok());
      }
    }
  }
}

TEST_F(Cache, SingleSwitchesLeaveTheOthers) {
  const DiskPtr disk = chain(image());
  CacheRequest request;
  request.direct = true;
  EXPECT_EQ(set("d0", request)->to, CacheSwitches(true, true, false));
  request = {};
  request.writeback = false;
  EXPECT_EQ(set("d0", request)->to, CacheSwitches(false, true, false));
  request.mode = "none";
  EXPECT_FALSE(set("d0", request).ok());
  EXPECT_FALSE(set("d0", {}).ok());
}

TEST_F(Cache, WriteThroughWithoutFlushIsRefused) {
  const DiskPtr disk = chain(image());
  CacheRequest request;
  request.writeback = false;
  request.noFlush = true;
  EXPECT_FALSE(set("d0", request).ok());
  ASSERT_TRUE(set("d0", mode("writethrough")).ok());
  request = {};
  request.noFlush = true;
  EXPECT_FALSE(set("d0", request).ok());
  EXPECT_FALSE(set("n0", request).ok());  // nor by the node below
  EXPECT_EQ(of(disk), CacheSwitches(false, false, false));
  DiskOptions options("d1");
  options.writeback = false;
  NodeOptions unsafe = memory("n1", image());
  unsafe.noFlush = true;
  EXPECT_FALSE(run(graph_->addDrive(options, unsafe, {})).ok());
  EXPECT_EQ(graph_->findDisk("d1"), nullptr);
}

TEST_F(Cache, NodesHaveDirectAndNoFlushOnly) {
  add(memory("n0", image()));
  CacheRequest request;
  request.writeback = false;
  EXPECT_FALSE(set("n0", request).ok());
  EXPECT_FALSE(set("n0", mode("none")).ok());
  request = {};
  request.direct = true;
  EXPECT_TRUE(set("n0", request).ok());
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_TRUE(set("n0", mode("directsync")).ok());  // now it stands for its one disk
  EXPECT_EQ(of(disk), CacheSwitches(false, true, false));
}

TEST_F(Cache, AFileThatRefusesDirectLeavesTheChainAsItWas) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  storage->directPossible = false;
  const Result<CacheChange> change = set("d0", mode("directsync"));
  ASSERT_FALSE(change.ok());
  EXPECT_NE(change.error().message().find("O_DIRECT"), std::string::npos);
  EXPECT_EQ(of(disk), CacheSwitches(true, false, false));
  EXPECT_FALSE(graph_->findNode("top")->isDirect());
  EXPECT_TRUE(disk->effectiveWriteback());
  EXPECT_TRUE(write(disk, 0, "a").ok());
  EXPECT_EQ(storage->count(MemoryOp::kStableWrite), 0U);
  EXPECT_TRUE(observer_.changes().empty());
}

TEST_F(Cache, AFlushThatFailsHalfWayTakesEverythingBack) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  storage->fail(MemoryOp::kSync, EIO);
  ASSERT_FALSE(set("d0", mode("writethrough")).ok());
  EXPECT_TRUE(disk->effectiveWriteback());
  EXPECT_EQ(of(disk), CacheSwitches(true, false, false));
  // The latch says why, and a stronger mode would promise what cannot be kept.
  EXPECT_FALSE(set("d0", mode("directsync")).ok());
  EXPECT_FALSE(storage->isDirect);
}

TEST_F(Cache, StrengtheningWaitsForRequestsOfTheOldModeWhileNewOnesRun) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  storage->hold(MemoryOp::kWrite);
  const auto old = start(disk->write({0, 1}, IoVector("o", 1)));
  until([&] { return storage->waiting(MemoryOp::kWrite) == 1; });
  const auto change = start(graph_->setCache("d0", mode("writethrough"), {}));
  until([&] { return !disk->effectiveWriteback(); });
  EXPECT_TRUE(write(disk, 1, "n").ok());  // under the new mode, past the one that hangs
  EXPECT_EQ(storage->stableAt(1), std::byte{'n'});
  EXPECT_FALSE(change->has_value());
  EXPECT_EQ(storage->count(MemoryOp::kSync), 0U);
  storage->release(MemoryOp::kWrite);
  until([&] { return change->has_value(); });
  ASSERT_TRUE((*change)->ok());
  EXPECT_EQ((**change)->requestsInFlight, 1U);
  EXPECT_EQ(storage->stableAt(0), std::byte{'o'});  // the promise holds for what completed before, too
}

TEST_F(Cache, AChangeThatTakesTooLongIsTakenBack) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  storage->hold(MemoryOp::kWrite);
  const auto old = start(disk->write({0, 1}, IoVector("o", 1)));
  until([&] { return storage->waiting(MemoryOp::kWrite) == 1; });
  EXPECT_FALSE(set("d0", mode("directsync"), soon()).ok());
  until([&] { return disk->effectiveWriteback(); });
  EXPECT_EQ(of(disk), CacheSwitches(true, false, false));
  EXPECT_FALSE(storage->isDirect);
  storage->release(MemoryOp::kWrite);
  until([&] { return old->has_value(); });
  EXPECT_TRUE(set("d0", mode("directsync")).ok());
}

TEST_F(Cache, TheObserverHearsWhoChangedWhat) {
  chain(image());
  ASSERT_TRUE(set("d0", mode("none")).ok());
  const std::vector<CacheChanged> changes = observer_.changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].disk, "d0");
  EXPECT_EQ(changes[0].who, "test");
  EXPECT_EQ(describe(changes[0].from), "writeback");
  EXPECT_EQ(describe(changes[0].to), "none");
}

TEST_F(Cache, ASharedNodeIsNotWeakenedBehindItsOtherUser) {
  add(memory("n0", image()));
  DiskOptions options;
  options.shared = Permissions::all();
  attach("d0", "n0", options);
  options.readOnly = true;
  attach("d1", "n0", options);
  ASSERT_TRUE(set("d0", mode("none")).ok());  // a shared node gets direct when anybody asks
  EXPECT_NE(set("d0", mode("writeback")).error().message().find("'d1'"), std::string::npos);
  EXPECT_NE(set("d0", mode("unsafe")).error().message().find("'d1'"), std::string::npos);
}

TEST_F(Cache, ReopenOfDirectGoesDownTheChain) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  NodeOptions top = above("top", "n0");
  top.direct = true;
  std::vector<NodeOptions> nodes(1, top);
  ASSERT_TRUE(run(graph_->reopen(nodes, {})).ok());
  EXPECT_TRUE(storage->isDirect);
  EXPECT_TRUE(graph_->findNode("n0")->isDirect());
  EXPECT_EQ(observer_.changes().size(), 1U);
  storage->directPossible = false;
  nodes[0].direct = false;
  ASSERT_TRUE(run(graph_->reopen(nodes, {})).ok());
  nodes[0].direct = true;
  EXPECT_FALSE(run(graph_->reopen(nodes, {})).ok());
  EXPECT_FALSE(storage->isDirect);
}

// --- The guest's side.

TEST_F(Cache, AGuestThatCannotFlushIsServedWriteThrough) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  FakeGuest guest;
  guest.flushes = false;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  EXPECT_FALSE(disk->effectiveWriteback());
  EXPECT_EQ(graph_->findDisk("virtio0"), disk);
  EXPECT_EQ(graph_->findDisk("/machine/peripheral/virtio0"), disk);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  EXPECT_EQ(storage->stableAt(0), std::byte{'a'});
  EXPECT_EQ(run(graph_->durability(disk, std::chrono::seconds(1))).guest, GuestView::kCannotFlush);
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, WriteBackWaitsForAGuestThatBelievesInWriteThrough) {
  const DiskPtr disk = chain(image());
  ASSERT_TRUE(set("d0", mode("writethrough")).ok());
  FakeGuest guest;
  guest.believes = false;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  Result<CacheChange> change = set("d0", mode("writeback"));
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->pendingGuest);
  EXPECT_FALSE(change->guestTold);
  EXPECT_FALSE(disk->effectiveWriteback());
  EXPECT_TRUE(run(graph_->guestReset(disk)).ok());
  EXPECT_TRUE(disk->effectiveWriteback());

  ASSERT_TRUE(set("d0", mode("writethrough")).ok());
  guest.believes = false;
  CacheRequest force = mode("writeback");
  force.force = true;
  change = set("d0", force);
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->pendingGuest);
  EXPECT_TRUE(disk->effectiveWriteback());
  const DiskDurability shown = run(graph_->durability(disk, std::chrono::seconds(1)));
  EXPECT_NE(shown.verdict.find("forced"), std::string::npos);
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, AGuestThatCanBeToldGetsWriteBackAtOnce) {
  const DiskPtr disk = chain(image());
  ASSERT_TRUE(set("d0", mode("writethrough")).ok());
  FakeGuest guest;
  guest.believes = false;
  guest.hears = true;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  const Result<CacheChange> change = set("d0", mode("writeback"));
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->guestTold);
  EXPECT_TRUE(disk->effectiveWriteback());
  EXPECT_EQ(guest.told, 1);
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, TheGuestCannotUndoTheAdministratorsWriteThrough) {
  const ImagePtr storage = image();
  const DiskPtr disk = chain(storage);
  FakeGuest guest;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  EXPECT_TRUE(write(disk, 0, "a").ok());
  EXPECT_TRUE(run(graph_->guestSetWriteback(disk, false)).ok());
  EXPECT_FALSE(disk->effectiveWriteback());
  EXPECT_EQ(storage->stableAt(0), std::byte{'a'});
  EXPECT_EQ(observer_.changes().back().who, "guest");
  ASSERT_TRUE(set("d0", mode("writethrough")).ok());
  EXPECT_TRUE(run(graph_->guestSetWriteback(disk, true)).ok());
  EXPECT_FALSE(disk->effectiveWriteback());
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, AGuestIsNotifiedOfStrongerModesAndOfNothingElse) {
  const DiskPtr disk = chain(image());
  FakeGuest guest;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  Result<CacheChange> change = set("d0", mode("none"));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(guest.told, 0) << "write-back is as it was";
  EXPECT_FALSE(change->guestNotified);
  change = set("d0", mode("directsync"));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(guest.told, 1);
  EXPECT_TRUE(change->guestNotified);
  EXPECT_FALSE(change->guestTold) << "whether it looks is its own matter";
  change = set("d0", mode("writethrough"));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(guest.told, 1);
  change = set("d0", mode("writeback"));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(guest.told, 2) << "a guest that still believes in its cache has to find write-back when it looks again";
  EXPECT_TRUE(change->guestTold);
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, AModeThatWaitsIsNotToldAsOneThatHolds) {
  const DiskPtr disk = chain(image());
  ASSERT_TRUE(set("d0", mode("writethrough")).ok());
  FakeGuest guest;
  guest.believes = false;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  Result<CacheChange> change = set("d0", mode("writeback"));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(describe(change->to), "writethrough");
  CacheRequest direct;
  direct.direct = true;
  change = set("d0", direct);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->pendingGuest) << "what waits goes on waiting";
  EXPECT_EQ(describe(change->from), "writethrough");
  EXPECT_EQ(describe(change->to), "directsync");
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, AGuestThatTurnedItsCacheOffIsNotWaitedFor) {
  const DiskPtr disk = chain(image());
  FakeGuest guest;
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  ASSERT_TRUE(run(graph_->guestSetWriteback(disk, false)).ok());
  guest.believes = false;
  const Result<CacheChange> change = set("d0", mode("none"));
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->pendingGuest);
  EXPECT_FALSE(disk->effectiveWriteback());
  disk->setDevice("", "", nullptr);
}

TEST_F(Cache, WhatChangesNothingIsNotAnnounced) {
  const DiskPtr disk = chain(image());
  ASSERT_TRUE(set("d0", mode("writeback")).ok());
  EXPECT_TRUE(observer_.changes().empty());
  FakeGuest guest;
  guest.flushes = false;  // no driver yet
  disk->setDevice("virtio0", "/machine/peripheral/virtio0", &guest);
  for (int start = 0; start < 2; ++start) {
    guest.flushes = true;
    ASSERT_TRUE(run(graph_->guestSetWriteback(disk, true)).ok());
    EXPECT_TRUE(disk->effectiveWriteback());
    guest.flushes = false;
    ASSERT_TRUE(run(graph_->guestReset(disk)).ok());
    EXPECT_FALSE(disk->effectiveWriteback());
  }
  EXPECT_TRUE(observer_.changes().empty()) << "a driver that starts and stops";
  ASSERT_TRUE(run(graph_->guestSetWriteback(disk, true)).ok());
  ASSERT_EQ(observer_.changes().size(), 1U) << "a driver that cannot flush";
  EXPECT_EQ(describe(observer_.changes().back().to), "writethrough");
  disk->setDevice("", "", nullptr);
}

// --- Under load.

struct LoadState {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> wrong{0};
};

// Writes blocks of its own region with a running number and reads them back, now and then unaligned.
Task<void> load(DiskPtr disk, std::shared_ptr<LoadState> state, std::uint64_t region, unsigned seed) {
  constexpr std::uint64_t kRegion = 16 * 1024;
  std::vector<char> memory(4096);
  std::vector<char> back(4096);
  std::uint64_t random = seed;
  while (!state->stop) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    const bool unaligned = (random >> 60) < 4;
    const std::uint64_t length = unaligned ? 100 + (random >> 40) % 1000 : 4096;
    const std::uint64_t offset = region * kRegion + (unaligned ? (random >> 33) % 8000 : ((random >> 33) % 3) * 4096);
    std::memset(memory.data(), static_cast<int>(random >> 24), length);
    const Extent at(offset, length);
    const Result<void> wrote = co_await disk->write(at, IoVector(memory.data(), length));
    const Result<void> got = co_await disk->read(at, IoVector(back.data(), length));
    if (!wrote.ok() || !got.ok() || std::memcmp(memory.data(), back.data(), length) != 0) ++state->wrong;
    if ((random >> 50) % 16 == 0) {
      const Result<void> flushed = co_await disk->flush();
      if (!flushed.ok()) ++state->wrong;
    }
    ++state->done;
    co_await Loop::current()->sleep(std::chrono::microseconds(1));
  }
}

TEST_F(Cache, ModesChangeUnderLoadFromSeveralLoops) {
  const ImagePtr storage = image();
  storage->direct.requestAlignment = 512;
  storage->direct.memoryAlignment = 512;
  const DiskPtr disk = chain(storage);
  const auto state = std::make_shared<LoadState>();
  LoopThread one(workers_);
  LoopThread two(workers_);
  TaskGroup group;
  for (unsigned i = 0; i < 12; ++i) {
    Loop& loop = i % 3 == 0 ? *loop_ : i % 3 == 1 ? one.loop() : two.loop();
    group.spawnOn(loop, load(disk, state, i, i + 1));
  }
  const std::array<std::string, 5> modes = {"none", "writethrough", "unsafe", "directsync", "writeback"};
  for (int i = 0; i < 60; ++i) {
    const Result<CacheChange> change = set("d0", mode(modes[static_cast<std::size_t>(i) % modes.size()]));
    ASSERT_TRUE(change.ok()) << change.error().describe();
    const std::uint64_t seen = state->done;
    until([&] { return state->done > seen + 5; });
  }
  state->stop = true;
  run(group.join());
  EXPECT_EQ(state->wrong, 0U);
  EXPECT_EQ(disk->gate().inside(), 0U);
}

TEST_F(Cache, ReopensDrainsAndModesTogetherUnderLoad) {
  const ImagePtr storage = image();
  storage->direct.requestAlignment = 512;
  const DiskPtr disk = chain(storage);
  const auto state = std::make_shared<LoadState>();
  LoopThread one(workers_);
  TaskGroup group;
  for (unsigned i = 0; i < 4; ++i) group.spawnOn(one.loop(), load(disk, state, i, i + 1));
  for (int i = 0; i < 30; ++i) {
    NodeOptions top = above("top", "n0");
    top.direct = i % 2 == 0;
    std::vector<NodeOptions> nodes(1, top);
    const auto reopened = start(graph_->reopen(nodes, {}));
    const auto changed = start(graph_->setCache("d0", mode(i % 3 == 0 ? "writethrough" : "writeback"), {}));
    const NodePtr node = graph_->findNode("n0");
    ASSERT_TRUE(run(graph_->drain(node, {})).ok());
    EXPECT_EQ(disk->gate().inside(), 0U);
    graph_->undrain(node);
    until([&] { return reopened->has_value() && changed->has_value(); });
    EXPECT_TRUE((*reopened)->ok());
    EXPECT_TRUE((*changed)->ok());
  }
  state->stop = true;
  run(group.join());
  EXPECT_EQ(state->wrong, 0U);
}

}  // namespace
}  // namespace rhea::block::test
