// Who is told that the machine stops and runs, and in which order.
#include "emu/object/run-state.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rhea::object
