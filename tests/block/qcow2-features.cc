// What qcow2 images can have: compressed clusters, chains, data files of their own, sizes that change, damage.
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "block/driver/qcow2/gather.h"
#include "tests/block/qcow2-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = kKiB * 1024;

class Qcow2Features : public Qcow2Test {
 protected:
  std::string pattern(std::size_t bytes, unsigned seed = 3) {
    std::mt19937 random(seed);
    std::string data(bytes, '\0');
    for (std::size_t i = 0; i < bytes; i += 512) {
      std::fill_n(data.begin() + static_cast<std::ptrdiff_t>(i), 512, static_cast<char>('a' + random() % 26));
    }
    return data;
  }
  void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  std::string get(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::uint64_t allocated(const std::string& path) {
    struct stat seen {};
    stat(path.c_str(), &seen);
    return static_cast<std::uint64_t>(seen.st_blocks) * 512;
  }
  void identical(const std::string& raw, const std::string& image) {
    if (!hasPeer()) return;
    EXPECT_EQ(output(fmt::format("qemu-img compare -f raw -F qcow2 {} {}", raw, image)), "Images are identical.\n");
  }
  std::string all(const std::string& options) {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(options + ",read-only=on");
    return graph.read(disk, 0, disk->root().length()).value();
  }
};

TEST_F(Qcow2Features, ReadsCompressedClustersOfOthers) {
  if (!hasPeer()) GTEST_SKIP() << "no qemu-img";
  const std::string bytes = pattern(3 * kMiB + 512);
  put(file("raw"), bytes);
  for (const std::string type : {"zlib", "zstd"}) {
    for (const std::string cluster : {"65536", "4096", "2097152"}) {
      ASSERT_EQ(shell(fmt::format("qemu-img convert -c -O qcow2 -o compression_type={},cluster_size={} {} {}", type,
                                  cluster, file("raw"), file("a"))),
                0);
      EXPECT_TRUE(all(qcow2(file("a"))) == bytes) << type << " " << cluster;
      // What is written over compressed clusters takes their places.
      ImageGraph graph;
      const DiskPtr disk = graph.opened(qcow2(file("a")));
      ASSERT_TRUE(graph.write(disk, 100000, 3000, 'X').ok());
      graph.close();
      expectClean(file("a"));
      std::string changed = bytes;
      std::fill_n(changed.begin() + 100000, 3000, 'X');
      EXPECT_TRUE(all(qcow2(file("a"))) == changed) << type << " " << cluster;
    }
  }
}

TEST_F(Qcow2Features, WritesCompressedClusters) {
  for (const auto type : {qapi::Qcow2CompressionType::zlib, qapi::Qcow2CompressionType::zstd}) {
    const std::string bytes = pattern(2 * kMiB + 512);
    put(file("raw"), bytes);
    Create options = sized(bytes.size());
    options.compressionType = type;
    created(file("a"), options);
    {
      ImageGraph graph;
      const DiskPtr disk = graph.opened(qcow2(file("a")));
      auto& writer = *disk->root().ability<CompressedWriter>();
      for (std::uint64_t at = 0; at < bytes.size(); at += writer.compressedUnit()) {
        const std::uint64_t length = std::min(writer.compressedUnit(), bytes.size() - at);
        const Result<void> done = graph.run(writer.writeCompressed({at, length}, IoVector(bytes.data() + at, length)));
        ASSERT_TRUE(done.ok()) << done.error().describe();
      }
    }
    expectClean(file("a"));
    identical(file("raw"), file("a"));
    EXPECT_TRUE(all(qcow2(file("a"))) == bytes);
    EXPECT_LT(std::filesystem::file_size(file("a")), 600 * kKiB);
  }
}

TEST_F(Qcow2Features, CopiesClustersThatASnapshotUses) {
  if (!hasPeer()) GTEST_SKIP() << "no qemu-img";
  created(file("a"), sized(4 * kMiB));
  const auto writeSome = [this](std::uint64_t at, char fill) {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, at, 150000, fill).ok());
  };
  writeSome(0, 'a');
  ASSERT_EQ(shell("qemu-img snapshot -c one " + file("a")), 0);
  const std::string before = all(qcow2(file("a")));
  writeSome(70000, 'b');
  expectClean(file("a"));
  EXPECT_EQ(all(qcow2(file("a"))).substr(70000, 150000), std::string(150000, 'b'));
  ASSERT_EQ(shell("qemu-img snapshot -a one " + file("a")), 0);
  EXPECT_TRUE(all(qcow2(file("a"))) == before);
}

