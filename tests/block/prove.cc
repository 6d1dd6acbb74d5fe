// The proof of durability: it passes where the promise is kept, and fails where it is broken.
#include "block/tool/prove/proof.h"
#include "block/tool/prove/report.h"
#include "block/tool/prove/subjects.h"
#include "emu/base/json.h"
#include "tests/block/driver-harness.h"

namespace rhea::block::prove {
namespace {

using test::OnLoop;
using test::TempDir;

constexpr std::uint64_t kMiB = 1 << 20;

class Prove : public testing::Test {
 protected:
  ProofPlan plan(std::vector<ProofPlan::Run> runs) {
    ProofPlan plan;
    plan.subject = rawSubject(kMiB);
    plan.folder = dir_.path();
    plan.runs = std::move(runs);
    plan.workload.requests = 150;
    plan.crash.states = 400;
    return plan;
  }
  Proof proofOf(ProofPlan plan) {
    Result<Proof> proof = loop_.run(prove(loop_.loop(), services_, std::move(plan)));
    EXPECT_TRUE(proof.ok()) << proof.error().describe();
    return proof.ok() ? *std::move(proof) : Proof();
  }
  static std::string told(const Proof& proof) {
    std::string text;
    for (const ModeProof& mode : proof.modes) text += humanReport(proof, mode);
    return text + conclusion(proof);
  }
  static ProofPlan::Run mode(std::string_view name) { return {*cacheSwitchesOf(name), {}}; }

