// Bodies: human-monitor-command, and the human monitor's own commands where they are run by a program.
#include "monitor/human/human-table.h"
#include "monitor/human/local-executor.h"
#include "monitor/human/local.h"
#include "monitor/human/shell.h"
#include "qapi/commands-control.h"
#include "qapi/human-block-core.h"
#include "qapi/human-human.h"

namespace rhea {

using monitor::Caller;
using monitor::LocalExecutor;

namespace {

// Far above what a person types or a script sends; words are split on the main loop.
constexpr std::size_t kLongestLine = std::size_t{64} << 10;

// The same client, with its role; descriptors stay with the session that got them.
std::shared_ptr<const Caller> callerOf(const CommandContext& context) {
  return std::make_shared<const Caller>(context.peer());
}

Task<Result<HumanOutput>> runLocally(CommandContext context, std::string name, json::Text arguments) {
  LocalExecutor executor(context.get<monitor::Dispatcher>(), callerOf(context));
  RHEA_CO_TRY(json::Value value, json::parse(arguments));
  const monitor::LocalContext local(monitor::humanFormTable(), executor, monitor::Dress());
  co_return co_await monitor::localCommand(name)(local, std::move(value));
}

}  // namespace

Task<Result<std::string>> Command<qapi::HumanMonitorCommand>::run(CommandContext context,
                                                                  qapi::HumanMonitorCommand arguments) {
  if (arguments.cpuIndex) {
    co_return Error(fmt::format("there is no CPU {}: the machine has none", *arguments.cpuIndex))
        .where("arguments.cpu-index");
  }
  if (arguments.commandLine.size() > kLongestLine) {
    co_return Error(fmt::format("the line is {} bytes long", arguments.commandLine.size()))
        .where("arguments.command-line")
        .expected(fmt::format("at most {} bytes", kLongestLine))
        .hint("send what is long by the QMP command itself");
  }
  // The first word only: others may be secrets.
  if (const auto words = monitor::splitWords(arguments.commandLine); !words.empty()) {
    context.setWaitingFor(fmt::format("the human command '{}'", words.front().text));
  }
  LocalExecutor executor(context.get<monitor::Dispatcher>(), callerOf(context));
  monitor::Shell shell(monitor::humanFormTable(), executor);
  monitor::ShellOutput output = co_await shell.run(std::move(arguments.commandLine), monitor::Dress());
  // Clients print it as it is, and expect the line ends of a terminal.
  std::string text;
  for (const char byte : output.text) {
    if (byte == '\n') text.push_back('\r');
    text.push_back(byte);
  }
  co_return text;
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Help>::run(CommandContext context, qapi::human::Help arguments) {
  co_return co_await runLocally(std::move(context), "help", json::toText(arguments));
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Info>::run(CommandContext context, qapi::human::Info arguments) {
  co_return co_await runLocally(std::move(context), "info", json::toText(arguments));
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoHistory>::run(CommandContext context,
                                                                      qapi::human::InfoHistory arguments) {
  co_return co_await runLocally(std::move(context), "info history", json::toText(arguments));
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoBlock>::run(CommandContext context,
                                                                    qapi::human::InfoBlock arguments) {
  co_return co_await runLocally(std::move(context), "info block", json::toText(arguments));
}

}  // namespace rhea