TEST_F(Qcow2Features, ChainsOfAHundredImagesShowEachTheirPart) {
  constexpr int kImages = 100;
  constexpr std::uint64_t kPart = 64 * kKiB;
  std::string bytes(kImages * kPart, '\0');
  for (int i = 0; i < kImages; ++i) {
    Create options = sized(bytes.size());
    if (i > 0) {
      options.backingFile = fmt::format("image{}", i - 1);
      options.backingFmt = qapi::BlockdevDriver::qcow2;
    }
    const std::string name = file(fmt::format("image{}", i));
    created(name, options);
    if (i % 10 != 0) continue;
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(name));
    const std::uint64_t at = static_cast<std::uint64_t>(i) * kPart;
    ASSERT_TRUE(graph.write(disk, at, kPart, static_cast<char>('a' + i % 26)).ok());
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kPart, static_cast<char>('a' + i % 26));
  }
  put(file("raw"), bytes);
  EXPECT_TRUE(all(qcow2(file("image99"))) == bytes);
  identical(file("raw"), file("image99"));
}

TEST_F(Qcow2Features, AChainThatComesBackToItselfIsRefusedByName) {
  for (const auto& [name, behind] : {std::pair("a", "b"), std::pair("b", "a")}) {
    Create options = sized(kMiB);
    options.backingFile = behind;
    options.backingFmt = qapi::BlockdevDriver::qcow2;
    created(file(name), options);
  }
  ImageGraph graph;
  const Result<DiskPtr> refused = graph.open(qcow2(file("a")));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("comes back to itself"), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find(file("b")), std::string::npos) << refused.error().message();
}

TEST_F(Qcow2Features, AMissingBackingFileIsNamedWithItsImage) {
  Create options = sized(kMiB);
  options.backingFile = "nowhere";
  created(file("a"), options);
  ImageGraph graph;
  const Result<DiskPtr> refused = graph.open(qcow2(file("a")));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("nowhere"), std::string::npos) << refused.error().message();
  EXPECT_NE(refused.error().message().find("backing of"), std::string::npos) << refused.error().message();
}

TEST_F(Qcow2Features, AJsonNameDescribesTheBackingNode) {
  put(file("base"), std::string(kMiB, 'z'));
  Create options = sized(kMiB);
  options.backingFile =
      fmt::format(R"(json:{{"driver":"raw","file":{{"driver":"file","filename":"{}"}}}})", file("base"));
  options.backingFmt = qapi::BlockdevDriver::raw;
  created(file("a"), options);
  EXPECT_TRUE(all(qcow2(file("a"))) == std::string(kMiB, 'z'));
}

TEST_F(Qcow2Features, KeepsDataInAnotherFile) {
  for (const bool raw : {false, true}) {
    Create options = sized(2 * kMiB);
    options.dataFile = qapi::BlockdevRef();
    options.dataFile->u = file("data");
    options.dataFileRaw = raw;
    created(file("a"), options);
    std::string bytes(2 * kMiB, '\0');
    {
      ImageGraph graph;
      const DiskPtr disk = graph.opened(qcow2(file("a")));
      ASSERT_TRUE(graph.write(disk, 100000, 70000, 'd').ok());
      ASSERT_TRUE(graph.write(disk, 65536, 100, 'e').ok());
      ASSERT_TRUE(graph.zero(disk, 131072, 65536, true).ok());
    }
    std::fill_n(bytes.begin() + 100000, 70000, 'd');
    std::fill_n(bytes.begin() + 65536, 100, 'e');
    std::fill_n(bytes.begin() + 131072, 65536, '\0');
    EXPECT_TRUE(all(qcow2(file("a"))) == bytes) << raw;
    if (raw) {
      EXPECT_TRUE(get(file("data")) == bytes);
    }
    put(file("raw"), bytes);
    expectClean(file("a"));
    identical(file("raw"), file("a"));
  }
}

