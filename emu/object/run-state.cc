#include "emu/object/run-state.h"

#include "qapi/events-machine.h"

namespace rhea::object {

RunState::RunState(Loop& main, EventSink& events, bool startStopped)
    : main_(main), events_(events), state_(startStopped ? State::prelaunch : State::running) {}

void RunState::observe(Observer& observer, Layer layer) {
  const auto after = std::ranges::upper_bound(observers_, layer, {}, &Observing::layer);
  observers_.insert(after, {&observer, layer});
}

void RunState::forget(Observer& observer) {
  std::erase_if(observers_, [&observer](const Observing& each) { return each.observer == &observer; });
}

std::vector<RunState::Observer*> RunState::observers() const {
  std::vector<Observer*> list;
  for (const Observing& each : observers_) list.push_back(each.observer);
  return list;
}

Task<Result<void>> RunState::stop() {
  if (!running()) co_return success();
  leaveRunning(State::paused);
  co_return co_await tellStopped();
}

void RunState::stopSoon(State why) {
  main_.post([this, why] {
    if (!running()) return;
    leaveRunning(why);
    auto tell = [](RunState* self) -> Task<void> { static_cast<void>(co_await self->tellStopped()); };
    main_.spawn(tell(this));
  });
}

Result<void> RunState::resume() {
  if (running()) return success();
  if (ended_) return Error("the machine is at its end and cannot run on");
  if (state_ == State::shutdown || state_ == State::guestPanicked) {
    return Error("the guest has ended and cannot run on").hint("system_reset starts it anew");
  }
  state_ = State::running;
  ++resumes_;
  qapi::emit(events_, qapi::ResumeEvent());
  std::vector<Observer*> told = observers();
  std::ranges::reverse(told);
  for (Observer* observer : told) observer->machineResumed();
  return success();
}

void RunState::end() {
  state_ = State::shutdown;
  ended_ = true;
}

void RunState::wasReset() {
  if (!ended_ && (state_ == State::shutdown || state_ == State::guestPanicked)) state_ = State::paused;
}

void RunState::leaveRunning(State next) {
  state_ = next;
  qapi::emit(events_, qapi::StopEvent());
}

Task<Result<void>> RunState::tellStopped() {
  Result<void> first;
  const std::vector<Observer*> toTell = observers();
  const unsigned resumes = resumes_;
  for (Observer* observer : toTell) {
    // Who is not told yet runs on: nobody would tell it again.
    if (resumes_ != resumes) co_return Error("the machine was resumed before it had come to a stop");
    // One that left while an earlier one waited is not told any more.
    if (std::ranges::find(observers_, observer, &Observing::observer) == observers_.end()) continue;
    Result<void> told = co_await observer->machineStopped();
    if (!told.ok() && first.ok()) first = std::move(told);
  }
  co_return first;
}

}  // namespace rhea::object
