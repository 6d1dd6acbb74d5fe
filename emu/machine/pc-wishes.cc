// Pc: reset, power off and crashes: what the guest or a user wishes of the machine as a whole.
#include "emu/machine/pc.h"
#include "qapi/events-machine.h"
#include "target/x86/cpu.h"

namespace rhea::machine {

void Pc::wish(Wish what, std::string_view why) {
  around_.loop.post([this, alive = alive_, what, text = std::string(why)] {
    if (*alive) carryOut(what, text);
  });
}

void Pc::carryOut(Wish what, const std::string& why) {
  if (around_.ending.requested()) return;
  switch (what) {
    case Wish::kReset:
      if (!options_.reboot) {
        around_.log.info("the guest asked for a reset ({}), and -no-reboot makes that the end", why);
        around_.ending.request(qapi::ShutdownCause::guestReset);
      } else {
        around_.loop.spawn(resetNow(true));
      }
      break;
    case Wish::kPowerOff:
      if (options_.shutdown) {
        around_.ending.request(qapi::ShutdownCause::guestShutdown);
      } else {
        qapi::ShutdownEvent event;
        event.guest = true;
        event.reason = qapi::ShutdownCause::guestShutdown;
        qapi::emit(around_.events, event);
        around_.runState.stopSoon(object::RunState::State::shutdown);
      }
      break;
    case Wish::kPanicked: {
      around_.log.warning("the guest has crashed: {}", why);
      qapi::GuestPanickedEvent event;
      event.action = qapi::GuestPanicAction::pause;
      qapi::emit(around_.events, event);
      around_.runState.stopSoon(object::RunState::State::guestPanicked);
      break;
    }
  }
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
  vcpus_->hold(false);
  around_.runState.wasReset();
  if (around_.runState.running()) vcpus_->machineResumed();
}

void Pc::triplefault(cpu::Vcpu& vcpu, const std::string& why) {
  std::string registers = vcpu.describe();
  if (options_.reboot) {
    around_.log.info("CPU {}: {}: the machine is reset", vcpu.index(), why);
  } else {
    around_.log.error("CPU {}: {}\n{}", vcpu.index(), why, registers);
  }
  wish(Wish::kReset, why);
}

}  // namespace rhea::machine
