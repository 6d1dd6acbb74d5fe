// kill -9 of a writer at random moments, in every mode: nothing that the mode promises is lost, and the image is
// usable. With RHEA_SOAK set a thousand times for each mode and format, else a few.
#include <gtest/gtest.h>

#include "block/driver/table.h"
#include "block/tool/prove/proof.h"
#include "block/tool/prove/state-check.h"
#include "block/tool/prove/subjects.h"
#include "emu/base/files.h"
#include "tests/block/kill-writer.h"
#include "tests/lib/emulator.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::test {
namespace {

using namespace block;
using namespace block::prove;

constexpr std::uint64_t kDiskBytes = 1 << 20;

int rounds() { return std::getenv("RHEA_SOAK") != nullptr ? 1000 : 4; }

class KillNine : public LoopTest, public testing::WithParamInterface<const char*> {
 protected:
  KillNine() {
    drivers_ = DriverRegistry(allDrivers());
    drivers_.add(memoryImageDriver());
    graph_ = std::make_unique<BlockGraph>(GraphContext(*loop_, drivers_, services_, observer_));
  }
  ~KillNine() override { static_cast<void>(runTask(*loop_, graph_->shutdown(CancelToken()))); }

  KillPlan plan(const Subject& subject, const std::string& mode, std::uint64_t seed) {
    KillPlan plan;
    plan.program = (std::filesystem::path(Emulator::program()).parent_path() / "rhea-io").string();
    plan.folder = dir_.path();
    plan.image = "image";
    plan.format = subject.format;
    plan.mode = mode;
    plan.diskBytes = kDiskBytes;
    plan.keepsMetadata = subject.keepsMetadata;
    plan.seed = seed;
    return plan;
  }
  // The image as it is now, held against the history.
  StateVerdict look(const Subject& subject, const History& history, std::uint64_t now) {
    CrashState state;
    state.position = now;
    state.cut = Cut::kKill;
    state.how = "killed";
    state.image = std::make_shared<MemoryImage>();
    const std::string content = *readFile(dir_.file("image"));
    state.image->bytes.resize(content.size());
    std::memcpy(state.image->bytes.data(), content.data(), content.size());
    return runTask(*loop_, checkState(*graph_, subject, history, std::move(state)));
  }
  // Kills writers of this mode, and of changes from it to others.
  void killMany(const Subject& subject, const std::string& mode, const std::vector<std::string>& changes) {
    std::size_t answered = 0;
    for (int round = 0; round < rounds(); ++round) {
      const auto seed = static_cast<std::uint64_t>(round) * 7919 + std::hash<std::string>()(mode);
      ASSERT_TRUE(runTask(*loop_, subject.create(*graph_, dir_.file("image"))).ok());
      KillPlan each = plan(subject, mode, seed);
      if (round % 2 == 1) each.changes = changes;
      KillWriter writer(each);
      ASSERT_TRUE(writer.run()) << writer.why() << " (seed " << seed << ")";
      answered += writer.answered();
      const StateVerdict verdict = look(subject, writer.history(), writer.now());
      ASSERT_TRUE(verdict.broken.empty()) << mode << ", seed " << seed << ": " << verdict.broken.front();
    }
    EXPECT_GT(answered, 0U) << "no write was ever answered, so nothing was shown";
  }

  static inline const std::map<std::string, std::vector<std::string>> kChanges = {
      {"writeback", {"writethrough", "none", "writeback"}},          {"none", {"writeback", "directsync", "unsafe"}},
      {"writethrough", {"directsync", "writeback", "writethrough"}}, {"directsync", {"none", "directsync"}},
      {"unsafe", {"writethrough", "unsafe", "writeback"}},
  };
  TempDir dir_;
  DriverRegistry drivers_;
  Services services_;
  GraphObserver observer_;
  std::unique_ptr<BlockGraph> graph_;
};

TEST_P(KillNine, OfAWriterOnRawLosesNothingThatIsPromised) {
  killMany(rawSubject(kDiskBytes), GetParam(), kChanges.at(GetParam()));
}

TEST_P(KillNine, OfAWriterOnQcow2LosesNothingThatIsPromised) {
  Qcow2Traits small;
  small.clusterBytes = 4096;
  killMany(qcow2Subject(kDiskBytes, small), GetParam(), kChanges.at(GetParam()));
}

TEST_P(KillNine, WouldShowALoss) {
  const Subject raw = rawSubject(kDiskBytes);
  ASSERT_TRUE(runTask(*loop_, raw.create(*graph_, dir_.file("image"))).ok());
  KillWriter writer(plan(raw, GetParam(), 5));
  ASSERT_TRUE(writer.run()) << writer.why();
  EXPECT_TRUE(look(raw, writer.history(), writer.now()).broken.empty());
  // As if one more write had been answered.
  const std::uint32_t number = writer.history().begin(ChangeKind::kWrite, Extent(4096, 512), writer.now());
  writer.history().complete(number, writer.now());
  EXPECT_FALSE(look(raw, writer.history(), writer.now()).broken.empty());
}

INSTANTIATE_TEST_SUITE_P(Modes, KillNine, testing::Values("writeback", "none", "writethrough", "directsync", "unsafe"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace rhea::test
