// What happens to a request between a disk and a driver.
#include "tests/block/core-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kSize = 64 * 1024;

ImagePtr image(std::uint64_t size = kSize) { return std::make_shared<MemoryImage>(size); }

TEST(IoVectorTest, CutsPiecesWithoutMovingThem) {
  std::string one = "abcd";
  std::string two = "efghij";
  const std::array<iovec, 2> pieces = {iovec{one.data(), one.size()}, iovec{two.data(), two.size()}};
  const IoVector all{std::span<const iovec>(pieces)};
  EXPECT_EQ(all.length(), 10U);
  EXPECT_EQ(all.pieces(), 2U);
  const IoVector cut = all.slice(3, 4);
  std::string text(4, '?');
  cut.copyTo(reinterpret_cast<std::byte*>(text.data()), 4);
  EXPECT_EQ(text, "defg");
  EXPECT_EQ(all.slice(4, 6).pieces(), 1U);
  EXPECT_EQ(all.slice(10, 0).pieces(), 0U);
  const IovecArray array(cut);
  ASSERT_EQ(array.pieces().size(), 2U);
  EXPECT_EQ(array.pieces()[0].iov_base, one.data() + 3);
  EXPECT_EQ(array.pieces()[1].iov_len, 3U);
}

TEST(IoVectorTest, TellsZeroes) {
  std::vector<std::byte> memory(5000);
  EXPECT_TRUE(IoVector(std::span<std::byte>(memory)).isZero());
  for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{4999}}) {
    memory[at] = std::byte{1};
    EXPECT_FALSE(IoVector(std::span<std::byte>(memory)).isZero()) << at;
    memory[at] = std::byte{0};
  }
}

class Requests : public GraphTest {};

TEST_F(Requests, ReadGivesWhatWasWritten) {
  const DiskPtr disk = simple(image());
  EXPECT_TRUE(write(disk, 1000, "hello").ok());
  EXPECT_EQ(read(disk, 998, 9), std::string("\0\0hello\0\0", 9));
  const IoCounts writes = disk->statistics().counts(IoKind::kWrite);
  EXPECT_EQ(writes.operations, 1U);
  EXPECT_EQ(writes.bytes, 5U);
  EXPECT_EQ(disk->statistics().highestWritten(), 1005U);
}

TEST_F(Requests, BeyondTheEndIsRefusedAndCountedAsInvalid) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  EXPECT_EQ(write(disk, kSize - 2, "abc").error().code(), EIO);
  EXPECT_EQ(run(disk->discard({UINT64_MAX - 1, 2})).error().code(), EIO);
  EXPECT_EQ(storage->count(MemoryOp::kWrite), 0U);
  EXPECT_EQ(disk->statistics().counts(IoKind::kWrite).invalid, 1U);
  EXPECT_EQ(disk->statistics().counts(IoKind::kDiscard).invalid, 1U);
}

TEST_F(Requests, ReadOnlyDiskRefusesWrites) {
  DiskOptions options;
  options.readOnly = true;
  const DiskPtr disk = simple(image(), options);
  EXPECT_EQ(write(disk, 0, "x").error().code(), EROFS);
}

TEST_F(Requests, UnalignedWriteUnderDirectKeepsItsNeighbours) {
  const ImagePtr storage = image();
  storage->direct.requestAlignment = 512;
  storage->direct.memoryAlignment = 512;
  NodeOptions options = memory("n0", storage);
  options.direct = true;
  add(options);
  const DiskPtr disk = attach("d0", "n0");
  const std::string all(2048, 'a');
  EXPECT_TRUE(write(disk, 0, all).ok());
  EXPECT_TRUE(write(disk, 500, "0123456789012345678901234567").ok());
  std::string expected = all;
  expected.replace(500, 28, "0123456789012345678901234567");
  EXPECT_EQ(read(disk, 0, 2048), expected);
  EXPECT_EQ(read(disk, 499, 3), "a01");
  for (const Extent at : storage->extents(MemoryOp::kWrite)) EXPECT_TRUE(at.isAligned(512));
  for (const Extent at : storage->extents(MemoryOp::kRead)) EXPECT_TRUE(at.isAligned(512));
}

Task<void> writeByte(DiskPtr disk, std::uint64_t offset, char value) {
  for (int i = 0; i < 20; ++i) {
    const Result<void> done = co_await disk->write(Extent(offset, 1), IoVector(&value, 1));
    EXPECT_TRUE(done.ok());
  }
}

TEST_F(Requests, UnalignedWritesToOneBlockFromSeveralLoopsLoseNothing) {
  const ImagePtr storage = image();
  storage->direct.requestAlignment = 512;
  NodeOptions options = memory("n0", storage);
  options.direct = true;
  add(options);
  const DiskPtr disk = attach("d0", "n0");
  LoopThread other(workers_);
  TaskGroup group;
  for (unsigned i = 0; i < 16; ++i) {
    group.spawnOn(i % 2 == 0 ? *loop_ : other.loop(), writeByte(disk, i, static_cast<char>('a' + i)));
  }
  run(group.join());
  EXPECT_EQ(read(disk, 0, 16), "abcdefghijklmnop");
}

TEST_F(Requests, LongTransfersAreSplit) {
  const ImagePtr storage = image();
  storage->buffered.maxTransfer = 4096;
  const DiskPtr disk = simple(storage);
  std::string text(10000, 'x');
  text[9999] = 'y';
  EXPECT_TRUE(write(disk, 100, text).ok());
  EXPECT_EQ(storage->count(MemoryOp::kWrite), 3U);
  EXPECT_EQ(read(disk, 100, 10000), text);
}

