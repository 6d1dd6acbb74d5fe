// Who is told that the machine stops and runs, and in which order.
#include "emu/object/run-state.h"

#include <gtest/gtest.h>

#include "emu/io/sync.h"
#include "tests/object/run-now.h"

namespace rhea::object {
namespace {

class Listener final : public RunState::Observer {
 public:
  Listener(std::string& told, char name) : told_(told), name_(name) {}
  Task<Result<void>> machineStopped() override {
    told_ += name_;
    co_return success();
  }
  void machineResumed() override { told_ += name_; }

 private:
  std::string& told_;
  char name_;
};

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

TEST(RunState, StopsCpusThenDevicesThenDisksWhoeverCameFirstAndRunsThemBackwards) {
  test::TestLoop loop;
  NoEvents events;
  RunState state(loop.loop(), events, false);
  std::string told;
  Listener disk(told, 'k'), device(told, 'd'), late(told, 'D'), cpu(told, 'c');
  state.observe(disk, RunState::Layer::kDisks);
  state.observe(device, RunState::Layer::kDevices);
  state.observe(cpu, RunState::Layer::kCpus);
  state.observe(late, RunState::Layer::kDevices);
  EXPECT_TRUE(loop.run(state.stop()).ok());
  EXPECT_EQ(told, "cdDk");
  told.clear();
  EXPECT_TRUE(state.resume().ok());
  EXPECT_EQ(told, "kDdc");
  state.forget(device);
  told.clear();
  EXPECT_TRUE(loop.run(state.stop()).ok());
  EXPECT_EQ(told, "cDk");
}

class Slow final : public RunState::Observer {
 public:
  Task<Result<void>> machineStopped() override {
    (void)co_await ready.wait();
    co_return success();
  }
  void machineResumed() override {}
  Event ready;
};

// Whoever was told to run on must not be stopped by a stop of before, which nobody would undo.
TEST(RunState, AStopThatStillWaitsEndsWhereTheMachineIsResumed) {
  test::TestLoop loop;
  NoEvents events;
  RunState state(loop.loop(), events, false);
  std::string told;
  Slow slow;
  Listener disk(told, 'k');
  state.observe(slow, RunState::Layer::kDevices);
  state.observe(disk, RunState::Layer::kDisks);
  auto both = [](RunState& at, Slow& waiting) -> Task<Result<void>> {
    Event ended;
    Result<void> outcome = success();
    auto stop = [](RunState& which, Event& done, Result<void>& to) -> Task<void> {
      to = co_await which.stop();
      done.set();
    };
    Loop::current()->spawn(stop(at, ended, outcome));
    while (at.running()) (void)co_await Loop::current()->sleep(std::chrono::milliseconds(1));
    EXPECT_TRUE(at.resume().ok());
    waiting.ready.set();
    (void)co_await ended.wait();
    co_return outcome;
  };
  EXPECT_FALSE(loop.run(both(state, slow)).ok());
  EXPECT_EQ(told, "k") << "it was told to run, and not to stop";
}

}  // namespace
}  // namespace rhea::object