TEST_F(Qcow2Features, ReadsDataFilesOfOthers) {
  if (!hasPeer()) GTEST_SKIP() << "no qemu-img";
  const std::string bytes = pattern(2 * kMiB);
  put(file("raw"), bytes);
  ASSERT_EQ(shell(fmt::format("qemu-img convert -O qcow2 -o data_file={} {} {}", file("data"), file("raw"), file("a"))),
            0);
  EXPECT_TRUE(all(qcow2(file("a"))) == bytes);
}

TEST_F(Qcow2Features, GrowsAndShrinks) {
  put(file("base"), std::string(8 * kMiB, 'z'));
  Create options = sized(2 * kMiB);
  options.clusterSize = 512;  // so that the L1 table has to grow
  options.backingFile = "base";
  options.backingFmt = qapi::BlockdevDriver::raw;
  created(file("a"), options);
  std::string bytes(2 * kMiB, 'z');
  for (const std::uint64_t size : {3 * kMiB + 512, kMiB, 6 * kMiB, 6 * kMiB - 1024, 10 * kMiB}) {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, bytes.size() - 3000, 2000, 'w').ok());
    std::fill_n(bytes.end() - 3000, 2000, 'w');
    const Result<void> done = graph.run(graph.graph().resizeNode(disk->root().name(), size, {}));
    ASSERT_TRUE(done.ok()) << size << ": " << done.error().describe();
    bytes.resize(size);
    EXPECT_TRUE(graph.read(disk, 0, size).value() == bytes) << size;
    graph.close();
    expectClean(file("a"));
    EXPECT_TRUE(all(qcow2(file("a"))) == bytes) << size;
  }
}

TEST_F(Qcow2Features, PreallocatesAsAsked) {
  using Mode = qapi::PreallocMode;
  for (const Mode mode : {Mode::metadata, Mode::falloc, Mode::full}) {
    Create options = sized(8 * kMiB);
    options.preallocation = mode;
    created(file("a"), options);
    expectClean(file("a"));
    EXPECT_GE(std::filesystem::file_size(file("a")), 8 * kMiB);
    if (mode == Mode::metadata) {
      EXPECT_LT(allocated(file("a")), kMiB);
    } else {
      EXPECT_GE(allocated(file("a")), 8 * kMiB);
    }
    EXPECT_TRUE(all(qcow2(file("a"))) == std::string(8 * kMiB, '\0'));
  }
}

TEST_F(Qcow2Features, DiscardGivesSpaceBackWhenTheGuestHasFlushed) {
  created(file("a"), sized(8 * kMiB));
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a"), "discard=unmap"));
  ASSERT_TRUE(graph.write(disk, 0, 8 * kMiB, 'x').ok());
  ASSERT_TRUE(graph.flush(disk).ok());
  EXPECT_GE(allocated(file("a")), 8 * kMiB);
  ASSERT_TRUE(graph.discard(disk, kMiB, 6 * kMiB).ok());
  EXPECT_EQ(graph.read(disk, 2 * kMiB, 1000).value(), std::string(1000, '\0'));
  graph.close();
  EXPECT_LE(allocated(file("a")), 3 * kMiB);
  expectClean(file("a"));
}

TEST_F(Qcow2Features, TellsWhatIsWhere) {
  put(file("base"), std::string(kMiB, 'z'));
  Create options = sized(4 * kMiB);
  options.backingFile = "base";
  options.backingFmt = qapi::BlockdevDriver::raw;
  created(file("a"), options);
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  ASSERT_TRUE(graph.write(disk, 65536, 65536, 'x').ok());
  ASSERT_TRUE(graph.zero(disk, 131072, 65536, false).ok());
  const auto status = [&](std::uint64_t at) {
    return graph.run(disk->root().status(Extent(at, 4 * kMiB - at), false)).value();
  };
  EXPECT_FALSE(status(0).allocated);
  EXPECT_EQ(status(0).length, 65536U);
  EXPECT_FALSE(status(0).zero);
  EXPECT_TRUE(status(65536).data);
  EXPECT_TRUE(status(65536).offset.has_value());
  EXPECT_EQ(status(65536).length, 65536U);
  EXPECT_TRUE(status(131072).zero);
  EXPECT_TRUE(status(131072).allocated);
  EXPECT_TRUE(status(2 * kMiB).zero);
  EXPECT_FALSE(status(2 * kMiB).allocated);
}