  TempDir dir_;
  OnLoop loop_;
  Services services_;
};

TEST_F(Prove, EveryModeKeepsItsPromiseOnRaw) {
  const Proof proof = proofOf(plan(allRuns()));
  EXPECT_EQ(proof.modes.size(), allRuns().size());
  EXPECT_TRUE(proof.holds()) << told(proof);
  for (const ModeProof& mode : proof.modes) {
    EXPECT_GT(mode.states[0], 20U) << told(proof);
    EXPECT_GT(mode.states[1], 100U) << told(proof);
    EXPECT_EQ(mode.unusable[0] + mode.unusable[1], 0U);
  }
}

TEST_F(Prove, ShowsThatWhatMayBeLostIsLost) {
  const Proof proof = proofOf(plan({mode("writeback"), mode("unsafe")}));
  ASSERT_EQ(proof.modes.size(), 2U);
  const auto power = static_cast<std::size_t>(Cut::kPower);
  EXPECT_GT(proof.modes[0].completed[power].lost, 0U) << told(proof);
  EXPECT_EQ(proof.modes[0].flushed[power].lost, 0U) << told(proof);
  EXPECT_GT(proof.modes[1].flushed[power].lost, 0U) << told(proof);
}

TEST_F(Prove, FailsWhenOneFlushIsDropped) {
  ProofPlan lying = plan({mode("writeback"), mode("none")});
  lying.lieAt = 3;
  const Proof proof = proofOf(std::move(lying));
  ASSERT_EQ(proof.modes.size(), 2U);
  for (const ModeProof& mode : proof.modes) {
    EXPECT_FALSE(mode.holds()) << told(proof);
    EXPECT_FALSE(mode.broken.empty());
  }
  EXPECT_NE(told(proof).find("broken: power cut"), std::string::npos) << told(proof);
}

TEST_F(Prove, FailsWhenOneWriteThroughWriteIsNotStable) {
  ProofPlan lying = plan({mode("writethrough"), mode("directsync")});
  lying.lieAt = 20;
  const Proof proof = proofOf(std::move(lying));
  ASSERT_EQ(proof.modes.size(), 2U);
  for (const ModeProof& mode : proof.modes) EXPECT_FALSE(mode.holds()) << told(proof);
}

TEST_F(Prove, NothingIsPromisedOfUnsafeSoALieBreaksNothing) {
  ProofPlan lying = plan({mode("unsafe")});
  lying.lieAt = 1;
  EXPECT_TRUE(proofOf(std::move(lying)).holds());
}

TEST_F(Prove, ReportsForProgramsWhatItReportsForPeople) {
  ProofPlan small = plan({mode("writeback")});
  small.workload.requests = 40;
  const Proof proof = proofOf(std::move(small));
  const auto parsed = json::parse(jsonReport(proof));
  ASSERT_TRUE(parsed.ok()) << parsed.error().describe();
  EXPECT_NE(jsonReport(proof).find("\"sampled\": true"), std::string::npos);
  EXPECT_NE(told(proof).find("sampled"), std::string::npos);
  EXPECT_NE(contractTable(std::span(&proof, 1)).find("| raw | writeback | kept | kept | may be lost | kept | yes |"),
            std::string::npos)
      << contractTable(std::span(&proof, 1));
}

TEST_F(Prove, SaysWhatItCouldNotTry) {
  ProofPlan nowhere = plan({mode("writeback")});
  nowhere.folder = dir_.file("missing");
  const auto refused = loop_.run(prove(loop_.loop(), services_, std::move(nowhere)));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("missing"), std::string::npos);
}

// --- qcow2

// The other variants: qcow2-prove.cc.
TEST_F(Prove, Version2OfQcow2KeepsItsPromise) {
  Qcow2Traits old;
  old.version2 = true;
  old.clusterBytes = 512;
  ProofPlan qcow2 = plan({mode("writeback"), mode("writethrough")});
  qcow2.subject = qcow2Subject(kMiB, old);
  const Proof proof = proofOf(std::move(qcow2));
  EXPECT_TRUE(proof.holds()) << proof.options << "\n" << told(proof);
}

TEST_F(Prove, FailsOnQcow2WhenOneFlushIsDropped) {
  for (const char* name : {"writeback", "writethrough"}) {
    // Not every flush has something that only it keeps: the next one may come before anything is promised. Where one
    // has, only the few moments up to the next one show it, so none of them is left out.
    bool fails = false;
    for (unsigned at = 1; at <= 6 && !fails; ++at) {
      ProofPlan lying = plan({mode(name)});
      lying.subject = qcow2Subject(kMiB, Qcow2Traits());
      lying.workload.requests = 60;
      lying.crash.states = 1'000'000;
      lying.lieAt = at;
      const Proof proof = proofOf(std::move(lying));
      ASSERT_EQ(proof.modes.size(), 1U);
      fails = !proof.holds();
    }
    EXPECT_TRUE(fails) << name;
  }
}

// --- The parts

TEST(ProvePattern, TellsWhoseASectorIs) {
  std::vector<std::byte> sectors(2 * kSector);
  stamp(sectors, 4096, 7);
  EXPECT_EQ(stampOf(std::span(sectors).first(kSector), 4096), 7U);
  EXPECT_EQ(stampOf(std::span(sectors).last(kSector), 4096 + kSector), 7U);
  EXPECT_EQ(stampOf(std::span(sectors).last(kSector), 4096), std::nullopt) << "from another place";
  sectors[100] ^= std::byte{1};
  EXPECT_EQ(stampOf(std::span(sectors).first(kSector), 4096), std::nullopt) << "damaged";
  EXPECT_EQ(stampOf(std::vector<std::byte>(kSector), 4096), 0U);
}

TEST(ProvePromise, IsTheContractsTable) {
  const auto kept = [](std::string_view mode, bool metadata, Cut cut) {
    return promiseOf(*cacheSwitchesOf(mode), metadata).keptAfter(cut);
  };
  for (const std::string_view mode : {"writeback", "none"}) {
    EXPECT_EQ(kept(mode, false, Cut::kKill), Kept::kWritten);
    EXPECT_EQ(kept(mode, true, Cut::kKill), Kept::kFlushed);
    EXPECT_EQ(kept(mode, false, Cut::kPower), Kept::kFlushed);
  }
  for (const std::string_view mode : {"writethrough", "directsync"}) {
    EXPECT_EQ(kept(mode, true, Cut::kKill), Kept::kWritten);
    EXPECT_EQ(kept(mode, true, Cut::kPower), Kept::kWritten);
  }
  EXPECT_EQ(kept("unsafe", false, Cut::kKill), Kept::kWritten);
  EXPECT_EQ(kept("unsafe", true, Cut::kKill), Kept::kFlushed);
  EXPECT_EQ(kept("unsafe", false, Cut::kPower), Kept::kNothing);
  EXPECT_FALSE(promiseOf(*cacheSwitchesOf("unsafe"), true).usableAfter(Cut::kPower));
}

class ProveHistory : public testing::Test {
 protected:
  std::uint32_t wrote(std::uint64_t issued, std::uint64_t completed) {
    const std::uint32_t number = history_.begin(ChangeKind::kWrite, Extent(0, kSector), issued);
    history_.complete(number, completed);
    return number;
  }
  History history_{kMiB, false, *cacheSwitchesOf("writeback")};
  static constexpr auto kPower = static_cast<std::size_t>(Cut::kPower);
};

TEST_F(ProveHistory, AFlushCoversWhatCompletedBeforeItBegan) {
  const std::uint32_t first = wrote(0, 1);
  const History::Flush flush = history_.beginFlush();
  const std::uint32_t second = wrote(1, 2);
  history_.completeFlush(flush, 3);
  EXPECT_EQ(history_.look(0, 0U, 3).lost[kPower], first);
  EXPECT_EQ(history_.look(0, 0U, 2).lost[kPower], 0U) << "the flush had not completed";
  EXPECT_EQ(history_.look(0, first, 3).lost[kPower], 0U) << "the second is not covered";
  EXPECT_TRUE(history_.look(0, first, 3).completedLost);
  EXPECT_FALSE(history_.look(0, second, 3).completedLost);
  EXPECT_TRUE(history_.look(0, second, 0).damaged) << "it had not been asked for";
  EXPECT_TRUE(history_.look(0, 99U, 3).damaged);
}

TEST_F(ProveHistory, AStrongerModeHoldsForAllThatCompletedBefore) {
  const std::uint32_t first = wrote(0, 1);
  history_.beginMode(*cacheSwitchesOf("writethrough"), 1);
  EXPECT_EQ(history_.look(0, 0U, 1).lost[kPower], 0U) << "not answered yet";
  history_.completeMode(*cacheSwitchesOf("writethrough"), 2);
  EXPECT_NE(history_.look(0, 0U, 2).lost[kPower], 0U);
  const std::uint32_t second = wrote(2, 3);
  EXPECT_NE(history_.look(0, first, 3).lost[kPower], 0U);
  history_.beginMode(*cacheSwitchesOf("unsafe"), 3);
  wrote(3, 4);
  EXPECT_EQ(history_.look(0, second, 4).lost[kPower], 0U) << "under the weaker one";
  EXPECT_FALSE(history_.usable(Cut::kPower, 4));
  EXPECT_TRUE(history_.usable(Cut::kKill, 4));
}

TEST_F(ProveHistory, ADiscardMayLeaveZeroesOrWhatWasThere) {
  const std::uint32_t first = wrote(0, 1);
  const std::uint32_t discard = history_.begin(ChangeKind::kDiscard, Extent(0, kSector), 1);
  history_.complete(discard, 2);
  history_.completeFlush(history_.beginFlush(), 3);
  EXPECT_EQ(history_.look(0, 0U, 3).lost[kPower], 0U);
  EXPECT_EQ(history_.look(0, first, 3).lost[kPower], 0U);
}

}  // namespace
}  // namespace rhea::block::prove
