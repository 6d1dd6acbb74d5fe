// query-command-line-options.
#include "emu/base/names.h"
#include "emu/object/command-line.h"
#include "qapi/commands-introspect.h"

namespace rhea {

namespace {

qapi::CommandLineOptionInfo infoOf(const OptionInfo& option) {
  qapi::CommandLineOptionInfo info;
  info.option = option.name;
  for (const OptionParameter& parameter : option.parameters) {
    qapi::CommandLineParameterInfo told;
    told.name = parameter.name;
    told.type = qapi::fromString<qapi::CommandLineParameterType>(parameter.type)
                    .value_or(qapi::CommandLineParameterType::string);
    told.help = std::string(parameter.doc);
    if (!parameter.initial.empty()) told.default_ = std::string(parameter.initial);
    info.parameters.push_back(std::move(told));
  }
  return info;
}

// Those of the key=value kind that this build has.
bool isTold(const OptionInfo& option) {
  return option.refusal.empty() &&
         (option.argument == OptionArgument::kKeyval || option.argument == OptionArgument::kJson);
}

}  // namespace

Task<Result<std::vector<qapi::CommandLineOptionInfo>>> Command<qapi::QueryCommandLineOptions>::run(
    CommandContext context, qapi::QueryCommandLineOptions arguments) {
  std::vector<qapi::CommandLineOptionInfo> list;
  std::vector<std::string_view> names;
  for (const OptionInfo& option : context.get<object::CommandLine>().table()) {
    if (!isTold(option)) continue;
    names.push_back(option.name);
    if (!arguments.option || *arguments.option == option.name) list.push_back(infoOf(option));
  }
  if (arguments.option && list.empty()) {
    co_return Error(fmt::format("there is no option -{} with keys", *arguments.option))
        .candidates(nearestNames(*arguments.option, std::span<const std::string_view>(names)));
  }
  co_return list;
}

}  // namespace rhea
