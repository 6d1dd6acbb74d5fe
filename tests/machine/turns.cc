// vCPUs in turn on one thread, and the time that follows from what they execute.
#include "emu/cpu/turns.h"

#include <gtest/gtest.h>

#include <thread>

namespace rhea::cpu {
namespace {

using object::VirtualClock;
using object::VirtualTime;

// Executes what it may, block by block, and halts where it is told to; it ends the turns behind its last instruction.
class Counter final : public Vcpu {
 public:
  Counter(unsigned index, std::string& order) : Vcpu(index, pendingWord_), order_(order) {}

  void runFor(std::uint64_t most) override {
    if (asked(kInterrupt)) {
      take(kInterrupt);
      asleep = false;
    }
    left_ = most;
    const std::uint64_t before = executed;
    while (!asleep && left_ != 0 && !asked(kPause | kEnd | kTurn)) {
      --left_;
      ++executed;
      if (each) each(*this);
      if (executed == last) post(kEnd);
    }
    if (executed != before) order_ += static_cast<char>('a' + index());
  }
  void shorten(std::uint64_t by) override { left_ -= by; }
  std::uint64_t left() const override { return left_; }
  void halt() { asleep = true; }

  void run() override {}
  void dropWrites() override {}
  void reset() override {}
  std::string describe() const override { return {}; }
  std::vector<RegisterValue> registers() const override { return {}; }
  std::uint64_t programCounter() const override { return 0; }
  std::optional<std::uint64_t> translate(std::uint64_t) const override { return std::nullopt; }
  void save(migrate::StateWriter&) const override {}
  Result<void> load(migrate::StateReader&) override { return success(); }

  std::function<void(Counter&)> each;
  std::uint64_t executed = 0;
  std::uint64_t last = 0;
  bool asleep = false;

 private:
  std::uint32_t pendingWord_ = 0;
  std::uint64_t left_ = 0;
  std::string& order_;
};

void runOut(Turns& turns) {
  turns.run([] {}, [] {});
}

TEST(Turns, TimeIsWhatWasExecutedAndATimerFiresAtItsMoment) {
  VirtualClock clock;
  TraceLog trace;
  Turns turns(clock, 3, false, trace);
  std::string order;
  Counter cpu(0, order);
  turns.add(cpu);
  cpu.last = 100'000;
  std::vector<std::pair<std::uint64_t, VirtualTime>> fired;
  VirtualClock::Timer later(clock, [&] { fired.emplace_back(cpu.executed, clock.now()); });
  VirtualClock::Timer sooner(clock, [&] { fired.emplace_back(cpu.executed, clock.now()); });
  later.arm(80'001);  // within an instruction: behind it
  cpu.each = [&](Counter& self) {
    if (self.executed == 500) sooner.arm(clock.now() + 800);
  };
  runOut(turns);
  const std::vector<std::pair<std::uint64_t, VirtualTime>> expected = {{600, 4800}, {10'001, 80'008}};
  EXPECT_EQ(fired, expected);
  EXPECT_EQ(clock.now(), 800'000);
}

TEST(Turns, VcpusFollowOneAnotherInTheSameOrderEachTime) {
  std::string first;
  for (int time = 0; time < 3; ++time) {
    VirtualClock clock;
    TraceLog trace;
    Turns turns(clock, 0, false, trace);
    std::string order;
    Counter a(0, order), b(1, order);
    turns.add(a);
    turns.add(b);
    a.last = 5 * Turns::kTurn;
    b.each = [&](Counter& self) {
      if (self.executed == Turns::kTurn + 7) self.halt();
    };
    VirtualClock::Timer wake(clock, [&] { b.post(kInterrupt); });
    wake.arm(4 * Turns::kTurn);
    runOut(turns);
    if (time == 0) first = order;
    EXPECT_EQ(order, first);
    EXPECT_NE(order.find("abab"), std::string::npos) << order;
    EXPECT_GT(b.executed, Turns::kTurn + 7) << "the timer did not wake it";
  }
}

TEST(Turns, WhereAllAreHaltedTimeGoesOnToTheNextTimer) {
  VirtualClock clock;
  TraceLog trace;
  Turns turns(clock, 0, false, trace);
  std::string order;
  Counter cpu(0, order);
  turns.add(cpu);
  cpu.last = 20;
  cpu.each = [](Counter& self) {
    if (self.executed == 10) self.halt();
  };
  constexpr VirtualTime kDay = 86'400'000'000'000;
  VirtualClock::Timer wake(clock, [&] { cpu.post(kInterrupt); });
  wake.arm(kDay);
  runOut(turns);
  EXPECT_EQ(cpu.executed, 20U);
  EXPECT_EQ(clock.now(), kDay + 10);
}

TEST(Turns, PausedVcpusDoWorkAndTimeStands) {
  VirtualClock clock;
  TraceLog trace;
  Turns turns(clock, 0, false, trace);
  std::string order;
  Counter cpu(0, order);
  turns.add(cpu);
  cpu.post(kPause);
  std::atomic<bool> worked{false};
  std::thread thread([&turns] { runOut(turns); });
  cpu.runOn([&worked] {
    worked.store(true);
    worked.notify_all();
  });
  worked.wait(false);
  EXPECT_EQ(cpu.executed, 0U);
  EXPECT_EQ(clock.now(), 0);
  cpu.last = 1000;
  cpu.unpause();
  thread.join();
  EXPECT_EQ(clock.now(), 1000);
}

}  // namespace
}  // namespace rhea::cpu
