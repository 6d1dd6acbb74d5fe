// Lines of the human monitor. Any bytes are either refused with a message, or become the JSON arguments of a command;
// help and completion answer everywhere in the line. The forms are those of the program itself.
#include <cstdlib>

#include "emu/io/offload.h"
#include "monitor/human/completer.h"
#include "monitor/human/human-table.h"
#include "monitor/human/shell.h"
#include "qapi/dispatch.h"
#include "tests/support/run-task.h"

namespace rhea::monitor {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Stands for the machine: takes what the shell understood, and holds it against the command's type.
class FuzzExecutor final : public Executor {
 public:
  Task<Result<json::Text>> execute(std::string command, json::Text arguments) override {
    const CommandEntry* entry = qapi::findCommand(command);
    require(entry != nullptr);
    examine(*entry->info, arguments);
    if (command == "query-block" || command == "query-named-block-nodes" || command == "query-jobs")
      co_return json::Text("[]");
    co_return Error("nothing runs here").candidates({"disk0", "node0"});
  }
  Task<Result<HumanOutput>> executeHuman(std::string command, json::Text arguments, std::string line) override {
    for (const CommandEntry& entry : qapi::humanCommands()) {
      if (entry.info->name != command) continue;
      examine(*entry.info, arguments);
      co_return HumanOutput(line);
    }
    std::abort();
  }

 private:
  // As the dispatcher and its audit log do with what comes.
  static void examine(const CommandInfo& info, const json::Text& arguments) {
    const Result<json::Value> value = json::parse(arguments);
    require(value.ok() && value->kind() == json::Kind::kObject);
    require(json::parse(json::redacted(*info.arguments, *value)).ok());
  }
};

void run(std::string line) {
  WorkerPool workers;
  const std::unique_ptr<Loop> loop = Loop::create("main", workers).value();
  FuzzExecutor executor;
  Shell shell(humanFormTable(), executor);
  for (const unsigned columns : {0U, 20U}) {
    const ShellOutput output = test::runTask(*loop, shell.run(line, Dress(columns, columns > 0)));
    require(!output.failed || output.text.find(kErrorPrefix.substr(0, 5)) != std::string::npos);
    require(output.text.empty() || output.text.back() == '\n');
  }
  Completer completer(shell);
  for (const std::size_t cursor : {line.size(), line.size() / 2}) {
    const Completion completion = test::runTask(*loop, completer.complete(line, cursor));
    require(completion.start <= cursor);
  }
}

}  // namespace
}  // namespace rhea::monitor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rhea::monitor::run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