TEST_F(Qcow2Features, AWriteThatWouldDestroyTheHeaderMarksTheImage) {
  created(file("a"), sized(4 * kMiB));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 0, 65536, 'x').ok());
    ASSERT_TRUE(graph.write(disk, kMiB, 65536, 'y').ok());
  }
  // The first L2 entry says that the disk's first cluster is at the L1 table.
  std::string bytes = get(file("a"));
  const auto big = [&bytes](std::uint64_t at) { return loadBig<std::uint64_t>(bytes.data() + at); };
  const std::uint64_t l1 = big(40);
  const std::uint64_t l2 = big(l1) & qcow2::kOffsetMask;
  storeBig<std::uint64_t>(bytes.data() + l2, l1 | qcow2::kCopied);
  put(file("a"), bytes);
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, kMiB, 512, 'z').ok());
    const Result<void> refused = graph.write(disk, 0, 512, 'w');
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), EIO);
    EXPECT_EQ(graph.write(disk, kMiB, 512, 'v').error().code(), EROFS);
    EXPECT_EQ(graph.read(disk, kMiB, 512).value(), std::string(512, 'z'));
    EXPECT_EQ(graph.observer().damages().size(), 1U);
  }
  EXPECT_EQ(loadBig<std::uint64_t>(get(file("a")).data() + 72) & qcow2::kCorrupt, qcow2::kCorrupt);
}

// The first L2 entry of the active table comes to say that the disk's first cluster is at `place`, to be written there.
void pointFirstClusterTo(std::string& bytes, std::uint64_t place) {
  const auto big = [&bytes](std::uint64_t at) { return loadBig<std::uint64_t>(bytes.data() + at); };
  const std::uint64_t l2 = big(big(40)) & qcow2::kOffsetMask;
  storeBig<std::uint64_t>(bytes.data() + l2, place | qcow2::kCopied);
}

TEST_F(Qcow2Features, AWriteDestroysNeitherSnapshotsTablesNorTheDirectoryOfBitmaps) {
  created(file("a"), sized(4 * kMiB));
  std::uint64_t inactiveL2 = 0;
  std::uint64_t directory = 0;
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 0, 65536, 'x').ok());
    auto& image = graph.qcow2(disk);
    SnapshotInfo info;
    info.name = "s";
    ASSERT_TRUE(graph.run(image.createSnapshot(info)).ok());
    inactiveL2 = image.image().mapping.l1()[0] & qcow2::kOffsetMask;
    ASSERT_TRUE(graph.write(disk, kMiB, 512, 'y').ok());  // the disk has a table of its own again
    BitmapInfo bitmap;
    bitmap.name = "b";
    bitmap.granularity = 65536;
    ASSERT_TRUE(graph.run(image.addBitmap(bitmap)).ok());
    graph.close();
  }
  {
    ImageGraph graph;
    directory = graph.qcow2(graph.opened(qcow2(file("a"), "read-only=on"))).image().header.bitmaps->directoryOffset;
  }
  const std::string whole = get(file("a"));
  for (const std::uint64_t place : {inactiveL2, directory}) {
    std::string bytes = whole;
    pointFirstClusterTo(bytes, place);
    put(file("a"), bytes);
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a"), "overlap-check=all"));
    EXPECT_EQ(graph.write(disk, 0, 512, 'w').error().code(), EIO) << place;
    EXPECT_EQ(graph.observer().damages().size(), 1U);
  }
}

TEST_F(Qcow2Features, DamageThatAReaderFoundIsMarkedByTheFirstWriter) {
  created(file("a"), sized(4 * kMiB));
  {
    ImageGraph graph;
    ASSERT_TRUE(graph.write(graph.opened(qcow2(file("a"))), 0, 65536, 'x').ok());
  }
  std::string bytes = get(file("a"));
  pointFirstClusterTo(bytes, 65536 + 512);
  put(file("a"), bytes);
  const auto isMarked = [this] { return (loadBig<std::uint64_t>(get(file("a")).data() + 72) & qcow2::kCorrupt) != 0; };
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    EXPECT_FALSE(graph.read(disk, 0, 512).ok());
    EXPECT_FALSE(isMarked());
    EXPECT_EQ(graph.write(disk, kMiB, 512, 'v').error().code(), EROFS);
  }
  EXPECT_TRUE(isMarked());
}

