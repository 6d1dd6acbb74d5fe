// Body: query-stuck. Joins what the monitor knows of commands with what the graph knows of requests.
#include "block/command/support.h"
#include "emu/io/running-commands.h"
#include "qapi/commands-block-cache.h"

namespace rhea {

namespace block {

namespace {

qapi::StuckItem itemOf(const RunningCommands::Info& command) {
  qapi::StuckItem item;
  item.kind = command.operation.empty() ? qapi::StuckKind::command : qapi::StuckKind::operation;
  item.what = command.command;
  item.ageUs = microseconds(command.age);
  if (!command.waitingFor.empty()) item.waitingFor = command.waitingFor;
  if (!command.operation.empty()) item.operation = command.operation;
  if (!command.session.empty()) item.who = command.session;
  return item;
}

qapi::StuckItem itemOf(const StuckRequest& request) {
  qapi::StuckItem item;
  item.kind = qapi::StuckKind::request;
  item.what = request.what;
  item.ageUs = microseconds(request.age);
  if (!request.disk.empty()) item.device = request.disk;
  if (!request.nodeName.empty()) item.nodeName = request.nodeName;
  if (request.at) {
    item.offset = request.at->offset;
    item.length = request.at->length;
  }
  if (request.descriptor >= 0) item.fd = request.descriptor;
  if (!request.fileName.empty()) item.file = request.fileName;
  return item;
}

}  // namespace

}  // namespace block

Task<Result<std::vector<qapi::StuckItem>>> Command<qapi::QueryStuck>::run(CommandContext context,
                                                                          qapi::QueryStuck arguments) {
  constexpr std::uint64_t kLongest = 1000ULL * 3600 * 24 * 365;
  const Duration age = std::chrono::milliseconds(std::min(arguments.olderThanMs.value_or(1000), kLongest));
  std::vector<qapi::StuckItem> list;
  if (const RunningCommands* commands = context.find<RunningCommands>()) {
    for (const RunningCommands::Info& command : commands->list(age)) {
      // The question itself is no news where everything was asked for.
      if (command.command == "query-stuck" && command.operation.empty()) continue;
      list.push_back(block::itemOf(command));
    }
  }
  for (const block::StuckRequest& request : context.get<block::BlockGraph>().stuck(age)) {
    list.push_back(block::itemOf(request));
  }
  std::stable_sort(list.begin(), list.end(), [](const auto& one, const auto& two) { return one.ageUs > two.ageUs; });
  co_return list;
}

}  // namespace rhea
