// Pc: reset, power off and crashes: what the guest or a user wishes of the machine as a whole.
#include "emu/machine/pc.h"
#include "qapi/events-machine.h"
#include "target/x86/cpu.h"

namespace rhea::machine {

void Pc::wish(Wish what, std::string_view why) {
  const bool goesOn =
      what == Wish::kCrashLoaded || (what == Wish::kPanicked && options_.actions.panic == qapi::PanicAction::none);
  if (!goesOn) stopComes_.store(true);
  around_.loop.post([this, alive = alive_, what, text = std::string(why)] {
    if (*alive) carryOut(what, text);
  });
}

void Pc::carryOut(Wish what, const std::string& why) {
  if (around_.ending.requested()) return;
  switch (what) {
    case Wish::kReset:
      if (options_.actions.reboot == qapi::RebootAction::shutdown) {
        around_.log.info("the guest asked for a reset ({}), and -no-reboot makes that the end", why);
        around_.ending.request(qapi::ShutdownCause::guestReset);
      } else {
        around_.loop.spawn(resetNow(true));
      }
      break;
    case Wish::kPowerOff:
      if (options_.actions.shutdown == qapi::ShutdownAction::poweroff) {
        around_.ending.request(qapi::ShutdownCause::guestShutdown);
      } else {
        qapi::ShutdownEvent event;
        event.guest = true;
        event.reason = qapi::ShutdownCause::guestShutdown;
        qapi::emit(around_.events, event);
        around_.runState.stopSoon(object::RunState::State::shutdown);
      }
      break;
    case Wish::kPanicked:
      panicked(why);
      break;
    case Wish::kCrashLoaded: {
      around_.log.warning("the guest has crashed and loads its crash kernel: {}", why);
      qapi::GuestCrashloadedEvent event;
      event.action = qapi::GuestPanicAction::run;
      qapi::emit(around_.events, event);
      break;
    }
  }
}

void Pc::panicked(const std::string& why) {
  around_.log.warning("the guest has crashed: {}", why);
  qapi::PanicAction action = options_.actions.panic;
  // Who wants to look at a machine that was turned off wants to look at one that crashed.
  if (action == qapi::PanicAction::shutdown && options_.actions.shutdown == qapi::ShutdownAction::pause)
    action = qapi::PanicAction::pause;
  qapi::GuestPanickedEvent event;
  event.action = qapi::GuestPanicAction::poweroff;
  if (action == qapi::PanicAction::pause) event.action = qapi::GuestPanicAction::pause;
  if (action == qapi::PanicAction::none) event.action = qapi::GuestPanicAction::run;
  qapi::emit(around_.events, event);
  if (action == qapi::PanicAction::none) return;
  around_.runState.stopSoon(object::RunState::State::guestPanicked);
  if (action == qapi::PanicAction::pause) return;
  around_.ending.request(qapi::ShutdownCause::guestPanic, action == qapi::PanicAction::exitFailure ? 1 : 0);
}

void Pc::requestReset() {
  if (!around_.ending.requested()) around_.loop.spawn(resetNow(false));
}

void Pc::pressPowerButton() { power_->pressPowerButton(); }

// vCPUs first, so that nothing touches devices; devices complete what is under way; then everything begins anew.
Task<void> Pc::resetNow(bool byGuest) {
  if (resetting_) {
    resetAgain_ = true;
    co_return;
  }
  resetting_ = true;
  vcpus_->hold(true);
  do {
    resetAgain_ = false;
    static_cast<void>(co_await vcpus_->machineStopped());
    co_await hw::resetDevices(*around_.tree.root().child("machine"));
    const std::function<void(cpu::Vcpu&)> reset = [](cpu::Vcpu& vcpu) { vcpu.reset(); };
    co_await vcpus_->onEach(reset);
    const std::function<void(cpu::Vcpu&)> enter = [this](cpu::Vcpu&) { enterKernel(); };
    co_await vcpus_->on(0, enter);
    qapi::ResetEvent event;
    event.guest = byGuest;
    event.reason = byGuest ? qapi::ShutdownCause::guestReset : qapi::ShutdownCause::hostQmpSystemReset;
    qapi::emit(around_.events, event);
  } while (resetAgain_);
  resetting_ = false;
  stopComes_.store(false);
  vcpus_->hold(false);
  around_.runState.wasReset();
  if (around_.runState.running()) vcpus_->machineResumed();
}

// On the vCPU's thread.
void Pc::triplefault(cpu::Vcpu& vcpu, const std::string& why) {
  around_.loop.post([this, alive = alive_, why, index = vcpu.index(), registers = vcpu.describe()] {
    if (!*alive) return;
    if (options_.actions.reboot == qapi::RebootAction::reset) {
      around_.log.info("CPU {}: {}: the machine is reset", index, why);
    } else {
      around_.log.error("CPU {}: {}\n{}", index, why, registers);
    }
    carryOut(Wish::kReset, why);
  });
}

// What the guest's clock has missed of the host's time while it stood.
void Pc::machineResumed() {
  stopComes_.store(false);
  if (options_.rtc.follows == RtcOptions::Follows::kVirtualTime) return;
  const std::int64_t ahead = hostTime() - clock_.now();
  rtc_->advance(ahead - std::exchange(rtcAhead_, ahead));
}

// Nanoseconds of the clock that the RTC follows.
std::int64_t Pc::hostTime() const {
  const bool isUptime = options_.rtc.follows == RtcOptions::Follows::kHostUptime;
  const auto time = isUptime ? std::chrono::steady_clock::now().time_since_epoch()
                             : std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(time).count();
}

}  // namespace rhea::machine
