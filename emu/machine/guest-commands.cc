// CPUs, interrupt controllers and the keyboard, as monitors ask for them.
#include "emu/base/names.h"
#include "emu/machine/pc.h"
#include "hw/input/keys.h"
#include "qapi/commands-guest.h"
#include "qapi/human-guest.h"

namespace rhea {

namespace {

using machine::Pc;

Error noCpu() { return Error("the machine has no CPU").hint("-machine q35 has"); }

Result<std::size_t> cpuNumber(Pc& pc, std::optional<std::int64_t> given, std::string_view what) {
  const std::int64_t number = given.value_or(0);
  if (number >= 0 && static_cast<std::size_t>(number) < pc.vcpus().size()) return static_cast<std::size_t>(number);
  return Error(fmt::format("there is no {} {}", what, number)).expected(fmt::format("0 to {}", pc.vcpus().size() - 1));
}

Task<std::string> registersText(Pc* pc, std::size_t index) {
  auto text = std::make_shared<std::string>();
  const std::function<void(cpu::Vcpu&)> work = [text](cpu::Vcpu& vcpu) { *text = vcpu.describe(); };
  co_await pc->vcpus().on(index, work);
  co_return *text;
}

Result<const hw::Key*> keyNumbered(std::int64_t number) {
  constexpr std::int64_t kExtended = 0x80;
  for (const hw::Key& key : hw::keys()) {
    if ((hw::translated(key.code) | (key.extended ? kExtended : 0)) == number) return &key;
  }
  return Error(fmt::format("{:#x} is no key's scan code", number))
      .expected("a code of set 1, with 0x80 for extended ones");
}

Result<const hw::Key*> keyOf(const qapi::KeyValue& value) {
  if (const auto* number = std::get_if<qapi::IntWrapper>(&value.u); number != nullptr) return keyNumbered(number->data);
  const std::string_view name = toString(std::get<qapi::QKeyCodeWrapper>(value.u).data);
  return hw::findKey(name);  // the schema's names are the table's
}

Task<Result<void>> pressKeys(CommandContext context, std::vector<const hw::Key*> keys,
                             std::optional<std::int64_t> hold) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return Error("the machine has no keyboard").hint("-machine q35 has");
  constexpr std::int64_t kHold = 100, kLongest = 60'000;
  const std::int64_t time = hold.value_or(kHold);
  if (time < 0 || time > kLongest)
    co_return Error(fmt::format("keys cannot be held for {} ms", time)).expected("0 to 60000");
  bool taken = true;
  for (const hw::Key* key : keys) taken = pc->keyboard().press(*key, true) && taken;
  // Released in any case, so that no key stays down.
  RHEA_CO_CHECK(co_await pc->mainLoop().sleep(std::chrono::milliseconds(time)));
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) taken = pc->keyboard().press(**key, false) && taken;
  if (!taken) co_return Error("the guest does not read its keyboard: keys were lost");
  co_return success();
}

}  // namespace

