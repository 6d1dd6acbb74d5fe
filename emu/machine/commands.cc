// The commands of qapi/machine.json.
#include "emu/base/json-writer.h"
#include "emu/machine/board.h"
#include "emu/machine/identity.h"
#include "emu/machine/pc.h"
#include "emu/object/run-state.h"
#include "qapi/commands-machine.h"
#include "qapi/events-machine.h"
#include "target/x86/model.h"

namespace rhea {

Task<Result<qapi::StatusInfo>> Command<qapi::QueryStatus>::run(CommandContext context, qapi::QueryStatus) {
  const object::RunState& state = context.get<object::RunState>();
  qapi::StatusInfo info;
  info.running = state.running();
  machine::Pc* pc = context.find<machine::Pc>();
  info.singlestep = pc != nullptr && pc->options().oneInsn;
  info.status = state.state();
  co_return info;
}

Task<Result<void>> Command<qapi::Stop>::run(CommandContext context, qapi::Stop) {
  context.setWaitingFor("disks to complete and flush what is under way");
  co_return co_await context.get<object::RunState>().stop();
}

Task<Result<void>> Command<qapi::Cont>::run(CommandContext context, qapi::Cont) {
  co_return context.get<object::RunState>().resume();
}

Task<Result<qapi::NameInfo>> Command<qapi::QueryName>::run(CommandContext context, qapi::QueryName) {
  const machine::Identity& identity = context.get<machine::Identity>();
  qapi::NameInfo info;
  if (!identity.name.empty()) info.name = identity.name;
  co_return info;
}

Task<Result<qapi::UuidInfo>> Command<qapi::QueryUuid>::run(CommandContext context, qapi::QueryUuid) {
  qapi::UuidInfo info;
  info.uuid = context.get<machine::Identity>().uuid;
  co_return info;
}

Task<Result<qapi::TargetInfo>> Command<qapi::QueryTarget>::run(CommandContext, qapi::QueryTarget) {
  qapi::TargetInfo info;
  info.arch = qapi::SysEmuTarget::x8664;
  co_return info;
}

Task<Result<qapi::KvmInfo>> Command<qapi::QueryKvm>::run(CommandContext, qapi::QueryKvm) {
  qapi::KvmInfo info;
  info.enabled = false;
  info.present = false;
  co_return info;
}

Task<Result<std::vector<qapi::MachineInfo>>> Command<qapi::QueryMachines>::run(CommandContext, qapi::QueryMachines) {
  std::vector<qapi::MachineInfo> list;
  for (const machine::Board& board : machine::boards()) {
    qapi::MachineInfo info;
    info.name = board.name;
    if (board.isDefault) info.isDefault = true;
    if (!board.alias.empty()) info.alias = board.alias;
    if (!board.defaultCpuType.empty()) info.defaultCpuType = board.defaultCpuType;
    if (!board.defaultMemoryId.empty()) info.defaultRamId = board.defaultMemoryId;
    info.cpuMax = board.mostCpus;
    info.hotpluggableCpus = false;
    info.numaMemSupported = false;
    info.deprecated = false;
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<std::vector<qapi::CpuDefinitionInfo>>> Command<qapi::QueryCpuDefinitions>::run(CommandContext,
                                                                                           qapi::QueryCpuDefinitions) {
  std::vector<qapi::CpuDefinitionInfo> list;
  for (const x86::ModelName& known : x86::modelNames()) {
    RHEA_CO_TRY(const x86::Model model, x86::modelNamed(known.name));
    qapi::CpuDefinitionInfo info;
    info.name = known.name;
    info.typename_ = machine::CpuObject::typeNameOf(known.name);
    info.migrationSafe = known.migrationSafe;
    info.static_ = known.name == "base";
    if (!known.aliasOf.empty()) info.aliasOf = known.aliasOf;
    info.deprecated = false;
    info.unavailableFeatures = model.unavailable();
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<void>> Command<qapi::SystemReset>::run(CommandContext context, qapi::SystemReset) {
  if (machine::Pc* pc = context.find<machine::Pc>(); pc != nullptr) {
    pc->requestReset();
    co_return success();
  }
  qapi::ResetEvent event;
  event.guest = false;
  event.reason = qapi::ShutdownCause::hostQmpSystemReset;
  qapi::emit(context.events(), event);
  co_return success();
}

Task<Result<void>> Command<qapi::SetAction>::run(CommandContext context, qapi::SetAction arguments) {
  machine::Pc* pc = context.find<machine::Pc>();
  if (pc == nullptr) co_return success();  // nothing of the kind ever happens
  machine::GuestActions& actions = pc->actions();
  actions.reboot = arguments.reboot.value_or(actions.reboot);
  actions.shutdown = arguments.shutdown.value_or(actions.shutdown);
  actions.panic = arguments.panic.value_or(actions.panic);
  co_return success();
}

Task<Result<void>> Command<qapi::SystemPowerdown>::run(CommandContext context, qapi::SystemPowerdown) {
  qapi::emit(context.events(), qapi::PowerdownEvent());
  if (machine::Pc* pc = context.find<machine::Pc>(); pc != nullptr) pc->pressPowerButton();
  co_return success();
}

// What a model says by its name, whether T0 has all of it or not: query-cpu-definitions tells what is unavailable.
Task<Result<qapi::CpuModelExpansionInfo>> Command<qapi::QueryCpuModelExpansion>::run(
    CommandContext, qapi::QueryCpuModelExpansion arguments) {
  RHEA_CO_TRY(x86::Model model, x86::modelNamed(arguments.model.name));
  if (arguments.model.props) {
    if (arguments.model.props->kind() != json::Kind::kObject)
      co_return Error("'props' is no object").where("model.props");
    for (const json::Member& member : arguments.model.props->members()) {
      const json::Kind kind = member.value.kind();
      if (kind != json::Kind::kBool && kind != json::Kind::kString && kind != json::Kind::kInt64)
        co_return Error(fmt::format("'{}' is neither true nor false, nor a number or text", member.key))
            .where("model.props");
      const std::string value = kind == json::Kind::kBool     ? member.value.asBool() ? "on" : "off"
                                : kind == json::Kind::kString ? std::string(member.value.asString())
                                                              : fmt::format("{}", member.value.asInt64());
      Result<void> set = model.set(member.key, value);
      if (!set.ok()) co_return set.takeError().where("model.props");
    }
  }
  model.raiseLevels();
  json::Writer props;
  props.beginObject();
  for (const x86::Feature& feature : x86::features()) {
    props.member(std::string_view(feature.name), model.has(feature.word, feature.bit) || model.lacks(feature));
  }
  props.member("family", model.family);
  props.member("model", model.modelNumber);
  props.member("stepping", model.stepping);
  props.member("level", model.level);
  props.member("xlevel", model.extendedLevel);
  props.member("vendor", std::string_view(model.vendor));
  props.member("model-id", std::string_view(model.description));
  props.endObject();
  qapi::CpuModelExpansionInfo info;
  info.model.name = arguments.type == qapi::CpuModelExpansionType::static_ ? "base" : arguments.model.name;
  RHEA_CO_TRY(info.model.props, json::parse(props.take()));
  co_return info;
}

Task<Result<void>> Command<qapi::InjectNmi>::run(CommandContext context, qapi::InjectNmi) {
  machine::Pc* pc = context.find<machine::Pc>();
  if (pc == nullptr) co_return Error("the machine has no CPU").hint("-machine q35 has");
  for (std::size_t n = 0; n < pc->vcpus().size(); ++n) pc->vcpus().at(n).post(cpu::kNmi);
  co_return success();
}

}  // namespace rhea