// A file is longer than what is used of it while it is written to, and no longer than that afterwards.
TEST_F(Qcow2Features, WhatWasReservedOfTheFileIsGivenBack) {
  created(file("a"), sized(64 * kMiB));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(graph.write(disk, static_cast<std::uint64_t>(i) * 65536, 4096, 'x').ok());
    }
    EXPECT_GT(std::filesystem::file_size(file("a")), std::uintmax_t{45} * 65536);
  }
  EXPECT_LE(std::filesystem::file_size(file("a")), std::uintmax_t{45} * 65536);
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(*graph.read(disk, i * 65536, 4096), std::string(4096, 'x'));
}

TEST_F(Qcow2Features, RequestsAtTheSameTimeDoNotLoseOneAnother) {
  for (const bool extended : {false, true}) {
    Create options = sized(16 * kMiB);
    options.extendedL2 = extended;
    created(file("a"), options);
    std::string bytes(16 * kMiB, '\0');
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")), !extended);
    std::mt19937 random(5);
    std::vector<std::unique_ptr<std::string>> data;
    const auto all = [](std::vector<Task<Result<void>>> tasks) -> Task<Result<void>> {
      qcow2::Gather gather;
      for (auto& task : tasks) gather.start(std::move(task));
      co_return co_await gather.all();
    };
    for (int round = 0; round < 20; ++round) {
      std::vector<Task<Result<void>>> tasks;
      std::set<std::uint64_t> blocks;
      while (blocks.size() < 64) blocks.insert(random() % 512 + (random() % 4) * 1024);
      for (const std::uint64_t block : blocks) {
        data.push_back(std::make_unique<std::string>(4096, static_cast<char>('a' + random() % 26)));
        const Extent at(block * 4096, 4096);
        std::copy(data.back()->begin(), data.back()->end(), bytes.begin() + static_cast<std::ptrdiff_t>(at.offset));
        tasks.push_back(disk->write(at, IoVector(data.back()->data(), 4096)));
      }
      const Result<void> done = graph.run(all(std::move(tasks)));
      ASSERT_TRUE(done.ok()) << done.error().describe();
    }
    EXPECT_TRUE(graph.read(disk, 0, bytes.size()).value() == bytes);
    graph.close();
    expectClean(file("a"));
    EXPECT_TRUE(this->all(qcow2(file("a"))) == bytes);
  }
}

TEST_F(Qcow2Features, AFullDiskLeavesTheImageClean) {
  created(file("a"), sized(16 * kMiB));
  ImageGraph graph;
  const std::string options = fmt::format(
      "driver=qcow2,file.driver=blkdebug,file.image.driver=file,file.image.filename={},"
      "file.inject-error.0.event=pwritev,file.inject-error.0.errno=28,file.inject-error.0.skip=5,"
      "file.inject-error.0.once=on",
      file("a"));
  const DiskPtr disk = graph.opened(options);
  int failures = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Result<void> done = graph.write(disk, i * 300000, 4096, 'x');
    if (!done.ok()) {
      EXPECT_EQ(done.error().code(), ENOSPC);
      ++failures;
    }
  }
  EXPECT_EQ(failures, 1);
  graph.close();
  expectClean(file("a"));
}

TEST_F(Qcow2Features, OptionsAreReadAndRefusedByName) {
  created(file("a"), sized(16 * kMiB));
  ImageGraph graph;
  EXPECT_TRUE(graph
                  .open(qcow2(file("a"),
                              "l2-cache-size=1048576,l2-cache-entry-size=512,refcount-cache-size=65536,"
                              "cache-clean-interval=5,overlap-check=all,pass-discard-other=on"))
                  .ok());
  const Result<DiskPtr> refused = graph.open(qcow2(file("a"), "read-only=on,force-share=on,l2-cache-entry-size=1000"));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("l2-cache-entry-size"), std::string::npos) << refused.error().message();
}

}  // namespace
}  // namespace rhea::block::test
