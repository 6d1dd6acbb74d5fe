// qcow2 under power cuts and kills: every mode keeps its promise, and the image is usable after a cut at any point.
#include <filesystem>

#include "block/tool/prove/proof.h"
#include "block/tool/prove/report.h"
#include "tests/block/driver-harness.h"
#include "tests/block/qcow2-support.h"
#include "tests/support/sanitized.h"

namespace rhea::block::prove {
namespace {

using test::Qcow2Test;

class ProveQcow2 : public Qcow2Test {
 protected:
  // Small clusters make much metadata, and so many ways for a cut to fall between.
  Subject subject(Create options) {
    created(file("new"), std::move(options));
    Subject subject;
    subject.format = "qcow2";
    subject.keepsMetadata = true;
    subject.over = [](NodeOptions below) {
      NodeOptions node("qcow2", DriverOptions::of(qapi::BlockdevOptionsQcow2()));
      node.discard = DiscardPolicy::kUnmap;
      node.children.push_back(ChildOptions::inlineNode("file", std::move(below)));
      return node;
    };
    const std::string fresh = file("new");
    subject.create = [fresh](BlockGraph&, std::string path) { return copy(fresh, std::move(path)); };
    return subject;
  }
  void holds(Create options) {
    ProofPlan plan;
    plan.subject = subject(std::move(options));
    plan.folder = dir_.path();
    plan.runs = allRuns();
    plan.workload.requests = rhea::test::kSlowness == 1 ? 120 : 60;
    plan.crash.states = rhea::test::kSlowness == 1 ? 250 : 60;
    test::OnLoop loop;
    const Services services;
    const Result<Proof> proof = loop.run(prove(loop.loop(), services, std::move(plan)));
    ASSERT_TRUE(proof.ok()) << proof.error().describe();
    std::string told;
    for (const ModeProof& mode : proof->modes) told += humanReport(*proof, mode);
    EXPECT_TRUE(proof->holds()) << told << conclusion(*proof);
  }

 private:
  static Task<Result<void>> copy(std::string from, std::string to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
    co_return success();
  }
};

constexpr std::uint64_t kMiB = 1 << 20;

TEST_F(ProveQcow2, EveryModeKeepsItsPromise) {
  Create options = sized(2 * kMiB);
  options.clusterSize = 4096;
  holds(options);
}

TEST_F(ProveQcow2, WithTablesThatGrow) {
  Create options = sized(2 * kMiB);
  options.clusterSize = 512;
  options.refcountBits = 64;
  holds(options);
}

TEST_F(ProveQcow2, WithSubclusters) {
  Create options = sized(2 * kMiB);
  options.extendedL2 = true;
  options.clusterSize = 16384;
  holds(options);
}

TEST_F(ProveQcow2, WithLazyRefcounts) {
  Create options = sized(2 * kMiB);
  options.lazyRefcounts = true;
  options.clusterSize = 4096;
  holds(options);
}

}  // namespace
}  // namespace rhea::block::prove
