#include "monitor/human/local-executor.h"

#include "qapi/dispatch.h"

namespace rhea::monitor {

Task<Result<json::Text>> LocalExecutor::execute(std::string command, json::Text arguments) {
  RHEA_CO_TRY(json::Value value, json::parse(arguments));
  co_return co_await dispatcher_.execute(caller_, std::move(command), std::move(value));
}

Task<Result<HumanOutput>> LocalExecutor::executeHuman(std::string command, json::Text arguments, std::string) {
  RHEA_CO_TRY(json::Value value, json::parse(arguments));
  const std::span<const CommandEntry> table = qapi::humanCommands();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const CommandEntry& entry) { return entry.info->name == command; });
  if (found == table.end()) {
    co_return Error(ErrorClass::kCommandNotFound, fmt::format("this program has no '{}'", command));
  }
  RHEA_CO_TRY(const json::Text output, co_await dispatcher_.execute(caller_, *found, std::move(value)));
  co_return unpackHumanOutput(output);
}

}  // namespace rhea::monitor
