// What is written while the loop ends its round must not wait for the next event.

#include "emu/chardev/outlet.h"

#include <gtest/gtest.h>

#include "emu/io/sync.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::chardev {
namespace {

struct Written : Flushable {
  explicit Written(Event& told) : flushed(told) {}
  void flush() override { flushed.set(); }
  Event& flushed;
};

// As a file engine does: it comes after the outlet, and what it completes writes.
struct LateWriter : Loop::RoundEnd {
  LateWriter(Loop& on, Outlet& to, std::shared_ptr<Flushable> what) : loop(on), outlet(to), stream(std::move(what)) {
    loop.addRoundEnd(*this);
  }
  ~LateWriter() override { loop.removeRoundEnd(*this); }
  void endOfRound() override {
    if (stream) outlet.flushLater(std::exchange(stream, nullptr));
  }
  Loop& loop;
  Outlet& outlet;
  std::shared_ptr<Flushable> stream;
};

using OutletTest = rhea::test::LoopTest;

TEST_F(OutletTest, FlushesWhatIsWrittenAtTheEndOfARound) {
  Outlet outlet(*loop_);
  Event flushed;
  const LateWriter writer(*loop_, outlet, std::make_shared<Written>(flushed));
  CancelSource patience;
  const auto alarm = loop_->timer(std::chrono::seconds(5), [&patience] { patience.cancel(Error("never flushed")); });
  const Result<void> waited = rhea::test::runTask(*loop_, flushed.wait(patience.token()));
  EXPECT_TRUE(waited.ok()) << waited.error().message();
}

}  // namespace
}  // namespace rhea::chardev
