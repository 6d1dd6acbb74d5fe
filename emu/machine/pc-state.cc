// Pc: the state of a stopped machine but for its memory, saved and loaded: time, devices, vCPUs.
#include "emu/machine/pc.h"

namespace rhea::machine {

Task<migrate::StateWriter> Pc::saveState() {
  migrate::StateWriter to;
  to.put("time", clock_.now());
  to.put("host-clock-ahead", rtcAhead_);
  migrate::StateWriter devices;
  hw::saveDevices(*around_.tree.root().child("machine"), devices);
  to.putSection("devices", devices);
  for (std::size_t n = 0; n < vcpus_->size(); ++n) {
    auto state = std::make_shared<migrate::StateWriter>();
    const std::function<void(cpu::Vcpu&)> save = [state](cpu::Vcpu& vcpu) { vcpu.save(*state); };
    co_await vcpus_->on(n, save);
    to.putSection(fmt::format("cpu{}", n), *state);
  }
  co_return to;
}

// Time first: timers are set by it. vCPUs last: nothing that devices do on loading is to find them running.
Task<Result<void>> Pc::loadState(migrate::StateReader from) {
  object::VirtualTime time = 0;
  RHEA_CO_CHECK(from.get("time", time));
  if (time < 0) co_return Error("the saved machine's time is before its start");
  clock_.set(time);
  RHEA_CO_CHECK(from.get("host-clock-ahead", rtcAhead_));
  // How long another host has been up says nothing here.
  if (options_.rtc.follows == RtcOptions::Follows::kHostUptime) rtcAhead_ = hostTime() - time;
  RHEA_CO_TRY(migrate::StateReader devices, from.section("devices"));
  RHEA_CO_CHECK(hw::loadDevices(*around_.tree.root().child("machine"), devices));
  for (std::size_t n = 0; n < vcpus_->size(); ++n) {
    RHEA_CO_TRY(migrate::StateReader cpu, from.section(fmt::format("cpu{}", n)));
    auto outcome = std::make_shared<Result<void>>(success());
    const std::function<void(cpu::Vcpu&)> load = [&cpu, outcome](cpu::Vcpu& vcpu) { *outcome = vcpu.load(cpu); };
    co_await vcpus_->on(n, load);
    RHEA_CO_CHECK(std::move(*outcome));
  }
  co_return from.finish();
}

}  // namespace rhea::machine
