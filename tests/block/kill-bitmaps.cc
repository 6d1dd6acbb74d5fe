// kill -9 of a writer on a qcow2 image with persistent bitmaps, again and again on the same image: no write is missing
// from a bitmap afterwards. A few times for each mode, and with RHEA_SOAK set for so many seconds.
#include "block/tool/prove/pattern.h"
#include "tests/block/kill-writer.h"
#include "tests/block/qcow2-support.h"
#include "tests/lib/emulator.h"

namespace rhea::block::test {
namespace {

using prove::kSector;
using rhea::test::Emulator;
using rhea::test::KillPlan;
using rhea::test::KillWriter;

constexpr std::uint64_t kDiskBytes = 16 << 20;
constexpr int kKills = 3;  // of one image, one after the other

class KillBitmaps : public Qcow2Test, public testing::WithParamInterface<const char*> {
 protected:
  static BitmapInfo bitmap(const std::string& name, std::uint32_t granularity) {
    BitmapInfo info;
    info.name = name;
    info.granularity = granularity;
    info.recording = true;
    return info;
  }
  void makeImage() {
    Create options = sized(kDiskBytes);
    options.clusterSize = 4096;
    std::filesystem::remove(file("image"));
    created(file("image"), options);
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("image")));
    for (const BitmapInfo& each : {bitmap("fine", 512), bitmap("coarse", 65536)}) {
      ASSERT_TRUE(graph.run(ImageGraph::qcow2(disk).addBitmap(each)).ok());
    }
  }
  KillPlan plan(std::uint64_t seed) const {
    KillPlan plan;
    plan.program = (std::filesystem::path(Emulator::program()).parent_path() / "rhea-io").string();
    plan.folder = dir_.path();
    plan.image = "image";
    plan.format = "qcow2";
    plan.mode = GetParam();
    plan.diskBytes = kDiskBytes;
    plan.seed = seed;
    return plan;
  }
  // One writer, killed; what it was answered is added to `answered`.
  void killOne(std::uint64_t seed, std::vector<Extent>& answered) {
    KillWriter writer(plan(seed));
    ASSERT_TRUE(writer.run()) << writer.why() << " (seed " << seed << ")";
    const prove::History& history = writer.history();
    for (std::uint32_t number = 1; number <= history.changes(); ++number) {
      const prove::Change& change = history.change(number);
      if (change.completed != prove::kNever) answered.push_back(change.at);
    }
  }
  // The sectors that hold something: the image was empty when its bitmaps began.
  static std::vector<Extent> stored(ImageGraph& graph, const DiskPtr& disk) {
    std::vector<Extent> found;
    const std::string content = graph.read(disk, 0, kDiskBytes).value();
    const std::string zeroes(kSector, '\0');
    for (std::uint64_t at = 0; at < kDiskBytes; at += kSector) {
      if (content.compare(at, kSector, zeroes) == 0) continue;
      if (!found.empty() && found.back().end() == at) {
        found.back().length += kSector;
      } else {
        found.emplace_back(at, kSector);
      }
    }
    return found;
  }
  static void expectCovered(const std::vector<Extent>& dirty, const std::vector<Extent>& written,
                            const std::string& what) {
    for (const Extent& each : written) {
      // Ranges that are dirty and follow one another are one.
      const bool covered = std::ranges::any_of(dirty, [each](Extent range) { return range.contains(each); });
      ASSERT_TRUE(covered) << what << ": " << each.length << " bytes at " << each.offset << " are not in it";
    }
  }
  // What the next program finds in a copy of the image. `dirty`: how much of the disk each bitmap calls so.
  void look(const std::vector<Extent>& answered, std::uint64_t seed, std::uint64_t& dirty) {
    std::filesystem::copy_file(file("image"), file("copy"), std::filesystem::copy_options::overwrite_existing);
    ImageGraph graph;
    const DiskPtr disk = graph.opened(qcow2(file("copy")));
    const auto list = graph.run(ImageGraph::qcow2(disk).bitmaps()).value();
    ASSERT_EQ(list.size(), 2U);
    const std::vector<Extent> there = stored(graph, disk);
    for (const BitmapInfo& each : list) {
      const std::string what = fmt::format("bitmap '{}' after seed {}", each.name, seed);
      ASSERT_FALSE(each.inconsistent) << what;
      const auto ranges = graph.run(ImageGraph::qcow2(disk).dirtyRanges(each.name, 0));
      ASSERT_TRUE(ranges.ok()) << what << ": " << ranges.error().describe();
      expectCovered(*ranges, answered, what + ", answered");
      expectCovered(*ranges, there, what + ", stored");
      if (each.name == "fine") dirty += each.dirtyBytes;
    }
    // An image that was only read would be left as it is.
    ASSERT_TRUE(graph.write(disk, 0, kSector, 'x').ok());
  }
};

TEST_P(KillBitmaps, LosesNoWriteFromABitmap) {
  const char* const soak = std::getenv("RHEA_SOAK");
  const auto end = Clock::now() + std::chrono::seconds(soak != nullptr ? std::atoi(soak) : 0);
  std::uint64_t seed = std::hash<std::string>()(GetParam()) % 100000;
  std::uint64_t looks = 0;
  std::uint64_t writes = 0;
  std::uint64_t dirty = 0;
  do {
    ASSERT_NO_FATAL_FAILURE(makeImage());
    std::vector<Extent> answered;
    for (int kill = 0; kill < kKills; ++kill, ++looks, ++seed) {
      ASSERT_NO_FATAL_FAILURE(killOne(seed, answered));
      ASSERT_NO_FATAL_FAILURE(look(answered, seed, dirty));
    }
    writes += answered.size();
    // Written to and closed by a program that ends, they are such as everybody believes.
    if (hasPeer()) {
      EXPECT_EQ(output("qemu-img info " + file("copy")).find("in-use"), std::string::npos);
    }
    // On a slow machine three kills may come before any answer.
  } while (Clock::now() < end || (writes == 0 && looks < 20 * kKills));
  EXPECT_GT(writes, 0U) << "no write was ever answered, so nothing was shown";
  EXPECT_LT(dirty, looks * kDiskBytes) << "a bitmap that calls everything dirty loses nothing either";
  RecordProperty("kills", std::to_string(looks));
  RecordProperty("writes", std::to_string(writes));
}

INSTANTIATE_TEST_SUITE_P(Modes, KillBitmaps,
                         testing::Values("writeback", "none", "writethrough", "directsync", "unsafe"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace rhea::block::test