Task<Result<std::vector<qapi::CpuInfoFast>>> Command<qapi::QueryCpusFast>::run(CommandContext context,
                                                                               qapi::QueryCpusFast) {
  std::vector<qapi::CpuInfoFast> list;
  Pc* pc = context.find<Pc>();
  for (std::size_t n = 0; pc != nullptr && n < pc->vcpus().size(); ++n) {
    qapi::CpuInfoFast info;
    info.cpuIndex = static_cast<std::int64_t>(n);
    const machine::CpuObject& cpu = pc->cpuObject(n);
    info.qomPath = cpu.path();
    info.threadId = std::abs(pc->vcpus().at(n).hostThread());  // negative where another has its turn
    qapi::CpuInstanceProperties place;
    place.threadId = cpu.thread();
    place.coreId = cpu.core();
    place.socketId = cpu.socket();
    info.props = std::move(place);
    info.target = qapi::SysEmuTarget::x8664;
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<void>> Command<qapi::SendKey>::run(CommandContext context, qapi::SendKey arguments) {
  std::vector<const hw::Key*> keys;
  for (const qapi::KeyValue& value : arguments.keys) {
    RHEA_CO_TRY(const hw::Key* key, keyOf(value));
    keys.push_back(key);
  }
  co_return co_await pressKeys(std::move(context), std::move(keys), arguments.holdTime);
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Sendkey>::run(CommandContext context,
                                                                  qapi::human::Sendkey arguments) {
  std::vector<const hw::Key*> keys;
  std::string_view rest = arguments.keys;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('-'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    const hw::Key* key = hw::findKey(name);
    if (key == nullptr && name.starts_with("0x")) {
      RHEA_CO_TRY(key, keyNumbered(std::strtoll(std::string(name).c_str(), nullptr, 16)));
    }
    if (key == nullptr) {
      std::vector<std::string_view> names;
      for (const hw::Key& one : hw::keys()) names.push_back(one.name);
      co_return Error(fmt::format("there is no key '{}'", name)).candidates(nearestNames(name, names));
    }
    keys.push_back(key);
  }
  RHEA_CO_CHECK(co_await pressKeys(std::move(context), std::move(keys), arguments.holdMs));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::MouseMove>::run(CommandContext context,
                                                                    qapi::human::MouseMove arguments) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return Error("the machine has no mouse").hint("-machine q35 has");
  constexpr std::int64_t kMost = 32767;
  for (const std::int64_t way : {arguments.dx, arguments.dy, arguments.dz.value_or(0)}) {
    if (way < -kMost || way > kMost) co_return Error(fmt::format("{} is too far", way)).expected("-32767 to 32767");
  }
  pc->keyboard().moveMouse(static_cast<int>(arguments.dx), static_cast<int>(arguments.dy),
                           static_cast<int>(arguments.dz.value_or(0)));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::MouseButton>::run(CommandContext context,
                                                                      qapi::human::MouseButton arguments) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return Error("the machine has no mouse").hint("-machine q35 has");
  constexpr std::int64_t kLeft = 1, kMiddle = 2, kRight = 4;
  if (arguments.state < 0 || arguments.state > (kLeft | kMiddle | kRight)) {
    co_return Error(fmt::format("{} is no state of three buttons", arguments.state)).expected("0 to 7");
  }
  const auto bit = [&arguments](std::int64_t button, hw::Mouse::Button wire) {
    return (arguments.state & button) != 0 ? static_cast<unsigned>(wire) : 0U;
  };
  pc->keyboard().pressMouse(static_cast<std::uint8_t>(bit(kLeft, hw::Mouse::kLeft) | bit(kMiddle, hw::Mouse::kMiddle) |
                                                      bit(kRight, hw::Mouse::kRight)));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoRegisters>::run(CommandContext context,
                                                                        qapi::human::InfoRegisters arguments) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return noCpu();
  RHEA_CO_TRY(const std::size_t first, cpuNumber(*pc, arguments.vcpu, "CPU"));
  const std::size_t end = arguments.all ? pc->vcpus().size() : first + 1;
  std::string text;
  for (std::size_t n = arguments.all ? 0 : first; n < end; ++n) {
    std::string one = co_await registersText(pc, n);
    text += fmt::format("{}CPU#{}\n{}", text.empty() ? "" : "\n", n, one);
  }
  co_return HumanOutput(std::move(text));
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoIrq>::run(CommandContext context, qapi::human::InfoIrq) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return HumanOutput("(the machine has no interrupt controller)\n");
  std::string text = pc->ioApic().describe() + pc->pic().describe();
  for (const hw::LocalApic* apic : pc->apicBus().apics()) text += apic->describe();
  co_return HumanOutput(std::move(text));
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoPic>::run(CommandContext context, qapi::human::InfoPic) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return HumanOutput("(the machine has no interrupt controller)\n");
  co_return HumanOutput(pc->pic().describe() + pc->ioApic().describe());
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoLapic>::run(CommandContext context,
                                                                    qapi::human::InfoLapic arguments) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return noCpu();
  RHEA_CO_TRY(const std::size_t number, cpuNumber(*pc, arguments.apicId, "local APIC"));
  co_return HumanOutput(pc->apicBus().apics()[number]->describe());
}

}  // namespace rhea
