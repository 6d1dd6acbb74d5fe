// From the arguments' JSON to a body and back; the body here is the test's own.
#include <gtest/gtest.h>

#include "emu/io/offload.h"
#include "qapi/commands-jobs.h"
#include "qapi/events-block-core.h"
#include "qapi/events-machine.h"
#include "tests/support/run-task.h"

namespace rhea {

Task<Result<void>> Command<qapi::JobCancel>::run(CommandContext /*context*/, qapi::JobCancel arguments) {
  if (arguments.id == "none") co_return Error(ErrorClass::kDeviceNotFound, "no such job");
  co_return success();
}

Task<Result<std::vector<qapi::JobInfo>>> Command<qapi::QueryJobs>::run(CommandContext /*context*/,
                                                                       qapi::QueryJobs /*arguments*/) {
  qapi::JobInfo job;
  job.id = "j0";
  job.status = qapi::JobStatus::running;
  job.currentProgress = 5;
  co_return std::vector{job};
}

namespace {

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo& event, std::string data, std::string_view rateKey) override {
    seen = fmt::format("{} {} {} {}", event.name, data, rateKey, event.limit.count());
  }
  std::string seen;
};

class QapiDispatch : public testing::Test {
 protected:
  Result<json::Text> ask(Task<Result<json::Text>> (*invoke)(CommandContext, json::Value), std::string_view arguments) {
    json::Value value;
    if (!arguments.empty()) value = *json::parse(arguments);
    CommandContext context(std::make_shared<CommandContext::State>(services, events));
    return test::runTask(*loop, invoke(context, value));
  }

  Services services;
  NoEvents events;
  WorkerPool workers{1};
  std::unique_ptr<Loop> loop = *Loop::create("test", workers);
};

TEST_F(QapiDispatch, ACommandWithoutAReplyGivesAnEmptyObject) {
  const Result<json::Text> reply = ask(&invokeCommand<qapi::JobCancel>, R"({"id":"j0"})");
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(*reply, "{}");
}

TEST_F(QapiDispatch, TheBodysErrorAndThatOfTheArgumentsComeThrough) {
  const Result<json::Text> none = ask(&invokeCommand<qapi::JobCancel>, R"({"id":"none"})");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().errorClass(), ErrorClass::kDeviceNotFound);
  const Result<json::Text> typo = ask(&invokeCommand<qapi::JobCancel>, R"({"ID":"j0"})");
  ASSERT_FALSE(typo.ok());
  EXPECT_EQ(typo.error().message(), "unknown member 'arguments.ID'; did you mean 'id'?");
}

TEST_F(QapiDispatch, AReplyIsWrittenAndMissingArgumentsAreNone) {
  const Result<json::Text> reply = ask(&invokeCommand<qapi::QueryJobs>, "");
  ASSERT_TRUE(reply.ok()) << reply.error().describe();
  const Result<json::Value> list = json::parse(*reply);
  ASSERT_TRUE(list.ok());
  EXPECT_EQ((*list->items().begin()).find("id")->asString(), "j0");
  EXPECT_EQ((*list->items().begin()).find("status")->asString(), "running");
  EXPECT_FALSE(ask(&invokeCommand<qapi::QueryJobs>, R"({"x":1})").ok());
}

TEST_F(QapiDispatch, AnEventCarriesItsNameItsDataAndItsRateKey) {
  qapi::emit(events, qapi::StopEvent());
  EXPECT_EQ(events.seen, "STOP {}  0");
  qapi::BlockWriteThresholdEvent event;
  event.nodeName = "n0";
  event.amountExceeded = 1;
  event.writeThreshold = 2;
  qapi::emit(events, event);
  EXPECT_EQ(events.seen.substr(0, events.seen.find('}') + 1),
            R"(BLOCK_WRITE_THRESHOLD {"node-name": "n0", "amount-exceeded": 1, "write-threshold": 2})");
}

TEST(QapiCommandInfo, SaysWhatTheSchemaSays) {
  EXPECT_EQ(qapi::JobCancel::info.name, "job-cancel");
  EXPECT_EQ(qapi::JobCancel::info.effect, Effect::kChange);
  EXPECT_EQ(qapi::QueryJobs::info.effect, Effect::kRead);
  EXPECT_EQ(qapi::JobCancel::info.arguments->members.size(), 1U);
}

}  // namespace
}  // namespace rhea
