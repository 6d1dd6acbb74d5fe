#include "emu/object/iothread.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "emu/object/tree.h"
#include "tests/object/run-now.h"

namespace rhea::object {
namespace {

class IoThreadTest : public ::testing::Test {
 protected:
  IoThreadTest() : tree_(classes_, services_) { IoThread::addClass(classes_); }
  ~IoThreadTest() override {
    auto end = [](ObjectTree& tree) -> Task<bool> {
      co_await tree.removeAll();
      co_return true;
    };
    test_.run(end(tree_));
  }

  Result<void> add(std::string_view json, json::Spelling spelling = json::Spelling::kJson) {
    return test_.run(tree_.create(*json::parse(json), spelling));
  }

  test::TestLoop test_;
  ClassTable classes_;
  Services services_;
  ObjectTree tree_;
};

Task<std::int64_t> threadOf(Loop& there, Loop& here) {
  co_await there.enter();
  const std::int64_t thread = ::gettid();
  co_await here.enter();
  co_return thread;
}

TEST_F(IoThreadTest, RunsTasksOnAThreadOfItsOwn) {
  ASSERT_TRUE(add(R"({"qom-type": "iothread", "id": "io0"})").ok());
  IoThread* thread = *tree_.made<IoThread>("io0", "iothread");
  EXPECT_NE(thread->threadId(), ::gettid());
  EXPECT_EQ(test_.run(threadOf(thread->loop(), test_.loop())), thread->threadId());
  EXPECT_EQ(*tree_.get(*thread, "thread-id"), std::to_string(thread->threadId()));
}

TEST_F(IoThreadTest, ThreadCarriesItsNameForDebuggers) {
  ASSERT_TRUE(add(R"({"qom-type": "iothread", "id": "disk-thread"})").ok());
  const std::int64_t thread = (*tree_.made<IoThread>("disk-thread", "iothread"))->threadId();
  std::string name;
  std::ifstream(fmt::format("/proc/self/task/{}/comm", thread)) >> name;
  EXPECT_EQ(name, "disk-thread");
}

TEST_F(IoThreadTest, ThreadIsGoneAfterDeletion) {
  ASSERT_TRUE(add(R"({"qom-type": "iothread", "id": "io0"})").ok());
  const std::string task = fmt::format("/proc/self/task/{}", (*tree_.made<IoThread>("io0", "iothread"))->threadId());
  EXPECT_EQ(::access(task.c_str(), F_OK), 0);
  ASSERT_TRUE(test_.run(tree_.remove("io0")).ok());
  EXPECT_NE(::access(task.c_str(), F_OK), 0);
}

TEST_F(IoThreadTest, SettingsReachTheLoopAtOnceAndBeforeItIsMade) {
  ASSERT_TRUE(add(R"({"qom-type": "iothread", "id": "io0", "poll-max-ns": 5000, "aio-max-batch": 3})").ok());
  IoThread* thread = *tree_.made<IoThread>("io0", "iothread");
  EXPECT_EQ(tuningOf(thread->loop()).pollMostNs, 5000);
  EXPECT_EQ(tuningOf(thread->loop()).maxBatch, 3);
  ASSERT_TRUE(tree_.set(*thread, "poll-max-ns", *json::parse("0")).ok());
  ASSERT_TRUE(tree_.set(*thread, "poll-grow", *json::parse("4")).ok());
  ASSERT_TRUE(tree_.set(*thread, "poll-shrink", *json::parse("2")).ok());
  EXPECT_EQ(tuningOf(thread->loop()).pollMostNs, 0);
  EXPECT_EQ(tuningOf(thread->loop()).pollGrow, 4);
  EXPECT_EQ(tuningOf(thread->loop()).pollShrink, 2);
  EXPECT_EQ(*tree_.get(*thread, "poll-grow"), "4");
}

TEST_F(IoThreadTest, TheUsualPollingTimeIsTheOneThatClientsKnow) {
  ASSERT_TRUE(add(R"({"qom-type": "iothread", "id": "io0"})").ok());
  IoThread* thread = *tree_.made<IoThread>("io0", "iothread");
  EXPECT_EQ(*tree_.get(*thread, "poll-max-ns"), "32768");
  EXPECT_EQ(tuningOf(thread->loop()).pollMostNs, 32768);
}

TEST_F(IoThreadTest, SettingsOutOfRangeAreRefusedByName) {
  Result<void> made = add(R"({"qom-type": "iothread", "id": "io0", "poll-max-ns": -1})");
  EXPECT_EQ(made.error().message(), "object 'io0' of type iothread: poll-max-ns: -1 is out of range");
  EXPECT_EQ(made.error().expectedText(), "0 to 1000000000");
  ASSERT_TRUE(add(R"({"qom-type": "iothread", "id": "io0"})").ok());
  EXPECT_FALSE(tree_.set(**tree_.find("io0"), "aio-max-batch", *json::parse("5000")).ok());
}

}  // namespace
}  // namespace rhea::object
