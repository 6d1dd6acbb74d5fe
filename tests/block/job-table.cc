#include "block/job/job-table.h"

#include <gtest/gtest.h>

#include "emu/io/offload.h"

namespace rhea::block {
namespace {

using Status = qapi::JobStatus;

// A job that goes on one step each time the test lets it.
class StepJob final : public Job {
 public:
  StepJob(JobOptions options, Semaphore& steps, bool fails) : Job(std::move(options)), steps_(steps), fails_(fails) {}
  qapi::JobType type() const override { return qapi::JobType::create; }
  std::uint64_t progress() const override { return done_; }
  std::uint64_t total() const override { return 2; }

 protected:
  Task<Result<void>> run() override {
    for (; done_ < 2; ++done_) {
      RHEA_CO_CHECK(co_await steps_.acquire(1, cancelToken()));
      RHEA_CO_CHECK(co_await pausePoint());
    }
    if (fails_) co_return Error("the disk is full");
    co_return success();
  }

 private:
  Semaphore& steps_;
  bool fails_;
  std::uint64_t done_ = 0;
};

class JobTableTest : public ::testing::Test {
 protected:
  JobTableTest() : loop_(*Loop::create("test", workers_)), jobs_(*loop_) {
    jobs_.setObserver([this](const Job& job) { seen_.push_back(job.status()); });
  }
  ~JobTableTest() override {
    bool done = false;
    loop_->spawn(stop(done));
    loop_->waitUntil([&] { return done; });
  }

  Task<void> stop(bool& done) {
    co_await jobs_.stop();
    done = true;
  }
  Result<void> start(bool autoFinalize = true, bool autoDismiss = false, bool fails = false) {
    JobOptions options("j0");
    options.autoFinalize = autoFinalize;
    options.autoDismiss = autoDismiss;
    Result<void> started = success();
    run([&] { started = jobs_.start(std::make_unique<StepJob>(std::move(options), steps_, fails)); });
    return started;
  }
  // Runs something on the loop, and what follows from it.
  void run(const std::function<void()>& work) {
    int turns = 0;
    loop_->post([&] { work(); });
    for (int i = 0; i < 10; ++i) {
      loop_->post([&] { ++turns; });
      const int wanted = i + 1;
      loop_->waitUntil([&] { return turns >= wanted; });
    }
  }
  void step(std::uint64_t count) {
    run([&] { steps_.release(count); });
  }

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_;
  JobTable jobs_;
  Semaphore steps_{0};
  std::vector<Status> seen_;
};

TEST_F(JobTableTest, RunsThroughItsStatesAndWaitsToBeDismissed) {
  ASSERT_TRUE(start().ok());
  step(2);
  EXPECT_EQ(seen_, (std::vector<Status>{Status::created, Status::running, Status::waiting, Status::pending,
                                        Status::concluded}));
  EXPECT_EQ(jobs_.jobs().size(), 1U);
  run([&] { EXPECT_TRUE(jobs_.dismiss("j0").ok()); });
  EXPECT_EQ(seen_.back(), Status::null);
  EXPECT_TRUE(jobs_.jobs().empty());
}

TEST_F(JobTableTest, DismissesItselfWhereToldTo) {
  ASSERT_TRUE(start(true, true).ok());
  step(2);
  EXPECT_EQ(seen_.back(), Status::null);
  EXPECT_TRUE(jobs_.jobs().empty());
}

TEST_F(JobTableTest, PausesAtItsNextPointAndGoesOn) {
  ASSERT_TRUE(start().ok());
  run([&] { EXPECT_TRUE(jobs_.pause("j0").ok()); });
  run([&] { EXPECT_FALSE(jobs_.pause("j0").ok()) << "twice"; });
  step(1);
  EXPECT_EQ(seen_.back(), Status::paused);
  step(5);
  EXPECT_EQ(jobs_.jobs()[0]->progress(), 0U);
  run([&] { EXPECT_TRUE(jobs_.resume("j0").ok()); });
  EXPECT_EQ(seen_.back(), Status::concluded);
  run([&] { EXPECT_FALSE(jobs_.resume("j0").ok()); });
}

TEST_F(JobTableTest, CancelledJobConcludesWithAnError) {
  ASSERT_TRUE(start().ok());
  step(1);
  run([&] { EXPECT_TRUE(jobs_.cancel("j0").ok()); });
  EXPECT_EQ(seen_.back(), Status::concluded);
  EXPECT_EQ(seen_[seen_.size() - 2], Status::aborting);
  ASSERT_TRUE(jobs_.jobs()[0]->error().has_value());
}

TEST_F(JobTableTest, FailureIsKeptUntilDismissed) {
  ASSERT_TRUE(start(true, false, true).ok());
  step(2);
  ASSERT_TRUE(jobs_.jobs()[0]->error().has_value());
  EXPECT_EQ(jobs_.jobs()[0]->error()->message(), "the disk is full");
}

TEST_F(JobTableTest, WaitsForFinalizeWhereToldTo) {
  ASSERT_TRUE(start(false).ok());
  step(2);
  EXPECT_EQ(seen_.back(), Status::pending);
  run([&] { EXPECT_TRUE(jobs_.finalize("j0").ok()); });
  EXPECT_EQ(seen_.back(), Status::concluded);
}

TEST_F(JobTableTest, VerbsThatMeanNothingAreRefusedAndIdsAreUnique) {
  ASSERT_TRUE(start().ok());
  EXPECT_FALSE(start().ok());
  run([&] {
    EXPECT_FALSE(jobs_.dismiss("j0").ok());
    EXPECT_FALSE(jobs_.finalize("j0").ok());
    EXPECT_FALSE(jobs_.complete("j0").ok());
    const Result<const Job*> none = jobs_.find("j1");
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().candidateNames(), (std::vector<std::string>{"j0"}));
  });
}

}  // namespace
}  // namespace rhea::block
