#include <thread>

#include "tests/monitor/qmp-fixture.h"

namespace rhea::monitor {
namespace {

using namespace test;

constexpr EventInfo kPlain{"STOP", 0ms};
constexpr EventInfo kLimited{"VSERPORT_CHANGE", 50ms};

class QmpEvents : public QmpTest {
 protected:
  // Without its time stamp.
  std::string nextEvent(FakeClient& client) {
    const std::string line = nextLine(client);
    const std::size_t at = line.find("\"event\"");
    EXPECT_TRUE(line.starts_with(R"({"timestamp": {"seconds": )")) << line;
    return at == std::string::npos ? line : line.substr(at);
  }
};

TEST_F(QmpEvents, reachEveryClientThatNegotiated) {
  FakeClient one = connectReady();
  FakeClient two = connectReady(false, {"qmp1"});
  FakeClient raw = connect({"qmp2"});
  nextLine(raw);
  events_.emit(kPlain, "{}", {});
  events_.emit(kPlain, R"({"a": 1})", {});
  EXPECT_EQ(nextEvent(one), R"("event": "STOP"})");
  EXPECT_EQ(nextEvent(one), R"("event": "STOP", "data": {"a": 1}})");
  EXPECT_EQ(nextEvent(two), R"("event": "STOP"})");
  EXPECT_FALSE(raw.hasLine());
}

TEST_F(QmpEvents, comeFromAnyThreadInTheirOrder) {
  FakeClient client = connectReady();
  std::thread other([this] {
    for (int number = 0; number < 100; ++number) events_.emit(kPlain, fmt::format(R"({{"n": {}}})", number), {});
  });
  for (int number = 0; number < 100; ++number) {
    ASSERT_EQ(nextEvent(client), fmt::format(R"("event": "STOP", "data": {{"n": {}}}}})", number));
  }
  other.join();
}

TEST_F(QmpEvents, thatAreLimitedDeliverTheNewestLater) {
  FakeClient client = connectReady();
  for (int number = 0; number < 5; ++number) events_.emit(kLimited, fmt::format(R"({{"n": {}}})", number), "a");
  events_.emit(kLimited, R"({"n": 9})", "b");
  EXPECT_EQ(nextEvent(client), R"("event": "VSERPORT_CHANGE", "data": {"n": 0}})");
  EXPECT_EQ(nextEvent(client), R"("event": "VSERPORT_CHANGE", "data": {"n": 9}})");
  EXPECT_FALSE(client.hasLine());
  const TimePoint before = Clock::now();
  EXPECT_EQ(nextEvent(client), R"("event": "VSERPORT_CHANGE", "data": {"n": 4}})");
  EXPECT_GT(Clock::now() - before, 30ms);
  pause(80ms);
  EXPECT_FALSE(client.hasLine());
  events_.emit(kLimited, R"({"n": 10})", "a");
  EXPECT_EQ(nextEvent(client), R"("event": "VSERPORT_CHANGE", "data": {"n": 10}})");
}

TEST_F(QmpEvents, thatDoNotFitAreCountedAndTold) {
  FakeClient client = connectReady();
  const std::string data = R"({"text": ")" + std::string(10'000, 'x') + "\"}";
  for (int number = 0; number < 2000; ++number) {
    events_.emit(kPlain, data, {});
    if (number % 100 == 0) pause(1ms);
  }
  pause(1ms);
  const std::uint64_t dropped = clients_.all().front()->info().eventsDropped;
  EXPECT_GT(dropped, 1000U);
  int delivered = 0;
  std::string event;
  for (event = nextEvent(client); event.starts_with(R"("event": "STOP")"); event = nextEvent(client)) ++delivered;
  EXPECT_EQ(static_cast<std::uint64_t>(delivered) + dropped, 2000U);
  EXPECT_EQ(event, fmt::format(R"("event": "EVENTS_DROPPED", "data": {{"count": {}}}}})", dropped));
  events_.emit(kPlain, "{}", {});
  EXPECT_EQ(nextEvent(client), R"("event": "STOP"})");
}

TEST_F(QmpEvents, areLeftOutThatAClientDidNotSubscribeTo) {
  FakeClient client = connectReady();
  ASSERT_TRUE(clients_.all().front()->subscribe(std::vector<std::string>{"RESUME"}).ok());
  events_.emit(kPlain, "{}", {});
  events_.emit({"RESUME", 0ms}, "{}", {});
  EXPECT_EQ(nextEvent(client), R"("event": "RESUME"})");
}

}  // namespace
}  // namespace rhea::monitor