TEST_F(Requests, ZeroesAreDetected) {
  const ImagePtr storage = image();
  NodeOptions options = memory("n0", storage);
  options.detectZeroes = DetectZeroes::kOn;
  add(options);
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_TRUE(write(disk, 0, "abc").ok());
  EXPECT_TRUE(write(disk, 0, std::string_view("\0\0\0", 3)).ok());
  EXPECT_EQ(storage->count(MemoryOp::kWrite), 1U);
  EXPECT_EQ(storage->count(MemoryOp::kZeroes), 1U);
  EXPECT_EQ(read(disk, 0, 3), std::string(3, '\0'));
}

TEST_F(Requests, ZeroesAreWrittenWhereTheDriverCannot) {
  const ImagePtr storage = image();
  storage->failAlways(MemoryOp::kZeroes, EOPNOTSUPP);
  const DiskPtr disk = simple(storage);
  EXPECT_TRUE(write(disk, 0, "abcdef").ok());
  EXPECT_TRUE(run(disk->writeZeroes({1, 3})).ok());
  EXPECT_EQ(read(disk, 0, 6), std::string("a\0\0\0ef", 6));
  EXPECT_EQ(run(disk->writeZeroes({1, 3}, WriteFlags::noFallback(), Origin::kMonitor)).error().code(), EOPNOTSUPP);
}

TEST_F(Requests, DiscardGoesDownOnlyWithThePolicy) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  EXPECT_TRUE(run(disk->discard({0, 4096})).ok());
  EXPECT_EQ(storage->count(MemoryOp::kDiscard), 0U);
  const ImagePtr other = image();
  NodeOptions options = memory("n1", other);
  options.discard = DiscardPolicy::kUnmap;
  add(options);
  const DiskPtr second = attach("d1", "n1");
  EXPECT_TRUE(run(second->discard({0, 4096})).ok());
  EXPECT_EQ(other->count(MemoryOp::kDiscard), 1U);
  other->fail(MemoryOp::kDiscard, EOPNOTSUPP);
  EXPECT_TRUE(run(second->discard({0, 4096})).ok());
}

TEST_F(Requests, WriteThresholdIsToldOnce) {
  const DiskPtr disk = simple(image());
  disk->root().setWriteThreshold(1000);
  EXPECT_TRUE(write(disk, 990, "0123456789").ok());
  EXPECT_TRUE(observer_.thresholds().empty());
  EXPECT_TRUE(write(disk, 996, "0123456789").ok());
  EXPECT_TRUE(write(disk, 2000, "0123456789").ok());
  EXPECT_EQ(observer_.thresholds(), std::vector<std::string>(1, "n0 6 1000"));
  EXPECT_EQ(disk->root().writeThreshold(), 0U);
}

Task<bool> readFrom(DiskPtr disk, Loop& expected) {
  char byte = '?';
  const Result<void> done = co_await disk->read(Extent(0, 1), IoVector(&byte, 1));
  co_return done.ok() && byte == 'h' && expected.isCurrent();
}

TEST_F(Requests, HomeBoundDriversAreReachedFromOtherLoopsAndBack) {
  add(memory("n0", image(), "memory-home"));
  const DiskPtr disk = attach("d0", "n0");
  EXPECT_TRUE(write(disk, 0, "h").ok());
  LoopThread other(workers_);
  const auto right = std::make_shared<std::optional<bool>>();
  TaskGroup group;
  group.spawnOn(other.loop(), detail::store<bool>(readFrom(disk, other.loop()), right));
  run(group.join());
  EXPECT_EQ(*right, true);
}

TEST_F(Requests, OldOnesAreShownAsStuck) {
  const ImagePtr storage = image();
  const DiskPtr disk = simple(storage);
  storage->hold(MemoryOp::kWrite);
  const auto done = start(disk->write({8, 4}, IoVector("abcd", 4)));
  until([&] { return storage->waiting(MemoryOp::kWrite) == 1; });
  std::vector<StuckRequest> stuck;
  until([&] { return !(stuck = graph_->stuck(std::chrono::milliseconds(10))).empty(); });
  EXPECT_EQ(stuck.front().nodeName, "n0");
  EXPECT_EQ(stuck.front().disk, "d0");
  EXPECT_EQ(stuck.front().what, "write");
  EXPECT_EQ(stuck.front().at, Extent(8, 4));
  storage->release(MemoryOp::kWrite);
  until([&] { return done->has_value(); });
  EXPECT_TRUE(graph_->stuck(Duration::zero()).empty());
}

TEST_F(Requests, HistogramsCountByLatency) {
  const DiskPtr disk = simple(image());
  EXPECT_FALSE(disk->statistics().histogram(IoKind::kRead).configure({10, 10}).ok());
  EXPECT_TRUE(disk->statistics().histogram(IoKind::kRead).configure({1, 60'000'000'000}).ok());
  read(disk, 0, 1);
  const std::optional<HistogramData> data = disk->statistics().histogram(IoKind::kRead).read();
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->bins, (std::vector<std::uint64_t>{0, 1, 0}));
  EXPECT_TRUE(disk->statistics().histogram(IoKind::kRead).configure({}).ok());
  EXPECT_FALSE(disk->statistics().histogram(IoKind::kRead).read().has_value());
}

}  // namespace
}  // namespace rhea::block::test
