#include "emu/io/cancel.h"

#include <gtest/gtest.h>

#include <thread>

namespace rhea {
namespace {

using namespace std::chrono_literals;

TEST(Cancel, aTokenWithoutASourceIsNeverCancelled) {
  const CancelToken token;
  EXPECT_FALSE(token.requested());
  EXPECT_TRUE(token.check().ok());
  const CancelToken::Registration registration = token.onCancel([] { FAIL(); });
}

TEST(Cancel, runsCallbacksOnceInTheirOrder) {
  const CancelSource source;
  std::string order;
  const auto first = source.token().onCancel([&] { order += 'a'; });
  auto removed = source.token().onCancel([&] { order += 'x'; });
  const auto second = source.token().onCancel([&] { order += 'b'; });
  removed = {};
  source.cancel(Error("stop"));
  source.cancel(Error("again"));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(source.token().reason().message(), "stop");
}

TEST(Cancel, runsACallbackAtOnceWhenItComesLate) {
  const CancelSource source;
  source.cancel(Error("stop"));
  bool ran = false;
  const auto registration = source.token().onCancel([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(Cancel, aCallbackMayEndItsOwnRegistrationAndItsSource) {
  auto source = std::make_unique<CancelSource>();
  const CancelToken token = source->token();
  CancelToken::Registration registration;
  std::string kept(100, 'k');
  registration = token.onCancel([&, kept] {
    registration = {};
    source.reset();
    EXPECT_EQ(kept.size(), 100U);
  });
  source->cancel(Error("stop"));
  EXPECT_EQ(source, nullptr);
}

TEST(Cancel, theEndOfARegistrationWaitsForItsCallbackInAnotherThread) {
  for (int round = 0; round < 300; round++) {
    const CancelSource source;
    auto touched = std::make_unique<std::atomic<int>>(0);
    std::thread other([&source] { source.cancel(Error("stop")); });
    {
      const auto registration = source.token().onCancel([where = touched.get()] {
        where->fetch_add(1);
        std::this_thread::yield();
        where->fetch_add(1);
      });
      if (round % 2 == 0) std::this_thread::yield();
    }
    EXPECT_NE(touched->load(), 1);
    touched.reset();
    other.join();
  }
}

}  // namespace
}  // namespace rhea
