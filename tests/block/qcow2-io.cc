// What is written to a qcow2 image is read from it, now and after it was closed.
#include "tests/block/qcow2-support.h"

namespace rhea::block::test {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = kKiB * 1024;

// A disk beside a plain copy of what it must hold.
class Model {
 public:
  Model(ImageGraph& graph, DiskPtr disk, std::string bytes)
      : graph_(graph), disk_(std::move(disk)), bytes_(std::move(bytes)) {}

  void write(std::uint64_t at, std::size_t length, char fill) {
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), length, fill);
    const Result<void> done = graph_.write(disk_, at, length, fill);
    ASSERT_TRUE(done.ok()) << done.error().describe();
  }
  void zero(std::uint64_t at, std::size_t length, bool unmap) {
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), length, '\0');
    const Result<void> done = graph_.zero(disk_, at, length, unmap);
    ASSERT_TRUE(done.ok()) << done.error().describe();
  }
  void check() const {
    const Result<std::string> all = graph_.read(disk_, 0, bytes_.size());
    ASSERT_TRUE(all.ok()) << all.error().describe();
    const auto differs = std::mismatch(all->begin(), all->end(), bytes_.begin());
    EXPECT_TRUE(differs.first == all->end()) << "at " << differs.first - all->begin();
  }
  void somethingAtRandom(std::mt19937& random) {
    const std::uint64_t most = bytes_.size() / 512;
    const std::uint64_t at = random() % most;
    const std::uint64_t length = 1 + random() % std::min<std::uint64_t>(most - at, random() % 4 == 0 ? 512 : 24);
    const auto fill = static_cast<char>('a' + random() % 26);
    switch (random() % 8) {
      case 0:
        return zero(at * 512, length * 512, true);
      case 1:
        return zero(at * 512, length * 512, false);
      default:
        return write(at * 512, length * 512, fill);
    }
  }
  const std::string& bytes() const { return bytes_; }

 private:
  ImageGraph& graph_;
  DiskPtr disk_;
  std::string bytes_;
};

class Qcow2Io : public Qcow2Test {};

TEST_F(Qcow2Io, ANewImageReadsAsZeroes) {
  created(file("a"), sized(10 * kMiB));
  expectClean(file("a"));
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a")));
  EXPECT_EQ(disk->root().length(), 10 * kMiB);
  EXPECT_EQ(graph.read(disk, 3 * kMiB, 100000).value(), std::string(100000, '\0'));
}

TEST_F(Qcow2Io, KeepsWhatIsWrittenOverAClose) {
  created(file("a"), sized(10 * kMiB));
  {
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("a")));
    ASSERT_TRUE(graph.write(disk, 70000, 5000, 'x').ok());
    ASSERT_TRUE(graph.write(disk, 9 * kMiB, 200000, 'y').ok());
  }
  expectClean(file("a"));
  ImageGraph graph;
  const DiskPtr disk = graph.opened(qcow2(file("a"), "read-only=on"));
  EXPECT_EQ(graph.read(disk, 70000, 5000).value(), std::string(5000, 'x'));
  EXPECT_EQ(graph.read(disk, 9 * kMiB, 200000).value(), std::string(200000, 'y'));
  EXPECT_EQ(graph.read(disk, 65536, 4464).value(), std::string(4464, '\0'));
  EXPECT_EQ(graph.read(disk, 75000, 1000).value(), std::string(1000, '\0'));
}

struct Variant {
  std::string name;
  std::uint64_t cluster = 65536;
  std::int64_t refcountBits = 16;
  bool version2 = false;
  bool extended = false;
  bool lazy = false;
  std::uint64_t size = 4 * kMiB;
};

std::ostream& operator<<(std::ostream& out, const Variant& variant) { return out << variant.name; }

class Qcow2Variants : public Qcow2Test, public testing::WithParamInterface<Variant> {
 protected:
  Create options() const {
    const Variant& variant = GetParam();
    Create options = sized(variant.size);
    options.clusterSize = variant.cluster;
    options.refcountBits = variant.refcountBits;
    if (variant.version2) options.version = qapi::BlockdevQcow2Version::v2;
    options.extendedL2 = variant.extended;
    options.lazyRefcounts = variant.lazy;
    return options;
  }
};

TEST_P(Qcow2Variants, HoldWhatARandomWriterWrote) {
  created(file("a"), options());
  std::mt19937 random(7);
  std::string bytes(GetParam().size, '\0');
  for (int round = 0; round < 3; ++round) {
    ImageGraph graph;
    Model model(graph, graph.opened(qcow2(file("a"), "discard=unmap")), bytes);
    for (int i = 0; i < 60; ++i) {
      model.somethingAtRandom(random);
      if (HasFatalFailure()) return;
    }
    model.check();
    bytes = model.bytes();
    graph.close();
    expectClean(file("a"));
  }
  std::ofstream(file("raw"), std::ios::binary) << bytes;
  if (hasPeer()) {
    EXPECT_EQ(shell(fmt::format("qemu-img compare -f raw -F qcow2 {} {}", file("raw"), file("a"))), 0);
  }
}

TEST_P(Qcow2Variants, HoldWhatARandomWriterWroteOnABackingFile) {
  std::mt19937 random(11);
  std::string bytes(3 * kMiB, '\0');
  for (char& byte : bytes) byte = static_cast<char>('A' + random() % 3);
  std::ofstream(file("base"), std::ios::binary) << bytes;
  bytes.resize(GetParam().size);
  Create made = options();
  made.backingFile = "base";
  made.backingFmt = qapi::BlockdevDriver::raw;
  created(file("a"), made);
  for (int round = 0; round < 2; ++round) {
    ImageGraph graph;
    Model model(graph, graph.opened(qcow2(file("a"))), bytes);
    for (int i = 0; i < 40; ++i) {
      model.somethingAtRandom(random);
      if (HasFatalFailure()) return;
    }
    model.check();
    bytes = model.bytes();
    graph.close();
    expectClean(file("a"));
  }
  std::ofstream(file("raw"), std::ios::binary) << bytes;
  if (hasPeer()) {
    EXPECT_EQ(shell(fmt::format("qemu-img compare -f raw -F qcow2 {} {}", file("raw"), file("a"))), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Qcow2Variants,
                         testing::Values(Variant{"usual"}, Variant{"clusters_of_512", 512},
                                         Variant{"clusters_of_512_refcounts_of_64", 512, 64},
                                         Variant{"clusters_of_4K_refcounts_of_1", 4096, 1},
                                         Variant{"clusters_of_2M", 2 * kMiB, 16, false, false, false, 16 * kMiB},
                                         Variant{"version_2", 65536, 16, true},
                                         Variant{"version_2_clusters_of_1K", 1024, 16, true},
                                         Variant{"subclusters", 65536, 16, false, true},
                                         Variant{"subclusters_of_512", 16384, 16, false, true},
                                         Variant{"lazy_refcounts", 65536, 16, false, false, true}),
                         [](const auto& variant) { return variant.param.name; });

}  // namespace
}  // namespace rhea::block::test
