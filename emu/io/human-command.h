// HumanCommand: bodies of the human monitor's own commands, those that have no QMP twin.
//
// The generator declares a specialization per "human-command" of the schema; the room that owns the subject defines its
// run(). The forms (human-form.h) and the entries with these bodies are two tables in two units, so that rhea-shell
// links the forms alone.
#pragma once

#include "emu/base/json-type.h"
#include "emu/io/command.h"
#include "emu/io/task.h"

namespace rhea {

struct HumanOutput {
  HumanOutput() = default;
  explicit HumanOutput(std::string shown, json::Text reply = {}) : text(std::move(shown)), json(std::move(reply)) {}
  std::string text;  // what a person reads
  json::Text json;   // the same as JSON, for "-j"; empty where there is none
};

// What an entry's invoke gives, and back.
json::Text packHumanOutput(const HumanOutput& output);
Result<HumanOutput> unpackHumanOutput(const json::Text& text);

// template <> struct HumanCommand<qapi::human::DriveAdd> {
//   static Task<Result<HumanOutput>> run(CommandContext context, qapi::human::DriveAdd arguments);
// };
template <class Arguments>
struct HumanCommand;

// The `invoke` of a human command's entry: reads the arguments, runs the body, and gives {"text": .., "json": ..}, so
// that the dispatcher runs human commands as it runs all others: roles, audit log, deadlines, query-stuck.
template <class Arguments>
Task<Result<json::Text>> invokeHumanCommand(CommandContext context, json::Value arguments) {
  Result<Arguments> read = json::readJson<Arguments>(arguments);
  if (!read.ok()) co_return read.takeError();
  Result<HumanOutput> output = co_await HumanCommand<Arguments>::run(std::move(context), *std::move(read));
  if (!output.ok()) co_return output.takeError();
  co_return packHumanOutput(*output);
}

}  // namespace rhea
